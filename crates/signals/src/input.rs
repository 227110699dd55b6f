//! The one ordered input of everything that computes: what `kt signals`, `kt trade` and backtests consume.
//!
//! Whatever could make two runs differ enters here and nowhere else: market events in the order in which
//! they were taken in, timer ticks, commands, configuration, execution reports, and what was lost on the
//! way. A journal of this order, replayed through the same code, gives the same outputs bit for bit.

use kt_model::{Event, Nanos};

/// Where an event stands in its writer's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Position<'a> {
    /// Who logged it.
    pub writer: &'a str,
    /// The writer's epoch.
    pub epoch: u32,
    /// The writer's counter, contiguous within the epoch over all kinds.
    pub counter: u64,
}

impl<'a> Position<'a> {
    /// The position that the event's header states.
    #[must_use]
    pub fn of(event: &Event<'a>) -> Self {
        let header = event.header();
        Self { writer: header.writer.0, epoch: header.epoch, counter: header.counter }
    }
}

/// One input. Times are nanoseconds since the Unix epoch by the clock of the service that took it in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Input<'a> {
    /// A market event as it was received.
    Event {
        /// Where it stands in its writer's log.
        position: Position<'a>,
        /// What it says.
        event: &'a Event<'a>,
    },
    /// The time of the timer: without it neither staleness nor a maximum holding time fires on a silent feed.
    Tick(Nanos),
    /// A process began, with a new or restored state.
    Start(Nanos),
    /// A process ended in order.
    Stop(Nanos),
    /// After a start the past has been replayed; what follows is live.
    CatchUp(Nanos),
    /// The configuration from here on.
    Configuration {
        /// When it was read.
        at: Nanos,
        /// xxh3-64 of the text.
        hash: u64,
        /// The configuration itself (TOML).
        text: &'a str,
    },
    /// Trading is forbidden (`true`) or allowed again.
    KillSwitch {
        /// When it was thrown.
        at: Nanos,
        /// Whether trading is forbidden from here on.
        on: bool,
    },
    /// Events of a writer that the hot path lost: counters `from` to `to`, both included.
    Dropped {
        /// Whose events.
        writer: &'a str,
        /// The writer's epoch.
        epoch: u32,
        /// First counter that is missing.
        from: u64,
        /// Last counter that is missing.
        to: u64,
    },
    /// An acknowledgement or execution report; its content belongs to who trades.
    Report {
        /// When it was received.
        at: Nanos,
        /// The report as trading encodes it.
        payload: &'a [u8],
    },
}

impl<'a> Input<'a> {
    /// An event with the position that its header states.
    #[must_use]
    pub fn event(event: &'a Event<'a>) -> Self {
        Self::Event { position: Position::of(event), event }
    }

    /// When it was taken in, by our clock: an event's receive time. `None` for [`Input::Dropped`], which
    /// is seen at the event that follows it.
    #[must_use]
    pub fn at(&self) -> Option<Nanos> {
        match self {
            Self::Event { event, .. } => Some(event.header().recv_ts),
            Self::Tick(at) | Self::Start(at) | Self::Stop(at) | Self::CatchUp(at) => Some(*at),
            Self::Configuration { at, .. } | Self::KillSwitch { at, .. } | Self::Report { at, .. } => Some(*at),
            Self::Dropped { .. } => None,
        }
    }
}

/// The time of whoever consumes inputs: the latest time any input stated. It never goes back, whatever
/// the clocks of different hosts do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct InputClock {
    /// Nanoseconds; `None` before the first input.
    now: Option<i64>,
}

impl InputClock {
    /// Moves on to the input's time and returns the time from here on.
    pub fn observe(&mut self, input: &Input<'_>) -> Nanos {
        self.now = self.now.max(input.at().map(|at| at.0));
        self.now()
    }

    /// The time; the Unix epoch before the first input.
    #[must_use]
    pub fn now(&self) -> Nanos {
        Nanos(self.now.unwrap_or_default())
    }
}
