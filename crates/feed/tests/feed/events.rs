//! Events and a clock for the tests.

use kt_model::codec::Label;
use kt_model::schema::Kind;
use kt_model::{Event, Header, IdentityClass, Mark, Nanos, OpenInterest, Origin, Price, QuantityUnit};

pub const START: i64 = 1_700_000_000_000_000_000;

pub fn header(instrument: &str, event_ts: i64) -> Header<'_> {
    Header {
        publish_ts: Nanos(0),
        counter: 0,
        epoch: 0,
        writer: Label(""),
        venue: Label(""),
        instrument: Label(instrument),
        channel: Label("test"),
        event_ts: Nanos(event_ts),
        exch_ts: None,
        sent_ts: None,
        recv_ts: Nanos(event_ts),
        origin: Origin::Live,
        connection: 1,
        line: 0,
        mapping: 1,
        identity: IdentityClass::Weak,
        occurrence: 0,
    }
}

/// An event of one of two kinds, so that counters interleave over subjects.
pub fn event(number: u64, event_ts: i64) -> Event<'static> {
    let header = header("BTC-USDT-USDT-PERP", event_ts);
    if number.is_multiple_of(3) {
        let quantity_unit = QuantityUnit::Contract;
        let open = OpenInterest { header, quantity: None, quantity_unit, value: None, value_currency: Label("") };
        return Event::OpenInterest(open);
    }
    let mark_price = Some(Price::parse(b"42000.5").expect("a price"));
    Event::Mark(Mark { header, mark_price, index_price: None, estimated_settle_price: None })
}

pub fn kind_of(number: u64) -> Kind {
    if number.is_multiple_of(3) { Kind::OpenInterest } else { Kind::Mark }
}
