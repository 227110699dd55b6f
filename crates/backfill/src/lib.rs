//! Fills holes: asks the venues' histories for what the feeds announced as missing.
//!
//! ```text
//! ops.gaps ─► plan: (gap, kind, day) ─► windows per instrument ─► pager (kt-venue) ⇄ source (HTTP, allowance, retries)
//!                                                                    │ chunk of rows
//!              ledger closed ◄─ landed ◄─ log ◄─ spool ◄─ writer ◄─ what landing does not hold yet
//! ```
//!
//! * Rows go the way of all rows: a writer of their own (`backfill-<venue>`), its spool, the log, the loader. They carry
//!   origin `backfill` and the keys of the live rows, so that landing keeps one of each, and the views mark their buckets.
//! * Only what is missing is written. A second run therefore writes nothing, and opens no writer.
//! * A history that contradicts what was received, skips ids or leaves out what is known is not believed: nothing of the
//!   chunk is written and the ledger stays open with the reason.
//! * A gap is closed only after its rows have landed. A run that is killed goes on where its last accepted chunk ended.
#![forbid(unsafe_code)]

mod compare;
mod error;
mod fill;
mod instruments;
mod lock;
mod output;
mod plan;
mod range;
mod report;
mod run;
mod source;
pub mod time;

pub use error::{BackfillError, ErrorKind};
pub use plan::{PartitionKey, Pieces};
pub use report::{GapReport, ListedPartition, PartitionReport, RangeReport, WindowReport};
pub use run::{Backfill, BackfillConfig, Step, VenueAccess, Watch};
