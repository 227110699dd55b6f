//! Each service can do its work, and not another's.

use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use kt_bus::{Bus, BusError, ConsumerConfig, LandedKey, LogConfig, LogConsumer, LogPublisher, PublisherConfig};
use kt_model::schema::Kind;

use crate::rows::{mark_block, mark_row};
use crate::servers::Server;

fn server() -> Option<Server> {
    let mut server = Server::new("prod")?;
    server.start();
    Some(server)
}

#[tokio::test]
async fn every_service_can_do_its_work() {
    let Some(server) = server() else { return };
    let feed = Bus::connect(&server.user("kt-feed")).await.unwrap();
    feed.ensure_log(&LogConfig::default()).await.unwrap();
    feed.ensure_log(&LogConfig { max_bytes: 1 << 28, ..LogConfig::default() }).await.unwrap();
    let load = Bus::connect(&server.user("kt-load")).await.unwrap();
    let console = Bus::connect(&server.user("kt-console")).await.unwrap();
    let mut rows = console.subscribe_venue(Some("test")).await.unwrap();

    let mut hot = kt_bus::HotPublisher::connect(&feed, kt_bus::HotConfig::default()).await.unwrap();
    let route = hot.route(Kind::Mark, "test", "BTC-USDT-SPOT");
    hot.publish(route, &mark_row("w", 5, 1));
    hot.flush();
    let row = tokio::time::timeout(Duration::from_secs(5), rows.next()).await.unwrap().unwrap();
    assert_eq!(row.kind, Kind::Mark);

    let mut publisher = LogPublisher::new(&feed, "test", "w", PublisherConfig::default()).await.unwrap();
    let (header, payload) = mark_block("w", 5, 1, 10);
    publisher.send(&header, payload).await.unwrap();
    publisher.drain(Duration::from_secs(5), |_| {}).await.unwrap();
    assert_eq!(feed.last_block(Kind::Mark, "test", "w").await.unwrap().map(|header| header.number), Some(1));
    feed.accepted().await.unwrap().put("w", 5, 10).await.unwrap();

    let config = ConsumerConfig { name: "load".to_owned(), start_after: None, max_unacknowledged: 100 };
    let mut consumer = LogConsumer::open(&load, config).await.unwrap();
    let batch = consumer.fetch(10, Duration::from_secs(5)).await.unwrap();
    consumer.acknowledge_through(batch.blocks[0].position).await.unwrap();
    let key = LandedKey { writer: "w".to_owned(), epoch: 5, kind: Kind::Mark };
    let mut watch = feed.landed().await.unwrap().watch("w").await.unwrap();
    load.landed().await.unwrap().put(&key, 1).await.unwrap();
    let change = tokio::time::timeout(Duration::from_secs(5), watch.next()).await.unwrap().unwrap();
    assert_eq!(change, Some((key, 1)));
    assert!(load.leases().await.unwrap().create("loader", "me").await.unwrap().is_some());
    load.log_state().await.unwrap();

    // The loader asks, the feed answers.
    let mut service = feed.answer("republish", "w").await.unwrap();
    let answering = tokio::spawn(async move { service.next().await.unwrap().answer(&7_u32).await });
    let answer: u32 = load.request("republish", "w", &1_u32, Duration::from_secs(5)).await.unwrap();
    answering.await.unwrap().unwrap();
    assert_eq!(answer, 7);
    let operator = Bus::connect(&server.user("kt-operator")).await.unwrap();
    assert_eq!(operator.accepted().await.unwrap().all().await.unwrap(), [("w".to_owned(), 5, 10)]);
}

#[tokio::test]
async fn no_service_can_do_anothers() {
    let Some(server) = server() else { return };
    let wrong = Bus::connect(&server.user_with("kt-feed", "no")).await;
    assert!(matches!(wrong, Err(BusError::Connect { .. })));
    let feed = Bus::connect(&server.user("kt-feed")).await.unwrap();
    feed.ensure_log(&LogConfig::default()).await.unwrap();
    feed.landed().await.unwrap();
    let operator = server.client("kt-operator").await;
    let mut everything = operator.subscribe("*.v1.>").await.unwrap();
    let mut watermarks = operator.subscribe("$KV.>").await.unwrap();
    operator.flush().await.unwrap();
    let forbidden = [
        ("kt-feed", &["sig.v1.a.b.c", "ord.v1.a.b.c", "$KV.LANDED.w.5.mark"][..]),
        ("kt-load", &["md.v1.mark.test.X", "log.v1.mark.test.w", "sig.v1.a.b.c", "ord.v1.a.b.c", "$KV.ACCEPTED.w.5"]),
        ("kt-console", &["md.v1.mark.test.X", "log.v1.mark.test.w", "ops.v1.a.b", "sig.v1.a.b.c", "ord.v1.a.b.c"]),
        ("kt-signals", &["md.v1.mark.test.X", "log.v1.mark.test.w", "ord.v1.a.b.c", "$KV.LANDED.w.5.mark"]),
        ("kt-trade", &["md.v1.mark.test.X", "log.v1.signal.test.w", "sig.v1.a.b.c", "$KV.LANDED.w.5.mark"]),
        ("kt-backfill", &["md.v1.mark.test.X", "sig.v1.a.b.c", "ord.v1.a.b.c"]),
        ("kt-service", &["md.v1.mark.test.X", "log.v1.mark.test.w", "sig.v1.a.b.c", "ord.v1.a.b.c"]),
    ];
    for (user, subjects) in forbidden {
        let client = server.client(user).await;
        for subject in subjects {
            client.publish(*subject, Bytes::from_static(b"forbidden")).await.unwrap();
        }
        for call in [
            "STREAM.DELETE.LOG",
            "STREAM.PURGE.LOG",
            "STREAM.MSG.DELETE.LOG",
            "STREAM.DELETE.KV_LANDED",
            "STREAM.CREATE.OTHER",
        ] {
            let subject = format!("$JS.API.{call}");
            let answer = tokio::time::timeout(Duration::from_millis(200), client.request(subject.clone(), "{}".into()));
            assert!(!matches!(answer.await, Ok(Ok(_))), "{user} was answered {subject}");
        }
        client.flush().await.unwrap();
    }
    for (subscriber, what) in [(&mut everything, "a message"), (&mut watermarks, "a watermark")] {
        let seen = tokio::time::timeout(Duration::from_millis(300), subscriber.next()).await;
        assert!(seen.is_err(), "{what} got through: {seen:?}");
    }
    // Another's answers and the rows of the log are not to be listened to.
    let console = server.client("kt-console").await;
    for subject in ["_INBOX.>", "_INBOX.kt-load.>", "log.v1.>", "$KV.>", "$JS.>", ">"] {
        let mut subscriber = console.subscribe(subject).await.unwrap();
        console.flush().await.unwrap();
        operator.publish("log.v1.mark.test.w", Bytes::from_static(b"x")).await.unwrap();
        operator.publish("_INBOX.kt-load.1", Bytes::from_static(b"x")).await.unwrap();
        operator.flush().await.unwrap();
        let heard = tokio::time::timeout(Duration::from_millis(200), subscriber.next()).await;
        assert!(!matches!(heard, Ok(Some(_))), "the console heard {heard:?} on {subject}");
    }
}
