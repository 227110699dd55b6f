//! Events for the tests.

use kt_model::*;
use kt_signals::{Computed, Engine, Input, Output};

pub const VENUE: &str = "venue";
pub const PERP: &str = "BTC-USDT-USDT-PERP";
pub const SPOT: &str = "BTC-USDT-SPOT";
pub const SECOND: i64 = 1_000_000_000;

/// A moment, in seconds after a round one.
pub fn at(seconds: f64) -> Nanos {
    Nanos(1_700_000_000 * SECOND + (seconds * 1e9) as i64)
}

pub fn header(instrument: &str, now: Nanos, counter: u64) -> Header<'_> {
    Header {
        publish_ts: now,
        counter,
        epoch: 7,
        writer: Label("feed-venue"),
        venue: Label(VENUE),
        instrument: Label(instrument),
        channel: Label("channel"),
        event_ts: now,
        exch_ts: None,
        sent_ts: None,
        recv_ts: now,
        origin: Origin::Live,
        connection: 1,
        line: 0,
        mapping: 1,
        identity: IdentityClass::Id,
        occurrence: 0,
    }
}

fn price(value: f64) -> Price {
    format!("{value:.6}").parse().expect("a price")
}

pub fn quote(instrument: &str, now: Nanos, bid: f64, ask: f64) -> Event<'_> {
    Event::Quote(Quote {
        header: header(instrument, now, 1),
        sequence: 1,
        bid_price: Some(price(bid)),
        bid_quantity: Some(price(2.0)),
        ask_price: Some(price(ask)),
        ask_quantity: Some(price(1.0)),
        quantity_unit: QuantityUnit::Base,
    })
}

pub fn trade(instrument: &str, now: Nanos, at: f64, quantity: f64, side: Side, flags: u16) -> Event<'_> {
    Event::Trade(Trade {
        header: header(instrument, now, 1),
        trade_id: "1",
        first_trade_id: None,
        trade_count: 1,
        side,
        price: price(at),
        quantity: price(quantity),
        quantity_unit: QuantityUnit::Base,
        flags,
    })
}

/// A book row with prices and quantities in whole units, sequences `sequence` after `sequence − 1`.
pub fn book<'a>(
    instrument: &'a str,
    now: Nanos,
    action: BookAction,
    sequence: u64,
    bids: (&'a [i64], &'a [i64]),
    asks: (&'a [i64], &'a [i64]),
) -> Event<'a> {
    Event::Book(Book {
        header: header(instrument, now, 1),
        action,
        book_epoch: 1,
        first_sequence: Some(sequence),
        last_sequence: sequence,
        previous_sequence: Some(sequence - 1),
        depth_limit: None,
        quantity_unit: QuantityUnit::Base,
        price_exponent: 0,
        quantity_exponent: 0,
        bid_prices: Integers::Slice(bids.0),
        bid_quantities: Integers::Slice(bids.1),
        ask_prices: Integers::Slice(asks.0),
        ask_quantities: Integers::Slice(asks.1),
        escaped: Texts::default(),
    })
}

pub fn status(instrument: &str, now: Nanos, state: State) -> Event<'_> {
    Event::Status(Status {
        header: header(instrument, now, 1),
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
    })
}

pub fn funding(now: Nanos, rate: &str, interval: Option<u32>, source: IntervalSource, settles: Nanos) -> Event<'_> {
    Event::Funding(Funding {
        header: header(PERP, now, 1),
        rate: Some(rate.parse().expect("a rate")),
        absolute_rate: None,
        stage: FundingStage::Predicted,
        settles_at: Some(settles),
        interval_seconds: interval,
        interval_source: source,
        mark_price: None,
    })
}

pub fn definition(instrument: &str, now: Nanos, status: InstrumentStatus, expiry: Option<Nanos>) -> Event<'_> {
    Event::Instrument(Instrument {
        header: header(instrument, now, 1),
        symbol: "X",
        instrument_id: 1,
        content_hash: 1,
        instrument_type: InstrumentType::Future,
        payoff: Payoff::Linear,
        base: Label("BTC"),
        quote: Label("USDT"),
        settle: Label("USDT"),
        underlying: Label("BTC"),
        underlying_multiplier: Decimal(1),
        contract_size: None,
        contract_size_unit: Label(""),
        tick_size: None,
        lot_size: None,
        minimum_quantity: None,
        minimum_notional: None,
        option_side: OptionSide::None,
        strike: None,
        expiry_ts: expiry,
        listed_ts: None,
        delisted_ts: None,
        status,
        venue_status: Label(""),
        funding_interval_seconds: None,
    })
}

/// An engine and the newest state of each signal.
pub struct Desk {
    pub engine: Engine,
    stated: std::collections::BTreeMap<(String, String), Computed>,
    pub rows: usize,
}

impl Desk {
    pub fn new(text: &str) -> Self {
        Self { engine: Engine::configured(text).expect("declarations"), stated: Default::default(), rows: 0 }
    }

    pub fn input(&mut self, input: &Input<'_>) {
        let Self { engine, stated, rows } = self;
        engine.on_input(input, &mut |output: &Output<'_>| {
            *rows += 1;
            let row = output.to_row();
            assert_eq!(row.value.is_some(), row.validity == Validity::Valid, "{row:?}");
            assert_eq!(row.reason.is_empty(), row.validity == Validity::Valid, "{row:?}");
            stated.insert((output.name.to_owned(), output.leg.1.to_owned()), output.computed);
        });
    }

    pub fn event(&mut self, event: &Event<'_>) {
        self.input(&Input::event(event));
    }

    pub fn tick(&mut self, now: Nanos) {
        self.input(&Input::Tick(now));
    }

    /// What a signal of the perpetual stated last.
    pub fn says(&self, name: &str) -> Result<f64, &'static str> {
        let stated = self.stated.get(&(name.to_owned(), PERP.to_owned()));
        stated.copied().unwrap_or_else(|| panic!("{name} stated nothing")).map_err(|reason| reason.as_str())
    }

    pub fn has(&self, name: &str, instrument: &str) -> bool {
        self.stated.contains_key(&(name.to_owned(), instrument.to_owned()))
    }
}
