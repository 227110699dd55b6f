//! The migrator against a target in memory that behaves as a database without transactions.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use kt_migrate::{Error, Migration, MigrationSet, Migrator, Options, Row, State, Target, TargetError};
use proptest::prelude::*;

/// Executes nothing; a script whose text is `fail` fails.
#[derive(Default)]
struct Memory {
    rows: Vec<Row>,
    executed: Vec<String>,
    locked: bool,
}

#[async_trait]
impl Target for Memory {
    fn name(&self) -> &str {
        "memory"
    }
    fn transactional(&self) -> bool {
        false
    }
    async fn lock(&mut self) -> Result<(), TargetError> {
        assert!(!self.locked);
        self.locked = true;
        Ok(())
    }
    async fn unlock(&mut self) -> Result<(), TargetError> {
        self.locked = false;
        Ok(())
    }
    async fn create_history(&mut self) -> Result<(), TargetError> {
        Ok(())
    }
    async fn history(&mut self) -> Result<Vec<Row>, TargetError> {
        Ok(self.rows.clone())
    }
    async fn apply(&mut self, migration: &Migration, installed_rank: i32) -> Result<(), TargetError> {
        assert!(self.locked, "applies only under the lock");
        let success = migration.sql != "fail";
        self.executed.push(migration.script.clone());
        self.rows.push(Row {
            installed_rank,
            version: migration.version.as_ref().map(ToString::to_string),
            description: migration.description.clone(),
            kind: "SQL".into(),
            script: migration.script.clone(),
            checksum: Some(migration.checksum),
            installed_on: "now".into(),
            success,
        });
        if success { Ok(()) } else { Err("syntax error".into()) }
    }
    async fn forget_failed(&mut self) -> Result<u64, TargetError> {
        let before = self.rows.len();
        self.rows.retain(|row| row.success);
        Ok((before - self.rows.len()) as u64)
    }
}

fn set(files: &[(&str, &str)]) -> MigrationSet {
    MigrationSet::from_files(files.iter().map(|(name, text)| (*name, text.as_bytes())), &BTreeMap::new())
        .expect("valid names")
}

/// The test target never waits, so a future is ready at its first poll.
fn now<T>(future: impl Future<Output = T>) -> T {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).poll(&mut context) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("the memory target never waits"),
    }
}

fn apply(target: &mut Memory, files: &[(&str, &str)]) -> Result<Vec<String>, Error> {
    let set = set(files);
    now(Migrator::new(target, &set, Options::default()).apply()).map(|outcome| outcome.applied)
}

#[test]
fn applies_once_in_order_and_repeats_what_changed() {
    let mut target = Memory::default();
    let first = [("V2__b.sql", "b"), ("R__views.sql", "one"), ("V1__a.sql", "a")];
    assert_eq!(apply(&mut target, &first).expect("applies"), ["V1__a.sql", "V2__b.sql", "R__views.sql"]);
    assert!(apply(&mut target, &first).expect("nothing to do").is_empty());
    let second = [("V2__b.sql", "b"), ("R__views.sql", "two"), ("V1__a.sql", "a"), ("V10__c.sql", "c")];
    assert_eq!(apply(&mut target, &second).expect("applies"), ["V10__c.sql", "R__views.sql"]);
    assert!(apply(&mut target, &second).expect("nothing to do").is_empty());
    let ranks: Vec<_> = target.rows.iter().map(|row| row.installed_rank).collect();
    assert_eq!(ranks, [1, 2, 3, 4, 5]);
}

#[test]
fn names_every_disagreement_and_changes_nothing() {
    let mut target = Memory::default();
    apply(&mut target, &[("V1__a.sql", "a"), ("V2__b.sql", "b"), ("V4__d.sql", "d"), ("V5__e.sql", "e")])
        .expect("applies");
    let executed = target.executed.len();
    let changed = [("V1__a.sql", "edited"), ("V2__other.sql", "b"), ("V3__late.sql", "c"), ("V5__e.sql", "e")];
    let error = apply(&mut target, &changed).expect_err("must refuse").to_string();
    for part in [
        "V1__a.sql was edited",
        "V2__other.sql is recorded",
        "V3__late.sql is not applied",
        "V4__d.sql was applied but",
    ] {
        assert!(error.contains(part), "{part:?} not in {error}");
    }
    assert_eq!(target.executed.len(), executed);
    assert!(!target.locked, "the lock is given back after a refusal");
}

#[test]
fn failed_script_blocks_until_repaired() {
    let mut target = Memory::default();
    let error = apply(&mut target, &[("V1__a.sql", "fail"), ("V2__b.sql", "b")]).expect_err("fails").to_string();
    assert!(error.contains("V1__a.sql") && error.contains("syntax error") && error.contains("repair"), "{error}");
    let mended = [("V1__a.sql", "a"), ("V2__b.sql", "b")];
    let error = apply(&mut target, &mended).expect_err("still blocked").to_string();
    assert!(error.contains("failed at an earlier run"), "{error}");
    let files = set(&mended);
    assert_eq!(now(Migrator::new(&mut target, &files, Options::default()).repair()).expect("repairs"), 1);
    assert_eq!(apply(&mut target, &mended).expect("applies"), ["V1__a.sql", "V2__b.sql"]);
}

#[test]
fn accepts_newer_history_and_a_baseline() {
    let mut target = Memory::default();
    apply(&mut target, &[("V1__a.sql", "a"), ("V9__z.sql", "z")]).expect("applies");
    let older = set(&[("V1__a.sql", "a")]);
    let entries = now(Migrator::new(&mut target, &older, Options::default()).info()).expect("reads");
    assert_eq!(entries.iter().map(|e| e.state).collect::<Vec<_>>(), [State::Applied, State::Future]);
    now(Migrator::new(&mut target, &older, Options::default()).validate()).expect("future rows are fine");

    let mut target = Memory::default();
    target.rows.push(Row {
        installed_rank: 1,
        version: Some("5".into()),
        description: "<< Flyway Baseline >>".into(),
        kind: "BASELINE".into(),
        script: "<< Flyway Baseline >>".into(),
        checksum: None,
        installed_on: "then".into(),
        success: true,
    });
    assert_eq!(apply(&mut target, &[("V5__old.sql", ""), ("V6__new.sql", "")]).expect("applies"), ["V6__new.sql"]);
}

proptest! {
    /// However the files arrive over several releases, each version runs once, in order.
    #[test]
    fn every_version_runs_exactly_once(releases in prop::collection::vec(prop::collection::btree_set(0u32..40, 0..6), 1..6)) {
        let mut target = Memory::default();
        let mut known = BTreeSet::new();
        for release in releases {
            let newest = known.last().copied();
            known.extend(release.into_iter().filter(|version| newest.is_none_or(|newest| *version > newest)));
            let names: Vec<_> = known.iter().map(|version| format!("V{version}__m.sql")).collect();
            let files: Vec<_> = names.iter().map(|name| (name.as_str(), "x")).collect();
            apply(&mut target, &files).expect("applies");
        }
        let expected: Vec<_> = known.iter().map(|version| format!("V{version}__m.sql")).collect();
        prop_assert_eq!(target.executed, expected);
    }
}
