//! Shows, checks and applies migrations on a target.

use async_trait::async_trait;

use crate::plan::{Plan, plan};
use crate::{Entry, Error, Migration, MigrationSet, Row, TargetError};

/// A database that keeps a Flyway history table.
#[async_trait]
pub trait Target: Send {
    /// The target's name in messages, for example `postgres`.
    fn name(&self) -> &str;

    /// Whether a failed script leaves nothing behind.
    fn transactional(&self) -> bool;

    /// Waits for the right to migrate, where the database has locks.
    async fn lock(&mut self) -> Result<(), TargetError>;

    /// Gives the right back.
    async fn unlock(&mut self) -> Result<(), TargetError>;

    /// Creates the history table if it is missing.
    async fn create_history(&mut self) -> Result<(), TargetError>;

    /// The history sorted by rank; empty if the table does not exist.
    async fn history(&mut self) -> Result<Vec<Row>, TargetError>;

    /// Runs the script and records it under the rank. When the script fails, a transactional
    /// target leaves no row, any other records a row with `success = false`.
    async fn apply(&mut self, migration: &Migration, installed_rank: i32) -> Result<(), TargetError>;

    /// Deletes the rows of failed runs; returns how many there were.
    async fn forget_failed(&mut self) -> Result<u64, TargetError>;
}

/// How to treat unusual histories.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Apply scripts whose version is below an applied one.
    pub out_of_order: bool,
}

/// What `apply` did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The scripts applied now, in order.
    pub applied: Vec<String>,
    /// How many were applied before.
    pub already: usize,
}

/// Runs migrations of one set on one target.
pub struct Migrator<'a> {
    target: &'a mut dyn Target,
    set: &'a MigrationSet,
    options: Options,
}

impl<'a> Migrator<'a> {
    /// Prepares a run; touches nothing yet.
    pub fn new(target: &'a mut dyn Target, set: &'a MigrationSet, options: Options) -> Self {
        Self { target, set, options }
    }

    /// Every script and where it stands.
    ///
    /// # Errors
    /// The database's, if its history cannot be read.
    pub async fn info(&mut self) -> Result<Vec<Entry>, Error> {
        Ok(self.plan().await?.0.entries)
    }

    /// Checks the history against the files without changing anything.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every disagreement, or the database's error.
    pub async fn validate(&mut self) -> Result<(), Error> {
        let (plan, _) = self.plan().await?;
        self.refuse_problems(&plan)
    }

    /// Applies what is pending, after validating, under the target's lock.
    ///
    /// # Errors
    /// [`Error::Invalid`] before anything was changed, [`Error::Apply`] for a script that failed,
    /// or the database's error.
    pub async fn apply(&mut self) -> Result<Outcome, Error> {
        let locked = self.target.lock().await;
        self.done("taking the migration lock", locked)?;
        let outcome = self.apply_locked().await;
        let unlocked = self.target.unlock().await;
        let outcome = outcome?;
        self.done("giving the migration lock back", unlocked)?;
        Ok(outcome)
    }

    /// Forgets failed runs, so that their scripts can be applied again.
    ///
    /// # Errors
    /// The database's.
    pub async fn repair(&mut self) -> Result<u64, Error> {
        let forgotten = self.target.forget_failed().await;
        self.done("deleting failed rows of the history", forgotten)
    }

    async fn apply_locked(&mut self) -> Result<Outcome, Error> {
        let created = self.target.create_history().await;
        self.done("creating the history table", created)?;
        let (plan, last_rank) = self.plan().await?;
        self.refuse_problems(&plan)?;
        let mut outcome = Outcome { applied: Vec::new(), already: plan.entries.len() - plan.to_apply.len() };
        for (migration, rank) in plan.to_apply.into_iter().zip(last_rank + 1..) {
            tracing::info!(target = self.target.name(), script = migration.script, "applying migration");
            self.target.apply(migration, rank).await.map_err(|source| Error::Apply {
                target: self.target.name().to_owned(),
                script: migration.script.clone(),
                source,
                hint: self.hint_after_failure(),
            })?;
            outcome.applied.push(migration.script.clone());
        }
        Ok(outcome)
    }

    fn hint_after_failure(&self) -> String {
        if self.target.transactional() {
            "nothing of it was kept: mend the script and run `kt migrate apply` again".into()
        } else {
            "statements before the failing one took effect: undo them, mend the script, then run \
             `kt migrate repair` and `kt migrate apply`"
                .into()
        }
    }

    async fn plan(&mut self) -> Result<(Plan<'a>, i32), Error> {
        let history = self.target.history().await;
        let rows = self.done("reading the history", history)?;
        let last_rank = rows.iter().map(|row| row.installed_rank).max().unwrap_or(0);
        Ok((plan(self.set, &rows, self.options.out_of_order), last_rank))
    }

    fn refuse_problems(&self, plan: &Plan<'_>) -> Result<(), Error> {
        if plan.problems.is_empty() {
            return Ok(());
        }
        Err(Error::Invalid { target: self.target.name().to_owned(), problems: plan.problems.clone() })
    }

    fn done<T>(&self, doing: &'static str, result: Result<T, TargetError>) -> Result<T, Error> {
        result.map_err(|source| Error::Target { target: self.target.name().to_owned(), doing, source })
    }
}
