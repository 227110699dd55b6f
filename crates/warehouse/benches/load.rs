//! How many rows a second the loader brings from a full log into landing, and what each costs.
//!
//! `cargo bench -p kt-warehouse --bench load [rows]`: real nats-server and engine, each a process of its
//! own. The log is filled first, so that loader and warehouse alone set the pace.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../tests/warehouse/harness.rs"]
#[allow(dead_code)]
mod harness;
#[path = "../tests/loader/world.rs"]
#[allow(dead_code)]
mod world;
#[path = "../tests/loader/writer.rs"]
#[allow(dead_code)]
mod writer;

use std::time::{Duration, Instant};

use kt_model::schema::Kind;
use kt_model::{Book, BookAction, Event, IdentityClass, Integers, Nanos, QuantityUnit, Texts};
use rand::{Rng, SeedableRng};

use world::World;
use writer::{NOON, Writer, header, quote, trade};

const INSTRUMENTS: [&str; 4] = ["BTC-USDT-SPOT", "ETH-USDT-SPOT", "SOL-USDT-SPOT", "XRP-USDT-SPOT"];
const LEVELS: usize = 34;

fn main() {
    if let Some(code) = harness::serve_if_asked().or_else(world::load_if_asked) {
        std::process::exit(code);
    }
    let rows = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(1_000_000u64);
    if harness::library().is_none() {
        println!("SKIP: no lib/libchdb.so under KT_ENGINES; run `make setup`");
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    for (kind, rows) in [(Kind::Trade, rows), (Kind::Quote, rows), (Kind::Book, rows / 8)] {
        for marts in [false, true] {
            if !marts || kind != Kind::Book {
                runtime.block_on(measure(kind, rows, marts));
            }
        }
    }
}

async fn measure(kind: Kind, rows: u64, marts: bool) {
    let world = World::start().await;
    let bus = world.bus().await;
    let mut writer = Writer::new("feed-bench", "bench", 1_000);
    fill(&mut writer, kind, rows);
    let bytes: usize = writer.spool.iter().map(|(_, payload)| payload.len()).sum();
    writer.publish_all(&bus).await;
    let loader = world.loader(marts);
    let pids = [loader.pid(), world.warehouse.as_ref().unwrap().pid(), world.nats.pid().unwrap()];
    world.wait_for("SELECT count() > 0 FROM ops.intents", 1).await;
    let (before, started) = (pids.map(cpu_seconds), Instant::now());
    while world.value::<u64>(&format!("SELECT count() FROM {}", kind.table())).await < rows {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let seconds = started.elapsed().as_secs_f64();
    let used: Vec<f64> = pids.iter().zip(before).map(|(pid, before)| cpu_seconds(*pid) - before).collect();
    let micros = |seconds: f64| seconds * 1e6 / rows as f64;
    let disk: u64 = world
        .value(&format!(
            "SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND concat(database, '.', table) = '{}'",
            kind.table()
        ))
        .await;
    println!(
        "{kind:<6} marts {marts:<5} {rows} rows of {} B on wire, {} B on disk: {:.0} k rows/s; CPU per row: loader {:.2} µs, warehouse {:.2} µs, nats {:.2} µs",
        bytes as u64 / rows,
        disk / rows,
        rows as f64 / seconds / 1e3,
        micros(used[0]),
        micros(used[1]),
        micros(used[2]),
    );
    assert_eq!(loader.stop(), Some(0), "{}", world.loader_log());
}

/// Random walks of several instruments, in blocks of about 8 KB.
fn fill(writer: &mut Writer, kind: Kind, rows: u64) {
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(1);
    let (name, venue) = (writer.name, writer.venue);
    let per_block = if kind == Kind::Book { 8 } else { 60 };
    let mut price = 60_000i128;
    let mut at = NOON;
    let mut next = 0u64;
    while next < rows {
        let ids: Vec<String> =
            (next..(next + per_block).min(rows)).map(|id| (4_000_000_000 + id).to_string()).collect();
        let levels: Vec<Vec<i64>> =
            ids.iter().map(|_| (0..LEVELS * 4).map(|_| random.random_range(1..9_000_000)).collect()).collect();
        let events = ids.iter().zip(&levels).map(|(id, levels)| {
            at += random.random_range(0..40_000);
            price += random.random_range(-1..=1);
            next += 1;
            let mut head =
                header(name, venue, INSTRUMENTS[random.random_range(0..4)], Nanos(at / 1_000_000 * 1_000_000));
            head.recv_ts = Nanos(at + random.random_range(1_000_000..3_000_000));
            match kind {
                Kind::Trade => Event::Trade(trade(head, id, price, random.random_range(1..5_000))),
                Kind::Quote => Event::Quote(quote(head, next, price)),
                _ => Event::Book(book(head, next, levels)),
            }
        });
        let events = events.collect();
        writer.block(events);
    }
}

fn book<'a>(mut header: kt_model::Header<'a>, sequence: u64, levels: &'a [i64]) -> Book<'a> {
    header.identity = IdentityClass::Sequence;
    Book {
        header,
        action: BookAction::Delta,
        book_epoch: 1,
        first_sequence: Some(sequence),
        last_sequence: sequence,
        previous_sequence: Some(sequence - 1),
        depth_limit: None,
        quantity_unit: QuantityUnit::Base,
        price_exponent: -2,
        quantity_exponent: -5,
        bid_prices: Integers::Slice(&levels[..LEVELS]),
        bid_quantities: Integers::Slice(&levels[LEVELS..2 * LEVELS]),
        ask_prices: Integers::Slice(&levels[2 * LEVELS..3 * LEVELS]),
        ask_quantities: Integers::Slice(&levels[3 * LEVELS..]),
        escaped: Texts::default(),
    }
}

/// User and system time of a process so far.
fn cpu_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    // Linux counts in hundredths of a second.
    ticks as f64 / 100.0
}
