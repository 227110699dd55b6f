//! The deterministic part of the service: the same for live inputs and for a replay.

use std::collections::HashMap;

use kt_bus::{HotPublisher, Route};
use kt_journal::Outlet;
use kt_journal::intake::wall;
use kt_model::{Event, Kind, Nanos, OrderStep, subject};
use kt_signals::Input;
use kt_trading::{Desk, Record};

/// Name of the service in writers' names.
pub(crate) const WRITER: &str = "trade";

/// Desk and outlet.
pub(crate) struct Core {
    pub desk: Desk,
    pub outlet: Outlet,
    /// Encoded steps that PostgreSQL may not have yet, in order.
    pub unstored: Vec<Vec<u8>>,
    /// Steps up to this number are in PostgreSQL.
    pub stored: u64,
    /// Inputs consumed.
    pub inputs: u64,
    /// How many steps of each kind, since the start of the process.
    pub steps: HashMap<OrderStep, u64>,
    /// Receive times of the events whose orders the last inputs sent.
    pub sent_for: Vec<Nanos>,
}

/// The hot path's routes by step, venue and instrument.
#[derive(Default)]
pub(crate) struct HotRoutes {
    routes: HashMap<(OrderStep, Box<str>, Box<str>), Route>,
}

impl HotRoutes {
    fn of(&mut self, hot: &mut HotPublisher, record: &Record) -> Route {
        let key = (record.step, record.venue.clone(), record.instrument.clone());
        *self.routes.entry(key).or_insert_with(|| {
            hot.route_to(Kind::Order, &subject::order(record.step.as_str(), &record.venue, &record.instrument))
        })
    }
}

impl Core {
    pub fn new(epoch: u32, stored: u64) -> Self {
        Self {
            desk: Desk::paper(),
            outlet: Outlet::new(WRITER, epoch, Kind::Order),
            unstored: Vec::new(),
            stored,
            inputs: 0,
            steps: HashMap::new(),
            sent_for: Vec::new(),
        }
    }

    /// Consumes one input. Without a hot path it is a replay.
    pub fn take(&mut self, input: &Input<'_>, mut hot: Option<(&mut HotPublisher, &mut HotRoutes)>) {
        let Self { desk, outlet, unstored, stored, steps, sent_for, .. } = self;
        self.inputs += 1;
        desk.on_input(input, &mut |record: &Record| {
            let publish = wall();
            let mut row = record.row();
            row.header.publish_ts = publish;
            let event = Event::Order(row);
            if record.sequence > *stored {
                let mut bytes = Vec::with_capacity(512);
                event.encode(&mut bytes);
                unstored.push(bytes);
            }
            let is_live = hot.is_some();
            let route = hot.as_mut().map(|(hot, routes)| {
                let route = routes.of(hot, record);
                (&mut **hot, route)
            });
            outlet.row(&event, record.at, publish, route);
            if is_live {
                *steps.entry(record.step).or_default() += 1;
                if record.step == OrderStep::Sent {
                    sent_for.push(record.reason.at);
                }
            }
        });
        outlet.advance(desk.now());
        if matches!(input, Input::Stop(_)) {
            outlet.cut_all();
        }
    }
}
