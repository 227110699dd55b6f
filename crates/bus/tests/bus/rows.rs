//! Rows and blocks for the tests.

use bytes::Bytes;
use kt_model::codec::Label;
use kt_model::schema::Kind;
use kt_model::{BlockHeader, Header, IdentityClass, Mark, Nanos, Origin, Price, Row, block, stamp_position};

pub fn mark_row(writer: &str, epoch: u32, counter: u64) -> Vec<u8> {
    let now = Nanos(1_700_000_000_000_000_000 + counter as i64);
    let header = Header {
        publish_ts: now,
        counter,
        epoch,
        writer: Label(writer),
        venue: Label("test"),
        instrument: Label("BTC-USDT-SPOT"),
        channel: Label("mark"),
        event_ts: now,
        exch_ts: None,
        sent_ts: None,
        recv_ts: now,
        origin: Origin::Live,
        connection: 1,
        line: 0,
        mapping: 1,
        identity: IdentityClass::Weak,
        occurrence: 0,
    };
    let price = Price::parse(b"42000.5").expect("a price");
    let row = Mark { header, mark_price: Some(price), index_price: None, estimated_settle_price: None };
    let mut out = Vec::new();
    row.encode(&mut out);
    stamp_position(&mut out, now, counter, epoch);
    out
}

/// Block `number` with `rows` rows; counters follow from the number.
pub fn mark_block(writer: &str, epoch: u32, number: u64, rows: u32) -> (BlockHeader, Bytes) {
    let first = (number - 1) * u64::from(rows) + 1;
    let last = first + u64::from(rows) - 1;
    let payload: Vec<u8> = (first..=last).flat_map(|counter| mark_row(writer, epoch, counter)).collect();
    let header = BlockHeader {
        kind: Kind::Mark,
        schema_version: Kind::Mark.schema().version,
        venue: "test".to_owned(),
        writer: writer.to_owned(),
        epoch,
        number,
        first_counter: first,
        last_counter: last,
        rows,
        hash: block::hash(&payload),
        min_event_ts: Nanos(1_700_000_000_000_000_000 + first as i64),
        max_event_ts: Nanos(1_700_000_000_000_000_000 + last as i64),
    };
    (header, payload.into())
}
