//! Values from before the console started: the newest row of each instrument that the warehouse holds.

use std::str::FromStr;

use kt_model::{Decimal, FundingStage, InstrumentStatus, IntervalSource, Nanos, QuantityUnit, Rate};
use kt_warehouse::client::{Client, ClientError, Options};
use serde::Deserialize;

use crate::hot::market::{FundingNow, InstrumentNow, Market, QuoteNow};

/// How far back values are taken over.
const HOURS: u32 = 24;

#[derive(Deserialize)]
struct QuoteRow {
    venue: String,
    instrument: String,
    bid: Option<String>,
    bid_quantity: Option<String>,
    ask: Option<String>,
    ask_quantity: Option<String>,
    unit: String,
    recv: i64,
}

#[derive(Deserialize)]
struct MarkRow {
    venue: String,
    instrument: String,
    mark: Option<String>,
    index: Option<String>,
    recv: i64,
}

#[derive(Deserialize)]
struct FundingRow {
    venue: String,
    instrument: String,
    rate: Option<String>,
    stage: String,
    settles_at: Option<i64>,
    interval: Option<u32>,
    interval_source: String,
    event: i64,
    recv: i64,
}

#[derive(Deserialize)]
struct DefinitionRow {
    venue: String,
    instrument: String,
    status: String,
    interval: Option<u32>,
}

/// What one reading of the warehouse gave.
pub struct Seed {
    quotes: Vec<QuoteRow>,
    marks: Vec<MarkRow>,
    fundings: Vec<FundingRow>,
    definitions: Vec<DefinitionRow>,
}

impl Seed {
    /// Reads the newest values.
    ///
    /// # Errors
    /// What the warehouse reports.
    pub async fn read(client: &Client) -> Result<Self, ClientError> {
        let options = Options::new().setting("max_execution_time", 20).param("hours", HOURS);
        let recent = "recv_ts > now64(9) - toIntervalHour({hours:UInt32})";
        let quotes = format!(
            "SELECT venue, instrument, bid_price AS bid, bid_quantity, ask_price AS ask, ask_quantity, \
             toString(quantity_unit) AS unit, toUnixTimestamp64Nano(recv_ts) AS recv \
             FROM marts.quote_newest FINAL WHERE {recent}"
        );
        let marks = format!(
            "SELECT venue, instrument, mark_price AS mark, index_price AS index, \
             toUnixTimestamp64Nano(recv_ts) AS recv FROM marts.mark_newest FINAL WHERE {recent}"
        );
        let fundings = format!(
            "SELECT venue, instrument, rate, toString(stage) AS stage, toUnixTimestamp64Nano(settles_at) AS settles_at, \
             interval_seconds AS interval, toString(interval_source) AS interval_source, \
             toUnixTimestamp64Nano(event_ts) AS event, toUnixTimestamp64Nano(recv_ts) AS recv \
             FROM marts.funding_newest FINAL WHERE {recent} ORDER BY stage"
        );
        let definitions = "SELECT venue, instrument, toString(status) AS status, \
             funding_interval_seconds AS interval FROM ref.instruments FINAL WHERE instrument_type IN ('spot', 'perpetual')";
        Ok(Self {
            quotes: client.query_rows(&quotes, &options).await?,
            marks: client.query_rows(&marks, &options).await?,
            fundings: client.query_rows(&fundings, &options).await?,
            definitions: client.query_rows(definitions, &options).await?,
        })
    }

    /// How many rows were read.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.quotes.len() + self.marks.len() + self.fundings.len() + self.definitions.len()
    }

    /// Enters the values; what the hot path has told in the meantime stays.
    ///
    /// Definitions alone enter no instrument: one that never sent an event has nothing to show.
    pub fn plant(self, market: &mut Market) {
        for row in self.quotes {
            with(market, &row.venue, &row.instrument, |entry| entry.quote = entry.quote.or_else(|| row.value()));
        }
        for row in self.marks {
            with(market, &row.venue, &row.instrument, |entry| {
                let priced = |text: &Option<String>| decimal(text.as_deref()).map(|price| (price, Nanos(row.recv)));
                entry.mark.mark = entry.mark.mark.or_else(|| priced(&row.mark));
                entry.mark.index = entry.mark.index.or_else(|| priced(&row.index));
            });
        }
        for row in self.fundings {
            with(market, &row.venue, &row.instrument, |entry| entry.funding = entry.funding.or_else(|| row.value()));
        }
        for row in self.definitions {
            let index = market.find(&row.venue, &row.instrument);
            if let Some(entry) = index.and_then(|index| market.entry(index)).filter(|entry| entry.trading.is_none()) {
                let status = InstrumentStatus::from_name(&row.status).unwrap_or(InstrumentStatus::Unknown);
                entry.take_definition(status, row.interval);
            }
        }
    }
}

fn with(market: &mut Market, venue: &str, instrument: &str, change: impl FnOnce(&mut InstrumentNow)) {
    let index = market.enter(venue, instrument);
    if let Some(entry) = index.and_then(|index| market.entry(index)) {
        change(entry);
    }
}

fn decimal<const SCALE: u32>(text: Option<&str>) -> Option<Decimal<SCALE>> {
    Decimal::from_str(text?).ok()
}

impl QuoteRow {
    fn value(&self) -> Option<QuoteNow> {
        Some(QuoteNow {
            bid: decimal(self.bid.as_deref()),
            bid_quantity: decimal(self.bid_quantity.as_deref()),
            ask: decimal(self.ask.as_deref()),
            ask_quantity: decimal(self.ask_quantity.as_deref()),
            unit: QuantityUnit::from_name(&self.unit)?,
            recv: Nanos(self.recv),
        })
    }
}

impl FundingRow {
    fn value(&self) -> Option<FundingNow> {
        Some(FundingNow {
            rate: Rate::from_str(self.rate.as_deref()?).ok()?,
            stage: FundingStage::from_name(&self.stage)?,
            settles_at: self.settles_at.map(Nanos),
            interval: self.interval,
            interval_source: IntervalSource::from_name(&self.interval_source)?,
            event: Nanos(self.event),
            recv: Nanos(self.recv),
        })
    }
}
