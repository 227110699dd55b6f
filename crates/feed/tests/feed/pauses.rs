//! What nobody heard while a feed was stopped, or before its first connection, is a gap.

use std::time::Duration;

use kt_bus::testing::NatsServer;
use kt_feed::FeedConfig;
use kt_model::{Event, Nanos, State};

use crate::service::{config, generated, metric_or_zero, rows, simulator, start, until, venue};

/// A status row that concerns the whole venue.
#[derive(Clone, Debug)]
struct Told {
    state: State,
    cause: String,
    from: Option<Nanos>,
    to: Option<Nanos>,
    event: Nanos,
    publish: Nanos,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_orderly_stop_is_a_gap_until_the_first_connection_after_it() {
    let Some(server) = NatsServer::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (sim, _sim) = simulator(generated(2, 1000)).await;
    let run = async |at: FeedConfig| {
        let listen = at.listen;
        let feed = start(at);
        let name = "kt_feed_events_total{venue=\"binance\",kind=\"trade\"}";
        until("trades", async || metric_or_zero(listen, name).await > 20).await;
        feed.stop().await.unwrap();
    };
    let settings = || {
        let mut venue = venue("binance", sim);
        venue.is_recording = false;
        config(&server, &folder, vec![venue])
    };
    run(settings()).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    run(settings()).await;

    let mut told: Vec<Told> = Vec::new();
    rows(&server, |event| {
        if let Event::Status(row) = event
            && row.header.instrument.0.is_empty()
        {
            told.push(Told {
                state: row.state,
                cause: row.cause.0.to_owned(),
                from: row.from_ts,
                to: row.to_ts,
                event: row.header.event_ts,
                publish: row.header.publish_ts,
            });
        }
    })
    .await;
    let at =
        |state: State, which: usize| told.iter().filter(|row| row.state == state).nth(which).expect("told").clone();
    let gaps: Vec<_> = told.iter().filter(|row| row.state == State::Gap).collect();
    let causes: Vec<&str> = gaps.iter().map(|row| row.cause.as_str()).collect();
    assert_eq!(causes, ["restart", "connect"], "a first start has nothing behind it: {told:?}");
    // From the last row of the first run to the second start, and from there to the connection, without a hole.
    let (stopped, connected) = (at(State::Stopped, 0), at(State::Connected, 1));
    assert_eq!(gaps[0].from, Some(stopped.publish), "{told:?}");
    assert!(gaps[0].to.is_some_and(|to| to.0 - stopped.publish.0 >= 1_500_000_000), "{told:?}");
    assert_eq!((gaps[1].from, gaps[1].to), (gaps[0].to, Some(connected.event)), "{told:?}");
}
