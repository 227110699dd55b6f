//! Kills, crowds, clients that leave, and starts that must fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use kt_warehouse::client::Options;

use crate::harness::{Setup, directory};
use crate::transfer::{count, rows, table};

/// Every batch acknowledged before `kill -9` is there afterwards, whole; every other is there
/// whole or not at all.
pub async fn kills_lose_nothing() {
    const BATCH: u64 = 5_000;
    let directory = directory();
    let setup = Setup::new(directory.path());
    let mut next = 0;
    let mut acknowledged = Vec::new();
    for round in 0..5_u64 {
        let warehouse = setup.start();
        let client = if round == 0 { table(&warehouse).await } else { warehouse.client() };
        check_batches(&client, &acknowledged, BATCH).await;
        let first = Arc::new(AtomicU64::new(next));
        let writers: Vec<_> = (0..2)
            .map(|_| {
                let (client, first) = (client.clone(), Arc::clone(&first));
                tokio::spawn(async move {
                    let mut done = Vec::new();
                    loop {
                        let batch = first.fetch_add(1, Ordering::SeqCst);
                        let data = rows(batch * BATCH..(batch + 1) * BATCH);
                        match client.insert_row_binary("market.t", None, data, &Options::new()).await {
                            Ok(_) => done.push(batch),
                            Err(_) => return done,
                        }
                    }
                })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(700 + 137 * round)).await;
        warehouse.kill();
        for writer in writers {
            acknowledged.extend(writer.await.unwrap());
        }
        next = first.load(Ordering::SeqCst);
    }
    let warehouse = setup.start();
    check_batches(&warehouse.client(), &acknowledged, BATCH).await;
    println!("  {} batches acknowledged over 5 kills", acknowledged.len());
    assert!(acknowledged.len() > 20);
}

async fn check_batches(client: &kt_warehouse::Client, acknowledged: &[u64], size: u64) {
    let sql = format!(
        "SELECT intDiv(id, {size}) AS batch, count() AS rows, uniqExact(id) AS ids FROM market.t GROUP BY batch"
    );
    #[derive(serde::Deserialize)]
    struct Batch {
        batch: u64,
        rows: u64,
        ids: u64,
    }
    let found: Vec<Batch> = client.query_rows(&sql, &Options::new()).await.unwrap();
    for batch in &found {
        assert_eq!((batch.rows, batch.ids), (size, size), "batch {} is not whole", batch.batch);
    }
    for batch in acknowledged {
        assert!(found.iter().any(|found| found.batch == *batch), "acknowledged batch {batch} is missing");
    }
}

pub async fn readers_and_writers_together() {
    let directory = directory();
    let warehouse = Setup::new(directory.path()).start();
    let client = table(&warehouse).await;
    let until = Instant::now() + Duration::from_secs(4);
    let writers = (0..3_u64).map(|writer| {
        let client = client.clone();
        tokio::spawn(async move {
            let mut batches = 0_u64;
            while Instant::now() < until {
                let start = (writer * 1_000_000 + batches) * 1_000;
                client.insert_row_binary("market.t", None, rows(start..start + 1_000), &Options::new()).await.unwrap();
                batches += 1;
            }
            batches
        })
    });
    let readers = (0..4).map(|reader| {
        let client = client.clone();
        tokio::spawn(async move {
            let mut last = 0;
            while Instant::now() < until {
                // A batch is seen whole or not at all, and nothing seen disappears.
                let now = count(&client).await;
                assert!(now >= last && now % 1_000 == 0, "reader {reader}: {now} after {last}");
                last = now;
                let options = Options::new().session(&format!("reader-{reader}"));
                client.execute("CREATE TEMPORARY TABLE IF NOT EXISTS mine (a Int8)", &options).await.unwrap();
            }
            0_u64
        })
    });
    let tasks: Vec<_> = writers.chain(readers).collect();
    let mut batches = 0;
    for task in tasks {
        batches += task.await.unwrap();
    }
    assert_eq!(count(&client).await, batches * 1_000);
    println!("  {batches} batches beside 4 readers in 4 s");
    assert_eq!(warehouse.stop().0, Some(0));
}

pub async fn a_client_that_leaves_is_not_served_on() {
    let directory = directory();
    let warehouse = Setup::new(directory.path()).start();
    let client = warehouse.client();
    let running = "SELECT count() FROM system.processes WHERE Settings['log_comment'] = 'endless'";
    let options = Options::new().query_id("endless");
    let leaver = tokio::spawn({
        let (client, options) = (client.clone(), options.clone());
        async move { client.query_bytes("SELECT sum(sipHash64(number)) FROM numbers(100000000000000)", &options).await }
    });
    wait_for(&client, running, "1\n").await;
    let again = client.query_bytes("SELECT 1", &options).await.unwrap_err();
    assert_eq!(again.code(), Some(216), "{again}");
    leaver.abort();
    wait_for(&client, running, "0\n").await;
    // The same by hand, by query id.
    let killed = tokio::spawn({
        let (client, options) = (client.clone(), options.clone());
        async move { client.query_bytes("SELECT sum(sipHash64(number)) FROM numbers(100000000000000)", &options).await }
    });
    wait_for(&client, running, "1\n").await;
    client.execute("KILL QUERY WHERE Settings['log_comment'] = 'endless' ASYNC", &Options::new()).await.unwrap();
    assert_eq!(killed.await.unwrap().unwrap_err().code(), Some(394));
    // Stopping does not wait for ever either.
    let endless = tokio::spawn({
        let client = client.clone();
        async move { client.query_bytes("SELECT sum(sipHash64(number)) FROM numbers(100000000000000)", &options).await }
    });
    wait_for(&client, running, "1\n").await;
    let (code, seconds) = tokio::task::spawn_blocking(|| warehouse.stop()).await.unwrap();
    assert_eq!(code, Some(0));
    println!("  stopped in {seconds:.1} s with a query running");
    assert!(endless.await.unwrap().is_err());
}

async fn wait_for(client: &kt_warehouse::Client, sql: &str, wanted: &str) {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let answer = client.query_bytes(sql, &Options::new()).await.unwrap();
        if answer == wanted {
            return;
        }
        assert!(Instant::now() < deadline, "{sql} stays {answer:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub async fn a_full_queue_says_so() {
    let directory = directory();
    let mut setup = Setup::new(directory.path());
    setup.workers = 2;
    let warehouse = setup.start();
    let client = warehouse.client();
    let crowd: Vec<_> = (0..120)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.query_bytes("SELECT sleep(0.1)", &Options::new()).await })
        })
        .collect();
    let (mut served, mut refused) = (0, 0);
    for task in crowd {
        match task.await.unwrap() {
            Ok(_) => served += 1,
            Err(error) => {
                assert_eq!(error.code(), Some(202), "{error}");
                refused += 1;
            }
        }
    }
    // 2 workers and 64 places in the queue.
    assert!(served >= 66 && refused > 0, "served {served}, refused {refused}");
    let metrics = reqwest::get(format!("{}/metrics", warehouse.url)).await.unwrap().text().await.unwrap();
    assert!(metrics.contains(&format!("kt_warehouse_dropped_total{{cause=\"queue_full\"}} {refused}")), "{metrics}");
}

pub async fn failing_starts_say_why() {
    let directory = directory();
    let setup = Setup::new(directory.path());
    let missing = Setup { library: "/nowhere/libchdb.so".into(), ..setup.clone() };
    let said = missing.start_failing();
    assert!(said.contains("/nowhere/libchdb.so") && said.contains("make setup"), "{said}");
    let text = directory.path().join("libchdb.so");
    std::fs::write(&text, "no library").unwrap();
    let said = Setup { library: text, ..setup.clone() }.start_failing();
    assert!(said.contains("cannot be loaded"), "{said}");
    let said = Setup { data: "/proc/warehouse".into(), ..setup.clone() }.start_failing();
    assert!(said.contains("data directory /proc/warehouse cannot be used"), "{said}");
    let warehouse = setup.start();
    let port = warehouse.url.rsplit(':').next().unwrap().parse().unwrap();
    let other = Setup { port, data: directory.path().join("other"), ..setup.clone() };
    let said = other.start_failing();
    assert!(said.contains(&format!("cannot listen on 127.0.0.1:{port}")), "{said}");
    let said = setup.start_failing();
    assert!(said.contains("another warehouse uses it"), "{said}");
}
