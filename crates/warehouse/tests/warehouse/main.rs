//! The warehouse as a whole: the real engine in a confined process, spoken to over HTTP.
//!
//! `cargo test -p kt-warehouse --test warehouse [name]` runs the tests whose name contains it.
#![allow(clippy::unwrap_used)]

mod access;
mod basics;
mod clients;
mod faults;
mod harness;
mod native;
mod research;
mod transfer;

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
    basics::types_round_trip,
    basics::parameters,
    basics::formats_and_headers,
    basics::sessions,
    basics::errors,
    transfer::one_insert_is_one_part,
    transfer::large_results_stream,
    transfer::a_failure_in_the_midst_is_an_error,
    transfer::aborted_bodies_insert_nothing,
    transfer::compression_both_ways,
    transfer::framing_reads_the_engines_files,
    native::rows_are_those_of_row_binary,
    faults::kills_lose_nothing,
    faults::readers_and_writers_together,
    faults::a_client_that_leaves_is_not_served_on,
    faults::a_full_queue_says_so,
    faults::failing_starts_say_why,
    clients::clickhouse_connect,
    access::readers_cannot_write,
    access::the_sandbox_holds,
    research::accounts_read_and_nothing_else,
    research::quotas_hold,
    research::arrow_streams,
];

fn main() {
    if let Some(code) = harness::serve_if_asked() {
        std::process::exit(code);
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--list") {
        TESTS.iter().for_each(|(name, _)| println!("{name}: test"));
        return;
    }
    let filters: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    if harness::library().is_none() {
        println!("SKIP: warehouse tests: no lib/libchdb.so under KT_ENGINES; run `make setup`");
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
