//! A seeded market: correlated spot and perpetual quotes, trades, marks and funding, as model rows.

use kt_model::{
    Book, BookAction, Decimal, Event, Funding, FundingStage, Header, IdentityClass, Instrument, InstrumentStatus,
    InstrumentType, IntervalSource, Mark, Nanos, OptionSide, Origin, Payoff, Price, Quantity, QuantityUnit, Quote,
    Rate, Side, State, Status, Trade,
};
use kt_model::{Integers, Label, Texts};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// One market of a venue.
pub struct Market {
    pub instrument: &'static str,
    pub underlying: usize,
    /// Price of one unit of the underlying times this.
    pub multiplier: f64,
    pub funding: Option<Option<u32>>,
}

const fn spot(instrument: &'static str, underlying: usize) -> Market {
    Market { instrument, underlying, multiplier: 1.0, funding: None }
}

const fn perpetual(instrument: &'static str, underlying: usize, multiplier: f64, interval: Option<u32>) -> Market {
    Market { instrument, underlying, multiplier, funding: Some(interval) }
}

/// Venues with their markets; one funding interval is left unstated on purpose.
pub static VENUES: &[(&str, &[Market])] = &[
    (
        "binance",
        &[spot("BTC-USDT-SPOT", 0), spot("ETH-USDT-SPOT", 1), spot("SOL-USDT-SPOT", 2), spot("SHIB-USDT-SPOT", 3)],
    ),
    (
        "binance_usdm",
        &[
            perpetual("BTC-USDT-USDT-PERP", 0, 1.0, Some(28_800)),
            perpetual("ETH-USDT-USDT-PERP", 1, 1.0, Some(28_800)),
            perpetual("SOL-USDT-USDT-PERP", 2, 1.0, Some(14_400)),
            perpetual("1000SHIB-USDT-USDT-PERP", 3, 1000.0, Some(28_800)),
        ],
    ),
    ("okx", &[spot("BTC-USDT-SPOT", 0), perpetual("BTC-USDT-USDT-PERP", 0, 1.0, None), spot("ETH-USDT-SPOT", 1)]),
    (
        "bybit",
        &[perpetual("ETH-USDT-USDT-PERP", 1, 1.0, Some(28_800)), perpetual("XRP-USDT-USDT-PERP", 4, 1.0, Some(3_600))],
    ),
];

/// Start prices of the underlyings and their decimals.
const START: [(f64, i8); 5] = [(64_250.0, -2), (3_105.0, -2), (148.0, -3), (0.000_023_61, -11), (0.5521, -4)];

/// The generator: prices walk, every market quotes about them.
pub struct Flow {
    random: ChaCha8Rng,
    prices: [f64; 5],
    premium: Vec<Vec<f64>>,
    /// Per venue: last counter, epoch.
    positions: Vec<(u64, u32)>,
    sequence: u64,
    paused: Vec<bool>,
    writer: Option<&'static str>,
}

/// An exact decimal of a price for screens of a test market.
fn decimal(value: f64, exponent: i8) -> Price {
    let mantissa = (value / 10f64.powi(i32::from(exponent))).round() as i64;
    Decimal::from_mantissa(mantissa, exponent).expect("a test price")
}

fn quantity(value: f64) -> Quantity {
    decimal(value, -4)
}

impl Flow {
    pub fn new(seed: u64) -> Self {
        let random = ChaCha8Rng::seed_from_u64(seed);
        let premium = VENUES.iter().map(|(_, markets)| vec![0.0; markets.len()]).collect();
        let epoch = (crate::stage::now().0 / 1_000_000_000) as u32;
        Self {
            random,
            prices: START.map(|s| s.0),
            premium,
            positions: vec![(0, epoch); VENUES.len()],
            sequence: 0,
            paused: vec![false; VENUES.len()],
            writer: None,
        }
    }

    /// All rows come from one writer of this name, whatever their venue.
    pub fn named(mut self, writer: &'static str) -> Self {
        self.writer = Some(writer);
        self
    }

