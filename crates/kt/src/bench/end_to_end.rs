//! Stage 5 and 6: from generated exchange frames to landing, with everything running, at full speed; then
//! the latency at fixed rates; and where the time goes.

use std::process::Stdio;
use std::time::{Duration, Instant};

use super::latency;
use super::metrics;
use super::options::Options;
use super::platform::Platform;
use super::profile::Sample;
use super::report::{Section, count, spoken};
use crate::config::Config;
use crate::error::Error;

/// What is wanted of the whole way.
const WANTED_RATE: f64 = 100_000.0;
const WANTED_MEMORY: f64 = 2e9;
/// How long the flow runs before it is measured, and how often memory is looked at.
const WARM_UP: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_secs(5);
/// Frames a second of the generated market: far beyond what the platform takes, so that the source waits.
const FULL_SPEED: u32 = 400_000;
/// Switches off what computes and trades on the spine.
pub(super) const SPINE: [&str; 3] = ["signals.enabled=false", "trade.enabled=false", "alerts.enabled=false"];
/// How long what was accepted may take to land once the flow has stopped.
const DRAIN: Duration = Duration::from_secs(120);

/// Measures the stage.
pub(super) fn run(config: &Config, options: &Options) -> Result<Section, Error> {
    let mut section = Section::begin("End to end: exchange frames to landing, marts running");
    section.method = format!(
        "The spine as `kt up` starts it, without signals and trading (the last table has them). The simulated exchange generates spot and perpetual flow of 20 assets as fast \
         as the feed handlers read it, for {} s after a warm-up; every service, the page and the simulated exchange share \
         the machine. Small spools (64 MiB a venue) make the source wait for the warehouse, so that what is measured can \
         be kept up for ever. CPU times are those of `/proc/<pid>/stat`, threads those of `/proc/<pid>/task`.",
        options.seconds
    );
    full_speed(config, options, &SPINE, &mut section)?;
    for rate in [10_000, 50_000] {
        latency::measure(config, rate, options.seconds.min(30), &mut section)?;
    }
    full_speed(config, options, &[], &mut section)?;
    section.limit = "The processor: in the run at full speed the services together keep the cores busy (first table, column \
                     `cores`); what a row costs in all of them bounds the rate. The simulated exchange is part of that sum \
                     only here."
        .to_owned();
    Ok(section)
}

/// Measures what is sustained; the targets are those of the spine, and what else runs is only told.
fn full_speed(config: &Config, options: &Options, without: &[&str], section: &mut Section) -> Result<(), Error> {
    let mut settings = vec![
        "source.speed=\"max\"".to_owned(),
        "sim.instruments=20".to_owned(),
        format!("sim.rate={FULL_SPEED}"),
        "feed.spool_size=\"64MiB\"".to_owned(),
    ];
    settings.extend(without.iter().map(|&setting| setting.to_owned()));
    let platform = Platform::start(config, &settings)?;
    let loader = platform.port(platform.config.load.metrics_port);
    let landed = || metrics::sum(loader, "kt_load_rows_total");
    wait_for_flow(&landed)?;
    std::thread::sleep(WARM_UP);
    let (first, begun, before) = (Sample::take(&platform)?, Instant::now(), landed()?);
    let mut largest = first.memory();
    while begun.elapsed() < Duration::from_secs(options.seconds) {
        std::thread::sleep(LOOK.min(Duration::from_secs(options.seconds).saturating_sub(begun.elapsed())));
        let now = Sample::take(&platform)?.memory();
        if now.values().sum::<u64>() > largest.values().sum() {
            largest = now;
        }
    }
    let (last, took, rows) = (Sample::take(&platform)?, begun.elapsed(), landed()? - before);
    let profile = first.until(&last);
    let rate = rows / took.as_secs_f64();
    let spine = !without.is_empty();
    if spine {
        let memory = largest.values().sum::<u64>() as f64;
        section.value("rows_per_second", rate);
        section.value("cpu_seconds_per_row", profile.total().as_secs_f64() / rows);
        section.value("pss_bytes", memory);
        let what = format!("rows landed, sustained over {} s", took.as_secs());
        section.target(&what, "100,000 rows/s or more", format!("{} rows/s", count(rate)), rate >= WANTED_RATE);
        let shown: Vec<_> = largest.iter().map(|(service, bytes)| format!("{service} {}", bytes / 1_000_000)).collect();
        let measured = format!("{:.2} GB ({} MB)", memory / 1e9, shown.join(", "));
        let what = "memory of all services but PostgreSQL (PSS, largest)";
        section.target(what, "under 2 GB", measured, memory < WANTED_MEMORY);
    }
    let caption = format!(
        "Full speed, {}: {} rows landed in {:.0} s ({} a second), {} of CPU for each row in all processes together.",
        if spine { "the spine" } else { "with signals of every instrument, paper trading and alerts" },
        count(rows),
        took.as_secs_f64(),
        count(rate),
        spoken(profile.total().as_nanos() as f64 / rows)
    );
    let columns = ["process", "CPU", "cores", "share", "CPU a row", "busiest threads"];
    profile.write(section.table(&caption, &columns), rows);
    if spine {
        audit(&platform, section)?;
    }
    platform.stop()
}

