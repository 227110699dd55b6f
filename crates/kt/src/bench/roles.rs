//! The processes of the benchmark that are no services: this binary, told what to be.

use serde::{Deserialize, Serialize};

use super::{fill, load, log_writer, market, orders, publisher, subscriber};
use crate::error::Error;

/// What a process is.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Role {
    Subscriber(subscriber::Setup),
    Publisher(publisher::Setup),
    Log(log_writer::Setup),
    Fill(fill::Setup),
    Loader(load::Setup),
    Market(market::Setup),
    Orders(orders::Setup),
}

/// Runs the role that is described.
pub(super) fn run(description: &str) -> Result<(), Error> {
    let role: Role = serde_json::from_str(description).map_err(|error| Error::usage(format!("--role: {error}")))?;
    // As the services have them: one thread a venue in the feed, a pool in the loader.
    let mut runtime = match role {
        Role::Loader(_) => tokio::runtime::Builder::new_multi_thread(),
        _ => tokio::runtime::Builder::new_current_thread(),
    };
    if let Role::Publisher(_) | Role::Market(_) = role {
        kt_feed::sharpen_timers();
        let wake_ups = kt_feed::WakeUps::default();
        runtime.on_thread_park(move || wake_ups.before_waiting());
    }
    let runtime = runtime.enable_all().event_interval(61).build();
    let runtime = runtime.map_err(Error::doing("starting the runtime"))?;
    tokio::task::LocalSet::new().block_on(&runtime, async {
        match role {
            Role::Subscriber(setup) => subscriber::run(setup).await,
            Role::Publisher(setup) => publisher::run(setup).await,
            Role::Log(setup) => log_writer::run(setup).await,
            Role::Fill(setup) => fill::run(setup).await,
            Role::Loader(setup) => load::run_loader(setup).await,
            Role::Market(setup) => market::run(setup).await,
            Role::Orders(setup) => orders::run(setup).await,
        }
    })
}
