//! Where the time goes: CPU time of every process and thread of a platform over an interval.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::platform::Platform;
use super::report::{Table, count, spoken};
use super::usage;
use crate::error::Error;

/// CPU times at one moment.
pub(super) struct Sample {
    at: Instant,
    services: Vec<(String, u32)>,
    processes: BTreeMap<String, Duration>,
    threads: BTreeMap<(String, String), Duration>,
}

/// CPU time used between two samples.
pub(super) struct Profile {
    pub(super) took: Duration,
    pub(super) processes: BTreeMap<String, Duration>,
    threads: BTreeMap<(String, String), Duration>,
}

impl Sample {
    /// Of all services of a platform, now. Threads of one name count together.
    pub(super) fn take(platform: &Platform) -> Result<Self, Error> {
        let services = platform.services()?;
        let (mut processes, mut threads) = (BTreeMap::new(), BTreeMap::new());
        for (service, pid) in &services {
            // PostgreSQL's children work for it.
            let family = crate::process::family(*pid).into_iter().filter(|_| service != "supervisor");
            let members: Vec<u32> = if service == "supervisor" { vec![*pid] } else { family.collect() };
            for member in members {
                *processes.entry(service.clone()).or_default() += usage::of_process(member);
                for (thread, used) in usage::of_threads(member) {
                    *threads.entry((service.clone(), thread)).or_default() += used;
                }
            }
        }
        Ok(Self { at: Instant::now(), services, processes, threads })
    }

    /// What was used since.
    pub(super) fn until(&self, later: &Self) -> Profile {
        let between =
            |name: &String, used: &Duration| used.saturating_sub(self.processes.get(name).copied().unwrap_or_default());
        let processes = later.processes.iter().map(|(name, used)| (name.clone(), between(name, used))).collect();
        let threads = later.threads.iter().map(|(name, used)| {
            (name.clone(), used.saturating_sub(self.threads.get(name).copied().unwrap_or_default()))
        });
        Profile { took: later.at - self.at, processes, threads: threads.collect() }
    }

    /// PSS of all services but PostgreSQL, the supervisor's own included, in bytes; by service.
    pub(super) fn memory(&self) -> BTreeMap<String, u64> {
        let measured = self.services.iter().filter(|(service, _)| service != "postgres");
        measured.filter_map(|(service, pid)| Some((service.clone(), usage::memory(*pid)?))).collect()
    }
}

impl Profile {
    /// All processes together.
    pub(super) fn total(&self) -> Duration {
        self.processes.values().sum()
    }

    /// Writes both lists, for so many rows.
    pub(super) fn write(&self, processes: &mut Table, rows: f64) {
        let mut all: Vec<_> = self.processes.iter().collect();
        all.sort_by_key(|(_, used)| std::cmp::Reverse(**used));
        for (service, used) in all {
            let share = used.as_secs_f64() / self.total().as_secs_f64().max(1e-9);
            let cores = used.as_secs_f64() / self.took.as_secs_f64();
            processes.row([
                service.clone(),
                format!("{:.1} s", used.as_secs_f64()),
                format!("{cores:.2}"),
                format!("{:.0} %", share * 100.0),
                spoken(used.as_nanos() as f64 / rows.max(1.0)),
                self.busiest(service),
            ]);
        }
    }

    /// The busiest threads of a service, with their share of it.
    fn busiest(&self, service: &str) -> String {
        let of = self.threads.iter().filter(|((name, _), _)| name == service);
        let total: f64 = of.clone().map(|(_, used)| used.as_secs_f64()).sum();
        let mut threads: Vec<_> = of.map(|((_, thread), used)| (thread, used.as_secs_f64())).collect();
        threads.sort_by(|a, b| b.1.total_cmp(&a.1));
        let shown = threads.into_iter().take(4).filter(|(_, used)| *used > total * 0.02);
        shown
            .map(|(thread, used)| format!("{thread} {} %", count(used * 100.0 / total.max(1e-9))))
            .collect::<Vec<_>>()
            .join(", ")
    }
}
