//! The journal: everything that could make two runs of a service differ, in the order it was taken in.
//!
//! A service appends each input before anything that follows from it leaves the process ([`Journal`]),
//! keeps its state now and then ([`Journal::snapshot`]), and after a kill goes on from the newest usable
//! snapshot and what came after it ([`replay::replay`]). Format: `docs/journal.md`.
//!
//! * tape: inputs as they came, events with their rows; kept up to a size.
//! * order: the same inputs, events as ranges of (writer, epoch, counter); kept for good.
#![forbid(unsafe_code)]

mod blocks;
pub mod entry;
mod error;
pub mod intake;
mod journal;
mod order;
pub mod outlet;
mod publish;
pub mod replay;
pub mod signals;
mod snapshot;
mod sources;

pub use error::{EntryError, JournalError};
pub use journal::{Journal, Limits, position_of};
pub use order::Ordered;
pub use outlet::Outlet;
pub use publish::{Counts, OutletPublisher};
pub use snapshot::snapshots;
pub use sources::{Arrival, Sources};
