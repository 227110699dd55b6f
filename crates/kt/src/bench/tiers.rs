//! Landing moved to the object store, read from there, and moved back; then killed in the midst, again and again.

use std::process::Stdio;
use std::time::{Duration, Instant};

use rand::{Rng, SeedableRng};

use super::options::Options;
use super::platform::Platform;
use super::report::Section;
use crate::config::Config;
use crate::error::Error;

/// Rows written at a time: one day.
const ROWS_A_DAY: u64 = 3_000_000;
/// Kills in the midst of moves.
const KILLS: u32 = 20;
/// The kills' seed; printed with the report.
const SEED: u64 = 20_261_123;
/// How long a killed service may take to come back.
const PATIENCE: Duration = Duration::from_secs(120);

/// Measures the stage.
pub(super) fn run(config: &Config, options: &Options) -> Result<Section, Error> {
    let mut section = Section::begin("Tiers: landing to the object store and back");
    section.method = format!(
        "A platform whose flow stands nearly still. Days of quotes with random prices are written to landing until they \
         take up {} MB, read whole (a hash over every row), moved to the embedded object store by `kt tiers move`, read \
         whole from there, and fetched back. Then {KILLS} moves and fetches of one day are cut off by a kill -9 of the \
         warehouse or the store (seed {SEED}).",
        options.megabytes
    );
    let settings = [
        "console.enabled=false",
        "trade.enabled=false",
        "orchestration.enabled=false",
        "sim.rate=1",
        "tiers.hot_days=0",
    ];
    let platform = Platform::start(config, &settings.map(str::to_owned))?;
    let days = fill(&platform, options.megabytes * 1_000_000)?;
    let bytes = number(&platform, BYTES)? as f64;
    let before = format!("2023-01-{:02}", days + 1);
    let (whole, hot) = timed(|| digest(&platform))?;
    let (_, moved) = timed(|| kt(&platform, &["tiers", "move", "--before", &before]))?;
    let (cold_digest, cold) = timed(|| digest(&platform))?;
    let (_, fetched) = timed(|| kt(&platform, &["tiers", "fetch", "--before", &before]))?;
    let back = digest(&platform)?;
    let caption = format!("{days} days, {:.2} GB.", bytes / 1e9);
    let table = section.table(&caption, &["step", "seconds", "MB/s"]);
    for (step, took) in [
        ("read from the local disk", hot),
        ("moved to the store", moved),
        ("read from the store", cold),
        ("moved back", fetched),
    ] {
        table.row([step.to_owned(), format!("{took:.1}"), format!("{:.0}", bytes / 1e6 / took)]);
    }
    for (name, value) in [("bytes", bytes), ("hot_s", hot), ("move_s", moved), ("cold_s", cold), ("fetch_s", fetched)] {
        section.value(format!("tiers_{name}"), value);
    }
    let same = whole == cold_digest && whole == back;
    section.target("rows read hot, cold and hot again", "identical", format!("{whole}, {cold_digest}, {back}"), same);
    kills(&platform, &whole, &mut section)?;
    section.limit =
        "The object store's disk and one core: the engine uploads a part's files one after another.".to_owned();
    platform.stop()?;
    Ok(section)
}

const BYTES: &str = "SELECT sum(bytes_on_disk) AS n FROM system.parts WHERE active AND database = 'landing' AND table = 'quote' \
                     AND partition_id < '20230201'";

fn timed<T>(work: impl FnOnce() -> Result<T, Error>) -> Result<(T, f64), Error> {
    let started = Instant::now();
    let outcome = work()?;
    Ok((outcome, started.elapsed().as_secs_f64()))
}

/// Runs `kt` on the platform; its standard output.
fn kt(platform: &Platform, words: &[&str]) -> Result<String, Error> {
    let output =
        platform.kt(words)?.stdin(Stdio::null()).output().map_err(Error::doing(format!("kt {}", words.join(" "))))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let reason = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Error::failed(format!("kt {}: {reason}", words.join(" "))))
}

fn value(platform: &Platform, sql: &str) -> Result<String, Error> {
    let text = kt(platform, &["query", sql, "--csv"])?;
    Ok(text.lines().nth(1).unwrap_or_default().to_owned())
}

