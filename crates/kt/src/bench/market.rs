//! The role of the feeds in front of a trading service: reads frames from a socket and sends the rows of a market
//! on which strategies trade.

use std::time::Duration;

use kt_bus::{Bus, BusConfig, HotConfig, HotPublisher, Route};
use kt_model::{Event, Kind, stamp_position};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

use super::flow::{EPOCH, Flow};
use super::publisher::{Frames, Used};
use super::rows::now;
use super::{usage, worker};
use crate::error::Error;

/// What the role is told.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Setup {
    pub(super) nats_port: u16,
}

fn failed<E: std::fmt::Display>() -> impl FnOnce(E) -> Error {
    Error::doing("the market")
}

/// Rows on their way out.
struct Sender {
    hot: HotPublisher,
    /// Few: looked through in order.
    routes: Vec<(Kind, String, Route)>,
    row: Vec<u8>,
    rows: u64,
}

impl Sender {
    fn send(&mut self, event: &Event<'_>) {
        let header = event.header();
        let known = self.routes.iter().find(|(kind, name, _)| *kind == event.kind() && *name == *header.instrument);
        let route = match known {
            Some((_, _, route)) => *route,
            None => {
                let route = self.hot.route(event.kind(), header.venue.0, header.instrument.0);
                self.routes.push((event.kind(), header.instrument.0.to_owned(), route));
                route
            }
        };
        self.row.clear();
        event.encode(&mut self.row);
        stamp_position(&mut self.row, now(), header.counter, EPOCH);
        self.hot.publish(route, &self.row);
        self.rows += 1;
    }
}

/// Runs the role.
pub(super) async fn run(setup: Setup) -> Result<(), Error> {
    let bus = Bus::connect(&BusConfig::local(setup.nats_port, "bench-market")).await.map_err(failed())?;
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed())?;
    let hot = HotPublisher::connect(&bus, HotConfig::default()).await.map_err(failed())?;
    worker::say(&listener.local_addr().map_err(failed())?.port())?;
    let (stream, _) = listener.accept().await.map_err(failed())?;
    let cpu = usage::of_this_process();
    let mut sender = Sender { hot, routes: Vec::new(), row: Vec::with_capacity(4096), rows: 0 };
    let mut flow = Flow::new(now());
    flow.definitions(|event| sender.send(event));
    let mut frames = Frames::new(stream);
    while frames.read().await? {
        let received = now().0;
        for (number, _) in frames.whole() {
            flow.event(number - 1, received, |event| sender.send(event));
        }
        while !sender.hot.flush() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    worker::asked_to_finish().await;
    bus.flush(Duration::from_secs(5)).await.map_err(failed())?;
    let counts = sender.hot.counts();
    let dropped = counts.dropped_disconnected + counts.dropped_full + counts.dropped_too_large;
    worker::say(&Used { rows: sender.rows, dropped, cpu: usage::of_this_process() - cpu })
}
