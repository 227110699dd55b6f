//! What the simulated exchange shall serve.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// Configuration of the simulated exchange.
#[derive(Debug, Clone)]
pub struct SimConfig {
    /// Address of the one port for WebSocket, REST, metrics and faults. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Recordings to replay.
    pub replay: Option<ReplayConfig>,
    /// Generated flow for the venues `binance` and `binance_usdm`.
    pub generated: Option<GeneratedConfig>,
    /// How often a WebSocket ping goes to every client. A client that has not
    /// answered three of them is disconnected, as the exchanges do. `None`: never.
    pub ping_interval: Option<Duration>,
    /// Bytes that may wait for one client. In generated flow at real pace a client that
    /// falls further behind is disconnected; everywhere else the source waits for it.
    pub client_queue_bytes: usize,
}

impl Default for SimConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9100)),
            replay: None,
            generated: None,
            ping_interval: Some(Duration::from_secs(20)),
            client_queue_bytes: 16 << 20,
        }
    }
}

/// How fast time passes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// As recorded, or as the wall clock goes.
    Real,
    /// So many times faster than real.
    Speed(f64),
    /// As fast as the clients read: TCP back-pressure, no sleeping, nothing dropped.
    Max,
}

impl Pace {
    /// Simulated time per real time; `None` for as fast as possible.
    pub(crate) fn factor(self) -> Option<f64> {
        match self {
            Pace::Real => Some(1.0),
            Pace::Speed(factor) => Some(factor),
            Pace::Max => None,
        }
    }
}

/// Replay of recorded streams.
///
/// Several files of one venue are played one after another in the order of their first
/// frame, without the idle time between them.
#[derive(Debug, Clone)]
pub struct ReplayConfig {
    /// `*_stream.jsonl.zst` files. The venue is the name of the folder a file lies in; the
    /// instrument lists (`*_reference.jsonl.zst`) are found beside it.
    pub files: Vec<PathBuf>,
    /// How fast to play. Frames recorded without a time follow at once.
    pub pace: Pace,
    /// Subscribed client connections to wait for per venue before its clock starts. A venue
    /// that is not named starts when each of its recorded connections has a subscribed client.
    pub expected_connections: BTreeMap<String, usize>,
    /// Send an unsolicited WebSocket pong (RFC 6455, 5.5.3) with the recorded receive time,
    /// 8 bytes big-endian nanoseconds since the epoch, before each frame that has one.
    pub recorded_clock: bool,
    /// At [`Pace::Max`] only: wait so long at each recorded order-book snapshot until a client
    /// has asked for it, so that the snapshot meets the deltas it was recorded between.
    /// `None`: the stream never waits.
    pub wait_for_snapshots: Option<Duration>,
    /// A snapshot asked for before the stream has reached it is answered when the stream
    /// passes it, and at the latest after this time.
    pub snapshot_hold: Duration,
    /// Upper bound of the memory that holds the recordings, in bytes.
    pub memory_limit: u64,
}

impl Default for ReplayConfig {
    fn default() -> Self {
        Self {
            files: Vec::new(),
            pace: Pace::Real,
            expected_connections: BTreeMap::new(),
            recorded_clock: false,
            wait_for_snapshots: None,
            snapshot_hold: Duration::from_secs(30),
            memory_limit: 1 << 30,
        }
    }
}

/// The generated market: one spot and one perpetual book per instrument.
#[derive(Debug, Clone)]
pub struct GeneratedConfig {
    /// Same seed, same sequence of market states.
    pub seed: u64,
    /// Number of base assets, 1 to 200. The first six are BTC, ETH, SOL, BNB, XRP and DOGE;
    /// the others are synthetic (`SIM007`).
    pub instruments: usize,
    /// Target rate in frames per second over both venues, counted over the streams trade,
    /// bookTicker and depth@100ms of all instruments. `None`: 300 per instrument.
    pub rate: Option<u32>,
    /// Length of a market step. Frames of a step go out together.
    pub tick: Duration,
    /// How fast to generate. [`Pace::Max`] begins with the first subscription, waits for the
    /// slowest client instead of disconnecting it, and lets the market's time run ahead.
    pub pace: Pace,
    /// Time of the first step in nanoseconds since the epoch; the market's time then follows
    /// the steps alone and every byte is determined by the seed. `None`: wall clock.
    pub start_time: Option<i64>,
    /// Stop after so many steps and report `finished`. `None`: never.
    pub ticks: Option<u64>,
    /// Bytes for the trades that the REST side serves, all instruments together; a trade takes about 6. The oldest
    /// are forgotten first, and requests for their time refused.
    pub history_bytes: usize,
    /// So much of the market's time has passed, step by step, before the first client can connect.
    pub history: Duration,
}

impl Default for GeneratedConfig {
    fn default() -> Self {
        Self {
            seed: 1,
            instruments: 6,
            rate: None,
            tick: Duration::from_millis(5),
            pace: Pace::Real,
            start_time: None,
            ticks: None,
            history_bytes: 256 << 20,
            history: Duration::ZERO,
        }
    }
}

impl GeneratedConfig {
    /// Target rate in frames per second.
    pub fn frames_per_second(&self) -> u32 {
        let instruments = u32::try_from(self.instruments).unwrap_or(u32::MAX);
        self.rate.unwrap_or(instruments.saturating_mul(300))
    }
}
