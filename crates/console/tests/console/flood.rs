//! Many events in a short time: none is missed and the work is measured.

use std::time::{Duration, Instant};

use kt_model::{Event, Nanos};
use serde_json::Value;

use crate::flow::Flow;
use crate::http::{client, get};
use crate::publisher::Publisher;
use crate::stage::{Stage, now};

const ROWS: u64 = 60_000;
const PER_SECOND: f64 = 20_000.0;

async fn busy_seconds(stage: &Stage) -> f64 {
    let text = client().get(format!("{}/metrics", stage.url)).send().await.unwrap().text().await.unwrap();
    let line = text.lines().find(|line| line.starts_with("kt_console_busy_seconds_total")).expect("the metric");
    line.split(' ').nth(1).unwrap().parse().unwrap()
}

fn count(body: &Value, what: &str) -> u64 {
    body["totals"][what].as_u64().unwrap()
}

/// The market of the other tests goes on; a second writer's rows come on top at 20 000 a second.
pub async fn nothing_is_missed(stage: &Stage) {
    let mut publisher = Publisher::connect(stage.engines.nats_port).await;
    let mut flow = Flow::new(7).named("flood");
    let before = get(&stage.url, "/api/v1/feeds").await;
    let busy = busy_seconds(stage).await;
    let (start, mut sent) = (Instant::now(), 0_u64);
    while sent < ROWS {
        let at: Nanos = now();
        flow.step(at, false, |venue, event: Event<'_>| {
            publisher.publish(venue, &event);
            sent += 1;
        });
        publisher.forget();
        while !publisher.flush() || sent as f64 > start.elapsed().as_secs_f64() * PER_SECOND {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let after = get(&stage.url, "/api/v1/feeds").await;
        assert_eq!((count(&after, "missed"), count(&after, "undecodable")), (0, 0), "{after}");
        let events = count(&after, "events") - count(&before, "events");
        if events >= ROWS {
            let spent = (busy_seconds(stage).await - busy) / events as f64 * 1e6;
            println!("{events} events in {:.1} s, {spent:.2} µs of work each", start.elapsed().as_secs_f64());
            return;
        }
        assert!(Instant::now() < deadline, "{events} of {ROWS} events came");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
