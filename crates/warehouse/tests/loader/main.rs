//! The loader, the marts and the audit with real engines: a messaging server, a warehouse and a loader,
//! each a process of its own, really killed.
//!
//! `cargo test -p kt-warehouse --test loader [name]` runs the tests whose name contains it.
#![allow(clippy::unwrap_used)]

mod audits;
mod exact;
#[path = "../warehouse/harness.rs"]
#[allow(dead_code)]
mod harness;
mod mart;
mod tables;
mod world;
mod writer;

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::time::Instant;

type Test = fn() -> Pin<Box<dyn Future<Output = ()>>>;

macro_rules! tests {
    ($($module:ident :: $name:ident),* $(,)?) => {
        &[$((concat!(stringify!($module), "::", stringify!($name)), (|| Box::pin($module::$name())) as Test)),*]
    };
}

const TESTS: &[(&str, Test)] = tests![
    tables::tables_fit_the_events,
    tables::identity_is_the_same_in_rust_and_in_the_warehouse,
    tables::versions_prefer_corrections_then_the_first_received,
    exact::repeated_and_reordered_blocks_land_once,
    exact::a_killed_loader_loses_and_repeats_nothing,
    exact::a_killed_warehouse_loses_and_repeats_nothing,
    exact::a_partial_insert_is_completed,
    exact::a_damaged_block_is_refused,
    exact::only_one_loader_works,
    audits::equal_events_are_told_from_lost_ones,
    audits::accepted_rows_that_never_came_are_named,
    mart::recorded_trades_make_the_exchanges_candles,
    mart::late_repeated_and_deleted_rows_are_recomputed,
    mart::buckets_whose_marks_were_lost_are_found,
    mart::basis_carries_quotes_no_further_than_stated,
];

fn main() {
    if let Some(code) = harness::serve_if_asked().or_else(world::load_if_asked) {
        std::process::exit(code);
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--list") {
        TESTS.iter().for_each(|(name, _)| println!("{name}: test"));
        return;
    }
    let filters: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    if harness::library().is_none() {
        println!("SKIP: loader tests: no lib/libchdb.so under KT_ENGINES; run `make setup`");
        return;
    }
    let mut failed = 0;
    for (name, test) in TESTS {
        if !filters.is_empty() && !filters.iter().any(|filter| name.contains(filter.as_str())) {
            continue;
        }
        let started = Instant::now();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let passed = catch_unwind(AssertUnwindSafe(|| runtime.block_on(test()))).is_ok();
        failed += u32::from(!passed);
        let word = if passed { "ok" } else { "FAILED" };
        println!("test {name} ... {word} ({:.1} s)", started.elapsed().as_secs_f64());
    }
    std::process::exit(i32::from(failed > 0));
}
