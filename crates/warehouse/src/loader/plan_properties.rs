//! Properties of the plan under any order of blocks, repeats and landings.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use bytes::Bytes;
use kt_bus::LogPosition;
use kt_model::schema::Kind;
use kt_model::{BlockHeader, Nanos};
use proptest::prelude::*;

use super::batch::{BatchLimits, Insert, Recovered};
use super::block::{CheckedBlock, StreamKey};
use super::plan::{Admission, Planner};

#[derive(Clone, Debug)]
enum Step {
    /// The block of this number of the stream arrives.
    Arrive { stream: usize, number: u64 },
    /// Time passes.
    Wait(u64),
    /// One of the inserts that are being made lands.
    Land(usize),
    /// The log is lost: sequence numbers begin anew.
    Recreate,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0usize..3, 1u64..25).prop_map(|(stream, number)| Step::Arrive { stream, number }),
        2 => (0u64..500).prop_map(Step::Wait),
        2 => (0usize..8).prop_map(Step::Land),
        1 => Just(Step::Recreate),
    ];
    proptest::collection::vec(step, 1..250)
}

fn key(stream: usize) -> StreamKey {
    let (writer, kind) = [("a", Kind::Trade), ("a", Kind::Quote), ("b", Kind::Trade)][stream];
    StreamKey { writer: writer.to_owned(), epoch: 1, kind }
}

fn block(stream: usize, number: u64, position: LogPosition) -> CheckedBlock {
    let key = key(stream);
    let day = Nanos((number as i64 % 3) * 86_400_000_000_000);
    let counters: Vec<u64> = (number * 10..number * 10 + 1 + number % 7).collect();
    let header = BlockHeader {
        kind: key.kind,
        schema_version: 1,
        venue: "v".to_owned(),
        writer: key.writer,
        epoch: key.epoch,
        number,
        first_counter: counters[0],
        last_counter: counters[counters.len() - 1],
        rows: counters.len() as u32,
        hash: 0,
        min_event_ts: day,
        max_event_ts: day,
    };
    let payload = Bytes::from(vec![0; counters.len() * 10]);
    let (key_hashes, weight) = (counters.clone(), payload.len());
    CheckedBlock { header, payload, counters, key_hashes, newest_publish: day, position, weight }
}

/// What must be true, kept beside the planner.
#[derive(Default)]
struct Model {
    flying: Vec<Insert>,
    taken: BTreeSet<(StreamKey, u64)>,
    landed: BTreeSet<(StreamKey, u64)>,
    /// Blocks delivered from the present log, by sequence.
    delivered: BTreeMap<u64, (StreamKey, u64)>,
    ids: BTreeSet<u64>,
}

impl Model {
    fn watermark(&self, key: &StreamKey) -> u64 {
        (1..).take_while(|number| self.landed.contains(&(key.clone(), *number))).last().unwrap_or(0)
    }

    fn check_insert(&mut self, insert: &Insert, limits: &BatchLimits) {
        assert!(self.ids.insert(insert.id), "an id is used once");
        let last = insert.blocks.last().map_or(0, |block| block.counters.len());
        assert!(insert.rows() - last < limits.rows, "cut as soon as it is full");
        for block in &insert.blocks {
            assert_eq!((block.header.kind, block.day()), (insert.kind, insert.day), "one table, one partition");
            assert!(self.taken.insert((block.stream(), block.header.number)), "a block is in one insert only");
        }
    }

    fn check_position(&self, planner: &Planner, created: i64) {
        let Some(through) = planner.position().filter(|position| position.stream_created == created) else { return };
        for (_, block) in self.delivered.range(..=through.sequence) {
            assert!(self.landed.contains(block), "the position passed {block:?}");
        }
    }
}

proptest! {
    #[test]
    fn every_block_lands_in_one_insert_and_no_mark_runs_ahead(steps in steps()) {
        let limits = BatchLimits { rows: 30, bytes: 250, few_rows: 5, ..BatchLimits::default() };
        let mut planner = Planner::new(limits.clone(), Recovered { next_insert: 1, ..Recovered::default() });
        let (mut model, mut now, mut created, mut sequence) = (Model::default(), Duration::ZERO, 1, 0);
        let mut arrived: HashMap<(StreamKey, u64), u32> = HashMap::new();
        for step in steps {
            match step {
                Step::Arrive { stream, number } => {
                    sequence += 1;
                    let name = (key(stream), number);
                    let times = arrived.entry(name.clone()).or_insert(0);
                    *times += 1;
                    let expected = match (model.landed.contains(&name), *times) {
                        (true, _) => Admission::AlreadyLanded,
                        (false, 1) => Admission::Taken,
                        _ => Admission::OnItsWay,
                    };
                    let position = LogPosition { stream_created: created, sequence };
                    prop_assert_eq!(planner.offer(block(stream, number, position), now), expected);
                    model.delivered.insert(sequence, name);
                }
                Step::Wait(millis) => {
                    now += Duration::from_millis(millis);
                    for insert in planner.cut(now) {
                        model.check_insert(&insert, &limits);
                        model.flying.push(insert);
                    }
                    prop_assert!(planner.due().is_none_or(|due| due > now));
                }
                Step::Land(which) if !model.flying.is_empty() => {
                    let insert = model.flying.swap_remove(which % model.flying.len());
                    model.landed.extend(insert.blocks.iter().map(|block| (block.stream(), block.header.number)));
                    for (key, watermark) in planner.landed(insert.id) {
                        prop_assert_eq!(watermark, model.watermark(&key));
                    }
                    prop_assert!(model.flying.iter().all(|insert| insert.id >= planner.settled_below()));
                }
                Step::Land(_) => {}
                Step::Recreate => {
                    created += 1;
                    sequence = 0;
                    model.delivered.clear();
                }
            }
            model.check_position(&planner, created);
        }
        for insert in planner.cut_all() {
            model.check_insert(&insert, &limits);
            model.flying.push(insert);
        }
        for insert in std::mem::take(&mut model.flying) {
            model.landed.extend(insert.blocks.iter().map(|block| (block.stream(), block.header.number)));
            planner.landed(insert.id);
        }
        prop_assert!(planner.is_idle());
        prop_assert_eq!(&model.landed, &arrived.into_keys().collect());
        let missing = (0..3).map(|stream| {
            let landed = (1..25).filter(|number| model.landed.contains(&(key(stream), *number)));
            landed.clone().max().unwrap_or(0) - landed.count() as u64
        });
        prop_assert_eq!(planner.missing_blocks(), missing.sum::<u64>());
    }
}
