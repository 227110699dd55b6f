use std::collections::BTreeSet;
use std::time::Duration;

use kt_bus::testing::NatsServer;
use kt_bus::{
    Bus, BusError, ConsumerConfig, LogAlarm, LogConfig, LogConsumer, LogPosition, LogPublisher, PublishEvent,
    PublisherConfig,
};
use kt_model::schema::Kind;

use crate::rows::mark_block;

const WAIT: Duration = Duration::from_millis(200);

async fn publisher(bus: &Bus, writer: &str) -> LogPublisher {
    LogPublisher::new(bus, "test", writer, PublisherConfig::default()).await.unwrap()
}

async fn consumer(bus: &Bus, start_after: Option<LogPosition>) -> LogConsumer {
    let config = ConsumerConfig { name: "load".to_owned(), start_after, max_unacknowledged: 10_000 };
    LogConsumer::open(bus, config).await.unwrap()
}

async fn publish(publisher: &mut LogPublisher, writer: &str, numbers: std::ops::RangeInclusive<u64>) {
    for number in numbers {
        while !publisher.has_room() {
            publisher.next().await.unwrap();
        }
        let (header, payload) = mark_block(writer, 5, number, 10);
        publisher.send(&header, payload).await.unwrap();
    }
    publisher.drain(Duration::from_secs(10), |_| {}).await.unwrap();
}

/// Reads until nothing more comes; the block numbers in order of arrival and the alarms.
async fn read(consumer: &mut LogConsumer) -> (Vec<u64>, Vec<LogAlarm>, Option<LogPosition>) {
    let (mut numbers, mut alarms, mut last) = (Vec::new(), Vec::new(), None);
    loop {
        let batch = consumer.fetch(500, WAIT).await.unwrap();
        if batch.blocks.is_empty() && batch.alarms.is_empty() {
            return (numbers, alarms, last);
        }
        for block in &batch.blocks {
            block.header.verify_hash(&block.payload).unwrap();
            block.header.verify_rows(&block.payload, |_| {}).unwrap();
            numbers.push(block.header.number);
            last = Some(block.position);
        }
        alarms.extend(batch.alarms);
        if let Some(position) = last {
            consumer.acknowledge_through(position).await.unwrap();
        }
    }
}

#[tokio::test]
async fn blocks_come_back_whole_and_reading_resumes_at_the_callers_position() {
    let Some(server) = NatsServer::start() else { return };
    let bus = Bus::connect(&server.config("test")).await.unwrap();
    assert!(matches!(
        LogConsumer::open(&bus, ConsumerConfig { name: "x".into(), start_after: None, max_unacknowledged: 1 }).await,
        Err(BusError::Stream { .. })
    ));
    bus.ensure_log(&LogConfig::default()).await.unwrap();
    let changed = LogConfig { max_bytes: 1 << 30, ..LogConfig::default() };
    bus.ensure_log(&changed).await.unwrap();
    assert_eq!(bus.last_block(Kind::Mark, "test", "w").await.unwrap(), None);

    let mut sender = publisher(&bus, "w").await;
    publish(&mut sender, "w", 1..=300).await;
    assert_eq!(bus.last_block(Kind::Mark, "test", "w").await.unwrap().unwrap(), mark_block("w", 5, 300, 10).0);

    let mut reader = consumer(&bus, None).await;
    let first = reader.fetch(120, WAIT).await.unwrap();
    assert_eq!(first.blocks.len(), 120);
    let position = first.blocks[99].position;
    drop(reader);
    // The position is ours: what the server delivered beyond it comes again.
    let mut reader = consumer(&bus, Some(position)).await;
    let (numbers, alarms, _) = read(&mut reader).await;
    assert_eq!(numbers, (101..=300).collect::<Vec<_>>());
    assert_eq!(alarms, []);
    assert_eq!(reader.behind().await.unwrap(), 0);
    // A block sent twice is stored once and recognised.
    let (header, payload) = mark_block("w", 5, 300, 10);
    sender.send(&header, payload).await.unwrap();
    let event = sender.next().await.unwrap();
    assert!(matches!(event, PublishEvent::Acknowledged { duplicate: true, sequence: 300, .. }), "{event:?}");
}

