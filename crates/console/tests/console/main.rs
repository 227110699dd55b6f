//! The console against the real messaging server and the real warehouse.
//!
//! `cargo test -p kt-console --test console [name]` runs the tests whose name contains it.
//! `cargo test -p kt-console --test console -- --stage [port]` keeps a running market with its page for
//! the browser tests: it prints the address and obeys `pause VENUE`, `resume`, `trouble`, `quit` on its
//! standard input, whose end also ends it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod api;
mod demonstration;
mod engines;
mod fixture;
mod flood;
mod flow;
mod http;
mod outage;
mod panels;
mod publisher;
mod stage;

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use futures::FutureExt;
use tokio::io::{AsyncBufReadExt, BufReader};

/// Counts the tests of one run.
#[derive(Default)]
struct Run {
    filters: Vec<String>,
    passed: u32,
    failed: u32,
}

impl Run {
    async fn test(&mut self, name: &str, test: impl Future<Output = ()>) {
        if !self.filters.is_empty() && !self.filters.iter().any(|filter| name.contains(filter.as_str())) {
            return;
        }
        let started = Instant::now();
        let limited = tokio::time::timeout(Duration::from_secs(120), test);
        let passed = matches!(AssertUnwindSafe(limited).catch_unwind().await, Ok(Ok(())));
        self.passed += u32::from(passed);
        self.failed += u32::from(!passed);
        let word = if passed { "ok" } else { "FAILED" };
        println!("test {name} ... {word} ({:.1} s)", started.elapsed().as_secs_f64());
    }

    /// One platform for all tests; those that break something come last.
    async fn all(&mut self) {
        let mut stage = stage::Stage::start(0, |_| {}).await;
        self.test("panels::empty_is_an_answer", panels::empty_is_an_answer(&stage)).await;
        stage.run_market();
        self.test("api::refuses_wrong_questions", api::refuses_wrong_questions(&stage)).await;
        self.test("api::keeps_strangers_out", api::keeps_strangers_out(&stage)).await;
        self.test("api::live_stream_moves_at_its_pace", api::live_stream_moves_at_its_pace(&stage)).await;
        self.test("api::scanner_is_honest", api::scanner_is_honest(&stage)).await;
        self.test("api::candles_are_those_of_landing", api::candles_are_those_of_landing(&stage)).await;
        self.test("api::basis_has_its_course_and_its_pair", api::basis_has_its_course_and_its_pair(&stage)).await;
        self.test("api::delay_until_queryable_is_probed", api::delay_until_queryable_is_probed(&stage)).await;
        self.test("api::a_silent_feed_is_stale", api::a_silent_feed_is_stale(&stage)).await;
        self.test("api::gaps_and_suspects_are_told", api::gaps_and_suspects_are_told(&stage)).await;
        self.test("panels::refuses_wrong_questions", panels::refuses_wrong_questions(&stage)).await;
        self.test("panels::rows_statement_and_file_agree", panels::rows_statement_and_file_agree(&stage)).await;
        self.test("panels::knowledge_has_a_moment", panels::knowledge_has_a_moment(&stage)).await;
        self.test("fixture::panels_say_what_the_rows_make", fixture::panels_say_what_the_rows_make(&stage)).await;
        self.test("fixture::cost_is_told", fixture::cost_is_told(&stage)).await;
        self.test("demonstration::is_off_by_default", demonstration::is_off_by_default(&stage)).await;
        let orders = demonstration::takes_orders_from_its_own_page_only(&stage);
        self.test("demonstration::takes_orders_from_its_own_page_only", orders).await;
        self.test("flood::nothing_is_missed", flood::nothing_is_missed(&stage)).await;
        self.test("outage::warehouse_gone", outage::warehouse_gone(&mut stage)).await;
        self.test("outage::messaging_gone", outage::messaging_gone(&mut stage)).await;
        self.test("outage::stops_with_clients_connected", outage::stops_with_clients_connected(stage)).await;
    }
}

fn main() {
    if let Some(code) = engines::warehouse_if_asked() {
        std::process::exit(code);
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--list") {
        return;
    }
    if engines::engines().is_none() {
        println!("SKIP: console tests: no engines under KT_ENGINES; run `make setup`");
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    if let Some(at) = arguments.iter().position(|argument| argument == "--stage") {
        let port = arguments.get(at + 1).and_then(|text| text.parse().ok()).unwrap_or(0);
        tracing_subscriber::fmt().with_writer(std::io::stderr).init();
        runtime.block_on(keep_stage(port));
        // A read of the standard input that is under way would hold the runtime up.
        std::process::exit(0);
    }
    let filters = arguments.into_iter().filter(|argument| !argument.starts_with('-')).collect();
    let mut run = Run { filters, ..Run::default() };
    runtime.block_on(run.all());
    let word = if run.failed > 0 { "FAILED" } else { "ok" };
    println!("test result: {word}. {} passed; {} failed; 0 ignored", run.passed, run.failed);
    std::process::exit(i32::from(run.failed > 0));
}

async fn keep_stage(port: u16) {
    let mut stage = stage::Stage::start(port, |_| {}).await;
    stage.run_market();
    println!("READY {} http://127.0.0.1:{}", stage.url, stage.engines.warehouse_port);
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        match line.split_whitespace().collect::<Vec<_>>().as_slice() {
            ["pause", venue] => stage.pause(venue),
            ["resume"] => stage.resume(),
            ["trouble"] => stage.trouble(),
            ["quit"] => break,
            other => eprintln!("not understood: {other:?}"),
        }
        println!("OK {line}");
    }
    stage.stop().await.0.unwrap();
}
