//! The exchange of the hot-path stage: a thread that writes frames into a socket by a schedule.
//!
//! Every frame carries the time at which it was due. A frame that goes out late, because the reader or the
//! machine was busy, still counts from then: no stall is hidden by the frames that it held up.

use std::io::Write as _;
use std::net::{Ipv4Addr, TcpStream};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::error::Error;

/// Bytes of a frame: about those of a small exchange message.
pub(super) const FRAME: usize = 256;
/// Frames written at once when the schedule has been missed, or when there is none.
const MOST_AT_ONCE: u64 = 256;

/// What the thread did.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paced {
    /// From the first frame's due time to the last one's departure.
    pub(super) took: Duration,
}

/// Writes `count` frames to `port`, `rate` a second, or as fast as they are read.
pub(super) fn start(port: u16, rate: Option<u64>, count: u64) -> Result<JoinHandle<Result<Paced, Error>>, Error> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).map_err(Error::doing("connecting the pacer"))?;
    stream.set_nodelay(true).map_err(Error::doing("connecting the pacer"))?;
    let work = move || {
        kt_feed::sharpen_timers();
        pace(stream, rate, count).map_err(Error::doing("writing frames by schedule"))
    };
    std::thread::Builder::new().name("pacer".into()).spawn(work).map_err(Error::doing("starting the pacer"))
}

fn pace(mut stream: TcpStream, rate: Option<u64>, count: u64) -> std::io::Result<Paced> {
    let begin = Instant::now() + Duration::from_millis(20);
    let begin_wall = super::rows::now().0 + 20_000_000;
    std::thread::sleep(Duration::from_millis(20));
    let due_after = |number: u64| rate.map_or(0, |rate| u128::from(number) * 1_000_000_000 / u128::from(rate));
    let mut frames = vec![b' '; FRAME * MOST_AT_ONCE as usize];
    let mut sent = 0;
    while sent < count {
        let elapsed = begin.elapsed().as_nanos();
        let due = rate.map_or(count, |rate| (elapsed * u128::from(rate) / 1_000_000_000) as u64 + 1).min(count);
        let batch = due.saturating_sub(sent).min(MOST_AT_ONCE);
        if batch == 0 {
            let wait = due_after(sent).saturating_sub(elapsed);
            std::thread::sleep(Duration::from_nanos(u64::try_from(wait).unwrap_or(u64::MAX)));
            continue;
        }
        for index in 0..batch {
            let number = sent + index;
            let after = if rate.is_some() { due_after(number) } else { elapsed };
            let scheduled = begin_wall + i64::try_from(after).unwrap_or(i64::MAX);
            let frame = &mut frames[index as usize * FRAME..][..16];
            frame[..8].copy_from_slice(&(number + 1).to_le_bytes());
            frame[8..].copy_from_slice(&scheduled.to_le_bytes());
        }
        stream.write_all(&frames[..batch as usize * FRAME])?;
        sent += batch;
    }
    Ok(Paced { took: begin.elapsed() })
}

/// Number and due time of a frame.
pub(super) fn read_frame(frame: &[u8]) -> (u64, i64) {
    let word = |at: usize| frame[at..at + 8].first_chunk::<8>().copied().unwrap_or_default();
    (u64::from_le_bytes(word(0)), i64::from_le_bytes(word(8)))
}