#[tokio::test]
async fn no_block_is_lost_when_the_server_is_killed_in_mid_stream() {
    let Some(mut server) = NatsServer::start() else { return };
    let bus = Bus::connect(&server.config("test")).await.unwrap();
    bus.ensure_log(&LogConfig::default()).await.unwrap();
    let reading_bus = Bus::connect(&server.config("reader")).await.unwrap();
    let (done, mut finished) = tokio::sync::oneshot::channel::<()>();
    let reading = tokio::spawn(async move {
        let mut reader = consumer(&reading_bus, None).await;
        let mut numbers = Vec::new();
        loop {
            match reader.fetch(200, WAIT).await {
                Ok(batch) if batch.blocks.is_empty() && finished.try_recv().is_ok() => return numbers,
                Ok(batch) => {
                    assert_eq!(batch.alarms, []);
                    numbers.extend(batch.blocks.iter().map(|block| block.header.number));
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await, // the server is down
            }
        }
    });
    let mut sender = publisher(&bus, "w").await;
    let mut resent = 0;
    let mut count = |event: PublishEvent| {
        if let PublishEvent::Resent { blocks, .. } = event {
            resent += blocks;
        }
    };
    for number in 1..=4000u64 {
        if number == 1500 || number == 3000 {
            server.kill();
            server.restart();
        }
        while !sender.has_room() {
            count(sender.next().await.unwrap());
        }
        let (header, payload) = mark_block("w", 5, number, 10);
        sender.send(&header, payload).await.unwrap();
    }
    sender.drain(Duration::from_secs(30), &mut count).await.unwrap();
    done.send(()).unwrap();
    let numbers = tokio::time::timeout(Duration::from_secs(60), reading).await.unwrap().unwrap();
    let distinct: BTreeSet<u64> = numbers.iter().copied().collect();
    assert_eq!(distinct, (1..=4000).collect::<BTreeSet<_>>());
    println!("{} delivered, {} more than once, {resent} resent", numbers.len(), numbers.len() - distinct.len());
}

#[tokio::test]
async fn a_log_that_lost_everything_is_noticed_on_both_sides() {
    let Some(mut server) = NatsServer::start() else { return };
    let bus = Bus::connect(&server.config("test")).await.unwrap();
    bus.ensure_log(&LogConfig::default()).await.unwrap();
    let mut sender = publisher(&bus, "w").await;
    publish(&mut sender, "w", 1..=50).await;
    let mut reader = consumer(&bus, None).await;
    let (numbers, _, last) = read(&mut reader).await;
    assert_eq!(numbers.len(), 50);

    // Deleted while everyone is connected: the publisher hears that no stream takes the subject.
    bus.delete_log().await.unwrap();
    let (header, payload) = mark_block("w", 5, 51, 10);
    sender.send(&header, payload).await.unwrap();
    assert_eq!(sender.next().await.unwrap(), PublishEvent::StreamMissing);
    bus.ensure_log(&LogConfig::default()).await.unwrap();
    let mut events = Vec::new();
    sender.drain(Duration::from_secs(10), |event| events.push(event)).await.unwrap();
    assert!(events.contains(&PublishEvent::SequenceRestarted { before: 50, now: 1 }), "{events:?}");
    publish(&mut sender, "w", 41..=50).await;

    let (numbers, alarms, _) = read(&mut reader).await;
    assert_eq!(numbers, [51, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50]);
    assert!(matches!(&alarms[..], [LogAlarm::Recreated { before, .. }] if Some(*before) == last), "{alarms:?}");

    // The store erased while the server is down, and the reader opened anew from its old position.
    server.kill();
    server.erase();
    server.restart();
    drop(reader);
    let end = std::time::Instant::now() + Duration::from_secs(10);
    while bus.ensure_log(&LogConfig::default()).await.is_err() {
        assert!(std::time::Instant::now() < end, "JetStream did not come back");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    publish(&mut sender, "w", 60..=61).await;
    let mut reader = consumer(&bus, last).await;
    let (numbers, alarms, _) = read(&mut reader).await;
    assert_eq!(numbers, [60, 61]);
    assert!(matches!(&alarms[..], [LogAlarm::Recreated { .. }]), "{alarms:?}");
}

#[tokio::test]
async fn blocks_discarded_before_they_were_read_raise_an_alarm() {
    let Some(server) = NatsServer::start() else { return };
    let bus = Bus::connect(&server.config("test")).await.unwrap();
    let small = LogConfig { max_bytes: 64 << 10, ..LogConfig::default() };
    bus.ensure_log(&small).await.unwrap();
    let mut sender = publisher(&bus, "w").await;
    publish(&mut sender, "w", 1..=5).await;
    let mut reader = consumer(&bus, None).await;
    assert_eq!(read(&mut reader).await.0, [1, 2, 3, 4, 5]);
    publish(&mut sender, "w", 6..=200).await;
    let state = bus.log_state().await.unwrap().unwrap();
    assert!(state.first > 6 && state.last == 200, "{state:?}");
    let (numbers, alarms, _) = read(&mut reader).await;
    assert_eq!(alarms, [LogAlarm::Discarded { first: 6, last: state.first - 1 }]);
    assert_eq!(numbers, (state.first..=200).collect::<Vec<_>>());
}
