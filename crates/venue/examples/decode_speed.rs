//! Decoding speed on recordings: `decode_speed MAPPING.toml STREAM.zst LIST.zst [PASSES]`.
//!
//! Prints nanoseconds a frame for each stage, the best of several passes. Where the kernel says how
//! long this thread had a processor, that time is taken, so that other work on the machine counts less.

use kt_venue::{Bench, Mapping, Stage, parse_recording};
use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, venue, stream, list, rest @ ..] = arguments.as_slice() else {
        return Err("usage: decode_speed MAPPING.toml STREAM.zst LIST.zst [PASSES]".into());
    };
    let passes: u32 = rest.first().map_or(Ok(15), |text| text.parse())?;
    let mapping = Arc::new(Mapping::parse(&std::fs::read_to_string(venue)?)?);
    let load = |path: &str| -> Result<_, Box<dyn Error>> {
        Ok(parse_recording(&zstd::decode_all(std::fs::File::open(path)?)?)?)
    };
    let bench = Bench::new(mapping, &load(list)?, load(stream)?)?;
    for stage in Stage::ALL {
        let mut best = f64::INFINITY;
        let mut work = bench.pass(stage)?;
        for _ in 0..passes {
            let (start, on_processor) = (Instant::now(), processor_seconds());
            work = bench.pass(stage)?;
            let elapsed = match (on_processor, processor_seconds()) {
                (Some(before), Some(after)) => after - before,
                _ => start.elapsed().as_secs_f64(),
            };
            best = best.min(elapsed);
        }
        println!(
            "{:10} {:8.0} ns/frame {:10.0} frames/s  {} frames, {:.0} B/frame, {} events, {} row bytes",
            stage.as_str(),
            best / work.frames as f64 * 1e9,
            work.frames as f64 / best,
            work.frames,
            work.frame_bytes as f64 / work.frames as f64,
            work.events,
            work.row_bytes
        );
    }
    Ok(())
}

/// How long this thread has had a processor (Linux).
fn processor_seconds() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(text.split_whitespace().next()?.parse::<f64>().ok()? / 1e9)
}
