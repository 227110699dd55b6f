//! What one event does to the state.

use std::collections::BTreeMap;

use kt_model::schema::Kind;
use kt_model::{
    DecodeError, Funding, Header, Instrument, Mark, Nanos, Quarantine, Quote, Reader, Row, State, Status, Trade,
};
use serde::Serialize;

use super::market::Market;
use super::tally::Tally;

/// How often something happened that a person should look at.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Notice {
    /// Times since the console started.
    pub count: u64,
    /// When it was last received, ms UTC.
    pub last_ms: i64,
    /// The last one in words.
    pub detail: String,
}

/// Distinct causes kept; beyond it they are counted under `other`.
const CAUSES: usize = 256;
/// Longest detail text kept.
const DETAIL_CHARS: usize = 240;

/// Everything the hot path has told since the console started.
#[derive(Default)]
pub struct HotState {
    /// Latest values.
    pub market: Market,
    /// Counters.
    pub tally: Tally,
    /// Suspect values by `venue`, `cause`.
    pub suspects: BTreeMap<(String, String), Notice>,
    /// Quarantined frames by `venue`, `reason`.
    pub quarantined: BTreeMap<(String, String), Notice>,
    /// Gap rows received.
    pub gaps: u64,
    /// Connections that ended, by venue.
    pub disconnects: BTreeMap<String, Notice>,
    /// Messages that are no row of their kind.
    pub undecodable: u64,
    /// The first trade or quote since it was last taken away: a row to look for in the warehouse.
    pub sample: Option<Sample>,
}

/// A row by which the way to the warehouse is timed.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Its table.
    pub kind: Kind,
    /// Its venue, instrument and key time: where it lies in the table.
    pub venue: String,
    /// See `venue`.
    pub instrument: String,
    /// See `venue`.
    pub event: Nanos,
    /// Its writer, epoch and counter: which row it is.
    pub writer: String,
    /// See `writer`.
    pub epoch: u32,
    /// See `writer`.
    pub counter: u64,
    /// When it was received.
    pub recv: Nanos,
}

impl HotState {
    /// Takes one message of the hot path: one row of `kind`, held by the subscriber at `now`.
    ///
    /// Books, candles, open interest and liquidations are counted by their header alone.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are not such a row; it is counted in `undecodable`.
    pub fn apply(&mut self, kind: Kind, row: &[u8], now: Nanos) -> Result<(), DecodeError> {
        self.decode(kind, row, now).inspect_err(|_| self.undecodable += 1)
    }

    fn decode(&mut self, kind: Kind, row: &[u8], now: Nanos) -> Result<(), DecodeError> {
        let reader = &mut Reader::new(row);
        match kind {
            Kind::Quote => {
                let row = Quote::decode(reader)?;
                self.with_entry(kind, &row.header, now, |entry| entry.take_quote(&row));
            }
            Kind::Trade => {
                let row = Trade::decode(reader)?;
                self.with_entry(kind, &row.header, now, |entry| entry.take_trade(&row));
            }
            Kind::Mark => {
                let row = Mark::decode(reader)?;
                self.with_entry(kind, &row.header, now, |entry| entry.take_mark(&row));
            }
            Kind::Funding => {
                let row = Funding::decode(reader)?;
                self.with_entry(kind, &row.header, now, |entry| entry.take_funding(&row));
            }
            Kind::Instrument => {
                let row = Instrument::decode(reader)?;
                self.with_entry(kind, &row.header, now, |entry| {
                    entry.take_definition(row.status, row.funding_interval_seconds);
                });
            }
            Kind::Status => {
                let row = Status::decode(reader)?;
                self.with_entry(kind, &row.header, now, |_| {});
                self.take_status(&row);
            }
            Kind::Quarantine => {
                let row = Quarantine::decode(reader)?;
                self.with_entry(kind, &row.header, now, |_| {});
                notice(&mut self.quarantined, &row.header, row.reason.0, row.detail);
            }
            Kind::Book | Kind::Candle | Kind::OpenInterest | Kind::Liquidation | Kind::Signal | Kind::Order => {
                let header = Header::decode(reader)?;
                self.with_entry(kind, &header, now, |_| {});
            }
        }
        Ok(())
    }

    fn with_entry(
        &mut self,
        kind: Kind,
        header: &Header<'_>,
        now: Nanos,
        change: impl FnOnce(&mut super::market::InstrumentNow),
    ) {
        self.tally.count(kind, header, now);
        self.offer_sample(kind, header);
        let index = self.market.enter(header.venue.0, header.instrument.0);
        if let Some(entry) = index.and_then(|index| self.market.entry(index)) {
            entry.events += 1;
            change(entry);
        }
    }

    fn offer_sample(&mut self, kind: Kind, header: &Header<'_>) {
        if self.sample.is_none() && matches!(kind, Kind::Trade | Kind::Quote) {
            self.sample = Some(Sample {
                kind,
                venue: header.venue.0.to_owned(),
                instrument: header.instrument.0.to_owned(),
                event: header.event_ts,
                writer: header.writer.0.to_owned(),
                epoch: header.epoch,
                counter: header.counter,
                recv: header.recv_ts,
            });
        }
    }

    fn take_status(&mut self, row: &Status<'_>) {
        match row.state {
            State::Suspect => notice(&mut self.suspects, &row.header, row.cause.0, row.detail),
            State::Gap => self.gaps += 1,
            State::Disconnected => {
                self.tally.close_connection(&row.header);
                let entry = self.disconnects.entry(row.header.venue.0.to_owned()).or_default();
                entry.take(&row.header, row.cause.0);
            }
            _ => {}
        }
    }
}

impl Notice {
    fn take(&mut self, header: &Header<'_>, detail: &str) {
        self.count += 1;
        self.last_ms = header.recv_ts.0 / 1_000_000;
        self.detail = detail.chars().take(DETAIL_CHARS).collect();
    }
}

fn notice(into: &mut BTreeMap<(String, String), Notice>, header: &Header<'_>, cause: &str, detail: &str) {
    let mut key = (header.venue.0.to_owned(), cause.to_owned());
    if into.len() >= CAUSES && !into.contains_key(&key) {
        key.1 = "other".to_owned();
    }
    into.entry(key).or_default().take(header, detail);
}
