//! From a process of this binary to a kernel: the last steps, taken with the kernel's own rights.
//!
//! The launcher starts this as the user's own id and puts it into its control group before it says a word. Files in a
//! user's folder are written here and not by the launcher: whatever the user has put in their way (a link, say) then
//! reaches nothing that the user could not reach anyway.

use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, NetPort, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetStatus, Scope,
};
use rustix::process::{Resource, Rlimit};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::Error;

/// The name of the credentials' file in a user's folder.
pub(crate) const CREDENTIALS: &str = ".kubetrader.json";
/// What says that the steps are done, on standard error; the kernel's own words follow.
pub(crate) const ENTERED: &str = "kt-research entered";

/// What every program needs to read: itself, libraries, time zones, names, what the machine has.
const READABLE: [&str; 9] = [
    "/usr",
    "/lib",
    "/lib64",
    "/bin",
    "/etc",
    "/proc",
    "/sys/devices/system",
    "/sys/fs/cgroup",
    "/run/systemd/resolve",
];
/// What may be read and written by everybody.
const DEVICES: [&str; 5] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"];

/// The limits of a single process, where no control group keeps the whole.
#[derive(Debug, Default, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct ProcessLimits {
    /// Bytes of data of each process.
    pub(crate) memory: Option<u64>,
    /// Processes and threads of the user.
    pub(crate) processes: Option<u64>,
}

/// What the launcher hands over on standard input.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Spec {
    pub(crate) python: PathBuf,
    pub(crate) home: PathBuf,
    /// The folder of this kernel, gone with it.
    pub(crate) run: PathBuf,
    pub(crate) environment: Vec<(String, String)>,
    /// The text of the credentials' file.
    pub(crate) credentials: String,
    /// The connection file that the gateway made.
    pub(crate) connection: Value,
    pub(crate) limits: ProcessLimits,
    pub(crate) readable: Vec<PathBuf>,
    pub(crate) connect_ports: Vec<u16>,
    pub(crate) bind_ports: Vec<u16>,
}

/// Largest file a kernel may write, and open files it may have.
const FILE_SIZE: u64 = 16 << 30;
const OPEN_FILES: u64 = 4096;

/// Becomes the kernel that standard input describes; comes back only with an error.
///
/// # Errors
/// Which step failed. A kernel of the operating system without Landlock is no error: it is said on standard error.
pub fn enter() -> Result<std::convert::Infallible, Error> {
    let mut text = String::new();
    let wrong = |what: &str, error: &dyn std::fmt::Display| Error::Kernel(format!("{what}: {error}"));
    io::stdin().lock().read_to_string(&mut text).map_err(|error| wrong("reading what to start", &error))?;
    let spec: Spec = serde_json::from_str(&text).map_err(|error| wrong("reading what to start", &error))?;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    private_file(&spec.home.join(CREDENTIALS), spec.credentials.as_bytes())?;
    let connection = spec.run.join("connection.json");
    private_file(&connection, spec.connection.to_string().as_bytes())?;
    // If the machine runs out of memory, a kernel goes before the platform does.
    let _ = fs::write("/proc/self/oom_score_adj", "800");
    limit(spec.limits).map_err(|error| wrong("setting limits", &error))?;
    let confined = match confine(&spec) {
        Ok(RulesetStatus::FullyEnforced) => "landlock",
        Ok(RulesetStatus::PartiallyEnforced) => "landlock_partly",
        Ok(RulesetStatus::NotEnforced) => "nothing",
        Err(error) => return Err(wrong("confining the kernel", &error)),
    };
    let _ = writeln!(io::stderr(), "{ENTERED} {confined}");
    let error = Command::new(&spec.python)
        .args(["-m", "ipykernel_launcher", "-f"])
        .arg(&connection)
        .env_clear()
        .envs(spec.environment.iter().map(|(name, value)| (name, value)))
        .current_dir(&spec.home)
        .stdin(Stdio::null())
        .exec();
    Err(wrong(&format!("starting {}", spec.python.display()), &error))
}

/// Writes a file that only its owner reads: beside its place and then renamed, so that nothing else is followed.
fn private_file(path: &Path, content: &[u8]) -> Result<(), Error> {
    let new = path.with_extension(format!("new{}", std::process::id()));
    let _ = fs::remove_file(&new);
    let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&new).map_err(Error::file(&new))?;
    file.write_all(content).map_err(Error::file(&new))?;
    fs::rename(&new, path).map_err(Error::file(path))
}

fn limit(limits: ProcessLimits) -> io::Result<()> {
    let set = |resource, value: u64| {
        // A limit that is there already and lower stays.
        let hard = rustix::process::getrlimit(resource).maximum.map_or(value, |hard| hard.min(value));
        rustix::process::setrlimit(resource, Rlimit { current: Some(hard), maximum: Some(hard) })
    };
    set(Resource::Core, 0)?;
    set(Resource::Fsize, FILE_SIZE)?;
    set(Resource::Nofile, OPEN_FILES)?;
    if let Some(memory) = limits.memory {
        set(Resource::Data, memory)?;
    }
    if let Some(processes) = limits.processes {
        set(Resource::Nproc, processes)?;
    }
    Ok(())
}

/// Landlock: own folders to write, the system's to read, a few ports; no signals to the world outside.
fn confine(spec: &Spec) -> Result<RulesetStatus, Box<dyn std::error::Error>> {
    let abi = ABI::V6;
    let read = AccessFs::ReadFile | AccessFs::ReadDir | AccessFs::Execute;
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(abi))?
        .handle_access(AccessNet::from_all(abi))?
        .scope(Scope::from_all(abi))?
        .create()?;
    for path in [&spec.home, &spec.run] {
        rules = rules.add_rule(PathBeneath::new(PathFd::new(path)?, AccessFs::from_all(abi)))?;
    }
    for path in READABLE.iter().map(PathBuf::from).chain(spec.readable.iter().cloned()) {
        // What this machine does not have needs no rule.
        if let Ok(descriptor) = PathFd::new(&path) {
            let access = if path.is_dir() { read } else { AccessFs::ReadFile | AccessFs::Execute };
            rules = rules.add_rule(PathBeneath::new(descriptor, access))?;
        }
    }
    for path in DEVICES {
        if let Ok(descriptor) = PathFd::new(path) {
            rules = rules.add_rule(PathBeneath::new(descriptor, AccessFs::ReadFile | AccessFs::WriteFile))?;
        }
    }
    for port in &spec.connect_ports {
        rules = rules.add_rule(NetPort::new(*port, AccessNet::ConnectTcp))?;
    }
    for port in &spec.bind_ports {
        rules = rules.add_rule(NetPort::new(*port, AccessNet::BindTcp))?;
    }
    Ok(rules.restrict_self()?.ruleset)
}
