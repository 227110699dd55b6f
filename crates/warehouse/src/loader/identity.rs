//! What makes two rows the same event, as text that Rust and ClickHouse build alike.
//!
//! The sorting keys of `landing` hold each event's identity, and ClickHouse keeps one row of each. A
//! counter that is missing in `landing` is therefore either lost, or its row gave way to an equal
//! event. The loader writes the hash of every row's identity beside its intent; the audit looks the
//! missing ones up by the same hash, computed by ClickHouse from the columns of the rows that are there.
//!
//! The parts follow the sorting keys in `sql/clickhouse/V2__landing.sql`; a test with the real
//! engine compares both.

use std::fmt::{Display, Write};

use kt_model::schema::Kind;
use kt_model::{Event, Header, IdentityClass};

/// Between two parts of an identity; appears in no name, number or id.
const SEPARATOR: char = '\u{1f}';

/// Identities are built in one buffer that is used again.
#[derive(Debug, Default)]
pub struct IdentityHasher {
    text: String,
}

impl IdentityHasher {
    /// Hash (xxh3-64) of the event's identity within its kind.
    pub fn hash(&mut self, event: &Event<'_>) -> u64 {
        self.text.clear();
        write_identity(event, &mut Parts { text: &mut self.text });
        xxhash_rust::xxh3::xxh3_64(self.text.as_bytes())
    }
}

struct Parts<'t> {
    text: &'t mut String,
}

impl Parts<'_> {
    fn text(&mut self, value: &str) -> &mut Self {
        self.text.push_str(value);
        self.text.push(SEPARATOR);
        self
    }

    fn integer(&mut self, value: impl itoa::Integer) -> &mut Self {
        self.text.push_str(itoa::Buffer::new().format(value));
        self.text.push(SEPARATOR);
        self
    }

    fn display(&mut self, value: impl Display) -> &mut Self {
        // Writing to a String cannot fail.
        let _ = write!(self.text, "{value}{SEPARATOR}");
        self
    }

    fn optional(&mut self, value: Option<impl Display>) -> &mut Self {
        match value {
            Some(value) => self.display(value),
            None => self.text(""),
        }
    }

    fn header(&mut self, header: &Header<'_>) -> &mut Self {
        self.text(&header.venue).text(&header.instrument).integer(header.event_ts.0)
    }

    fn position(&mut self, header: &Header<'_>) -> &mut Self {
        self.text(&header.writer).integer(header.epoch)
    }

    /// What tells weak rows apart: their content and their occurrence.
    fn weak(&mut self, header: &Header<'_>, content: impl FnOnce(&mut Self)) {
        if header.identity == IdentityClass::Weak {
            content(self);
        }
        self.integer(header.occurrence);
    }
}

fn write_identity(event: &Event<'_>, parts: &mut Parts<'_>) {
    let header = event.header();
    parts.header(header);
    match event {
        Event::Trade(row) => parts.text(row.trade_id).weak(header, |parts| {
            parts.text(row.side.as_str()).display(row.price).display(row.quantity);
        }),
        Event::Quote(row) => parts.integer(row.sequence).weak(header, |parts| {
            parts.optional(row.bid_price).optional(row.bid_quantity);
            parts.optional(row.ask_price).optional(row.ask_quantity);
        }),
        Event::Book(row) => {
            parts.position(header).integer(row.book_epoch).text(&header.channel);
            parts.integer(row.last_sequence).text(row.action.as_str()).integer(header.occurrence);
        }
        Event::Candle(row) => {
            parts.integer(row.interval_seconds).integer(row.open_ts.0).integer(u8::from(row.closed));
            parts.weak(header, |parts| {
                parts.display(row.open).display(row.high).display(row.low).display(row.close).display(row.volume);
            });
        }
        Event::Mark(row) => parts.weak(header, |parts| {
            parts.optional(row.mark_price).optional(row.index_price).optional(row.estimated_settle_price);
        }),
        Event::Funding(row) => {
            parts.text(row.stage.as_str()).integer(row.settles_at.map_or(0, |at| at.0));
            parts.weak(header, |parts| {
                parts.optional(row.rate).optional(row.absolute_rate);
            });
        }
        Event::OpenInterest(row) => parts.weak(header, |parts| {
            parts.optional(row.quantity).optional(row.value);
        }),
        Event::Liquidation(row) => parts.text(row.order_id).weak(header, |parts| {
            parts.text(row.side.as_str()).display(row.price).display(row.quantity);
        }),
        Event::Instrument(row) => {
            parts.text(row.symbol).integer(row.instrument_id).integer(row.content_hash);
        }
        Event::Order(row) => {
            parts.text(row.client_order_id).integer(row.sequence);
        }
        Event::Status(_) | Event::Quarantine(_) | Event::Signal(_) => {
            parts.position(header).integer(header.counter);
        }
    }
}

/// The same hash as a ClickHouse expression over the columns of the kind's table.
#[must_use]
pub fn hash_expression(kind: Kind) -> String {
    let own: &[&str] = match kind {
        Kind::Trade => &["trade_id"],
        Kind::Quote => &["toString(sequence)"],
        Kind::Book => &[
            "writer",
            "toString(epoch)",
            "toString(book_epoch)",
            "channel",
            "toString(last_sequence)",
            "toString(action)",
            "toString(occurrence)",
        ],
        Kind::Candle => {
            &["toString(interval_seconds)", "toString(toUnixTimestamp64Nano(open_ts))", "toString(toUInt8(closed))"]
        }
        Kind::Mark | Kind::OpenInterest => &[],
        Kind::Funding => {
            &["toString(stage)", "toString(toUnixTimestamp64Nano(ifNull(settles_at, toDateTime64(0, 9, 'UTC'))))"]
        }
        Kind::Liquidation => &["order_id"],
        Kind::Instrument => &["symbol", "toString(instrument_id)", "toString(content_hash)"],
        Kind::Order => &["client_order_id", "toString(sequence)"],
        Kind::Status | Kind::Quarantine | Kind::Signal => &["writer", "toString(epoch)", "toString(counter)"],
    };
    let mut parts = vec!["venue", "instrument", "toString(toUnixTimestamp64Nano(event_ts))"];
    parts.extend(own);
    let mut text = parts.iter().map(|part| format!("{part}, '\\x1f'")).collect::<Vec<_>>();
    if let Some(content) = weak_content(kind) {
        let content: Vec<_> = content.iter().map(|column| format!("ifNull(toString({column}), ''), '\\x1f'")).collect();
        text.push(format!("if(identity = 'weak', concat({}), '')", content.join(", ")));
        text.push("toString(occurrence), '\\x1f'".to_owned());
    }
    format!("xxh3(concat({}))", text.join(", "))
}

fn weak_content(kind: Kind) -> Option<&'static [&'static str]> {
    match kind {
        Kind::Trade | Kind::Liquidation => Some(&["side", "price", "quantity"]),
        Kind::Quote => Some(&["bid_price", "bid_quantity", "ask_price", "ask_quantity"]),
        Kind::Candle => Some(&["open", "high", "low", "close", "volume"]),
        Kind::Mark => Some(&["mark_price", "index_price", "estimated_settle_price"]),
        Kind::Funding => Some(&["rate", "absolute_rate"]),
        Kind::OpenInterest => Some(&["quantity", "value"]),
        Kind::Book | Kind::Instrument | Kind::Status | Kind::Quarantine | Kind::Signal | Kind::Order => None,
    }
}
