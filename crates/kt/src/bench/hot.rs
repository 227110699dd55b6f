//! Stage 2: from a frame's receipt to a subscriber in another process, over a real `nats-server`.

use std::time::Duration;

use super::pacer;
use super::publisher::{self, Path, Used};
use super::report::{Section, count, median, spoken};
use super::roles::Role;
use super::subscriber::{self, Found, Quantiles};
use super::worker::{Nats, Worker};
use crate::config::Config;
use crate::error::Error;

/// Rates at which latency is measured, rows a second.
const PACED: [u64; 2] = [10_000, 50_000];
/// Rates that are tried for the largest without loss.
const LADDER: [u64; 9] = [25_000, 50_000, 100_000, 150_000, 200_000, 300_000, 400_000, 500_000, 650_000];
/// Length of a paced run and of a step of the ladder, seconds.
const PACED_SECONDS: u64 = 5;
const STEP_SECONDS: u64 = 2;
/// A step counts as kept when the schedule was kept to within this share.
const KEPT: f64 = 1.1;
/// Receive to subscriber at 50 K rows/s.
const WANTED_P50: f64 = 250_000.0;

/// One run of publisher, server and subscriber.
struct Run {
    found: Found,
    used: Used,
    server_cpu: Duration,
    took: Duration,
}

impl Run {
    fn lost(&self) -> u64 {
        self.used.rows.saturating_sub(self.found.received).max(self.used.dropped)
    }

    fn rate(&self) -> f64 {
        self.used.rows as f64 / self.took.as_secs_f64()
    }

    /// CPU nanoseconds a row: publisher, server, subscriber.
    fn cpu(&self) -> [f64; 3] {
        let each = |time: Duration| time.as_nanos() as f64 / self.used.rows.max(1) as f64;
        [each(self.used.cpu), each(self.server_cpu), each(self.found.cpu)]
    }
}

/// Measures the stage.
pub(super) fn run(config: &Config, rounds: u32) -> Result<Section, Error> {
    let mut section = Section::begin("Hot path: frame received to row at a subscriber");
    section.method = format!(
        "Three processes and a real nats-server on loopback: a publisher that reads frames of {} bytes from a socket and \
         sends a row for each (six quotes, three trades, one 20-level book delta in ten), and a subscriber that decodes \
         every row. `from schedule` counts from the time at which a frame was due, so a stall shows in every frame it \
         held up; `from receipt` counts from the time at which the publisher had read it. Both clocks are CLOCK_REALTIME \
         of the one machine.",
        pacer::FRAME
    );
    paced(config, &mut section, rounds)?;
    largest(config, &mut section, rounds)?;
    section.limit =
        "The processor time of the server and the client library of the subscriber: at every rate they take more \
                     than the publisher. The floor of the latency is two socket wake-ups in other processes; on shared \
                     cores the tail is the scheduler's."
            .to_owned();
    Ok(section)
}

fn paced(config: &Config, section: &mut Section, rounds: u32) -> Result<(), Error> {
    let mut lines = Vec::new();
    for rate in PACED {
        for path in Path::ALL {
            let runs: Result<Vec<Run>, Error> =
                (0..rounds).map(|_| once(config, path, Some(rate), rate * PACED_SECONDS)).collect();
            lines.push((rate, path, runs?));
        }
    }
    let columns = [
        "rows/s",
        "sender",
        "receipt p50",
        "p99",
        "p99.9",
        "max",
        "schedule p50",
        "p99",
        "p99.9",
        "max",
        "lost",
        "CPU a row: sender",
        "server",
        "subscriber",
    ];
    let table = section.table("Paced, medians of the rounds:", &columns);
    let middle = |runs: &[Run], pick: &dyn Fn(&Run) -> f64| median(runs.iter().map(pick));
    for (rate, path, runs) in &lines {
        let mut cells = vec![count(*rate as f64), path.name().to_owned()];
        for of in [|run: &Run| run.found.from_receipt, |run: &Run| run.found.from_schedule] {
            let parts: [fn(&Quantiles) -> f64; 4] = [|q| q.p50, |q| q.p99, |q| q.p999, |q| q.max];
            cells.extend(parts.map(|part| spoken(middle(runs, &|run| part(&of(run))))));
        }
        cells.push(count(runs.iter().map(Run::lost).sum::<u64>() as f64));
        cells.extend((0..3).map(|process| spoken(middle(runs, &|run| run.cpu()[process]))));
        table.row(cells);
    }
    for (rate, path, runs) in &lines {
        let name = |what: &str| format!("{what}_{}_{rate}", path.name().replace([' ', '-'], "_"));
        section.value(name("receipt_p50_seconds"), middle(runs, &|run| run.found.from_receipt.p50) / 1e9);
        section.value(name("receipt_p99_seconds"), middle(runs, &|run| run.found.from_receipt.p99) / 1e9);
        section.value(name("schedule_p99_seconds"), middle(runs, &|run| run.found.from_schedule.p99) / 1e9);
        section.value(name("sender_cpu_seconds"), middle(runs, &|run| run.cpu()[0]) / 1e9);
    }
    let writer = lines.iter().find(|(rate, path, _)| *rate == 50_000 && *path == Path::Writer);
    if let Some((_, _, runs)) = writer {
        let p50 = middle(runs, &|run| run.found.from_receipt.p50);
        let what = "receive to hot-path subscriber, p50 at 50 K rows/s, whole writer";
        section.target(what, "under 250 µs", spoken(p50), p50 < WANTED_P50);
    }
    Ok(())
}

