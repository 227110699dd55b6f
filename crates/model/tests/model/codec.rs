use kt_model::block::{BlockError, hash};
use kt_model::*;
use proptest::prelude::*;

/// Owned parts from which rows of several kinds are borrowed.
#[derive(Debug, Clone)]
struct Parts {
    texts: Vec<String>,
    numbers: Vec<i64>,
    wide: i128,
    nanos: i64,
    optional: Option<u64>,
}

fn parts() -> impl Strategy<Value = Parts> {
    (
        proptest::collection::vec(".{0,20}", 6),
        proptest::collection::vec(any::<i64>(), 0..200),
        any::<i128>(),
        // Within the years that DateTime64(9) can hold.
        0i64..9_000_000_000_000_000_000,
        any::<Option<u64>>(),
    )
        .prop_map(|(texts, numbers, wide, nanos, optional)| Parts { texts, numbers, wide, nanos, optional })
}

fn header(parts: &Parts, counter: u64) -> Header<'_> {
    Header {
        publish_ts: Nanos(0),
        counter,
        epoch: 7,
        writer: Label(&parts.texts[0]),
        venue: Label(&parts.texts[1]),
        instrument: Label(&parts.texts[2]),
        channel: Label(&parts.texts[3]),
        event_ts: Nanos(parts.nanos),
        exch_ts: parts.optional.map(|_| Nanos(parts.nanos)),
        sent_ts: None,
        recv_ts: Nanos(parts.nanos),
        origin: Origin::Live,
        connection: 1,
        line: 0,
        mapping: 9,
        identity: IdentityClass::Weak,
        occurrence: 3,
    }
}

fn rows<'a>(parts: &'a Parts, escaped: &'a [&'a str]) -> [Event<'a>; 4] {
    let header = header(parts, 1);
    let value = Decimal(parts.wide);
    [
        Event::Trade(Trade {
            header,
            trade_id: &parts.texts[4],
            first_trade_id: parts.optional,
            trade_count: 2,
            side: Side::Sell,
            price: value,
            quantity: value,
            quantity_unit: QuantityUnit::Contract,
            flags: 5,
        }),
        Event::Quote(Quote {
            header,
            sequence: 5,
            bid_price: Some(value),
            bid_quantity: None,
            ask_price: parts.optional.map(|_| value),
            ask_quantity: Some(value),
            quantity_unit: QuantityUnit::Base,
        }),
        Event::Book(Book {
            header,
            action: BookAction::Delta,
            book_epoch: 2,
            first_sequence: parts.optional,
            last_sequence: 11,
            previous_sequence: None,
            depth_limit: Some(400),
            quantity_unit: QuantityUnit::Base,
            price_exponent: -2,
            quantity_exponent: -8,
            bid_prices: Integers::Slice(&parts.numbers),
            bid_quantities: Integers::Slice(&parts.numbers),
            ask_prices: Integers::default(),
            ask_quantities: Integers::default(),
            escaped: Texts::Slice(escaped),
        }),
        Event::Funding(Funding {
            header,
            rate: Some(Decimal(parts.wide)),
            absolute_rate: None,
            stage: FundingStage::Predicted,
            settles_at: Some(Nanos(parts.nanos)),
            interval_seconds: None,
            interval_source: IntervalSource::Unknown,
            mark_price: None,
        }),
    ]
}

proptest! {
    /// What is written is read back, to the last bit, and the position can be stamped in place.
    #[test]
    fn rows_round_trip(parts in parts()) {
        let escaped: Vec<&str> = parts.texts.iter().map(String::as_str).collect();
        for event in rows(&parts, &escaped) {
            let mut bytes = Vec::new();
            event.encode(&mut bytes);
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(Event::decode(event.kind(), &mut reader), Ok(event));
            prop_assert!(reader.is_empty());

            stamp_position(&mut bytes, Nanos(42), 99, 12);
            let stamped = Event::decode(event.kind(), &mut Reader::new(&bytes)).expect("still a row");
            let header = stamped.header();
            prop_assert_eq!((header.publish_ts, header.counter, header.epoch), (Nanos(42), 99, 12));
            prop_assert_eq!(header.recv_ts, event.header().recv_ts);
        }
    }

    /// Bytes from elsewhere give an error or a row, never a panic.
    #[test]
    fn foreign_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..400), kind in 0..Kind::COUNT) {
        let kind = Kind::ALL[kind];
        if let Ok(event) = Event::decode(kind, &mut Reader::new(&bytes)) {
            let mut again = Vec::new();
            event.encode(&mut again);
            prop_assert_eq!(Event::decode(kind, &mut Reader::new(&again)), Ok(event));
        }
    }

    /// A damaged block is never taken for a good one.
    #[test]
    fn a_flipped_bit_is_found(parts in parts(), position: prop::sample::Index, bit in 0u8..8) {
        let mut payload = Vec::new();
        for counter in [3u64, 4, 9] {
            let mut event = rows(&parts, &[])[0];
            event.header_mut().counter = counter;
            event.encode(&mut payload);
        }
        let block = BlockHeader {
            kind: Kind::Trade, schema_version: 1, venue: "v".into(), writer: "w".into(), epoch: 7, number: 1,
            first_counter: 3, last_counter: 9, rows: 3, hash: hash(&payload),
            min_event_ts: Nanos(parts.nanos), max_event_ts: Nanos(parts.nanos),
        };
        let lines = block.to_lines();
        let read = BlockHeader::from_lines(|name| {
            lines.iter().find(|(line, _)| *line == name).map(|(_, value)| value.as_str())
        });
        prop_assert_eq!(read.as_ref(), Ok(&block));
        prop_assert_eq!(block.verify_hash(&payload), Ok(()));
        prop_assert_eq!(block.verify_rows(&payload, |_| ()), Ok(()));
        let wrong_count = BlockHeader { rows: 2, ..block.clone() };
        prop_assert!(wrong_count.verify_rows(&payload, |_| ()).is_err());
        let wrong_first = BlockHeader { first_counter: 2, ..block.clone() };
        prop_assert!(wrong_first.verify_rows(&payload, |_| ()).is_err());

        let at = position.index(payload.len());
        payload[at] ^= 1 << bit;
        let damaged = matches!(block.verify_hash(&payload), Err(BlockError::Hash { .. }));
        prop_assert!(damaged);
    }
}
