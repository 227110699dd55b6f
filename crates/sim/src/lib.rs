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
//! * Recorded flow ([`ReplayConfig`]): frames go out byte for byte as recorded, whatever
//!   a client subscribes to.
//! * Generated flow ([`GeneratedConfig`]): a seeded spot and perpetual market in the
//!   formats of Binance spot and Binance USD-M futures. [`Market`] is the same without a
//!   network.
//!
//! # Which recorded connection a client gets
//!
//! `?kt_connection=<id>` names one; else those that were recorded under the path the client
//! connects to; else all of them, merged. A venue's clock starts when each of its recorded
//! connections has a client that has subscribed (by naming streams in the URL or by its first
//! message that is no ping), or when as many have subscribed as
//! [`ReplayConfig::expected_connections`] says. Two lines that shall both see everything need
//! the latter.
//!
//! # The simulator's own endpoints
//!
//! * `GET /sim/v1/sources`: per venue its mode, symbols and channels; of a recording also its
//!   connections (id, path, query, what the recorder sent, frames, first and last time), files,
//!   snapshots and instrument lists.
//! * `GET /sim/v1/status`: `finished`, and per venue `started`, `finished`, `clients`,
//!   `frames_total`, `frames_played` (their turn came), `frames_sent` (on the wire, over all
//!   clients), `frames_queued`, `frames_lost_with_client`, `frames_unclaimed`, `connections`
//!   (frames sent per recorded connection), `answers_sent`, `http_served`. A venue is finished
//!   when all has been played and all that was handed out has been written.
//! * `POST /sim/v1/faults`: `{"venue": …, "symbol": …, "stream": …, "fault": …}` where symbol
//!   and stream are optional texts a frame's beginning must contain, and the fault is `drop`
//!   (`frames`), `crossed` (`frames`), `reorder`, `stale` (`ms`), `pause` (`ms`), `garbage`
//!   (`text`), `disconnect` or `outage` (`ms`, in which nobody can connect); of the REST side, for so many `requests` whose path contains
//!   `path`: `rest_down`, `rest_slow` (`ms`), `rest_limit` (`retry_after_s`) or `rest_wrong`
//!   (`how`: `skip`, `price`, `short`, `cut`). The answer says what was `applied` at once and how many frames
//!   are `pending`; what took effect is counted under `kt_sim_faults_total`.
//! * `GET /metrics`, `GET /health`.

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
mod rest_faults;
mod server;
mod session;
mod status;
mod websocket;

pub use config::{GeneratedConfig, Pace, ReplayConfig, SimConfig};
pub use error::SimError;
pub use generated::Market;
pub use server::{Sim, serve};
