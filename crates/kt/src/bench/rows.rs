//! Events of realistic size and mix, where the stage measured begins behind decoding.

use kt_model::codec::Label;
use kt_model::{
    Book, BookAction, Decimal, Event, Header, IdentityClass, Integers, Nanos, Origin, Quantity, QuantityUnit, Quote,
    Side, Texts, Trade,
};

/// The venue of all generated rows.
pub(super) const VENUE: &str = "bench";
const INSTRUMENTS: [&str; 6] = [
    "BTC-USDT-USDT-PERP",
    "ETH-USDT-USDT-PERP",
    "SOL-USDT-USDT-PERP",
    "BNB-USDT-USDT-PERP",
    "XRP-USDT-USDT-PERP",
    "DOGE-USDT-USDT-PERP",
];
/// Levels of a side in a book row.
const LEVELS: usize = 10;

/// What the mix of rows is made of: in ten rows six quotes, three trades and one book delta.
pub(super) struct Rows {
    trade_ids: Vec<String>,
    prices: [i64; LEVELS],
    quantities: [i64; LEVELS],
}

impl Rows {
    /// Prepares what rows borrow.
    pub(super) fn new() -> Self {
        Self {
            trade_ids: (0..4096u64).map(|number| (4_000_000_000 + number).to_string()).collect(),
            prices: std::array::from_fn(|level| 6_173_980 - level as i64 * 10),
            quantities: std::array::from_fn(|level| 3_966 + level as i64 * 17),
        }
    }

    /// The event with this number: it came at `scheduled` from the exchange and at `received` to us.
    pub(super) fn event(&self, number: u64, scheduled: Nanos, received: Nanos) -> Event<'_> {
        let header = header(INSTRUMENTS[(number % 6) as usize], scheduled, received);
        let price = 61_739_800_000_000_000_000_000 + i128::from(number % 1000) * 100_000_000_000_000_000;
        let quantity: Quantity = Decimal(3_966_000_000_000_000_000);
        match number % 10 {
            0 => self.book(header, number),
            1 | 4 | 7 => Event::Trade(Trade {
                header,
                trade_id: &self.trade_ids[(number % 4096) as usize],
                first_trade_id: None,
                trade_count: 1,
                side: Side::Buy,
                price: Decimal(price),
                quantity,
                quantity_unit: QuantityUnit::Base,
                flags: 0,
            }),
            _ => Event::Quote(Quote {
                header,
                sequence: number,
                bid_price: Some(Decimal(price)),
                bid_quantity: Some(quantity),
                ask_price: Some(Decimal(price + 100_000_000_000_000_000)),
                ask_quantity: Some(quantity),
                quantity_unit: QuantityUnit::Base,
            }),
        }
    }

    fn book<'a>(&'a self, header: Header<'a>, number: u64) -> Event<'a> {
        Event::Book(Book {
            header,
            action: BookAction::Delta,
            book_epoch: 1,
            first_sequence: Some(number),
            last_sequence: number,
            previous_sequence: Some(number.saturating_sub(60)),
            depth_limit: None,
            quantity_unit: QuantityUnit::Base,
            price_exponent: -2,
            quantity_exponent: -3,
            bid_prices: Integers::Slice(&self.prices),
            bid_quantities: Integers::Slice(&self.quantities),
            ask_prices: Integers::Slice(&self.prices),
            ask_quantities: Integers::Slice(&self.quantities),
            escaped: Texts::default(),
        })
    }
}

fn header(instrument: &str, scheduled: Nanos, received: Nanos) -> Header<'_> {
    Header {
        publish_ts: Nanos(0),
        counter: 0,
        epoch: 0,
        writer: Label("feed-bench"),
        venue: Label(VENUE),
        instrument: Label(instrument),
        channel: Label("bookTicker"),
        event_ts: scheduled.truncate(1_000_000),
        exch_ts: Some(scheduled),
        sent_ts: Some(scheduled),
        recv_ts: received,
        origin: Origin::Live,
        connection: 1,
        line: 0,
        mapping: 1,
        identity: IdentityClass::Sequence,
        occurrence: 0,
    }
}

/// Now, as rows carry it: `CLOCK_REALTIME`, which all processes of a machine read from the same place.
pub(super) fn now() -> Nanos {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Nanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}
