//! CPU time of processes and threads, from `/proc`: unlike elapsed time it means the same on a machine
//! that others use too.

use std::fs;
use std::time::Duration;

/// Ticks of `/proc/<pid>/stat` a second: part of the kernel's interface (`USER_HZ`), whatever its own clock.
const TICKS_A_SECOND: u64 = 100;

/// CPU time of a process so far, all threads, those that have ended too. Resolution 10 ms.
pub(super) fn of_process(pid: u32) -> Duration {
    ticks(&format!("/proc/{pid}/stat"))
}

/// CPU time of this process so far.
pub(super) fn of_this_process() -> Duration {
    of_process(std::process::id())
}

fn ticks(path: &str) -> Duration {
    let text = fs::read_to_string(path).unwrap_or_default();
    // The command's name may hold anything, so fields count from its closing bracket.
    let rest = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let used: u64 = rest.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(used * 1000 / TICKS_A_SECOND)
}

/// CPU time of this thread so far, in nanoseconds; zero where the kernel keeps no such account.
pub(super) fn of_this_thread() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split_whitespace().next().and_then(|field| field.parse().ok()).unwrap_or(0))
}

/// Threads of a process that live now, by name, with their CPU time so far.
pub(super) fn of_threads(pid: u32) -> Vec<(String, Duration)> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let named = tasks.map(|task| {
        let name = fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        (name.trim().to_owned(), ticks(&task.path().join("stat").to_string_lossy()))
    });
    named.collect()
}

/// Proportional set size of one process in bytes; `None` where the kernel does not let us look.
pub(super) fn memory(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes << 10)
}

/// Load averages over 1, 5 and 15 minutes, as the kernel prints them.
pub(super) fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_shows_in_both_accounts() {
        let (process, thread) = (of_this_process(), of_this_thread());
        let begun = std::time::Instant::now();
        let mut sum = 0u64;
        while of_this_process() - process < Duration::from_millis(30) {
            sum = std::hint::black_box(sum.wrapping_add(1));
            assert!(begun.elapsed() < Duration::from_secs(30), "no CPU time is accounted");
        }
        assert!(of_this_thread() > thread);
    }
}
