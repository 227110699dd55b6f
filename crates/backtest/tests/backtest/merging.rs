//! The order of a warehouse replay is that of receipt, whatever the exchanges' clocks say.

use kt_backtest::history::{KindRows, WindowRows, merge};
use kt_model::Kind;
use proptest::prelude::*;

use crate::rows::Seed;

fn seeds() -> impl Strategy<Value = Vec<Seed>> {
    let seed = (0..40_i64, 0..3_usize, 1..3_u32, any::<bool>()).prop_map(|(recv_ts, writer, epoch, is_quote)| Seed {
        recv_ts,
        writer: ["a", "b", "bb"][writer],
        epoch,
        counter: 0,
        is_quote,
    });
    proptest::collection::vec(seed, 0..200).prop_map(|mut seeds| {
        for (counter, seed) in (1..).zip(&mut seeds) {
            seed.counter = counter;
        }
        seeds
    })
}

fn window(seeds: &[Seed]) -> WindowRows {
    let of = |kind: Kind| {
        let mut own: Vec<&Seed> = seeds.iter().filter(|seed| seed.event().kind() == kind).collect();
        own.sort_by_key(|seed| seed.key());
        let mut bytes = Vec::new();
        for seed in own {
            bytes.extend_from_slice(&seed.recv_ts.to_le_bytes());
            seed.event().encode(&mut bytes);
        }
        KindRows { kind, bytes }
    };
    WindowRows { kinds: vec![of(Kind::Trade), of(Kind::Quote)] }
}

proptest! {
    #[test]
    fn rows_come_in_the_order_of_receipt(seeds in seeds()) {
        let mut merged = Vec::new();
        let count = merge(&window(&seeds), |event, row| {
            let mut encoded = Vec::new();
            event.encode(&mut encoded);
            assert_eq!(encoded, row, "the bytes handed on are the event's");
            let header = event.header();
            merged.push((header.recv_ts.0, header.writer.0.to_owned(), header.epoch, header.counter));
            Ok(())
        });
        let mut expected: Vec<_> =
            seeds.iter().map(Seed::key).map(|(at, writer, epoch, counter)| (at, writer.to_owned(), epoch, counter)).collect();
        expected.sort();
        prop_assert_eq!(count.unwrap(), expected.len() as u64);
        prop_assert_eq!(merged, expected);
    }
}

#[test]
fn a_row_that_is_cut_short_is_an_error() {
    let seed = Seed { recv_ts: 1, writer: "a", epoch: 1, counter: 1, is_quote: true };
    let mut rows = window(&[seed]);
    rows.kinds[1].bytes.pop();
    let error = merge(&rows, |_, _| Ok(())).unwrap_err();
    assert!(error.to_string().contains("quote"), "{error}");
}