fn number(platform: &Platform, sql: &str) -> Result<u64, Error> {
    value(platform, sql)?.parse().map_err(Error::doing("reading a number"))
}

/// What every row says, in one number.
fn digest(platform: &Platform) -> Result<String, Error> {
    value(
        platform,
        "SELECT concat(toString(count()), ' ', toString(sum(cityHash64(counter, event_ts, bid_price, bid_quantity, \
         ask_price, ask_quantity)))) FROM landing.quote WHERE writer = 'bench'",
    )
}

/// Writes days until they take up `bytes`; how many there are.
fn fill(platform: &Platform, bytes: u64) -> Result<u64, Error> {
    for day in 1..=28 {
        let random = |salt: u32| format!("toDecimal128(sipHash64(number, {day}, {salt}) % 1000000000000000000, 0)");
        kt(
            platform,
            &[
                "query",
                &format!(
                    "INSERT INTO landing.quote (publish_ts, counter, epoch, writer, venue, instrument, channel, event_ts, recv_ts, \
                     origin, connection, line, mapping, identity, occurrence, bid_price, bid_quantity, ask_price, ask_quantity) \
                     SELECT now64(9), number, {day}, 'bench', 'bench', 'BTC-USDT-SPOT', 'c', \
                     toDateTime64('2023-01-{day:02} 00:00:00', 9, 'UTC') + toIntervalMillisecond(number * 20), now64(9), \
                     'live', 1, 0, 1, 'weak', 0, {}, {}, {}, {} FROM numbers({ROWS_A_DAY})",
                    random(1),
                    random(2),
                    random(3),
                    random(4)
                ),
            ],
        )?;
        if number(platform, BYTES)? >= bytes {
            return Ok(day);
        }
    }
    Err(Error::failed(format!("28 days do not take up {bytes} bytes")))
}

fn kills(platform: &Platform, whole: &str, section: &mut Section) -> Result<(), Error> {
    let mut random = rand::rngs::StdRng::seed_from_u64(SEED);
    let (mut cut, mut wrong) = (0, 0);
    for round in 0..KILLS {
        let service = if random.random_bool(0.5) { "warehouse" } else { "s3" };
        let word = if round % 2 == 0 { "move" } else { "fetch" };
        let mut command = platform.kt(&["tiers", word, "--before", "2023-01-02"])?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(Error::doing("kt tiers"))?;
        std::thread::sleep(Duration::from_millis(random.random_range(100..2_500)));
        let before = pid(platform, service)?;
        kt(platform, &["kill", service, "--signal", "9"])?;
        cut += u32::from(!child.wait().map_err(Error::doing("kt tiers"))?.success());
        let deadline = Instant::now() + PATIENCE;
        while pid(platform, service)? == before || digest(platform).is_err() {
            if Instant::now() > deadline {
                return Err(Error::failed(format!("{service} did not come back within {PATIENCE:?}")));
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        wrong += u32::from(digest(platform)? != whole);
    }
    kt(platform, &["tiers", "move", "--before", "2023-01-02"])?;
    let orphans = |words: &[&str]| -> Result<usize, Error> {
        let text = kt(platform, &[&["tiers", "orphans", "--older-than", "0", "--json"], words].concat())?;
        let found: serde_json::Value = serde_json::from_str(&text).map_err(Error::doing("kt tiers orphans"))?;
        Ok(found["orphans"].as_array().map_or(0, Vec::len))
    };
    let found = orphans(&["--remove"])?;
    let left = orphans(&[])?;
    let after = digest(platform)?;
    let measured = format!("{cut} commands cut off, {wrong} results differ");
    section.target(&format!("{KILLS} kills in the midst of moves"), "no row lost or changed", measured, wrong == 0);
    let measured =
        format!("{found} found and removed, {left} left, rows {}", if after == whole { "identical" } else { "differ" });
    section.target("objects that the kills left behind", "found and removed", measured, left == 0 && after == whole);
    Ok(())
}

fn pid(platform: &Platform, service: &str) -> Result<Option<u32>, Error> {
    Ok(platform.services()?.into_iter().find(|(name, _)| name == service).map(|(_, pid)| pid))
}
