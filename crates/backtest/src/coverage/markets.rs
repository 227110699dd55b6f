//! Which rows each market has, from the plan of the reading.

use std::collections::BTreeMap;

use kt_model::Nanos;
use kt_model::schema::Kind;
use serde::{Deserialize, Serialize};

use super::{lasting, spoken};
use crate::history::{Bucket, Plan};
use crate::scope::{Market, Scope};

/// Prices may begin this much after the range does, and end this much before, without remark.
const TOLERANCE: i64 = 60_000_000_000;

/// One market's rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MarketCoverage {
    /// The exchange and market segment.
    pub venue: String,
    /// Canonical id.
    pub instrument: String,
    /// Kinds that have rows.
    pub kinds: Vec<KindCoverage>,
}

/// One market's rows of one kind, by receive time, the warm-up included.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KindCoverage {
    /// The kind.
    pub kind: String,
    /// How many rows, before equal events are merged.
    pub rows: u64,
    /// Start of the first step with rows, in nanoseconds.
    pub first: i64,
    /// End of the last step with rows, in nanoseconds.
    pub last: i64,
    /// Longest stretch without a row between two steps that have some, in nanoseconds; accurate to a step.
    pub longest_silence: i64,
    /// When it began, in nanoseconds.
    pub silence_at: i64,
}

impl MarketCoverage {
    /// The market.
    pub(crate) fn market(&self) -> Market {
        Market { venue: self.venue.clone(), instrument: self.instrument.clone() }
    }

    /// Whether quotes or books came.
    pub(super) fn has_prices(&self) -> bool {
        self.kinds.iter().any(KindCoverage::is_of_prices)
    }

    /// What is missing of this market between two receive times.
    pub(super) fn lacks(&self, from: Nanos, to: Nanos) -> Vec<String> {
        let name = format!("{} {}", self.venue, self.instrument);
        let prices = || self.kinds.iter().filter(|kind| kind.is_of_prices());
        let (mut first, mut last) = (i64::MAX, i64::MIN);
        for kind in prices() {
            first = first.min(kind.first);
            last = last.max(kind.last);
        }
        if first == i64::MAX {
            return vec![format!("{name}: neither quotes nor book in the range")];
        }
        let mut lacks = Vec::new();
        if first - from.0 > TOLERANCE {
            lacks.push(format!("{name}: prices begin at {}", spoken(Nanos(first))));
        }
        if to.0 - last > TOLERANCE {
            lacks.push(format!("{name}: prices end at {}", spoken(Nanos(last))));
        }
        if let Some(shortest) = prices().min_by_key(|kind| kind.longest_silence)
            && shortest.longest_silence > TOLERANCE
        {
            let (long, at) = (lasting(shortest.longest_silence), spoken(Nanos(shortest.silence_at)));
            lacks.push(format!("{name}: no prices for {long} from {at}"));
        }
        lacks
    }
}

impl KindCoverage {
    fn is_of_prices(&self) -> bool {
        self.kind == Kind::Quote.as_str() || self.kind == Kind::Book.as_str()
    }
}

/// Each market of the scope, with what the plan found.
pub(super) fn cover(scope: &Scope, plan: &Plan) -> Vec<MarketCoverage> {
    let mut found: BTreeMap<(&str, &str, Kind), Vec<&Bucket>> = BTreeMap::new();
    for bucket in &plan.buckets {
        found.entry((&bucket.market.0, &bucket.market.1, bucket.kind)).or_default().push(bucket);
    }
    let markets = scope.markets.iter().map(|market| {
        let own = found
            .iter()
            .filter(|((venue, instrument, _), _)| *venue == market.venue && *instrument == market.instrument);
        let kinds = own.map(|((_, _, kind), buckets)| kind_coverage(*kind, plan.step, buckets)).collect();
        MarketCoverage { venue: market.venue.clone(), instrument: market.instrument.clone(), kinds }
    });
    markets.collect()
}

fn kind_coverage(kind: Kind, step: Nanos, buckets: &[&Bucket]) -> KindCoverage {
    let mut coverage = KindCoverage {
        kind: kind.to_string(),
        rows: buckets.iter().map(|bucket| bucket.rows).sum(),
        first: buckets.first().map_or(0, |bucket| bucket.at.0),
        last: buckets.last().map_or(0, |bucket| bucket.at.0 + step.0),
        longest_silence: 0,
        silence_at: 0,
    };
    for pair in buckets.windows(2) {
        let end = pair[0].at.0 + step.0;
        if pair[1].at.0 - end > coverage.longest_silence {
            coverage.longest_silence = pair[1].at.0 - end;
            coverage.silence_at = end;
        }
    }
    coverage
}
