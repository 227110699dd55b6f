//! Events, instruments, exact decimals, identities and the wire codec of the platform.
//!
//! Every event is one row of ClickHouse `RowBinary`: what travels over NATS is what the warehouse
//! stores. The columns of each event kind are declared once (module [`events`]); the codec, the
//! check of the warehouse's tables and the reference page all come from that declaration.
//!
//! This crate does no I/O, reads no clock and no random source.
#![forbid(unsafe_code)]

pub mod arrays;
pub mod block;
pub mod codec;
pub mod decimal;
pub mod enums;
pub mod events;
pub mod instrument;
pub mod reference;
pub mod schema;
pub mod subject;

pub use arrays::{Integers, Texts};
pub use block::{BlockHeader, DayOfEvent};
pub use codec::{DecodeError, Field, Label, Reader};
pub use decimal::{Decimal, DecimalError, Price, Quantity, Rate};
pub use enums::*;
pub use events::*;
pub use schema::{Column, Kind, Schema};

/// A moment in nanoseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nanos(pub i64);

impl Nanos {
    /// From milliseconds since the epoch; `None` on overflow.
    #[must_use]
    pub fn from_millis(millis: i64) -> Option<Self> {
        millis.checked_mul(1_000_000).map(Self)
    }

    /// From microseconds since the epoch; `None` on overflow.
    #[must_use]
    pub fn from_micros(micros: i64) -> Option<Self> {
        micros.checked_mul(1_000).map(Self)
    }

    /// Rounds down to a whole multiple of `precision` nanoseconds (1 or less leaves it unchanged).
    #[must_use]
    pub fn truncate(self, precision: i64) -> Self {
        if precision <= 1 { self } else { Self(self.0 - self.0.rem_euclid(precision)) }
    }

    /// Days since 1970-01-01 UTC: the partition of the warehouse this moment belongs to.
    #[must_use]
    pub fn day(self) -> i32 {
        // The quotient of any i64 of nanoseconds by a day lies within ±106 752.
        self.0.div_euclid(86_400_000_000_000) as i32
    }
}
