//! Only one loader inserts at a time.
//!
//! The lease is an entry in a key-value bucket that its holder rewrites every few seconds. A rival
//! takes it over when it has watched the entry stand still for the whole term, or at once when the
//! holder was a process of this machine that is gone. The holder starts no insert that could still
//! run when its term ends: [`LeaseState::allows`].

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use kt_bus::{Bus, LeaseEntry, Leases};

use super::error::LoaderError;

/// How long a silent holder keeps the lease.
pub const TERM: Duration = Duration::from_secs(24);
const RENEW_EVERY: Duration = Duration::from_secs(4);

/// Until when the lease is ours, shared with those who insert.
#[derive(Clone, Debug)]
pub struct LeaseState {
    started: Instant,
    /// Milliseconds from `started` to the last renewal.
    renewed: Arc<AtomicU64>,
}

impl LeaseState {
    fn new() -> Self {
        Self { started: Instant::now(), renewed: Arc::new(AtomicU64::new(0)) }
    }

    /// `asked` is when the renewal was sent: the term counts from there.
    fn renewed(&self, asked: Instant) {
        let since = asked.duration_since(self.started).as_millis();
        self.renewed.store(u64::try_from(since).unwrap_or(u64::MAX), Ordering::Release);
    }

    /// Whether work of at most `within` started now ends before the term does.
    #[must_use]
    pub fn allows(&self, within: Duration) -> bool {
        let renewed = Duration::from_millis(self.renewed.load(Ordering::Acquire));
        self.started.elapsed() + within < renewed + TERM
    }
}

/// The lease, held.
pub struct Lease {
    bus: Bus,
    leases: Leases,
    name: String,
    holder: String,
    revision: u64,
    state: LeaseState,
}

impl Lease {
    /// Waits until the lease is ours.
    ///
    /// # Errors
    /// The bucket cannot be opened. While it is merely silent, this waits.
    pub async fn acquire(bus: &Bus, name: &str) -> Result<Self, LoaderError> {
        let leases = bus.leases().await?;
        let holder = myself();
        let state = LeaseState::new();
        let mut watched: Option<(LeaseEntry, Instant)> = None;
        loop {
            let asked = Instant::now();
            let revision = match leases.read(name).await? {
                None => leases.create(name, &holder).await?,
                Some(entry) if is_gone(&entry.holder) => {
                    tracing::warn!(holder = entry.holder, "the loader that held the lease is gone, taking over");
                    leases.replace(name, &holder, entry.revision).await?
                }
                Some(entry) => match &watched {
                    Some((seen, since)) if *seen == entry && since.elapsed() > TERM => {
                        tracing::warn!(holder = entry.holder, "the holder of the lease is silent, taking over");
                        leases.replace(name, &holder, entry.revision).await?
                    }
                    Some((seen, _)) if *seen == entry => None,
                    _ => {
                        tracing::info!(holder = entry.holder, "another loader is at work, waiting");
                        watched = Some((entry, Instant::now()));
                        None
                    }
                },
            };
            if let Some(revision) = revision {
                state.renewed(asked);
                return Ok(Self { bus: bus.clone(), leases, name: name.to_owned(), holder, revision, state });
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// Until when the lease is ours.
    #[must_use]
    pub fn state(&self) -> LeaseState {
        self.state.clone()
    }

    /// Grows with each change of the lease: tells this holder's intents from others'.
    #[must_use]
    pub fn fence(&self) -> u64 {
        self.revision
    }

    /// Renews the lease for ever; returns when somebody else has it.
    pub async fn keep(&mut self) -> LoaderError {
        loop {
            tokio::time::sleep(RENEW_EVERY).await;
            let asked = Instant::now();
            match self.renew().await {
                Ok(None) => self.state.renewed(asked),
                Ok(Some(holder)) => return LoaderError::LeaseLost { holder },
                Err(error) => tracing::warn!(%error, "the lease could not be renewed, trying again"),
            }
        }
    }

    /// `Some` names another holder.
    async fn renew(&mut self) -> Result<Option<String>, LoaderError> {
        if let Some(revision) = self.leases.replace(&self.name, &self.holder, self.revision).await.unwrap_or(None) {
            self.revision = revision;
            return Ok(None);
        }
        // Changed by somebody, or the bucket was lost with the log's store.
        self.leases = self.bus.leases().await?;
        match self.leases.read(&self.name).await? {
            Some(entry) if entry.holder == self.holder => {
                self.revision = entry.revision;
                Ok(None)
            }
            Some(entry) => Ok(Some(entry.holder)),
            None => match self.leases.create(&self.name, &self.holder).await? {
                Some(revision) => {
                    self.revision = revision;
                    Ok(None)
                }
                None => Ok(Some("a loader that came first".to_owned())),
            },
        }
    }

    /// Gives the lease back.
    pub async fn release(self) {
        if let Err(error) = self.leases.release(&self.name, self.revision).await {
            tracing::warn!(%error, "the lease could not be given back; it ends by itself");
        }
    }
}

/// `boot id / namespace of process ids / process / its start time`: enough to know, on the same machine,
/// whether this very process still lives.
fn myself() -> String {
    let pid = std::process::id();
    let machine = machine().unwrap_or_else(|| "unknown".to_owned());
    format!("{machine}/{pid}/{}", start_time(pid).unwrap_or_default())
}

fn machine() -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{}/{}", boot.trim(), namespace.display()))
}

/// Field 22 of `/proc/<pid>/stat`; the command in field 2 may hold spaces and parentheses.
fn start_time(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(19).map(str::to_owned)
}

/// Whether the holder was a process of this machine and ended. Unknown counts as alive.
fn is_gone(holder: &str) -> bool {
    let Some((rest, started)) = holder.rsplit_once('/') else { return false };
    let Some((there, pid)) = rest.rsplit_once('/') else { return false };
    let (Some(here), Ok(pid)) = (machine(), pid.parse::<u32>()) else { return false };
    !started.is_empty() && there == here && start_time(pid).as_deref() != Some(started)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_is_gone_only_when_its_very_process_ended() {
        assert!(!is_gone(&myself()));
        let mut child = std::process::Command::new("sleep").arg("60").spawn().expect("sleep");
        let machine = machine().expect("Linux");
        let holder = format!("{machine}/{}/{}", child.id(), start_time(child.id()).expect("alive"));
        assert!(!is_gone(&holder));
        child.kill().expect("kill");
        child.wait().expect("wait");
        assert!(is_gone(&holder));
        assert!(is_gone(&format!("{machine}/{}/1", std::process::id())), "same number, another process");
        assert!(!is_gone("another-boot/pid:[1]/1/1") && !is_gone("nonsense"));
    }
}
