//! A moment of the state, shared by all clients and written as JSON once.

use std::sync::{Arc, OnceLock};

use kt_model::Nanos;
use kt_model::schema::Kind;
use serde::Serialize;

use super::market::InstrumentNow;
use super::scanner::{self, AgeLimits, Basis, FundingView, Scanner, age_ms};
use super::state::{HotState, Notice};
use super::tally::{Second, VenueTally};

/// The state at one moment.
pub struct Snapshot {
    /// Counts snapshots; a client that skips numbers was too slow.
    pub version: u64,
    /// When it was taken.
    pub now: Nanos,
    /// All instruments.
    pub instruments: Vec<Arc<InstrumentNow>>,
    /// Finished seconds up to this moment, oldest first; shared between the snapshots of a second.
    pub history: Arc<Vec<Arc<Second>>>,
    /// Ages up to which numbers are used.
    pub limits: AgeLimits,
    venues: Vec<VenueTally>,
    totals: Totals,
    suspects: Vec<NoticeView>,
    quarantined: Vec<NoticeView>,
    disconnects: Vec<NoticeView>,
    stale_after_ms: u64,
    common: OnceLock<String>,
    scanner: OnceLock<Scanner>,
}

/// Counters since the console started.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Totals {
    /// Events received.
    pub events: u64,
    /// Rows that the hot path did not bring here.
    pub missed: u64,
    /// Messages that are no row of their kind.
    pub undecodable: u64,
    /// Gap rows received.
    pub gaps: u64,
    /// Instruments known.
    pub instruments: usize,
}

#[derive(Clone, Debug, Serialize)]
struct NoticeView {
    venue: String,
    cause: String,
    #[serde(flatten)]
    notice: Notice,
}

#[derive(Serialize)]
struct VenueView<'a> {
    venue: &'a str,
    last_ms: Option<i64>,
    age_ms: Option<i64>,
    stale: bool,
    events: u64,
    per_second: u32,
    by_kind: &'a [u32],
    connections: usize,
    connections_live: usize,
}

#[derive(Serialize)]
struct Common<'a> {
    now_ms: i64,
    version: u64,
    stale_after_ms: u64,
    kinds: Vec<&'static str>,
    second: Option<&'a Arc<Second>>,
    venues: Vec<VenueView<'a>>,
    totals: &'a Totals,
    suspects: &'a [NoticeView],
    quarantined: &'a [NoticeView],
    disconnects: &'a [NoticeView],
}

#[derive(Serialize)]
struct PriceView {
    price: String,
    at_ms: i64,
}

#[derive(Serialize)]
struct QuoteView {
    bid: Option<String>,
    bid_quantity: Option<String>,
    ask: Option<String>,
    ask_quantity: Option<String>,
    unit: &'static str,
    spread_bps: Option<f64>,
    at_ms: i64,
}

#[derive(Serialize)]
struct TradeView {
    price: String,
    quantity: String,
    unit: &'static str,
    side: &'static str,
    at_ms: i64,
}

#[derive(Serialize)]
struct WatchView<'a> {
    venue: &'a str,
    instrument: &'a str,
    events: u64,
    quote: Option<QuoteView>,
    trade: Option<TradeView>,
    mark: Option<PriceView>,
    index: Option<PriceView>,
    basis: Option<Basis>,
    funding: Option<FundingView>,
}

fn millis(at: Nanos) -> i64 {
    at.0 / 1_000_000
}

impl Snapshot {
    /// Takes a snapshot of `state`.
    #[must_use]
    pub fn take(
        state: &HotState,
        version: u64,
        now: Nanos,
        history: Arc<Vec<Arc<Second>>>,
        limits: AgeLimits,
        stale_after_ms: u64,
    ) -> Self {
        let notices = |from: &std::collections::BTreeMap<(String, String), Notice>| {
            let view = |((venue, cause), notice): (&(String, String), &Notice)| NoticeView {
                venue: venue.clone(),
                cause: cause.clone(),
                notice: notice.clone(),
            };
            from.iter().map(view).collect()
        };
        let disconnect = |(venue, notice): (&String, &Notice)| NoticeView {
            venue: venue.clone(),
            cause: "disconnect".to_owned(),
            notice: notice.clone(),
        };
        Self {
            version,
            now,
            instruments: state.market.instruments().to_vec(),
            history,
            limits,
            venues: state.tally.venues().to_vec(),
            totals: Totals {
                events: state.tally.events(),
                missed: state.tally.missed(),
                undecodable: state.undecodable,
                gaps: state.gaps,
                instruments: state.market.instruments().len(),
            },
            suspects: notices(&state.suspects),
            quarantined: notices(&state.quarantined),
            disconnects: state.disconnects.iter().map(disconnect).collect(),
            stale_after_ms,
            common: OnceLock::new(),
            scanner: OnceLock::new(),
        }
    }

