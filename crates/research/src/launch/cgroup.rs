//! Control groups: the limits of a kernel with all the processes it starts, in version 1 or 2, whichever is there.
//!
//! Which controllers can be used is found out by using them: what a mount table promises, a container often denies.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, Signal};

use crate::size::Limits;

/// What a group limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Controller {
    Memory,
    Cpu,
    Pids,
}

impl Controller {
    pub(crate) const ALL: [Self; 3] = [Self::Memory, Self::Cpu, Self::Pids];

    fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Cpu => "cpu",
            Self::Pids => "pids",
        }
    }

    /// The file that exists where the controller works.
    fn file(self, version: Version) -> &'static str {
        match (self, version) {
            (Self::Memory, Version::One) => "memory.limit_in_bytes",
            (Self::Memory, Version::Two) => "memory.max",
            (Self::Cpu, Version::One) => "cpu.cfs_quota_us",
            (Self::Cpu, Version::Two) => "cpu.max",
            (Self::Pids, _) => "pids.max",
        }
    }
}

/// Of the two interfaces of Linux.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    One,
    Two,
}

/// The folder of this service's groups for each controller that works here.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hierarchy {
    found: BTreeMap<Controller, (Version, PathBuf)>,
}

/// The period over which processor time is shared out, in microseconds: the kernel's own default.
const PERIOD: u64 = 100_000;
/// How long what is killed may take to vanish.
const VANISH: Duration = Duration::from_secs(10);

impl Hierarchy {
    /// Finds out what works, for groups below a folder of this name.
    pub(crate) fn detect(name: &str) -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        Self::from_tables(&read("/proc/self/mounts"), &read("/proc/self/cgroup"), name)
    }

    fn from_tables(mounts: &str, own: &str, name: &str) -> Self {
        let mut found = BTreeMap::new();
        for controller in Controller::ALL {
            let places = places(mounts, own, controller);
            let usable = places.into_iter().find_map(|(version, place)| {
                let folder = place.join(name);
                works(controller, version, &place, &folder).then_some((version, folder))
            });
            found.extend(usable.map(|usable| (controller, usable)));
        }
        Self { found }
    }

    /// By what a controller's limit is kept, if by anything here.
    pub(crate) fn by(&self, controller: Controller) -> Option<&'static str> {
        self.found.get(&controller).map(|(version, _)| match version {
            Version::One => "cgroup1",
            Version::Two => "cgroup2",
        })
    }

    fn folders(&self) -> Vec<PathBuf> {
        let mut folders: Vec<_> = self.found.values().map(|(_, folder)| folder.clone()).collect();
        folders.sort();
        folders.dedup();
        folders
    }

    /// Makes a group with these limits.
    pub(crate) fn create(&self, name: &str, limits: Limits) -> io::Result<Group> {
        let group = Group { folders: self.folders().into_iter().map(|folder| folder.join(name)).collect() };
        for folder in &group.folders {
            match fs::create_dir(folder) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
        }
        for (controller, (version, folder)) in &self.found {
            set(*controller, *version, &folder.join(name), limits)?;
        }
        Ok(group)
    }

    /// The groups that an earlier run left.
    pub(crate) fn leftovers(&self) -> Vec<Group> {
        let mut groups: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
        for folder in self.folders() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                if entry.path().is_dir() {
                    groups.entry(entry.file_name().to_string_lossy().into_owned()).or_default().push(entry.path());
                }
            }
        }
        groups.into_values().map(|folders| Group { folders }).collect()
    }

    /// Removes the service's own folders, once they are empty.
    pub(crate) fn remove(&self) {
        for folder in self.folders() {
            if let Err(error) = fs::remove_dir(&folder) {
                tracing::debug!(%error, folder = %folder.display(), "the folder of the control groups stays");
            }
        }
    }
}

/// Where a controller's groups could be: below this process's own group, so that limits around it hold, or at the top.
fn places(mounts: &str, own: &str, controller: Controller) -> Vec<(Version, PathBuf)> {
    let mut places = Vec::new();
    for line in mounts.lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        let &[_, mount, kind, options, ..] = fields.as_slice() else { continue };
        let version = match kind {
            "cgroup" if options.split(',').any(|option| option == controller.name()) => Version::One,
            "cgroup2" => Version::Two,
            _ => continue,
        };
        let own_path = own.lines().find_map(|line| {
            let mut fields = line.splitn(3, ':');
            let (_, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
            let this = match version {
                Version::One => controllers.split(',').any(|name| name == controller.name()),
                Version::Two => controllers.is_empty(),
            };
            this.then_some(path)
        });
        let below = own_path.map(|path| Path::new(mount).join(path.trim_start_matches('/')));
        places.extend(below.map(|place| (version, place)));
        places.push((version, PathBuf::from(mount)));
    }
    places
}

/// Tries whether a group with this controller can be made in `folder` below `place`.
fn works(controller: Controller, version: Version, place: &Path, folder: &Path) -> bool {
    let make = |path: &Path| path.is_dir() || fs::create_dir(path).is_ok();
    if !place.is_dir() || !make(folder) {
        return false;
    }
    if version == Version::Two {
        // A controller must be passed down twice: to our folder, and from there to each kernel's group.
        for parent in [place, folder] {
            let _ = fs::write(parent.join("cgroup.subtree_control"), format!("+{}", controller.name()));
        }
    }
    let probe = folder.join(format!("probe-{}", controller.name()));
    let usable = make(&probe) && probe.join(controller.file(version)).is_file();
    let _ = fs::remove_dir(&probe);
    if !usable {
        // It stays if another controller's groups are there already.
        let _ = fs::remove_dir(folder);
    }
    usable
}

