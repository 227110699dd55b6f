//! A market of three assets, spot and perpetual, whose basis swings, so that strategies trade on it.

use kt_model::{
    Book, BookAction, Decimal, Event, Funding, FundingStage, Header, IdentityClass, Instrument, InstrumentStatus,
    InstrumentType, Integers, IntervalSource, Label, Nanos, OptionSide, Origin, Payoff, QuantityUnit, Quote, Side,
    Texts, Trade,
};

/// 2026-11-22T12:00:00Z.
pub(super) const FROM: Nanos = Nanos(1_795_348_800_000_000_000);
/// Epoch of both writers.
pub(super) const EPOCH: u32 = 1_795_348_000;
/// Between two events: 50 thousand a second.
const STEP: i64 = 20_000;
const UNIT: i128 = 1_000_000_000_000_000_000;
const LEVELS: usize = 10;
/// Base asset and its price in cents.
const ASSETS: [(&str, i64); 3] = [("BTC", 6_180_000), ("ETH", 302_000), ("SOL", 15_200)];

/// End of the market of so many events.
pub(super) fn end_of(events: u64) -> i64 {
    FROM.0 + (events as i64 + 100) * STEP
}

fn names() -> Vec<(&'static str, String)> {
    let pairs = ASSETS.iter().flat_map(|(asset, _)| {
        [("binance", format!("{asset}-USDT-SPOT")), ("binance_usdm", format!("{asset}-USDT-USDT-PERP"))]
    });
    pairs.collect()
}

