//! Stage 3: blocks through the spool into the durable log.

use std::time::Duration;

use super::log_writer::{Done, Part, Setup};
use super::report::{Section, count, median, spoken};
use super::roles::Role;
use super::worker::{Nats, Worker};
use crate::config::Config;
use crate::error::Error;

/// What is wanted of the stage, rows a second.
const WANTED: f64 = 300_000.0;
const ROWS: [(Part, u64); 2] = [(Part::Blocks, 2_000_000), (Part::Writer, 1_000_000)];

/// Measures the stage.
pub(super) fn run(config: &Config, rounds: u32) -> Result<Section, Error> {
    let mut section = Section::begin("Log: blocks through the spool into JetStream");
    section.method =
        "One process, a real nats-server with a file store at its default sync interval. Blocks of 8 KiB of \
                      the mix of the hot path. Time runs until every block is acknowledged."
            .to_owned();
    let mut lines = Vec::new();
    for (part, rows) in ROWS {
        let runs: Result<Vec<_>, Error> = (0..rounds).map(|_| once(config, part, rows)).collect();
        lines.push((part, runs?));
    }
    let columns = ["part", "rows/s", "MB/s", "rows a block", "CPU a row: client", "server", "rows/s a core"];
    let table = section.table("Medians of the rounds:", &columns);
    let mut rates = Vec::new();
    for (part, runs) in &lines {
        let middle = |pick: &dyn Fn(&(Done, Duration)) -> f64| median(runs.iter().map(pick));
        let rate = middle(&|(done, _)| done.rows as f64 / done.took.as_secs_f64());
        let bytes = middle(&|(done, _)| done.bytes as f64 / done.took.as_secs_f64());
        let client = middle(&|(done, _)| done.cpu.as_nanos() as f64 / done.rows as f64);
        let server = middle(&|(done, server)| server.as_nanos() as f64 / done.rows as f64);
        let per_block = middle(&|(done, _)| done.rows as f64 / done.blocks as f64);
        table.row([
            part.name().to_owned(),
            count(rate),
            count(bytes / 1e6),
            count(per_block),
            spoken(client),
            spoken(server),
            count(1e9 / (client + server)),
        ]);
        rates.push((*part, rate, client, server));
    }
    for (part, rate, client, server) in rates {
        let name = format!("{part:?}").to_lowercase();
        section.value(format!("{name}_rows_per_second"), rate);
        section.value(format!("{name}_client_cpu_seconds_per_row"), client / 1e9);
        section.value(format!("{name}_server_cpu_seconds_per_row"), server / 1e9);
        if part == Part::Blocks {
            section.target(
                "log stage alone",
                "300,000 rows/s or more",
                format!("{} rows/s", count(rate)),
                rate >= WANTED,
            );
        }
    }
    section.limit =
        "The processor: client and server share the cores, and what they take together for a row bounds the \
                     rate (last column, for one core). The server's floor for such a block without message id is about \
                     20 µs; writing to the page cache costs about 1 µs for 8 KiB, so the disk only matters where the \
                     sync interval does."
            .to_owned();
    Ok(section)
}

fn once(config: &Config, part: Part, rows: u64) -> Result<(Done, Duration), Error> {
    let folder = tempfile::tempdir().map_err(Error::doing("a temporary directory"))?;
    let nats = Nats::start(&config.engine("bin/nats-server"), folder.path())?;
    let setup = Setup { nats_port: nats.port, folder: folder.path().to_owned(), part, rows };
    let (mut worker, _) = Worker::start::<bool>(&Role::Log(setup))?;
    let before = nats.process.cpu();
    let done: Done = worker.hear()?;
    Ok((done, nats.process.cpu() - before))
}