/// Waits until rows land.
pub(super) fn wait_for_flow(landed: &impl Fn() -> Result<f64, Error>) -> Result<(), Error> {
    let deadline = Instant::now() + DRAIN;
    while landed()? < 1_000.0 {
        if Instant::now() > deadline {
            return Err(Error::failed(format!("no rows landed within {DRAIN:?}")));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// Holds the source still, waits until all that was accepted has landed, and asks for the account.
fn audit(platform: &Platform, section: &mut Section) -> Result<(), Error> {
    let sim = platform.services()?.into_iter().find(|(service, _)| service == "sim");
    let Some((_, sim)) = sim else { return Err(Error::failed("the platform has no simulated exchange")) };
    let sim = i32::try_from(sim).map_err(Error::doing("a process id"))?;
    crate::sys::kill(sim, libc::SIGSTOP).map_err(Error::doing("holding the simulated exchange still"))?;
    let deadline = Instant::now() + DRAIN;
    let outcome = loop {
        let account = account(platform)?;
        let settled =
            |account: &serde_json::Value| account["accepted"].is_u64() && account["accepted"] == account["landed"];
        if settled(&account) || Instant::now() > deadline {
            break account;
        }
        std::thread::sleep(Duration::from_secs(2));
    };
    // Stopped processes do not hear SIGTERM.
    crate::sys::kill(sim, libc::SIGCONT).map_err(Error::doing("letting the simulated exchange go on"))?;
    let number = |name: &str| outcome[name].as_f64().unwrap_or(f64::NAN);
    for name in ["accepted", "logged", "landed", "lost", "duplicated", "gaps"] {
        section.value(format!("audit_{name}"), number(name));
    }
    let measured = format!(
        "accepted {}, landed {}, lost {}, duplicated {}, gaps {}",
        outcome["accepted"], outcome["landed"], outcome["lost"], outcome["duplicated"], outcome["gaps"]
    );
    let right = number("lost") == 0.0 && number("duplicated") == 0.0;
    section.target("account of `kt audit`", "lost 0, duplicated 0", measured, right);
    Ok(())
}

fn account(platform: &Platform) -> Result<serde_json::Value, Error> {
    let mut command = platform.kt(&["audit", "--json"])?;
    let output = command.stdin(Stdio::null()).output().map_err(Error::doing("kt audit"))?;
    serde_json::from_slice(&output.stdout).map_err(|error| {
        Error::failed(format!("kt audit gave no JSON ({error}): {}", String::from_utf8_lossy(&output.stderr).trim()))
    })
}
