//! Time, handed in: nothing in this crate but [`SystemClock`] asks the system.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use kt_model::Nanos;

/// How far this machine's clock is believed to be from UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockReading {
    /// The part of the error that is known and being corrected.
    pub offset: Nanos,
    /// Bound of the error.
    pub uncertainty: Nanos,
}

/// Asks the system what it knows of its clock; `None` where nothing disciplines it.
pub type ClockProbe = fn() -> Option<ClockReading>;

/// A source of time.
pub trait Clock {
    /// Now, UTC. May step.
    fn wall(&self) -> Nanos;

    /// Nanoseconds since an arbitrary moment. Never goes back; for intervals.
    fn monotonic(&self) -> i64;
}

/// The clock of this machine.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    start: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self { start: Instant::now() }
    }
}

impl SystemClock {
    /// With this moment as the zero of its monotonic times.
    #[must_use]
    pub fn starting(start: Instant) -> Self {
        Self { start }
    }
}

impl Clock for SystemClock {
    fn wall(&self) -> Nanos {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Nanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
    }

    fn monotonic(&self) -> i64 {
        i64::try_from(self.start.elapsed().as_nanos()).unwrap_or(i64::MAX)
    }
}
