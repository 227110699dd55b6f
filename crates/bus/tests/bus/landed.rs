use std::time::Duration;

use kt_bus::testing::NatsServer;
use kt_bus::{Bus, LandedKey};
use kt_model::schema::Kind;

#[tokio::test]
async fn watermarks_are_kept_per_writer_epoch_and_kind_and_survive_a_kill() {
    let Some(mut server) = NatsServer::start() else { return };
    let bus = Bus::connect(&server.config("test")).await.unwrap();
    let landed = bus.landed().await.unwrap();
    let key = |writer: &str, epoch, kind| LandedKey { writer: writer.to_owned(), epoch, kind };
    assert_eq!(landed.get(&key("feed-a", 1, Kind::Trade)).await.unwrap(), None);
    assert!(landed.of_writer("feed-a").await.unwrap().is_empty());
    landed.put(&key("feed-a", 1, Kind::Trade), 3).await.unwrap();
    landed.put(&key("feed-a", 1, Kind::OpenInterest), 9).await.unwrap();
    landed.put(&key("feed-ab", 1, Kind::Trade), 77).await.unwrap();

    let mut watch = landed.watch("feed-a").await.unwrap();
    let mut present = vec![watch.next().await.unwrap().unwrap(), watch.next().await.unwrap().unwrap()];
    present.sort();
    assert_eq!(present, [(key("feed-a", 1, Kind::Trade), 3), (key("feed-a", 1, Kind::OpenInterest), 9)]);
    landed.put(&key("feed-a", 2, Kind::Trade), 1).await.unwrap();
    assert_eq!(watch.next().await.unwrap().unwrap(), (key("feed-a", 2, Kind::Trade), 1));

    server.restart();
    let bus = Bus::connect(&server.config("again")).await.unwrap();
    let all = bus.landed().await.unwrap().of_writer("feed-a").await.unwrap();
    assert_eq!(all.len(), 3);
    assert_eq!(all[&key("feed-a", 1, Kind::OpenInterest)], 9);
}

#[tokio::test]
async fn operations_are_asked_and_answered() {
    let Some(server) = NatsServer::start() else { return };
    let bus = Bus::connect(&server.config("test")).await.unwrap();
    let mut service = bus.answer("echo", "here").await.unwrap();
    tokio::spawn(async move {
        let request = service.next().await.unwrap();
        let question: u32 = request.question().unwrap();
        request.answer(&(question + 1)).await.unwrap();
    });
    let answer: u32 = bus.request("echo", "here", &41u32, Duration::from_secs(5)).await.unwrap();
    assert_eq!(answer, 42);
    let nobody = bus.request::<u32, u32>("echo", "nowhere", &1, Duration::from_secs(5)).await;
    assert!(nobody.unwrap_err().to_string().contains("ops.v1.echo.nowhere"));
}

#[tokio::test]
async fn a_missing_server_is_named() {
    let mut config = kt_bus::BusConfig::local(1, "test");
    config.connect_within = Duration::from_millis(200);
    let error = Bus::connect(&config).await.err().expect("nobody listens on port 1").to_string();
    assert!(error.contains("nats://127.0.0.1:1") && error.contains("start it"), "{error}");
}
