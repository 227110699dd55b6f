//! An environment gets what it was given and nothing else, and can change nothing on production.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::StreamExt;
use kt_bus::{Bus, LogConfig, LogPublisher, PublisherConfig, Selection};

use crate::rows::{mark_block, mark_row};
use crate::servers::Server;

const SELECTION: &str = "mark.test";

async fn publish(bus: &Bus, venue: &str, writer: &str, numbers: std::ops::RangeInclusive<u64>) -> Duration {
    let mut publisher = LogPublisher::new(bus, venue, writer, PublisherConfig::default()).await.unwrap();
    let started = Instant::now();
    for number in numbers {
        while !publisher.has_room() {
            publisher.next().await.unwrap();
        }
        let (header, payload) = mark_block(writer, 5, number, 10);
        publisher.send(&header, payload).await.unwrap();
    }
    publisher.drain(Duration::from_secs(30), |_| {}).await.unwrap();
    started.elapsed()
}

/// Waits until the environment's log holds so many blocks; answers its subjects.
async fn holds(bus: &Bus, blocks: u64) -> Vec<String> {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let subjects = bus.log_subjects("log.v1.>").await.unwrap();
        let there: u64 = subjects.values().sum();
        assert!(there <= blocks, "{there} blocks instead of {blocks}: {subjects:?}");
        if there == blocks {
            return subjects.into_keys().collect();
        }
        assert!(Instant::now() < end, "{there} of {blocks} blocks arrived");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

struct Pair {
    production: Server,
    test: Server,
}

async fn pair() -> Option<Pair> {
    let (mut production, mut test) = (Server::new("prod")?, Server::new("test")?);
    production.start();
    let feed = Bus::connect(&production.user("kt-feed")).await.unwrap();
    feed.ensure_log(&LogConfig::default()).await.unwrap();
    publish(&feed, "test", "w", 1..=200).await;
    publish(&feed, "other", "o", 1..=100).await;
    // The way is opened while the server runs: its connections stay.
    production.offer("test", SELECTION);
    // A new account's import of a JetStream call works from the second reload on.
    for _ in 0..2 {
        production.reload();
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    let operator = Bus::connect(&production.user("kt-operator")).await.unwrap();
    operator.offer_log("test", &Selection::parse(SELECTION).unwrap()).await.unwrap();
    test.connect_to(&production, "test");
    test.start();
    let load = Bus::connect(&test.user("kt-load")).await.unwrap();
    load.ensure_mirrored_log(&LogConfig::default(), "test").await.unwrap();
    assert_eq!(feed.connections_made(), 1, "the reload cut nobody off");
    Some(Pair { production, test })
}

#[tokio::test]
async fn an_environment_gets_the_selection_and_catches_up_after_a_pause() {
    let Some(Pair { production, test }) = pair().await else { return };
    let feed = Bus::connect(&production.user("kt-feed")).await.unwrap();
    let load = Bus::connect(&test.user("kt-load")).await.unwrap();
    assert_eq!(holds(&load, 200).await, ["log.v1.mark.test.w"]);
    let with = publish(&feed, "test", "w", 201..=1200).await;
    holds(&load, 1200).await;
    test.signal("STOP");
    let stopped = publish(&feed, "test", "w", 1201..=6200).await;
    publish(&feed, "other", "o", 101..=600).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    test.signal("CONT");
    let started = Instant::now();
    assert_eq!(holds(&load, 6200).await, ["log.v1.mark.test.w"]);
    println!(
        "production: 1000 blocks with the environment in {with:?}, 5000 while it was stopped in {stopped:?}; \
         caught up in {:?}",
        started.elapsed()
    );
    let operator = Bus::connect(&production.user("kt-operator")).await.unwrap();
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        let lag = operator.environment_lag("test").await.unwrap().expect("is offered");
        if lag.pending == 0 && lag.unconfirmed == 0 {
            break;
        }
        assert!(Instant::now() < end, "{lag:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // A loader finds the log as its writers would have made it, and the update of its limits keeps its source.
    load.ensure_log(&LogConfig { max_bytes: 1 << 29, ..LogConfig::default() }).await.unwrap();
    publish(&feed, "test", "w", 6201..=6300).await;
    holds(&load, 6300).await;
}

#[tokio::test]
async fn nothing_on_production_can_be_changed_or_read_beyond_the_selection() {
    let Some(Pair { production, test }) = pair().await else { return };
    let load = Bus::connect(&test.user("kt-load")).await.unwrap();
    holds(&load, 200).await;
    let before = Bus::connect(&production.user("kt-operator")).await.unwrap();
    let (log, watch) = (before.log_state().await.unwrap(), production.client("kt-operator").await);
    let mut seen = watch.subscribe("md.v1.>").await.unwrap();
    let mut logged = watch.subscribe("log.v1.>").await.unwrap();
    let mut signals = watch.subscribe("sig.v1.>").await.unwrap();
    watch.flush().await.unwrap();

    // Somebody who may do everything in the environment.
    let evil = test.client("kt-operator").await;
    let mut hot = evil.subscribe("md.v1.>").await.unwrap();
    let mut orders = evil.subscribe("ord.v1.>").await.unwrap();
    evil.flush().await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let row = Bytes::from(mark_row("w", 5, 1));
    for subject in ["md.v1.mark.test.X", "log.v1.mark.test.w", "sig.v1.a.b.c", "$KV.LANDED.w.5.mark", "deliver.other"] {
        evil.publish(subject, row.clone()).await.unwrap();
    }
    let calls = [
        "STREAM.DELETE.LOG",
        "STREAM.PURGE.LOG",
        "STREAM.INFO.LOG",
        "STREAM.UPDATE.LOG",
        "STREAM.MSG.DELETE.LOG",
        "STREAM.MSG.GET.LOG",
        "DIRECT.GET.LOG",
        "STREAM.NAMES",
        "CONSUMER.CREATE.LOG",
        "CONSUMER.CREATE.LOG.evil",
        "CONSUMER.CREATE.LOG.evil.log.v1.mark.test.*",
        "CONSUMER.DELETE.LOG.ENV-test",
        "CONSUMER.INFO.LOG.ENV-test",
        "CONSUMER.MSG.NEXT.LOG.ENV-test",
        "CONSUMER.RESET.LOG.ENV-other",
        "STREAM.DELETE.KV_LANDED",
    ];
    let push = r#"{"stream_name":"LOG","config":{"deliver_subject":"md.v1.mark.test.X","ack_policy":"none"}}"#;
    for prefix in ["JS.PROD.API", "$JS.PROD.API"] {
        for call in calls {
            let subject = format!("{prefix}.{call}");
            let answer =
                tokio::time::timeout(Duration::from_millis(500), evil.request(subject.clone(), push.into())).await;
            assert!(!matches!(answer, Ok(Ok(_))), "{subject} was answered");
        }
    }
    evil.flush().await.unwrap();

    // What production sends reaches the environment only where it was selected.
    for subject in ["md.v1.trade.test.X", "md.v1.mark.other.X", "ord.v1.new.test.X", "md.v1.mark.test.X"] {
        watch.publish(subject, Bytes::from_static(b"production")).await.unwrap();
    }
    watch.flush().await.unwrap();
    let first = tokio::time::timeout(Duration::from_secs(5), async {
        loop {
            let message = hot.next().await.unwrap();
            // Its own message came back to it before.
            if message.payload == "production" {
                break message.subject;
            }
        }
    });
    assert_eq!(first.await.unwrap().as_str(), "md.v1.mark.test.X");
    let order = tokio::time::timeout(Duration::from_millis(300), orders.next()).await;
    assert!(order.is_err(), "the environment saw {order:?}");
    // On production only its own four messages were seen, and the log is as it was.
    for expected in ["md.v1.trade.test.X", "md.v1.mark.other.X", "md.v1.mark.test.X"] {
        assert_eq!(seen.next().await.unwrap().subject.as_str(), expected);
    }
    for subscriber in [&mut seen, &mut logged, &mut signals] {
        let more = tokio::time::timeout(Duration::from_millis(300), subscriber.next()).await;
        assert!(more.is_err(), "production saw {more:?}");
    }
    assert_eq!(before.log_state().await.unwrap(), log);
}