fn set(controller: Controller, version: Version, folder: &Path, limits: Limits) -> io::Result<()> {
    let write = |file: &str, value: String| {
        let path = folder.join(file);
        fs::write(&path, value).map_err(|error| io::Error::other(format!("{}: {error}", path.display())))
    };
    // What is absent needs no limit: swap may not be there to be counted.
    let write_if_there = |file: &str, value: String| {
        if folder.join(file).exists() { write(file, value) } else { Ok(()) }
    };
    let quota = (limits.cpus * PERIOD as f64) as u64;
    match (controller, version) {
        (Controller::Memory, Version::One) => {
            write("memory.limit_in_bytes", limits.memory.to_string())?;
            write_if_there("memory.memsw.limit_in_bytes", limits.memory.to_string())
        }
        (Controller::Memory, Version::Two) => {
            write("memory.max", limits.memory.to_string())?;
            write_if_there("memory.swap.max", "0".into())
        }
        (Controller::Cpu, Version::One) => {
            write("cpu.cfs_period_us", PERIOD.to_string())?;
            write("cpu.cfs_quota_us", quota.to_string())
        }
        (Controller::Cpu, Version::Two) => write("cpu.max", format!("{quota} {PERIOD}")),
        (Controller::Pids, _) => write("pids.max", limits.processes.to_string()),
    }
}

/// The group of one kernel: one folder for each hierarchy.
#[derive(Debug)]
pub(crate) struct Group {
    folders: Vec<PathBuf>,
}

impl Group {
    /// Puts a process in, and with it what it will start.
    pub(crate) fn add(&self, pid: u32) -> io::Result<()> {
        self.folders.iter().try_for_each(|folder| fs::write(folder.join("cgroup.procs"), pid.to_string()))
    }

    /// The processes in it.
    pub(crate) fn members(&self) -> Vec<i32> {
        let texts = self.folders.iter().filter_map(|folder| fs::read_to_string(folder.join("cgroup.procs")).ok());
        let mut members: Vec<i32> =
            texts.flat_map(|text| text.lines().filter_map(|line| line.parse().ok()).collect::<Vec<_>>()).collect();
        members.sort_unstable();
        members.dedup();
        members
    }

    /// How many of its processes were killed because its memory was used up.
    pub(crate) fn out_of_memory(&self) -> u64 {
        let files =
            self.folders.iter().flat_map(|folder| ["memory.oom_control", "memory.events"].map(|f| folder.join(f)));
        let texts = files.filter_map(|file| fs::read_to_string(file).ok());
        texts
            .filter_map(|text| text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse::<u64>().ok()))
            .max()
            .unwrap_or(0)
    }

    /// Kills everything in it and removes it; `false` when something is left after [`VANISH`].
    pub(crate) async fn destroy(&self) -> bool {
        let deadline = tokio::time::Instant::now() + VANISH;
        for folder in &self.folders {
            // From here on nothing new starts, so that killing comes to an end.
            let _ = fs::write(folder.join("pids.max"), "0");
            let _ = fs::write(folder.join("cgroup.kill"), "1");
        }
        loop {
            for pid in self.members().into_iter().filter_map(Pid::from_raw) {
                // What has ended in the meantime is what is wanted.
                let _ = rustix::process::kill_process(pid, Signal::KILL);
            }
            // Each is tried at every turn: one that stays is no reason for the others to stay.
            let stays = |folder: &&PathBuf| fs::remove_dir(folder).is_err() && folder.exists();
            if self.folders.iter().filter(stays).count() == 0 {
                return true;
            }
            if tokio::time::Instant::now() > deadline {
                tracing::error!(members = ?self.members(), "a control group cannot be removed");
                return false;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n\
                          cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,cpu,cpuacct 0 0\n\
                          cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\nproc /proc proc rw 0 0\n";

    #[test]
    fn groups_are_sought_below_the_own_one_first() {
        let own = "4:memory:/outer/own\n3:cpu,cpuacct:/\n0::/box\n";
        let text = |controller| {
            let found = places(MOUNTS, own, controller);
            found.iter().map(|(_, path)| path.display().to_string()).collect::<Vec<_>>()
        };
        let unified = ["/sys/fs/cgroup/unified/box", "/sys/fs/cgroup/unified"];
        assert_eq!(
            text(Controller::Memory),
            [&["/sys/fs/cgroup/memory/outer/own", "/sys/fs/cgroup/memory"], &unified[..]].concat()
        );
        assert_eq!(text(Controller::Pids), unified);
        assert_eq!(text(Controller::Cpu)[1], "/sys/fs/cgroup/cpu,cpuacct");
    }

    #[test]
    fn limits_of_version_two_are_written_as_it_reads_them() {
        // An ordinary folder stands for the interface: the kernel's own files are tried by the whole-process tests.
        let folder = tempfile::tempdir().expect("a folder");
        let found = Controller::ALL.map(|controller| (controller, (Version::Two, folder.path().to_owned())));
        let hierarchy = Hierarchy { found: found.into() };
        fs::create_dir(folder.path().join("k")).expect("a group");
        fs::write(folder.path().join("k/memory.swap.max"), "max").expect("a file");
        hierarchy.create("k", Limits { cpus: 1.5, memory: 1 << 30, processes: 64 }).expect("made");
        let read = |file: &str| fs::read_to_string(folder.path().join("k").join(file)).expect("written");
        let read = ["memory.max", "memory.swap.max", "cpu.max", "pids.max"].map(read);
        assert_eq!(read, ["1073741824", "0", "150000 100000", "64"]);
    }
}
