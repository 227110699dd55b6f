//! The role that receives: decodes every row as a consumer would, and measures how old it is.

use hdrhistogram::Histogram;
use kt_bus::{Bus, BusConfig, Credentials, HotMessage};
use kt_model::codec::Reader;
use kt_model::{Event, Nanos};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

use super::{rows, usage, worker};
use crate::error::Error;

/// How long rows are taken after the end was asked for.
const MOST_AFTER_END: Duration = Duration::from_secs(3);

/// What the role is told.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Setup {
    pub(super) nats_port: u16,
    /// User and file of its password, where the server asks for them.
    pub(super) login: Option<(String, PathBuf)>,
    /// Whose rows; all venues where absent.
    pub(super) venue: Option<String>,
    /// Rows received before this time, ns since the epoch, are not measured.
    pub(super) measure_from: i64,
    /// Rows up to this number are not measured: connections and caches warm up.
    pub(super) warm_up: u64,
}

/// What it found.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Found {
    pub(super) received: u64,
    /// Rows that never came, by the writers' counters.
    pub(super) missing: u64,
    /// From the time at which the frame was due.
    pub(super) from_schedule: Quantiles,
    /// From the time at which the publisher had read the frame.
    pub(super) from_receipt: Quantiles,
    /// CPU time of the process.
    pub(super) cpu: Duration,
}

/// Of a distribution, in nanoseconds.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Quantiles {
    pub(super) p50: f64,
    pub(super) p99: f64,
    pub(super) p999: f64,
    pub(super) max: f64,
}

/// Runs the role.
pub(super) async fn run(setup: Setup) -> Result<(), Error> {
    let mut config = BusConfig::local(setup.nats_port, "bench-subscriber");
    if let Some((user, file)) = setup.login.clone() {
        config.credentials = Credentials::UserPasswordFile { user, file };
    }
    let bus = Bus::connect(&config).await.map_err(Error::doing("the subscriber"))?;
    let mut subscriber = bus.subscribe_venue(setup.venue.as_deref()).await.map_err(Error::doing("the subscriber"))?;
    let asked = worker::asked_to_finish();
    tokio::pin!(asked);
    worker::say(&true)?;
    let cpu = usage::of_this_process();
    let mut watch = Watch::new()?;
    let mut end = None;
    loop {
        // What was on its way when the end was asked for still counts, but a flow may never cease.
        let quiet = tokio::time::sleep(Duration::from_millis(500));
        let message = tokio::select! {
            () = &mut asked, if end.is_none() => None,
            () = quiet, if end.is_some() => break,
            message = subscriber.next() => Some(message.map_err(Error::doing("the subscriber"))?),
        };
        match message {
            Some(message) => watch.take(&message, &setup)?,
            None => end = Some(tokio::time::Instant::now() + MOST_AFTER_END),
        }
        if end.is_some_and(|end| tokio::time::Instant::now() > end) {
            break;
        }
    }
    worker::say(&Found {
        received: watch.received,
        missing: watch.missing,
        from_schedule: quantiles(&watch.from_schedule),
        from_receipt: quantiles(&watch.from_receipt),
        cpu: usage::of_this_process() - cpu,
    })
}

struct Watch {
    received: u64,
    missing: u64,
    from_schedule: Histogram<u64>,
    from_receipt: Histogram<u64>,
}

impl Watch {
    fn new() -> Result<Self, Error> {
        let histogram = || Histogram::new_with_bounds(100, 60_000_000_000, 3).map_err(Error::doing("a histogram"));
        Ok(Self { received: 0, missing: 0, from_schedule: histogram()?, from_receipt: histogram()? })
    }

    fn take(&mut self, message: &HotMessage, setup: &Setup) -> Result<(), Error> {
        let event = Event::decode(message.kind, &mut Reader::new(&message.payload))
            .map_err(Error::doing("decoding a row that was received"))?;
        let now = rows::now();
        let header = event.header();
        self.received += 1;
        self.missing += message.missing.as_ref().map_or(0, kt_bus::CounterGap::rows);
        if header.counter > setup.warm_up && header.recv_ts.0 >= setup.measure_from {
            if let Some(due) = header.exch_ts {
                self.from_schedule.saturating_record(age(now, due));
            }
            self.from_receipt.saturating_record(age(now, header.recv_ts));
        }
        Ok(())
    }
}

fn age(now: Nanos, then: Nanos) -> u64 {
    u64::try_from(now.0 - then.0).unwrap_or(0)
}

fn quantiles(histogram: &Histogram<u64>) -> Quantiles {
    let at = |quantile| histogram.value_at_quantile(quantile) as f64;
    Quantiles { p50: at(0.5), p99: at(0.99), p999: at(0.999), max: histogram.max() as f64 }
}
