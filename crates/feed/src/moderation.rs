//! Moderating wake-ups: under a fast flow a thread takes what has gathered every few dozen microseconds
//! instead of waking for each frame.
//!
//! Every wake-up costs several system calls in this process, in the messaging server and in each
//! subscriber. At 50,000 frames a second that was most of the processor time of all three, and the
//! queues in front of the busy processors made rows later than the pause does.

use std::fs;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Shortest time between two waits of a thread that is woken in quick succession.
const PERIOD: Duration = Duration::from_micros(60);
/// So many waits in quick succession are a fast flow; fewer are left alone.
const STREAK: u32 = 16;

/// Of one thread; [`Self::before_waiting`] belongs into the runtime's `on_thread_park`.
#[derive(Debug)]
pub struct WakeUps {
    start: Instant,
    /// Nanoseconds from `start` to the last wait.
    last: AtomicU64,
    streak: AtomicU32,
}

impl Default for WakeUps {
    fn default() -> Self {
        Self { start: Instant::now(), last: AtomicU64::new(0), streak: AtomicU32::new(0) }
    }
}

impl WakeUps {
    /// Pauses if the thread waits again too soon. A flow with longer pauses between its frames is never
    /// held up.
    pub fn before_waiting(&self) {
        let pause = self.pause(self.now());
        if !pause.is_zero() {
            std::thread::sleep(pause);
        }
        self.last.store(self.now(), Ordering::Relaxed);
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// How long to pause when waiting begins at `now`.
    fn pause(&self, now: u64) -> Duration {
        let since = Duration::from_nanos(now.saturating_sub(self.last.load(Ordering::Relaxed)));
        if since >= PERIOD {
            self.streak.store(0, Ordering::Relaxed);
            return Duration::ZERO;
        }
        let streak = self.streak.load(Ordering::Relaxed).saturating_add(1);
        self.streak.store(streak, Ordering::Relaxed);
        if streak < STREAK { Duration::ZERO } else { PERIOD - since }
    }
}

/// Lets the calling thread sleep to the microsecond: the kernel's default adds up to 50 µs.
pub fn sharpen_timers() {
    let thread = fs::read_link("/proc/thread-self").ok();
    let number = thread.as_deref().and_then(std::path::Path::file_name).map(|name| name.to_string_lossy().into_owned());
    // Where that is not allowed, pauses are longer, which the latency from receipt shows.
    let _ = number.map(|number| fs::write(format!("/proc/{number}/timerslack_ns"), "1"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_fast_flow_is_moderated() {
        let wake_ups = WakeUps::default();
        let mut now = 0;
        let mut waits = |step: u64, times: u32| {
            let mut paused = Duration::ZERO;
            for _ in 0..times {
                now += step;
                paused += wake_ups.pause(now);
                wake_ups.last.store(now, Ordering::Relaxed);
            }
            paused
        };
        assert_eq!(waits(100_000, 1_000), Duration::ZERO, "10,000 waits a second");
        assert_eq!(waits(10_000, STREAK - 1), Duration::ZERO, "a burst");
        assert_eq!(waits(10_000, 100), Duration::from_micros(50) * 100, "a flow");
        assert_eq!(waits(100_000, 10), Duration::ZERO, "and slow again");
    }
}
