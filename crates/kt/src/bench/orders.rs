//! The role that sees orders go: a subscriber of the step `sent`, which measures how old their causes are.

use hdrhistogram::Histogram;
use kt_bus::{Bus, BusConfig};
use kt_model::codec::Reader;
use kt_model::{Event, Kind};
use serde::{Deserialize, Serialize};

use super::rows::now;
use super::worker;
use crate::error::Error;

/// What the role is told.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Setup {
    pub(super) nats_port: u16,
}

/// Of a distribution, in nanoseconds.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Ages {
    pub(super) p50: f64,
    pub(super) p90: f64,
    pub(super) p99: f64,
    pub(super) p999: f64,
    pub(super) max: f64,
}

/// What it found.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Found {
    /// Orders that were sent.
    pub(super) orders: u64,
    /// From the receipt of the frame to the order's row on its way to NATS.
    pub(super) sent: Ages,
    /// From there to the row at this subscriber.
    pub(super) seen: Ages,
}

fn failed<E: std::fmt::Display>() -> impl FnOnce(E) -> Error {
    Error::doing("the subscriber of orders")
}

/// Runs the role.
pub(super) async fn run(setup: Setup) -> Result<(), Error> {
    let bus = Bus::connect(&BusConfig::local(setup.nats_port, "bench-orders")).await.map_err(failed())?;
    let mut subscriber = bus.subscribe_orders("sent").await.map_err(failed())?;
    let histogram = || Histogram::<u64>::new_with_bounds(100, 60_000_000_000, 3).map_err(failed());
    let (mut sent, mut seen) = (histogram()?, histogram()?);
    let asked = worker::asked_to_finish();
    tokio::pin!(asked);
    worker::say(&true)?;
    loop {
        let message = tokio::select! {
            () = &mut asked => break,
            message = subscriber.next() => message.map_err(failed())?,
        };
        let arrived = now();
        let row = Event::decode(Kind::Order, &mut Reader::new(&message.payload)).map_err(failed())?;
        let Event::Order(order) = row else { continue };
        // A step's receive time is that of the input on which the service decided.
        let age = |at: i64| u64::try_from(at - order.header.recv_ts.0).unwrap_or(0);
        sent.saturating_record(age(order.header.publish_ts.0));
        seen.saturating_record(age(arrived.0));
    }
    worker::say(&Found { orders: sent.len(), sent: ages(&sent), seen: ages(&seen) })
}

fn ages(histogram: &Histogram<u64>) -> Ages {
    let at = |quantile| histogram.value_at_quantile(quantile) as f64;
    Ages { p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max: histogram.max() as f64 }
}
