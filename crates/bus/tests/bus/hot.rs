use std::time::Duration;

use kt_bus::testing::NatsServer;
use kt_bus::{Bus, HotConfig, HotPublisher};
use kt_model::schema::Kind;

use crate::rows::mark_row;

#[tokio::test]
async fn rows_arrive_in_order_with_their_schema_and_a_hole_is_seen() {
    let Some(server) = NatsServer::start() else { return };
    let bus = Bus::connect(&server.config("test")).await.unwrap();
    let mut all = bus.subscribe_venue(Some("test")).await.unwrap();
    let mut part = bus.subscribe_part(Some(Kind::Mark), "test", Some("B.TC")).await.unwrap();
    let mut hot = HotPublisher::connect(&bus, HotConfig::default()).await.unwrap();
    let route = hot.route(Kind::Mark, "test", "B.TC");
    for counter in (1..=2000u64).filter(|counter| !(1000..1010).contains(counter)) {
        hot.publish(route, &mark_row("w", 7, counter));
        if counter % 100 == 0 {
            while !hot.flush() {
                tokio::task::yield_now().await;
            }
        }
    }
    assert!(hot.flush());
    assert_eq!(hot.counts().sent, 1990);
    let mut missing = Vec::new();
    for _ in 0..1990 {
        let message = tokio::time::timeout(Duration::from_secs(5), all.next()).await.unwrap().unwrap();
        assert_eq!((message.kind, message.version), (Kind::Mark, 1));
        missing.extend(message.missing.map(|gap| (gap.writer, gap.epoch, gap.first, gap.last)));
        assert_eq!(part.next().await.unwrap().missing, None);
    }
    assert_eq!(missing, [("w".to_owned(), 7, 1000, 1009)]);
}

#[tokio::test]
async fn the_hot_path_comes_back_after_a_kill_and_counts_what_it_dropped() {
    let Some(mut server) = NatsServer::start() else { return };
    let bus = Bus::connect(&server.config("test")).await.unwrap();
    let mut all = bus.subscribe_venue(None).await.unwrap();
    let mut hot = HotPublisher::connect(&bus, HotConfig::default()).await.unwrap();
    let route = hot.route(Kind::Mark, "test", "BTC");
    let (mut counter, mut seen, mut missing) = (0u64, 0u64, 0u64);
    let mut killed = false;
    while seen < 300 {
        counter += 1;
        hot.publish(route, &mark_row("w", 7, counter));
        hot.flush();
        tokio::time::sleep(Duration::from_millis(1)).await;
        while let Ok(message) = tokio::time::timeout(Duration::ZERO, all.next()).await {
            let message = message.unwrap();
            seen += 1;
            missing += message.missing.map_or(0, |gap| gap.rows());
        }
        if seen >= 100 && !killed {
            killed = true;
            server.restart();
        }
        assert!(counter < 30_000, "the hot path did not come back: {:?}", hot.counts());
    }
    let counts = hot.counts();
    assert_eq!(counts.sent + counts.dropped_disconnected, counter, "every row is accounted for");
    assert!(counts.dropped_disconnected > 0);
    // What the server had taken and not delivered when it was killed is missing too.
    assert!(missing >= counts.dropped_disconnected, "{missing} missing, {counts:?}");
}
