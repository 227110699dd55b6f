//! What a signal says, and whether it may be believed.

use kt_model::Nanos;

/// Whether a value may be used. Only [`Validity::Valid`] comes with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// Computed from complete and fresh data.
    Valid,
    /// Not enough data yet: no book, a window that is not filled.
    Warming,
    /// A leg is older than its maximum age.
    Stale,
    /// A leg's data cannot be right: crossed book, broken sequence, lost events.
    Suspect,
    /// The inputs exist but the value is not defined: zero price, unknown funding interval, expired contract.
    Refused,
}

/// One signal's new state.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Output<'a> {
    /// Name of the signal as declared.
    pub name: &'a str,
    /// Name of the feature that computes it.
    pub feature: &'a str,
    /// Venue of the first leg.
    pub venue: &'a str,
    /// Instrument of the first leg.
    pub instrument: &'a str,
    /// Time of the input that caused it.
    pub at: Nanos,
    /// Number of that input, from 1.
    pub input: u64,
    /// The value in the feature's unit; `None` unless valid.
    pub value: Option<f64>,
    /// Whether it may be believed.
    pub validity: Validity,
    /// Why it may not: `crossed`, `stale`, `interval`, …; empty when valid.
    pub reason: &'static str,
    /// Age of each leg's newest data; `None` where it has none or there is no second leg.
    pub ages: [Option<Nanos>; 2],
}
