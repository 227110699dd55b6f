//! The simulated exchange: speaks the venues' own WebSocket and REST protocols,
//! from recorded frames or from a generated market, with faults on demand.
//!
//! Every venue's real endpoints lie under a path prefix `/<venue>`, so a feed
//! handler only swaps the base address:
//! `ws://127.0.0.1:9100/binance/stream?streams=btcusdt@trade`,
//! `http://127.0.0.1:9100/binance_usdm/fapi/v1/depth?symbol=BTCUSDT`.
//!
//! The crate encodes; it shares no code with the crate that decodes, so that a
//! misreading of a protocol cannot cancel itself out in a test.
//!
//! * [`SimConfig`] says what to serve, [`serve`] serves it, [`Sim`] does the same in
//!   two steps for callers that need the bound address first.
//! * Recorded flow ([`ReplayConfig`]): frames go out byte for byte as recorded.
//! * Generated flow ([`GeneratedConfig`]): a seeded spot and perpetual market in the
//!   formats of Binance spot and Binance USD-M futures.
//! * `GET /sim/v1/sources`, `GET /sim/v1/status`, `POST /sim/v1/faults`, `GET /metrics`
//!   and `GET /health` are the simulator's own endpoints.

#![forbid(unsafe_code)]

mod client;
mod command;
mod config;
mod error;
mod faults;
mod generated;
mod metrics;
mod query;
mod recorded;
mod server;
mod session;
mod status;
mod websocket;

pub use config::{GeneratedConfig, Pace, ReplayConfig, SimConfig};
pub use error::SimError;
pub use generated::Market;
pub use server::{Sim, serve};
