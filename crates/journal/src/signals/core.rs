//! The deterministic part of the service: the same for live inputs and for a replay.

use kt_bus::{HotPublisher, Route};
use kt_model::{Event, Kind, Nanos, subject};
use kt_signals::{Engine, Input, Output, SignalError};
use serde::{Deserialize, Serialize};

use crate::error::JournalError;
use crate::intake::wall;
use crate::outlet::{Outlet, VenueWriter};
use crate::sources::Sources;

/// Name of the service in writers' names.
const SERVICE: &str = "signals";

/// Engine, outlet and positions: all that a snapshot holds.
pub(crate) struct Core {
    pub engine: Engine,
    pub outlet: Outlet,
    pub sources: Sources,
    snapshot_every: i64,
    /// Which snapshot interval of the inputs' time is under way.
    interval: Option<i64>,
    pub outputs: u64,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    engine: Vec<u8>,
    writers: Vec<VenueWriter>,
    sources: Sources,
    interval: Option<i64>,
}

/// The hot path's routes by signal.
#[derive(Default)]
pub(crate) struct HotRoutes {
    routes: Vec<Option<Route>>,
}

impl HotRoutes {
    fn of(&mut self, hot: &mut HotPublisher, output: &Output<'_>) -> Route {
        if self.routes.len() <= output.instance {
            self.routes.resize(output.instance + 1, None);
        }
        *self.routes[output.instance].get_or_insert_with(|| {
            hot.route_to(Kind::Signal, &subject::signal(output.name, output.leg.0, output.leg.1))
        })
    }
}

impl Core {
    pub fn new(epoch: u32, snapshot_every: i64) -> Self {
        Self {
            engine: Engine::default(),
            outlet: Outlet::new(SERVICE, epoch, Kind::Signal),
            sources: Sources::default(),
            snapshot_every: snapshot_every.max(1),
            interval: None,
            outputs: 0,
        }
    }

    /// Goes on from a snapshot.
    pub fn restore(state: &[u8], epoch: u32, snapshot_every: i64) -> Result<Self, JournalError> {
        let saved: Saved = postcard::from_bytes(state).map_err(|error| SignalError::State(error.to_string()))?;
        let mut core = Self::new(epoch, snapshot_every);
        core.engine = Engine::restore(&saved.engine)?;
        core.outlet.restore(saved.writers);
        core.sources = saved.sources;
        core.interval = saved.interval;
        Ok(core)
    }

    /// What a snapshot holds.
    pub fn save(&self) -> Result<Vec<u8>, JournalError> {
        let saved = Saved {
            engine: self.engine.save()?,
            writers: self.outlet.save(),
            sources: self.sources.clone(),
            interval: self.interval,
        };
        Ok(postcard::to_stdvec(&saved).map_err(|error| SignalError::State(error.to_string()))?)
    }

    /// Inputs consumed so far.
    pub fn inputs(&self) -> u64 {
        self.engine.inputs()
    }

    /// Consumes one input. `true` when a snapshot is due: all blocks are cut then, on a replay too.
    pub fn take(&mut self, input: &Input<'_>, mut hot: Option<(&mut HotPublisher, &mut HotRoutes)>) -> bool {
        let Self { engine, outlet, sources, outputs, .. } = self;
        if let Input::Event { position, .. } = input {
            sources.observe(position.writer, position.epoch, position.counter);
        }
        let mut publish = None;
        engine.on_input(input, &mut |output: &Output<'_>| {
            let publish = *publish.get_or_insert_with(wall);
            let route = hot.as_mut().map(|(hot, routes)| {
                let route = routes.of(hot, output);
                (&mut **hot, route)
            });
            outlet.row(&Event::Signal(output.to_row()), output.at, publish, route);
            *outputs += 1;
        });
        let now = engine.now();
        outlet.advance(now);
        match input {
            Input::Tick(_) => self.is_snapshot_due(now),
            Input::Stop(_) => {
                self.outlet.cut_all();
                false
            }
            _ => false,
        }
    }

    fn is_snapshot_due(&mut self, now: Nanos) -> bool {
        let interval = now.0.div_euclid(self.snapshot_every);
        let is_due = self.interval.replace(interval).is_some_and(|before| interval > before);
        if is_due {
            self.outlet.cut_all();
        }
        is_due
    }
}
