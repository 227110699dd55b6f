//! The journal's files: what was flushed comes back in order, whatever a kill tears off behind it.

use std::path::Path;

use kt_journal::{Journal, Limits, Ordered, replay, snapshots};
use kt_model::codec::Label;
use kt_model::*;
use kt_signals::Input;
use proptest::prelude::*;

const NOW: Nanos = Nanos(1_700_000_000_000_000_000);

#[derive(Clone, Debug)]
enum Step {
    /// Events of one of three writers.
    Events(u8, u8),
    Tick(u32),
    Dropped(u8),
    Configuration(String),
    KillSwitch(bool),
    Report(Vec<u8>),
    Flush,
    Order,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0u8..3, 1u8..20).prop_map(|(writer, count)| Step::Events(writer, count)),
        2 => any::<u32>().prop_map(Step::Tick),
        1 => (0u8..3).prop_map(Step::Dropped),
        1 => ".{0,40}".prop_map(Step::Configuration),
        1 => any::<bool>().prop_map(Step::KillSwitch),
        1 => prop::collection::vec(any::<u8>(), 0..40).prop_map(Step::Report),
        4 => Just(Step::Flush),
        1 => Just(Step::Order),
    ]
}

fn event<'a>(writer: &'a str, counter: u64) -> Event<'a> {
    Event::Mark(Mark {
        header: Header {
            publish_ts: NOW,
            counter,
            epoch: 3,
            writer: Label(writer),
            venue: Label("venue"),
            instrument: Label("A-B-SPOT"),
            channel: Label("c"),
            event_ts: NOW,
            exch_ts: None,
            sent_ts: None,
            recv_ts: NOW,
            origin: Origin::Live,
            connection: 1,
            line: 0,
            mapping: 1,
            identity: IdentityClass::Id,
            occurrence: 0,
        },
        mark_price: Some(Decimal(i128::from(counter))),
        index_price: None,
        estimated_settle_price: None,
    })
}

/// Appends the steps; answers each input as text, and how many were flushed.
fn write(journal: &mut Journal, steps: &[Step], counters: &mut [u64; 3]) -> (Vec<String>, usize) {
    const WRITERS: [&str; 3] = ["feed-a", "feed-b", "feed-c"];
    let (mut said, mut flushed) = (Vec::new(), 0);
    let mut take = |journal: &mut Journal, input: &Input<'_>| {
        assert_eq!(journal.append(input), journal.next_number() - 1);
        said.push(format!("{input:?}"));
        said.len()
    };
    let mut taken = 0;
    for step in steps {
        match step {
            Step::Events(writer, count) => {
                for _ in 0..*count {
                    let counter = &mut counters[usize::from(*writer)];
                    *counter += 1;
                    taken = take(journal, &Input::event(&event(WRITERS[usize::from(*writer)], *counter)));
                }
            }
            Step::Tick(offset) => taken = take(journal, &Input::Tick(Nanos(NOW.0 + i64::from(*offset)))),
            Step::Dropped(writer) => {
                let counter = &mut counters[usize::from(*writer)];
                let (from, to) = (*counter + 1, *counter + 5);
                *counter += 5;
                taken = take(journal, &Input::Dropped { writer: WRITERS[usize::from(*writer)], epoch: 3, from, to });
            }
            Step::Configuration(text) => {
                taken = take(journal, &Input::Configuration { at: NOW, hash: 7, text });
            }
            Step::KillSwitch(on) => taken = take(journal, &Input::KillSwitch { at: NOW, on: *on }),
            Step::Report(payload) => taken = take(journal, &Input::Report { at: NOW, payload }),
            Step::Flush => {
                journal.flush().expect("flush");
                flushed = taken;
            }
            Step::Order => {
                journal.flush().expect("flush");
                flushed = taken;
                journal.write_order().expect("order");
            }
        }
    }
    (said, flushed)
}

fn read(folder: &Path, from: u64) -> Vec<String> {
    let mut said = Vec::new();
    replay::replay(folder, from, |number, input| {
        assert_eq!(number, from + said.len() as u64);
        said.push(format!("{input:?}"));
    })
    .expect("a journal");
    said
}

