//! Research kernels with controlled access.
//!
//! Jupyter Enterprise Gateway starts and talks to kernels, but believes whoever asks: its one token is shared and the
//! user's name comes from the client. So it listens on loopback behind the [`proxy`], which knows users by tokens of
//! their own ([`tokens`]), decides about size and number, and lets each see its own kernels only.
//!
//! The gateway does not start a kernel itself either: it runs as a user without rights. What it starts is an
//! [`attach`] that carries a ticket here; the [`launch`] part looks up whose it is and starts the kernel under that
//! user's own id, within limits that the operating system enforces, with nothing of the platform's environment.

#![forbid(unsafe_code)]

mod admit;
pub mod attach;
mod audit;
mod channels;
mod config;
pub mod enter;
mod error;
mod gateway;
mod keeper;
mod kernels;
mod launch;
mod metrics;
mod proxy;
mod service;
mod size;
mod spawn;
mod time;
pub mod tokens;

pub use config::{Account, Commands, Credentials, ResearchConfig, Rules};
pub use error::Error;
pub use launch::socket_in;
pub use service::serve;
pub use size::{Limits, Size, Sizes};
