//! Application state in PostgreSQL: the only crate that knows it.

#![forbid(unsafe_code)]

mod connection;
mod error;
mod login;
mod migration;
mod orders;
mod orders_read;
mod platform_event;

pub use connection::{Store, StoreConfig};
pub use error::Error;
pub use login::Login;
pub use migration::PostgresTarget;
pub use orders_read::{OpenOrder, OrderSummary, StoredPosition, StoredStep, TradingState};
pub use platform_event::{EventKind, PlatformEvent};
