//! The state of services, as the control socket reports it.

use serde::{Deserialize, Serialize};

/// Where a service stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// Waits for the services it needs.
    Waiting,
    /// Its process runs and has not answered a health check yet.
    Starting,
    /// Answers its health check.
    Healthy,
    /// Runs, but stopped answering its health check.
    Unhealthy,
    /// Ended, and will be started again after a pause.
    BackingOff,
    /// Was asked to stop.
    Stopping,
    /// Stopped on request.
    Stopped,
    /// A one-shot service that did its work.
    Finished,
    /// Could not be started; the supervisor gave up.
    Failed,
}

impl State {
    /// Whether services that wait for this one can go on.
    pub(crate) fn is_up(self) -> bool {
        matches!(self, Self::Healthy | Self::Finished)
    }

    /// The word shown to people.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
            Self::BackingOff => "backing off",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Finished => "finished",
            Self::Failed => "failed",
        }
    }
}

/// One service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ServiceStatus {
    pub(crate) service: String,
    pub(crate) state: State,
    /// Why it is in this state, where that is worth a word.
    pub(crate) detail: String,
    pub(crate) pid: Option<u32>,
    /// When its process was started, in milliseconds since 1970 UTC.
    pub(crate) started_ms: Option<u64>,
    /// Starts after the first one, in this run of the supervisor.
    pub(crate) restarts: u32,
    pub(crate) ports: Vec<u16>,
    /// Proportional set size with all children, in bytes; filled when asked for.
    #[serde(default)]
    pub(crate) memory_bytes: Option<u64>,
    /// The platform is ready without it.
    #[serde(default)]
    pub(crate) background: bool,
}

impl ServiceStatus {
    /// Whether something is wrong with it: what runs in the background may take its time to start.
    pub(crate) fn is_down(&self) -> bool {
        let starts = matches!(self.state, State::Waiting | State::Starting);
        !(self.state.is_up() || self.background && starts)
    }
}

/// Where the platform as a whole stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Phase {
    Starting,
    Ready,
    /// Was ready; some service is not up now.
    Degraded,
    Stopping,
}

/// The answer to `kt status --json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PlatformStatus {
    pub(crate) phase: Phase,
    pub(crate) version: String,
    pub(crate) supervisor_pid: u32,
    pub(crate) started_ms: u64,
    /// The page, or without a console the warehouse.
    pub(crate) address: String,
    pub(crate) data_dir: String,
    pub(crate) services: Vec<ServiceStatus>,
}

/// Milliseconds since 1970 UTC.
pub(crate) fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
