//! What `/proc` tells about processes: memory, children, who holds a port.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Whether this process runs as root.
pub(crate) fn is_root() -> bool {
    crate::sys::effective_user() == 0
}

/// A process and the moment it was started, in clock ticks since boot: together they are unique,
/// the process id alone is used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub(crate) struct Identity {
    pub(crate) pid: u32,
    pub(crate) started: u64,
}

impl Identity {
    /// Reads the identity of a running process; a zombie counts as ended.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        let stat = Stat::read(pid)?;
        (stat.state != 'Z').then_some(Self { pid, started: stat.started })
    }

    /// Whether this very process still runs.
    pub(crate) fn runs(self) -> bool {
        Self::of(self.pid) == Some(self)
    }
}

struct Stat {
    state: char,
    parent: u32,
    group: u32,
    started: u64,
}

impl Stat {
    fn read(pid: u32) -> Option<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The command's name may hold anything, so fields count from its closing bracket.
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        Some(Self {
            state: fields.first()?.chars().next()?,
            parent: fields.get(1)?.parse().ok()?,
            group: fields.get(2)?.parse().ok()?,
            started: fields.get(19)?.parse().ok()?,
        })
    }
}

/// All process ids.
pub(crate) fn all() -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// The processes of a process group.
pub(crate) fn group(leader: u32) -> Vec<u32> {
    all().into_iter().filter(|pid| Stat::read(*pid).is_some_and(|stat| stat.group == leader)).collect()
}

/// A process and all its descendants.
pub(crate) fn family(root: u32) -> Vec<u32> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for pid in all() {
        if let Some(stat) = Stat::read(pid) {
            children.entry(stat.parent).or_default().push(pid);
        }
    }
    let mut members = vec![root];
    let mut at = 0;
    while at < members.len() {
        members.extend(children.remove(&members[at]).unwrap_or_default());
        at += 1;
    }
    members
}

/// Proportional set size of a process and its descendants in bytes: shared pages are divided
/// among those that share them. `None` where the kernel does not let us look.
pub(crate) fn memory(root: u32) -> Option<u64> {
    let sizes = family(root).into_iter().filter_map(|pid| {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
        line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes << 10)
    });
    let sizes: Vec<u64> = sizes.collect();
    (!sizes.is_empty()).then(|| sizes.iter().sum())
}

/// The command line of a process, or its name where it has none.
pub(crate) fn command(pid: u32) -> String {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words: Vec<_> = line.split(|byte| *byte == 0).filter(|word| !word.is_empty()).collect();
    if words.is_empty() {
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        return name.trim().to_owned();
    }
    let text: Vec<_> = words.iter().map(|word| String::from_utf8_lossy(word)).collect();
    let mut text = text.join(" ");
    if text.len() > 120 {
        let end = (0..=117).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

/// The processes that listen on a TCP port, as far as we may see them.
pub(crate) fn listeners(port: u16) -> Vec<u32> {
    let sockets = listening_sockets(port);
    if sockets.is_empty() {
        return Vec::new();
    }
    let holds = |pid: &u32| {
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        descriptors.filter_map(|entry| fs::read_link(entry.path()).ok()).any(|link| names_socket(&link, &sockets))
    };
    all().into_iter().filter(holds).collect()
}

fn names_socket(link: &Path, sockets: &BTreeSet<String>) -> bool {
    link.to_str()
        .and_then(|text| text.strip_prefix("socket:[")?.strip_suffix(']'))
        .is_some_and(|inode| sockets.contains(inode))
}

/// Inodes of the sockets in state LISTEN on a port.
fn listening_sockets(port: u16) -> BTreeSet<String> {
    const LISTEN: &str = "0A";
    let mut inodes = BTreeSet::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        for line in fs::read_to_string(table).unwrap_or_default().lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let local = fields.get(1).and_then(|address| address.rsplit_once(':'));
            let here = local.is_some_and(|(_, hex)| u16::from_str_radix(hex, 16) == Ok(port));
            if here && fields.get(3) == Some(&LISTEN) {
                inodes.extend(fields.get(9).map(|inode| (*inode).to_owned()));
            }
        }
    }
    inodes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_itself_as_the_holder_of_its_port() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
        let port = listener.local_addr().expect("address").port();
        assert_eq!(listeners(port), [std::process::id()]);
        drop(listener);
        assert!(listeners(port).is_empty());
    }

    #[test]
    fn counts_a_child_as_family_until_it_ends() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().expect("sleep");
        let identity = Identity::of(child.id()).expect("runs");
        assert!(family(std::process::id()).contains(&child.id()));
        assert!(memory(std::process::id()).is_some_and(|bytes| bytes > 100_000));
        child.kill().expect("kill");
        child.wait().expect("wait");
        assert!(!identity.runs());
    }
}
