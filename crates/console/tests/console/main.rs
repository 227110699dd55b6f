//! The console against the real messaging server and the real warehouse.
//!
//! `cargo test -p kt-console --test console [name]` runs the tests whose name contains it.
//! `cargo test -p kt-console --test console -- --stage [port]` keeps a running market with its page for
//! the browser tests: it prints the address and obeys `pause VENUE`, `resume`, `trouble`, `quit` on its
//! standard input, whose end also ends it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod engines;
mod flow;
mod stage;

use std::future::Future;
use std::pin::Pin;

use tokio::io::{AsyncBufReadExt, BufReader};

type Test = fn() -> Pin<Box<dyn Future<Output = ()>>>;

const TESTS: &[(&str, Test)] = &[];

fn main() {
    if let Some(code) = engines::warehouse_if_asked() {
        std::process::exit(code);
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--list") {
        TESTS.iter().for_each(|(name, _)| println!("{name}: test"));
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
    }
}

async fn keep_stage(port: u16) {
    let mut stage = stage::Stage::start(port, |_| {}).await;
    stage.run_market();
    println!("READY {}", stage.url);
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
    stage.stop().await.unwrap();
}