/// The order against the inputs: the same events by position, the same of everything else.
fn order_agrees(folder: &Path) {
    let mut expected = Vec::new();
    replay::replay(folder, 1, |_, input| {
        expected.push(match input {
            Input::Event { position, .. } => format!("{} {} {}", position.writer, position.epoch, position.counter),
            other => format!("{other:?}"),
        });
    })
    .expect("a journal");
    let mut found = Vec::new();
    replay::read_order(folder, |number, entry| {
        assert_eq!(number, found.len() as u64 + 1);
        match entry {
            Ordered::Run { writer, epoch, from, to } => {
                found.extend((from..=to).map(|counter| format!("{writer} {epoch} {counter}")));
            }
            Ordered::Input(input) => found.push(format!("{input:?}")),
        }
    })
    .expect("an order");
    assert_eq!(found, expected);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn what_was_flushed_survives_and_a_torn_end_does_not(
        first in prop::collection::vec(step(), 1..60),
        second in prop::collection::vec(step(), 1..30),
        tear in 0usize..200,
        file_bytes in prop::sample::select(vec![300u64, 2_000, 1 << 20]),
    ) {
        let folder = tempfile::tempdir().expect("a folder");
        let limits = Limits { file_bytes, ..Limits::default() };
        let mut counters = [0; 3];
        let mut journal = Journal::open(folder.path(), limits, NOW).expect("a journal");
        let epoch = journal.folder().to_owned();
        let (mut said, flushed) = write(&mut journal, &first, &mut counters);
        prop_assert!(matches!(Journal::open(folder.path(), limits, NOW), Err(kt_journal::JournalError::InUse(_))));
        drop(journal); // killed: what was not flushed is gone
        said.truncate(flushed);
        prop_assert_eq!(&read(&epoch, 1), &said);

        let newest = newest_tape(&epoch);
        if let Some(path) = newest {
            let length = std::fs::metadata(&path).expect("a file").len();
            let file = std::fs::File::options().write(true).open(&path).expect("a file");
            file.set_len(length - (tear as u64).min(length)).expect("torn");
        }
        let mut journal = Journal::open(folder.path(), limits, NOW).expect("a journal");
        prop_assert_eq!(journal.folder(), epoch.as_path());
        let left = read(&epoch, 1);
        prop_assert!(said.starts_with(&left), "a prefix is left");
        // The order may be ahead of a torn tape: then what it stands for is gone for replay.
        if journal.next_number() == left.len() as u64 + 1 {
            order_agrees(&epoch);
            let (more, _) = write(&mut journal, &second, &mut counters);
            journal.flush().expect("flush");
            journal.write_order().expect("order");
            prop_assert_eq!(read(&epoch, 1), [left.clone(), more].concat());
            order_agrees(&epoch);
            prop_assert_eq!(read(&epoch, left.len() as u64 + 1), read(&epoch, 1)[left.len()..].to_vec());
        }
    }
}

fn newest_tape(folder: &Path) -> Option<std::path::PathBuf> {
    let names = std::fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path());
    names.filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("tape-"))).max()
}

#[test]
fn the_tape_is_thinned_but_never_what_a_kept_snapshot_needs() {
    let folder = tempfile::tempdir().expect("a folder");
    let limits = Limits { tape_bytes: 4_000, file_bytes: 1_000, snapshots: 2 };
    let mut journal = Journal::open(folder.path(), limits, NOW).expect("a journal");
    for counter in 1..=400 {
        journal.append(&Input::event(&event("feed-a", counter)));
        journal.flush().expect("flush");
        if counter % 100 == 0 {
            journal.snapshot(counter, format!("state {counter}").as_bytes()).expect("a snapshot");
        }
    }
    let kept = snapshots(journal.folder()).expect("snapshots");
    assert_eq!(kept, [(400, b"state 400".to_vec()), (300, b"state 300".to_vec())]);
    let extent = journal.extent().expect("an extent");
    assert!(extent.first > 1 && extent.first <= 301 && extent.last == 400, "{extent:?}");
    assert_eq!(read(journal.folder(), 301).len(), 100);
    let gone = replay::replay(journal.folder(), 1, |_, _| {}).expect_err("gone");
    assert!(matches!(gone, kt_journal::JournalError::Gone { wanted: 1, .. }), "{gone}");
    // A damaged snapshot is passed over for the older one.
    std::fs::write(journal.folder().join("snapshot-00000000000000000400"), b"KTSNAP01 rubbish").expect("write");
    assert_eq!(snapshots(journal.folder()).expect("snapshots").len(), 1);
}
