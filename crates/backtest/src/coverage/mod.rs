//! What the data of a range covers, and what it lacks.
//!
//! A result is only as good as the rows under it, so every run states: which markets had rows when, which
//! counters of the writers are not in the warehouse, which gaps the feeds announced, and in one word
//! whether anything is missing.

mod counters;
mod gaps;
mod journal;
mod markets;

use kt_model::Nanos;
use kt_warehouse::Client;
use serde::{Deserialize, Serialize};

pub use counters::WriterCoverage;
pub use gaps::KnownGap;
pub use journal::JournalCoverage;
pub use markets::{KindCoverage, MarketCoverage};

use crate::error::BacktestError;
use crate::history::Plan;
use crate::scope::Scope;

/// What is there and what is not.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Coverage {
    /// Each market of the run.
    pub markets: Vec<MarketCoverage>,
    /// Each writer epoch with rows in the range.
    pub writers: Vec<WriterCoverage>,
    /// Announced gaps that touch the range.
    pub gaps: Vec<KnownGap>,
    /// Rows of the range that were fetched afterwards and are left out of the replay.
    pub backfilled: u64,
    /// Why the data is partial; empty when nothing is known to be missing.
    pub partial: Vec<String>,
}

impl Coverage {
    /// Asks the warehouse about the scope's range.
    ///
    /// # Errors
    /// No answer.
    pub async fn of(client: &Client, scope: &Scope, plan: &Plan) -> Result<Self, BacktestError> {
        let markets = markets::cover(scope, plan);
        let writers = counters::cover(client, scope).await?;
        let gaps = gaps::known(client, scope).await?;
        let backfilled = gaps::backfilled(client, scope).await?;
        let mut coverage = Self { markets, writers, gaps, backfilled, partial: Vec::new() };
        coverage.judge(scope);
        Ok(coverage)
    }

    /// Whether anything is known to be missing.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        !self.partial.is_empty()
    }

    fn judge(&mut self, scope: &Scope) {
        for market in &self.markets {
            self.partial.extend(market.lacks(scope.from, scope.to));
        }
        for gap in &self.gaps {
            self.partial.push(gap.said());
        }
        for writer in &self.writers {
            if writer.unaccounted > 0 {
                self.partial.push(format!(
                    "{} epoch {}: {} counters between {} and {} have not landed",
                    writer.writer, writer.epoch, writer.unaccounted, writer.first, writer.last
                ));
            }
        }
        // One restart is announced for each kind.
        self.partial.dedup();
    }
}

/// `2026-11-22T23:15:04.123Z`: a moment for people, to the millisecond.
#[must_use]
pub fn spoken(at: Nanos) -> String {
    let (year, month, day) = kt_model::instrument::civil(at.day());
    let millis = at.0.div_euclid(1_000_000).rem_euclid(86_400_000);
    let (hours, minutes, seconds) = (millis / 3_600_000, millis / 60_000 % 60, millis / 1_000 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}.{:03}Z", millis % 1_000)
}

/// A duration for people.
#[must_use]
pub fn lasting(nanos: i64) -> String {
    match nanos {
        i64::MIN..1_000_000 => format!("{} µs", nanos / 1_000),
        1_000_000..1_000_000_000 => format!("{} ms", nanos / 1_000_000),
        1_000_000_000..120_000_000_000 => format!("{:.1} s", nanos as f64 / 1e9),
        120_000_000_000..7_200_000_000_000 => format!("{:.1} min", nanos as f64 / 60e9),
        _ => format!("{:.1} h", nanos as f64 / 3_600e9),
    }
}