    fn header(&mut self, venue: usize, instrument: &'static str, channel: &'static str, now: Nanos) -> Header<'static> {
        let position = &mut self.positions[if self.writer.is_some() { 0 } else { venue }];
        position.0 += 1;
        Header {
            publish_ts: now,
            counter: position.0,
            epoch: position.1,
            writer: Label(self.writer.unwrap_or(VENUES[venue].0)),
            venue: Label(VENUES[venue].0),
            instrument: Label(instrument),
            channel: Label(channel),
            event_ts: now.truncate(1_000_000),
            exch_ts: None,
            sent_ts: None,
            recv_ts: now,
            origin: Origin::Live,
            connection: 1 + u32::try_from(position.0 % 2).expect("0 or 1"),
            line: 0,
            mapping: 1,
            identity: IdentityClass::Id,
            occurrence: 0,
        }
    }

    /// Silences the venues that `is_paused` names.
    pub fn pause(&mut self, is_paused: impl Fn(usize) -> bool) {
        self.paused = (0..VENUES.len()).map(is_paused).collect();
    }

    /// One step of the whole market: some markets quote, some trade. `slow` adds marks and funding.
    pub fn step(&mut self, now: Nanos, slow: bool, mut out: impl FnMut(usize, Event<'_>)) {
        for price in &mut self.prices {
            *price *= 1.0 + (self.random.random::<f64>() - 0.5) * 0.000_12;
        }
        for (venue, (_, markets)) in VENUES.iter().enumerate() {
            if self.paused[venue] {
                continue;
            }
            for (number, market) in markets.iter().enumerate() {
                self.market(venue, number, market, now, slow, &mut out);
            }
        }
    }

    fn market(
        &mut self,
        venue: usize,
        number: usize,
        market: &'static Market,
        now: Nanos,
        slow: bool,
        out: &mut impl FnMut(usize, Event<'_>),
    ) {
        let exponent = START[market.underlying].1 + if market.multiplier > 1.0 { 3 } else { 0 };
        let tick = 10f64.powi(i32::from(exponent));
        let index = self.prices[market.underlying] * market.multiplier;
        let mut middle = index;
        if market.funding.is_some() {
            let premium = &mut self.premium[venue][number];
            *premium += (self.random.random::<f64>() - 0.5) * 0.000_02 - *premium * 0.002 + 0.000_000_8;
            middle *= 1.0 + *premium;
        }
        self.sequence += 1;
        let unit = QuantityUnit::Base;
        if self.random.random_bool(0.6) {
            let header = self.header(venue, market.instrument, "quote", now);
            let row = Quote {
                header,
                sequence: self.sequence,
                bid_price: Some(decimal(middle - tick, exponent)),
                bid_quantity: Some(quantity(self.random.random_range(0.01..9.0))),
                ask_price: Some(decimal(middle + tick, exponent)),
                ask_quantity: Some(quantity(self.random.random_range(0.01..9.0))),
                quantity_unit: unit,
            };
            out(venue, Event::Quote(row));
        }
        if self.random.random_bool(0.25) {
            let header = self.header(venue, market.instrument, "trade", now);
            let trade_id = self.sequence.to_string();
            let buys = self.random.random_bool(0.5);
            let row = Trade {
                header,
                trade_id: &trade_id,
                first_trade_id: None,
                trade_count: 1,
                side: if buys { Side::Buy } else { Side::Sell },
                price: decimal(middle + if buys { tick } else { -tick }, exponent),
                quantity: quantity(self.random.random_range(0.001..2.0)),
                quantity_unit: unit,
                flags: 0,
            };
            out(venue, Event::Trade(row));
        }
        if self.random.random_bool(0.3) {
            self.book(venue, market, now, out);
        }
        if let Some(interval) = market.funding.filter(|_| slow) {
            self.funding(venue, market, now, interval, (middle, index, exponent), out);
        }
    }

    fn book(&mut self, venue: usize, market: &'static Market, now: Nanos, out: &mut impl FnMut(usize, Event<'_>)) {
        let header = self.header(venue, market.instrument, "book", now);
        let (prices, quantities) = ([100, 101, 102], [5, 0, 7]);
        let row = Book {
            header,
            action: BookAction::Delta,
            book_epoch: 1,
            first_sequence: None,
            last_sequence: self.sequence,
            previous_sequence: None,
            depth_limit: None,
            quantity_unit: QuantityUnit::Base,
            price_exponent: -2,
            quantity_exponent: -3,
            bid_prices: Integers::Slice(&prices),
            bid_quantities: Integers::Slice(&quantities),
            ask_prices: Integers::Slice(&prices),
            ask_quantities: Integers::Slice(&quantities),
            escaped: Texts::default(),
        };
        out(venue, Event::Book(row));
    }

    fn funding(
        &mut self,
        venue: usize,
        market: &'static Market,
        now: Nanos,
        interval: Option<u32>,
        (middle, index, exponent): (f64, f64, i8),
        out: &mut impl FnMut(usize, Event<'_>),
    ) {
        let header = self.header(venue, market.instrument, "mark", now);
        let row = Mark {
            header,
            mark_price: Some(decimal(middle, exponent)),
            index_price: Some(decimal(index, exponent)),
            estimated_settle_price: None,
        };
        out(venue, Event::Mark(row));
        let header = self.header(venue, market.instrument, "funding", now);
        let eight_hours = 28_800_000_000_000;
        let row = Funding {
            header,
            rate: Some(Rate::from_mantissa(((middle / index - 1.0) * 5e7) as i64 + 1_250, -8).expect("a test rate")),
            absolute_rate: None,
            stage: FundingStage::Predicted,
            settles_at: Some(Nanos((now.0 / eight_hours + 1) * eight_hours)),
            interval_seconds: interval,
            interval_source: if interval.is_some() { IntervalSource::Venue } else { IntervalSource::Unknown },
            mark_price: None,
        };
        out(venue, Event::Funding(row));
    }

    /// The definitions of all instruments, as the venues' lists state them.
    pub fn define(&mut self, now: Nanos, out: &mut impl FnMut(usize, Event<'_>)) {
        for (venue, (_, markets)) in VENUES.iter().enumerate() {
            for (number, market) in markets.iter().enumerate() {
                let parts: Vec<&str> = market.instrument.split('-').collect();
                let spot = market.funding.is_none();
                let row = Instrument {
                    header: self.header(venue, market.instrument, "instruments", now),
                    symbol: market.instrument,
                    instrument_id: number as u64 + 1,
                    content_hash: number as u64 + 1,
                    instrument_type: if spot { InstrumentType::Spot } else { InstrumentType::Perpetual },
                    payoff: if spot { Payoff::None } else { Payoff::Linear },
                    base: Label(parts[0]),
                    quote: Label(parts[1]),
                    settle: Label(parts[1]),
                    underlying: Label(kt_model::instrument::split_multiplier(parts[0]).1),
                    underlying_multiplier: decimal(market.multiplier, 0),
                    contract_size: (!spot).then(|| decimal(1.0, 0)),
                    contract_size_unit: Label(parts[0]),
                    tick_size: None,
                    lot_size: None,
                    minimum_quantity: None,
                    minimum_notional: None,
                    option_side: OptionSide::None,
                    strike: None,
                    expiry_ts: None,
                    listed_ts: None,
                    delisted_ts: None,
                    status: InstrumentStatus::Trading,
                    venue_status: Label("TRADING"),
                    funding_interval_seconds: None,
                };
                out(venue, Event::Instrument(row));
            }
        }
    }

    /// A gap and a suspect value, as a feed announces them.
    pub fn trouble(&mut self, now: Nanos, out: &mut impl FnMut(usize, Event<'_>)) {
        let told = [
            (State::Gap, "sequence", Some(412), "update 18821 follows 18408: the book was rebuilt from a snapshot"),
            (State::Gap, "disconnect", None, "the server closed the connection without a word"),
            (State::Suspect, "crossed_book", None, "bid 64251.10 above offer 64250.90"),
            (State::Suspect, "time_backwards", None, "event time 3 ms before the row before"),
        ];
        for (number, (state, cause, missing, detail)) in told.into_iter().enumerate() {
            let header = self.header(1, "BTC-USDT-USDT-PERP", "book", Nanos(now.0 + number as i64 * 1_000_000));
            let gap = state == State::Gap;
            let row = Status {
                header,
                state,
                cause: Label(cause),
                affected: Label("book"),
                from_ts: gap.then_some(Nanos(now.0 - 4_200_000_000)),
                to_ts: (gap && missing.is_some()).then_some(now),
                first_missing: missing.map(|_| 18_409),
                last_missing: missing.map(|_| 18_820),
                missing,
                clock_offset: None,
                clock_uncertainty: None,
                detail,
            };
            out(1, Event::Status(row));
        }
    }
}
