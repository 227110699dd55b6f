//! What of the warehouse a run reads.

use kt_model::Nanos;
use kt_model::schema::Kind;

/// A market: venue and canonical instrument id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Market {
    /// The exchange and market segment.
    pub venue: String,
    /// Canonical id.
    pub instrument: String,
}

/// Kinds that a computing service takes in. What is derived (signals, orders) and what is not data
/// (quarantined frames) is no input.
pub const INPUT_KINDS: [Kind; 10] = [
    Kind::Trade,
    Kind::Quote,
    Kind::Book,
    Kind::Candle,
    Kind::Mark,
    Kind::Funding,
    Kind::OpenInterest,
    Kind::Liquidation,
    Kind::Instrument,
    Kind::Status,
];

/// Which rows a run reads: the markets' and those that concern their venues as a whole, received within
/// `[from, to)`. What was backfilled is left out: nobody had it at the time.
#[derive(Debug, Clone)]
pub struct Scope {
    /// First receive time of the run itself.
    pub from: Nanos,
    /// End of the range, not included.
    pub to: Nanos,
    /// How far before `from` reading begins, so that books and windows are full at `from`.
    pub warm_up: Nanos,
    /// The markets.
    pub markets: Vec<Market>,
    /// The kinds.
    pub kinds: Vec<Kind>,
}

impl Scope {
    /// Where reading begins.
    #[must_use]
    pub fn begin(&self) -> Nanos {
        Nanos(self.from.0.saturating_sub(self.warm_up.0))
    }

    /// The condition of the scope's rows in SQL, for receive times in `[from, to)`.
    pub(crate) fn condition(&self, from: Nanos, to: Nanos) -> String {
        format!(
            "{} AND recv_ts >= {} AND recv_ts < {} AND origin != 'backfill'",
            self.markets_condition(),
            moment(from),
            moment(to)
        )
    }

    /// The condition of the scope's markets, and of rows about their venues.
    pub(crate) fn markets_condition(&self) -> String {
        let mut pairs: Vec<String> = self
            .markets
            .iter()
            .flat_map(|market| [(&market.venue, market.instrument.as_str()), (&market.venue, "")])
            .map(|(venue, instrument)| format!("({}, {})", quoted(venue), quoted(instrument)))
            .collect();
        pairs.sort_unstable();
        pairs.dedup();
        format!("(venue, instrument) IN ({})", pairs.join(", "))
    }

    /// The condition of the scope's venues.
    pub(crate) fn venues_condition(&self) -> String {
        let mut venues: Vec<String> = self.markets.iter().map(|market| quoted(&market.venue)).collect();
        venues.sort_unstable();
        venues.dedup();
        format!("venue IN ({})", venues.join(", "))
    }
}

/// A text in SQL.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// A moment in SQL, exact to the nanosecond.
pub(crate) fn moment(at: Nanos) -> String {
    format!("fromUnixTimestamp64Nano(toInt64({}), 'UTC')", at.0)
}