fn largest(config: &Config, section: &mut Section, rounds: u32) -> Result<(), Error> {
    let mut lines = Vec::new();
    for path in Path::ALL {
        let mut best: Vec<f64> = Vec::new();
        let mut cpu = [0.0; 3];
        for _ in 0..rounds {
            let mut kept = 0.0;
            for rate in LADDER {
                let run = once(config, path, Some(rate), rate * STEP_SECONDS)?;
                let on_time = run.took.as_secs_f64() <= STEP_SECONDS as f64 * KEPT;
                if run.lost() > 0 || !on_time {
                    break;
                }
                kept = rate as f64;
                cpu = run.cpu();
            }
            best.push(kept);
        }
        let unpaced: Result<Vec<Run>, Error> = (0..rounds).map(|_| once(config, path, None, 1_000_000)).collect();
        let unpaced = unpaced?;
        lines.push((path, median(best), cpu, median(unpaced.iter().map(Run::rate)), unpaced));
    }
    let columns = [
        "sender",
        "largest rate without loss, rows/s",
        "CPU a row there: sender",
        "server",
        "subscriber",
        "unpaced, rows/s",
        "lost of them",
    ];
    let table = section
        .table("Throughput (steps of 2 s; a step fails when a row is lost or the schedule slips by 10 %):", &columns);
    for (path, best, cpu, unpaced, runs) in &lines {
        let lost = runs.iter().map(|run| run.lost() as f64 / run.used.rows as f64);
        let mut cells = vec![path.name().to_owned(), count(*best)];
        cells.extend(cpu.map(spoken));
        cells.extend([count(*unpaced), format!("{:.1} %", median(lost) * 100.0)]);
        table.row(cells);
    }
    for (path, best, _, unpaced, _) in &lines {
        let name = path.name().replace([' ', '-'], "_");
        section.value(format!("largest_rate_{name}"), *best);
        section.value(format!("unpaced_rate_{name}"), *unpaced);
    }
    Ok(())
}

/// Fresh processes, so that no run inherits anything.
fn once(config: &Config, path: Path, rate: Option<u64>, rows: u64) -> Result<Run, Error> {
    let folder = tempfile::tempdir().map_err(Error::doing("a temporary directory"))?;
    let nats = Nats::start(&config.engine("bin/nats-server"), folder.path())?;
    let setup = subscriber::Setup {
        nats_port: nats.port,
        login: None,
        venue: Some(super::rows::VENUE.to_owned()),
        measure_from: 0,
        warm_up: rows / 10,
    };
    let (subscriber, _) = Worker::start::<bool>(&Role::Subscriber(setup))?;
    let setup = publisher::Setup { nats_port: nats.port, path, folder: folder.path().to_owned() };
    let (publisher, port) = Worker::start::<u16>(&Role::Publisher(setup))?;
    let server_cpu = nats.process.cpu();
    let paced = pacer::start(port, rate, rows)?;
    let paced = paced.join().map_err(|_| Error::failed("the pacer panicked"))??;
    let used: Used = publisher.finish()?;
    let found: Found = subscriber.finish()?;
    Ok(Run { found, used, server_cpu: nats.process.cpu() - server_cpu, took: paced.took })
}