    /// The scanner's table, computed once.
    pub fn scanner(&self) -> &Scanner {
        self.scanner.get_or_init(|| scanner::scan(&self.instruments, self.now, &self.limits))
    }

    /// The part that every client gets, as JSON, written once.
    pub fn common(&self) -> &str {
        self.common.get_or_init(|| {
            let view = Common {
                now_ms: millis(self.now),
                version: self.version,
                stale_after_ms: self.stale_after_ms,
                kinds: Kind::ALL.iter().map(|kind| kind.as_str()).collect(),
                second: self.history.last(),
                venues: self.venues.iter().map(|venue| self.venue_view(venue)).collect(),
                totals: &self.totals,
                suspects: &self.suspects,
                quarantined: &self.quarantined,
                disconnects: &self.disconnects,
            };
            serde_json::to_string(&view).expect("the view has string keys only")
        })
    }

    fn venue_view<'a>(&self, venue: &'a VenueTally) -> VenueView<'a> {
        let fresh = |at: Nanos| age_ms(self.now, at).unsigned_abs() <= self.stale_after_ms;
        let seen = venue.last_recv.0 > 0;
        VenueView {
            venue: &venue.venue,
            last_ms: seen.then(|| millis(venue.last_recv)),
            age_ms: seen.then(|| age_ms(self.now, venue.last_recv)),
            stale: !fresh(venue.last_recv),
            events: venue.events,
            per_second: venue.last_second.iter().sum(),
            by_kind: &venue.last_second,
            connections: venue.connections.len(),
            connections_live: venue.connections.iter().filter(|(_, _, at)| fresh(*at)).count(),
        }
    }

    /// The live message of one client: the common part and its watched instruments.
    #[must_use]
    pub fn live(&self, watched: &[usize]) -> String {
        format!("{{\"common\":{},\"watch\":{}}}", self.common(), self.views(watched))
    }

    /// Only what moved among a client's watched instruments.
    #[must_use]
    pub fn moves(&self, moved: &[usize]) -> String {
        format!("{{\"now_ms\":{},\"watch\":{}}}", millis(self.now), self.views(moved))
    }

    fn views(&self, watched: &[usize]) -> String {
        let rows = watched.iter().filter_map(|index| self.instruments.get(*index));
        let views: Vec<_> = rows.map(|row| self.watch_view(row)).collect();
        serde_json::to_string(&views).expect("the view has string keys only")
    }

    fn watch_view<'a>(&self, row: &'a InstrumentNow) -> WatchView<'a> {
        let price = |(price, at): (kt_model::Price, Nanos)| PriceView { price: price.to_string(), at_ms: millis(at) };
        WatchView {
            venue: &row.venue,
            instrument: &row.instrument,
            events: row.events,
            quote: row.quote.map(|quote| QuoteView {
                bid: quote.bid.map(|value| value.to_string()),
                bid_quantity: quote.bid_quantity.map(|value| value.to_string()),
                ask: quote.ask.map(|value| value.to_string()),
                ask_quantity: quote.ask_quantity.map(|value| value.to_string()),
                unit: quote.unit.as_str(),
                spread_bps: quote.spread_bps(),
                at_ms: millis(quote.recv),
            }),
            trade: row.trade.map(|trade| TradeView {
                price: trade.price.to_string(),
                quantity: trade.quantity.to_string(),
                unit: trade.unit.as_str(),
                side: trade.side.as_str(),
                at_ms: millis(trade.recv),
            }),
            mark: row.mark.mark.map(price),
            index: row.mark.index.map(price),
            basis: scanner::basis(&self.instruments, row, self.now, &self.limits),
            funding: scanner::funding(row, self.now, &self.limits),
        }
    }
}
