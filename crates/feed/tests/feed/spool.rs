use std::fs::OpenOptions;
use std::path::Path;

use kt_feed::FeedError;
use kt_feed::spool::{Cursor, Spool, SpoolLimits, UnspooledRange};
use kt_model::schema::Kind;
use kt_model::{BlockHeader, Nanos, block, stamp_position};
use proptest::prelude::*;

use crate::events::{START, event, kind_of};

/// A block of these counters, all of one kind.
fn make(epoch: u32, kind: Kind, number: u64, counters: &[u64]) -> (BlockHeader, Vec<u8>) {
    let mut payload = Vec::new();
    for counter in counters {
        let start = payload.len();
        event(if kind == Kind::OpenInterest { 3 } else { 1 }, START).encode(&mut payload);
        stamp_position(&mut payload[start..], Nanos(START + *counter as i64), *counter, epoch);
    }
    let header = BlockHeader {
        kind,
        schema_version: 1,
        venue: "v".to_owned(),
        writer: "w".to_owned(),
        epoch,
        number,
        first_counter: counters[0],
        last_counter: counters[counters.len() - 1],
        rows: counters.len() as u32,
        hash: block::hash(&payload),
        min_event_ts: Nanos(START),
        max_event_ts: Nanos(START),
    };
    (header, payload)
}

fn all(spool: &mut Spool) -> Vec<(BlockHeader, Vec<u8>)> {
    let mut cursor = Cursor::default();
    std::iter::from_fn(|| spool.read(&mut cursor).unwrap().map(|(header, payload)| (header, payload.to_vec())))
        .collect()
}

fn newest_file(folder: &Path) -> std::path::PathBuf {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "spool")).max().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// However the file was cut, every block that was written whole comes back, in order and unchanged,
    /// and nothing else does; and writing goes on behind it.
    #[test]
    fn whole_blocks_survive_any_torn_tail(sizes in prop::collection::vec(1usize..20, 1..12), cut in 0usize..2000, flip in any::<bool>()) {
        let folder = tempfile::tempdir().unwrap();
        let limits = SpoolLimits { bytes: 1 << 20, segment_bytes: 6 << 10 };
        let mut spool = Spool::open(folder.path(), limits).unwrap().begin(7).unwrap();
        let mut written = Vec::new();
        let mut counter = 0;
        for (index, size) in sizes.iter().enumerate() {
            let counters: Vec<u64> = (counter + 1..=counter + *size as u64).collect();
            counter += *size as u64;
            let made = make(7, Kind::Mark, index as u64 + 1, &counters);
            spool.append(&made.0, &made.1, counter).unwrap();
            written.push(made);
        }
        prop_assert_eq!(&all(&mut spool), &written);
        drop(spool);
        let path = newest_file(folder.path());
        let length = std::fs::metadata(&path).unwrap().len();
        let kept = length.saturating_sub(cut as u64);
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        file.set_len(kept).unwrap();
        if flip && kept > 40 {
            std::os::unix::fs::FileExt::write_at(&file, &[0xff; 3], kept - 3).unwrap();
        }
        let opened = Spool::open(folder.path(), limits).unwrap();
        prop_assert_eq!(opened.recovered().epoch, 7);
        prop_assert!(!opened.recovered().stopped_in_order);
        let mut spool = opened.begin(8).unwrap();
        let mut survived = all(&mut spool);
        let whole = survived.len();
        prop_assert_eq!(&survived[..], &written[..whole]);
        if cut == 0 && !flip {
            prop_assert_eq!(whole, written.len());
        }
        let next = make(8, Kind::Mark, 1, &[1, 2]);
        spool.append(&next.0, &next.1, 2).unwrap();
        survived.push(next);
        prop_assert_eq!(all(&mut spool), survived);
    }
}

#[test]
fn segments_go_only_when_the_watermark_covers_every_kind_in_them() {
    let folder = tempfile::tempdir().unwrap();
    let limits = SpoolLimits { bytes: 20 << 10, segment_bytes: 2 << 10 };
    let mut spool = Spool::open(folder.path(), limits).unwrap().begin(1).unwrap();
    let (mut marks, mut interests) = (0, 0);
    for counter in (1..=300).step_by(3) {
        let kind = kind_of(counter);
        let number = if kind == Kind::Mark { &mut marks } else { &mut interests };
        *number += 1;
        let (header, payload) = make(1, kind, *number, &[counter, counter + 1, counter + 2]);
        spool.append(&header, &payload, counter + 2).unwrap();
    }
    assert!(spool.is_full(), "100 blocks of 3 rows exceed 20 KB");
    assert_eq!(marks, 100, "steps of three always give the same kind");
    let before = spool.bytes();
    let (header, payload) = make(1, Kind::OpenInterest, 1, &[301]);
    spool.append(&header, &payload, 301).unwrap();
    spool.landed(1, Kind::Mark, 50).unwrap();
    assert!(spool.bytes() < before && spool.bytes() > before / 3);
    assert_eq!(all(&mut spool).len(), 51, "blocks 51 to 100 and the one of the other kind");
    spool.landed(1, Kind::Mark, 100).unwrap();
    assert!(!spool.is_full());
    let left = all(&mut spool);
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].0, header);
    // The same watermark again, and an older one, change nothing.
    spool.landed(1, Kind::Mark, 3).unwrap();
    assert_eq!(spool.landed_block(1, Kind::Mark), 100);
    drop(spool);
    assert!(matches!(Spool::open(folder.path(), limits).unwrap().recovered().epoch, 1));
}

#[test]
fn two_processes_cannot_write_one_spool_and_holes_of_a_crash_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let limits = SpoolLimits::default();
    let mut spool = Spool::open(folder.path(), limits).unwrap().begin(5).unwrap();
    assert!(matches!(Spool::open(folder.path(), limits), Err(FeedError::SpoolInUse { .. })));
    // Counters 1 to 12 were given; the builder of the other kind held 4, 5 and 9 when the writer was killed.
    for (number, counters) in [(1u64, &[1u64, 2, 3][..]), (2, &[6, 7, 8]), (3, &[10, 11, 12])] {
        let (header, payload) = make(5, Kind::Mark, number, counters);
        spool.append(&header, &payload, 12).unwrap();
    }
    drop(spool);
    let opened = Spool::open(folder.path(), limits).unwrap();
    let recovered = opened.recovered();
    assert_eq!(recovered.unspooled, [UnspooledRange { first: 4, last: 5 }, UnspooledRange { first: 9, last: 9 }]);
    assert_eq!((recovered.epoch, recovered.last_counter, recovered.torn_bytes), (5, 12, 0));
    assert_eq!(recovered.last_publish, Some(Nanos(START + 12)));
}
