//! Exchanges as mappings: bytes in, events out.
//!
//! A venue is one TOML file under `venues/`. It is compiled at start into a program that finds the
//! named values in a frame in one pass, without a tree and without allocation per event, checks
//! order books for integrity, and says what to send and fetch. This crate does no I/O and reads no
//! clock: the feed handler owns the sockets.
//!
//! # How a feed handler uses it
//!
//! ```ignore
//! let mapping = Mapping::parse(toml_text)?;                 // once per venue; Arc<Mapping>
//! let mut catalogue = Catalogue::new(&mapping);             // the venue's instruments
//! for reference in mapping.references(&segment, mode) {     // instrument and funding interval lists
//!     let body = http_get(reference.url);
//!     let read = catalogue.read(&mapping, &reference.name, &body, recv_ts, stamp, &mut sink)?;
//!     // read.next_page: fetch that too
//! }
//! let plan = mapping.plan(&segment, mode, &catalogue, filter); // Vec<ConnectionPlan>, one per socket
//!
//! let mut session = Session::new(mapping.clone(), catalogue.clone(), SessionConfig { … })?;
//! session.on_connected(now, &mut sink);
//! loop {
//!     while let Some(action) = session.next_action() {      // bounded
//!         match action {
//!             Action::Send(text) => socket.send(text),
//!             Action::FetchSnapshot { symbol, url } => …,   // then session.on_snapshot(&symbol, body, …)
//!             Action::Reconnect { reason } => …,            // close, connect anew, on_connected
//!         }
//!     }
//!     session.on_frame(bytes, recv_ts, &mut sink);          // text or binary, as received
//!     session.on_tick(now, &mut sink);                      // about once a second
//! }
//! session.on_disconnected(now, &mut sink);
//! session.checkpoint(now, &mut sink);                       // at shutdown: whole books as rows
//! ```
//!
//! Every event's [`kt_model::Header`] is filled but for `writer`, `epoch`, `counter` and
//! `publish_ts`, which the publisher stamps. A frame that breaks the mapping becomes one
//! [`kt_model::Quarantine`] row; it never stops a session and never becomes a zero.
#![forbid(unsafe_code)]

mod action;
mod bench;
mod book;
mod bookkeeping;
mod builtin;
mod catalogue;
mod channel;
mod check;
mod checksum;
mod connection;
mod counters;
mod decode;
mod emit;
mod error;
mod fields;
mod history;
mod label;
mod levels;
mod listing;
mod mapping;
mod merge;
mod names;
mod numbers;
mod occurrence;
mod path;
mod program;
mod recording;
mod reference;
mod replay;
mod rows;
mod scan;
mod session;
mod side;
mod sink;
mod snapshot;
mod spec;
mod state;
mod subscribe;
mod symbol;
mod unpack;

pub use action::Action;
pub use bench::{Bench, Stage, Work};
pub use book::BookStatistics;
pub use builtin::{builtin, builtin_text, builtin_venues};
pub use catalogue::{Catalogue, InstrumentInfo};
pub use check::{CheckReport, CheckSink, Checksums, QuotesAgainstBook};
pub use counters::Counters;
pub use error::{ErrorKind, Fault, VenueError};
pub use history::{History, HistoryPage, HistoryPager, RestLimit};
pub use levels::{BookView, Level};
pub use listing::{ListReport, Stamp};
pub use mapping::Mapping;
pub use recording::{Record, RecordKind, parse_recording};
pub use replay::{Replay, ReplayConfig, ReplayedConnection};
pub use session::{Session, SessionConfig, Unheard};
pub use sink::Sink;
pub use subscribe::{ConnectionPlan, Mode, ReferenceRequest, Subscription};
