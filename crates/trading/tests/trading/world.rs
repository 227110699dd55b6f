//! A desk with one pair, and a market that says what a test wants it to say.

use kt_model::codec::Label;
use kt_model::*;
use kt_signals::{Engine, Input, Output};
use kt_trading::{Desk, Record, TradingConfig};

pub const SPOT: (&str, &str) = ("binance", "BTC-USDT-SPOT");
pub const PERP: (&str, &str) = ("binance_usdm", "BTC-USDT-USDT-PERP");
pub const MS: i64 = 1_000_000;
pub const SECOND: i64 = 1_000 * MS;
/// Shortly before a funding at a full eight hours.
pub const BEGIN: i64 = 1_800_000_000 * SECOND / 28_800 * 28_800;

/// The default pair with a short window.
pub fn config(change: impl Fn(String) -> String) -> String {
    let text = include_str!("../../../../strategies/basis.toml");
    let one = text.split("[[basis]]").take(2).collect::<Vec<_>>().join("[[basis]]");
    change(one.replace("min_samples = 60", "min_samples = 10").replace("sample_ms = 500", "sample_ms = 100"))
}

pub fn d(text: &str) -> Price {
    text.parse().expect("a decimal")
}

pub fn header<'a>((venue, instrument): (&'a str, &'a str), at: i64, counter: u64) -> Header<'a> {
    Header {
        publish_ts: Nanos(at),
        counter,
        epoch: 1,
        writer: Label(venue),
        venue: Label(venue),
        instrument: Label(instrument),
        channel: Label("test"),
        event_ts: Nanos(at),
        exch_ts: None,
        sent_ts: None,
        recv_ts: Nanos(at),
        origin: Origin::Live,
        connection: 1,
        line: 0,
        mapping: 0,
        identity: IdentityClass::Id,
        occurrence: 0,
    }
}

/// The desk and everything that it has recorded.
pub struct World {
    pub desk: Desk,
    pub now: i64,
    pub records: Vec<Record>,
    pub counter: u64,
    pub signals: Engine,
    /// What the signal `basis` is now, and its bits after each input.
    pub basis: Option<f64>,
    pub stated: Vec<(Nanos, u64)>,
}

const BASIS: &str = "[[signal]]\nname = \"basis\"\nfeature = \"basis\"\nvenue = \"binance_usdm\"\n\
    instrument = \"BTC-USDT-USDT-PERP\"\nsecond_venue = \"binance\"\nsecond_instrument = \"BTC-USDT-SPOT\"\n\
    every_ms = 0\nmax_age_ms = 3600000\n";

impl World {
    /// Started, described, live; nothing quoted yet.
    pub fn new(text: &str) -> Self {
        let mut world = Self {
            desk: Desk::paper(),
            now: BEGIN + SECOND,
            records: Vec::new(),
            counter: 0,
            signals: Engine::configured(BASIS).expect("a declaration"),
            basis: None,
            stated: Vec::new(),
        };
        world.start(text);
        world.describe(SPOT, InstrumentStatus::Trading, None);
        world.describe(PERP, InstrumentStatus::Trading, None);
        world
    }

    pub fn start(&mut self, text: &str) {
        let at = Nanos(self.now);
        self.input(&Input::Start(at));
        self.input(&Input::Configuration { at, hash: TradingConfig::hash(text), text });
        assert_eq!(self.desk.configuration_error(), None);
        self.input(&Input::CatchUp(at));
    }