fn header<'a>(market: &'a (&'static str, String), index: usize, counter: u64, at: i64) -> Header<'a> {
    let writer = ["feed-binance", "feed-binance_usdm"][index % 2];
    Header {
        publish_ts: Nanos(at + 30_000),
        counter,
        epoch: EPOCH,
        writer: Label(writer),
        venue: Label(market.0),
        instrument: Label(&market.1),
        channel: Label("bench"),
        event_ts: Nanos(at - 2_000_000).truncate(1_000_000),
        exch_ts: Some(Nanos(at - 2_000_000)),
        sent_ts: None,
        recv_ts: Nanos(at),
        origin: Origin::Live,
        connection: 1,
        line: 0,
        mapping: 1,
        identity: IdentityClass::Id,
        occurrence: 0,
    }
}

/// The market, event by event.
pub(super) struct Flow {
    begin: Nanos,
    markets: Vec<(&'static str, String)>,
    /// Of each venue's writer.
    counters: [u64; 2],
    prices: [[i64; LEVELS]; 2],
    quantities: [i64; LEVELS],
}

impl Flow {
    /// A market that opens at `begin`.
    pub(super) fn new(begin: Nanos) -> Self {
        Self {
            begin,
            markets: names(),
            counters: [0; 2],
            prices: [[0; LEVELS]; 2],
            quantities: std::array::from_fn(|level| 40_000 + level as i64 * 1_000),
        }
    }

    /// What the venues say of their instruments.
    pub(super) fn definitions(&mut self, mut take: impl FnMut(&Event<'_>)) {
        for index in 0..self.markets.len() {
            let at = self.begin.0 + index as i64;
            let header = header(&self.markets[index], index, next(&mut self.counters, index), at);
            take(&Event::Instrument(definition(header, index)));
        }
    }

    /// The event with this number, received at `at`; now and then the perpetuals' funding before it.
    pub(super) fn event(&mut self, number: u64, at: i64, mut take: impl FnMut(&Event<'_>)) {
        if number.is_multiple_of(5_000) {
            for index in (1..self.markets.len()).step_by(2) {
                let header = header(&self.markets[index], index, next(&mut self.counters, index), at - 1);
                take(&Event::Funding(funding(header, Nanos(self.begin.0 + 4 * 3_600_000_000_000))));
            }
        }
        let index = (number / 10 % 6) as usize;
        let price = price(index, number);
        let header = header(&self.markets[index], index, next(&mut self.counters, index), at);
        let decimal = |cents: i64| Decimal(i128::from(cents) * UNIT / 100);
        match number % 10 {
            0 => {
                for level in 0..LEVELS {
                    self.prices[0][level] = price - 1 - level as i64;
                    self.prices[1][level] = price + 1 + level as i64;
                }
                take(&Event::Book(book(header, number, &self.prices, &self.quantities)));
            }
            1 | 4 | 7 => take(&Event::Trade(Trade {
                header,
                trade_id: &number.to_string(),
                first_trade_id: None,
                trade_count: 1,
                side: if number.is_multiple_of(3) { Side::Buy } else { Side::Sell },
                price: decimal(price),
                quantity: Decimal(UNIT / 100),
                quantity_unit: QuantityUnit::Base,
                flags: 0,
            })),
            _ => take(&Event::Quote(Quote {
                header: Header { identity: IdentityClass::Sequence, ..header },
                sequence: number + 1,
                bid_price: Some(decimal(price - 1)),
                bid_quantity: Some(Decimal(40 * UNIT)),
                ask_price: Some(decimal(price + 1)),
                ask_quantity: Some(Decimal(40 * UNIT)),
                quantity_unit: QuantityUnit::Base,
            })),
        }
    }
}

/// Hands the whole of a past to `take`: definitions, then so many events of the flow.
pub(super) fn each_event(events: u64, mut take: impl FnMut(&Event<'_>)) {
    let mut flow = Flow::new(FROM);
    flow.definitions(&mut take);
    for number in 0..events {
        flow.event(number, FROM.0 + (number as i64 + 10) * STEP, &mut take);
    }
}

/// The next counter of the venue's writer.
fn next(counters: &mut [u64; 2], index: usize) -> u64 {
    counters[index % 2] += 1;
    counters[index % 2]
}

/// A walk of the asset, and for perpetuals a basis that swings by 6 hundredths of a percent in 40 seconds.
fn price(index: usize, number: u64) -> i64 {
    let (_, base) = ASSETS[index / 2];
    let seconds = number as f64 / 50_000.0;
    let walk = (seconds / 7.0).sin() * 0.001;
    let basis = if index % 2 == 1 { (seconds / 6.4).sin() * 0.0006 } else { 0.0 };
    (base as f64 * (1.0 + walk + basis)) as i64
}

fn definition(header: Header<'_>, index: usize) -> Instrument<'_> {
    let is_spot = index.is_multiple_of(2);
    Instrument {
        header,
        symbol: "SYMBOL",
        instrument_id: index as u64 + 1,
        content_hash: index as u64 + 1,
        instrument_type: if is_spot { InstrumentType::Spot } else { InstrumentType::Perpetual },
        payoff: if is_spot { Payoff::None } else { Payoff::Linear },
        base: Label(ASSETS[index / 2].0),
        quote: Label("USDT"),
        settle: Label("USDT"),
        underlying: Label(ASSETS[index / 2].0),
        underlying_multiplier: Decimal(UNIT),
        contract_size: None,
        contract_size_unit: Label(""),
        tick_size: Some(Decimal(UNIT / 100)),
        lot_size: Some(Decimal(UNIT / 1_000)),
        minimum_quantity: Some(Decimal(UNIT / 1_000)),
        minimum_notional: Some(Decimal(UNIT)),
        option_side: OptionSide::None,
        strike: None,
        expiry_ts: None,
        listed_ts: None,
        delisted_ts: None,
        status: InstrumentStatus::Trading,
        venue_status: Label("TRADING"),
        funding_interval_seconds: (!is_spot).then_some(28_800),
    }
}

fn funding(header: Header<'_>, settles: Nanos) -> Funding<'_> {
    Funding {
        header,
        rate: Some(Decimal(100_000_000_000_000_000_000)),
        absolute_rate: None,
        stage: FundingStage::Predicted,
        settles_at: Some(settles),
        interval_seconds: Some(28_800),
        interval_source: IntervalSource::Venue,
        mark_price: None,
    }
}

fn book<'a>(
    header: Header<'a>,
    number: u64,
    prices: &'a [[i64; LEVELS]; 2],
    quantities: &'a [i64; LEVELS],
) -> Book<'a> {
    Book {
        header: Header { identity: IdentityClass::Sequence, ..header },
        action: if number < 60 { BookAction::Snapshot } else { BookAction::Delta },
        book_epoch: 1,
        first_sequence: Some(number + 1),
        last_sequence: number + 1,
        previous_sequence: number.checked_sub(59),
        depth_limit: None,
        quantity_unit: QuantityUnit::Base,
        price_exponent: -2,
        quantity_exponent: -3,
        bid_prices: Integers::Slice(&prices[0]),
        bid_quantities: Integers::Slice(quantities),
        ask_prices: Integers::Slice(&prices[1]),
        ask_quantities: Integers::Slice(quantities),
        escaped: Texts::default(),
    }
}