    pub fn input(&mut self, input: &Input<'_>) {
        let basis = &mut self.basis;
        self.signals.on_input(input, &mut |output: &Output<'_>| *basis = output.computed.ok());
        self.stated.extend(self.basis.map(|basis| (self.signals.now(), basis.to_bits())));
        let before = self.records.len();
        let records = &mut self.records;
        self.desk.on_input(input, &mut |record: &Record| records.push(record.clone()));
        // What a strategy decides on is the signal that `kt signals` states, bit for bit.
        for record in &self.records[before..] {
            if let Some(basis) = record.reason.basis_bps {
                let same = (record.reason.at, basis.to_bits());
                assert!(self.stated.contains(&same), "no such signal was stated: {record:?}");
            }
        }
    }

    pub fn event(&mut self, event: &Event<'_>) {
        self.input(&Input::event(event));
    }

    pub fn header<'a>(&mut self, leg: (&'a str, &'a str)) -> Header<'a> {
        self.counter += 1;
        header(leg, self.now, self.counter)
    }

    pub fn pass(&mut self, milliseconds: i64) {
        self.now += milliseconds * MS;
        self.input(&Input::Tick(Nanos(self.now)));
    }

    pub fn quote(&mut self, leg: (&str, &str), bid: &str, ask: &str) {
        self.quote_of(leg, Some(d(bid)), Some(d(ask)), "5");
    }

    pub fn quote_of(&mut self, leg: (&str, &str), bid: Option<Price>, ask: Option<Price>, quantity: &str) {
        let header = self.header(leg);
        let (bid_quantity, ask_quantity) = (Some(d(quantity)), Some(d(quantity)));
        let (sequence, quantity_unit) = (header.counter, QuantityUnit::Base);
        let (bid_price, ask_price) = (bid, ask);
        self.event(&Event::Quote(Quote {
            header,
            sequence,
            bid_price,
            bid_quantity,
            ask_price,
            ask_quantity,
            quantity_unit,
        }));
    }

    pub fn trade(&mut self, leg: (&str, &str), side: Side, price: &str, quantity: &str) {
        let header = self.header(leg);
        self.event(&Event::Trade(Trade {
            header,
            trade_id: "t",
            first_trade_id: None,
            trade_count: 1,
            side,
            price: d(price),
            quantity: d(quantity),
            quantity_unit: QuantityUnit::Base,
            flags: 0,
        }));
    }

    pub fn describe(&mut self, leg: (&str, &str), status: InstrumentStatus, delisted_ts: Option<Nanos>) {
        let header = self.header(leg);
        let perpetual = leg.1.ends_with("PERP");
        self.event(&Event::Instrument(Instrument {
            header,
            symbol: "BTCUSDT",
            instrument_id: 1,
            content_hash: 1,
            instrument_type: if perpetual { InstrumentType::Perpetual } else { InstrumentType::Spot },
            payoff: if perpetual { Payoff::Linear } else { Payoff::None },
            base: Label("BTC"),
            quote: Label("USDT"),
            settle: Label("USDT"),
            underlying: Label("BTC"),
            underlying_multiplier: d("1"),
            contract_size: None,
            contract_size_unit: Label(""),
            tick_size: Some(d("0.1")),
            lot_size: Some(d(if perpetual { "0.001" } else { "0.00001" })),
            minimum_quantity: None,
            minimum_notional: None,
            option_side: OptionSide::None,
            strike: None,
            expiry_ts: None,
            listed_ts: None,
            delisted_ts,
            status,
            venue_status: Label(""),
            funding_interval_seconds: None,
        }));
    }

    pub fn funding(&mut self, rate: Option<&str>, interval: Option<u32>, settles_at: i64) {
        let header = self.header(PERP);
        self.event(&Event::Funding(Funding {
            header,
            rate: rate.map(|rate| rate.parse().expect("a rate")),
            absolute_rate: None,
            stage: FundingStage::Predicted,
            settles_at: Some(Nanos(settles_at)),
            interval_seconds: interval,
            interval_source: if interval.is_some() { IntervalSource::Venue } else { IntervalSource::Unknown },
            mark_price: None,
        }));
        let header = self.header(PERP);
        self.event(&Event::Mark(Mark {
            header,
            mark_price: Some(d("60000")),
            index_price: Some(d("60000")),
            estimated_settle_price: None,
        }));
    }

    pub fn status(&mut self, leg: (&str, &str), state: State) {
        let header = self.header(leg);
        self.event(&Event::Status(Status {
            header,
            state,
            cause: Label("test"),
            affected: Label(""),
            from_ts: None,
            to_ts: None,
            first_missing: None,
            last_missing: None,
            missing: None,
            clock_offset: None,
            clock_uncertainty: None,
            detail: "",
        }));
    }

    /// A calm market for long enough to know its mean and deviation: the basis strays by half a basis point.
    pub fn settle_in(&mut self) {
        self.funding(Some("0.0001"), Some(28_800), BEGIN + 28_800 * SECOND);
        self.calm();
    }

    /// The same, without a word about funding.
    pub fn calm(&mut self) {
        for step in 0..40 {
            self.pass(100);
            self.quote(SPOT, "59999.9", "60000");
            let (bid, ask) = if step % 2 == 0 { ("60002.9", "60003") } else { ("59996.9", "59997") };
            self.quote(PERP, bid, ask);
        }
        assert_eq!(self.records, Vec::new(), "nothing to do in a calm market");
    }

    /// The perpetual becomes dear: time for a position, which is then built.
    pub fn enter(&mut self) {
        self.settle_in();
        self.quote(PERP, "60059.9", "60060");
        for _ in 0..20 {
            self.pass(10);
        }
        assert_eq!((self.position(SPOT), self.position(PERP)), (d("0.033"), d("-0.033")), "{:#?}", self.steps());
    }

    pub fn position(&self, leg: (&str, &str)) -> Quantity {
        let found = self.desk.holdings().find(|holding| *holding.market.instrument == *leg.1);
        found.map_or(Quantity::ZERO, |holding| holding.account.quantity)
    }

    pub fn is_flat(&self) -> bool {
        self.position(SPOT).is_zero() && self.position(PERP).is_zero()
    }

    /// Steps with their word, for comparing and showing.
    pub fn steps(&self) -> Vec<(OrderStep, String)> {
        self.records.iter().map(|record| (record.step, record.word.to_string())).collect()
    }

    pub fn count(&self, step: OrderStep) -> usize {
        self.records.iter().filter(|record| record.step == step).count()
    }
}
