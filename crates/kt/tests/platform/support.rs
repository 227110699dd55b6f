//! A platform in a temporary directory on free ports.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// Default ports of all services, to which the offset is added.
const PORTS: [u16; 19] =
    [4222, 7422, 8222, 8123, 8124, 5433, 9100, 8080, 9201, 9202, 9203, 9204, 9205, 9206, 9000, 9209, 3000, 8890, 8891];

/// `kt` with a plain, fixed environment.
pub fn kt(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kt"));
    command.args(arguments).env_remove("KT_DATA").env("COLUMNS", "100").env("NO_COLOR", "1");
    // No kubetrader.toml of the developer's shall be read.
    command.current_dir("/").stdin(Stdio::null());
    command
}

/// Runs to the end; answers exit code, standard output and standard error.
pub fn run(command: &mut Command) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command.output().expect("kt starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (status.code().unwrap_or(-1), text(stdout), text(stderr))
}

/// Sends a signal by name or number.
pub fn signal(pid: u32, signal: &str) {
    let status = Command::new("sh").args(["-c", &format!("kill -{signal} {pid}")]).status().expect("sh");
    assert!(status.success(), "cannot send {signal} to {pid}");
}

/// Waits until `probe` gives a value. Limits are those of a machine at rest; a busy one is given four times as long.
pub fn wait_for<T>(what: &str, limit: Duration, mut probe: impl FnMut() -> Option<T>) -> T {
    let limit = limit * 4;
    let deadline = Instant::now() + limit;
    loop {
        if let Some(value) = probe() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited {limit:?} in vain for {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A data directory, free ports, and a supervisor once started. Dropping it kills what runs.
pub struct Platform {
    pub directory: TempDir,
    pub offset: u16,
    pub supervisor: Option<Child>,
    settings: Vec<String>,
}

impl Platform {
    pub fn new(settings: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("directory");
        // The engines' own users must be able to enter it.
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).expect("mode");
        // Dagster takes long to start; the tests that are about it switch it on.
        let settings = [&["orchestration.enabled=false"][..], settings].concat();
        let settings = settings.iter().map(|setting| (*setting).to_owned()).collect();
        Self { directory, offset: free_offset(), supervisor: None, settings }
    }

    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// A command on this platform's data directory.
    pub fn kt(&self, arguments: &[&str]) -> Command {
        let mut command = kt(arguments);
        command.arg("--data-dir").arg(self.data());
        command
    }

    /// As [`Platform::kt`], with the ports and settings of this platform.
    pub fn kt_with_settings(&self, arguments: &[&str]) -> Command {
        let mut command = self.kt(arguments);
        command.arg("--port-offset").arg(self.offset.to_string());
        for setting in &self.settings {
            command.arg("--set").arg(setting);
        }
        command
    }

    /// Starts `kt up` and waits for the line that says it is ready; answers the page's address.
    pub fn up(&mut self) -> String {
        self.up_with(&[])
    }

    /// As [`Platform::up`], with further arguments.
    pub fn up_with(&mut self, arguments: &[&str]) -> String {
        let mut command = self.kt_with_settings(&[&["up"], arguments].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("kt starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
        if !line.contains("is ready") {
            let mut errors = String::new();
            let _ = child.stderr.take().expect("piped").read_to_string(&mut errors);
            panic!("kt up ended with {:?}: {line}{errors}", child.wait());
        }
        self.supervisor = Some(child);
        line.trim().rsplit(' ').next().expect("an address").to_owned()
    }

    /// The answer of `kt status --json`, whatever its exit code.
    pub fn status(&self) -> Value {
        let (code, out, err) = run(&mut self.kt(&["status", "--json"]));
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("status ended with {code}: {error}: {out}{err}"))
    }

    /// One service's entry, if the supervisor answers.
    pub fn service(&self, name: &str) -> Value {
        let status = self.status();
        let services = status["services"].as_array().expect("services");
        services.iter().find(|service| service["service"] == name).expect("known service").clone()
    }

    /// Waits until a service is in a state; answers its entry.
    pub fn wait_for_state(&self, name: &str, state: &str) -> Value {
        wait_for(&format!("{name} to be {state}"), Duration::from_secs(60), || {
            Some(self.service(name)).filter(|service| service["state"] == state)
        })
    }

    /// The supervisor and every process below it, with their start times.
    pub fn processes(&self) -> Vec<(u32, String)> {
        let supervisor = self.supervisor.as_ref().expect("runs").id();
        let mut members = vec![supervisor];
        let mut at = 0;
        while at < members.len() {
            members.extend(children(members[at]));
            at += 1;
        }
        members.into_iter().filter_map(|pid| Some((pid, started(pid)?))).collect()
    }

    /// Asserts that none of these processes, and none that names the data directory, is left.
    pub fn assert_nothing_left(&self, processes: &[(u32, String)], limit: Duration) {
        wait_for("all processes to end", limit, || {
            let same = processes.iter().filter(|(pid, start)| started(*pid).as_ref() == Some(start)).count();
            (same == 0 && self.named().is_empty()).then_some(())
        });
    }

    /// Running processes with the data directory on their command line.
    fn named(&self) -> Vec<u32> {
        let data = self.data();
        let data = data.to_str().expect("UTF-8");
        let names = |pid: &u32| {
            fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| String::from_utf8_lossy(&line).contains(data))
        };
        pids().into_iter().filter(|pid| *pid != std::process::id()).filter(names).collect()
    }

    /// Ends the supervisor with SIGTERM; answers its exit code.
    pub fn terminate(&mut self) -> i32 {
        let mut child = self.supervisor.take().expect("runs");
        signal(child.id(), "TERM");
        wait_for("the supervisor to end", Duration::from_secs(60), || child.try_wait().expect("wait"))
            .code()
            .unwrap_or(-1)
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        if let Some(mut child) = self.supervisor.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        // Also what a detached supervisor left, so that a failing test leaves nothing.
        for pid in self.named() {
            let _ = Command::new("sh").args(["-c", &format!("kill -9 {pid}")]).stderr(Stdio::null()).status();
        }
        if std::thread::panicking() {
            let log = fs::read_to_string(self.data().join("logs/supervisor.log")).unwrap_or_default();
            eprintln!("the supervisor's log:\n{log}");
        }
    }
}

fn pids() -> Vec<u32> {
    let entries = fs::read_dir("/proc").expect("/proc").flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// Fields of `/proc/<pid>/stat` after the command's name; none for a zombie.
fn stat(pid: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<_> = text.rsplit_once(')')?.1.split_whitespace().map(str::to_owned).collect();
    (fields[0] != "Z").then_some(fields)
}

fn started(pid: u32) -> Option<String> {
    stat(pid).map(|fields| fields[19].clone())
}

fn children(parent: u32) -> Vec<u32> {
    let parent = parent.to_string();
    pids().into_iter().filter(|pid| stat(*pid).is_some_and(|fields| fields[1] == parent)).collect()
}

/// The user id a process runs as.
pub fn user_of(pid: u64) -> u32 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).expect("a running process");
    let line = text.lines().find_map(|line| line.strip_prefix("Uid:")).expect("Uid");
    line.split_whitespace().next().expect("a number").parse().expect("a number")
}

/// An offset at which every port is free now. Tests and their processes draw different ones.
fn free_offset() -> u16 {
    let mut seed = u64::from(std::process::id()) ^ Instant::now().elapsed().as_nanos() as u64;
    seed ^= std::time::UNIX_EPOCH.elapsed().expect("a clock").as_nanos() as u64;
    for _ in 0..1000 {
        // A linear congruential step is random enough to avoid collisions.
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let offset = 11_000 + u16::try_from((seed >> 33) % 11_000).expect("small");
        let free = |port: &u16| TcpListener::bind(("127.0.0.1", port + offset)).is_ok();
        if PORTS.iter().all(free) {
            return offset;
        }
    }
    panic!("no free ports");
}

/// `GET` on loopback: status and body.
pub fn get(address: &str, path: &str) -> (u16, String) {
    let address: SocketAddr = address.trim_start_matches("http://").parse().expect("an address");
    let mut stream = TcpStream::connect(address).expect("connects");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").expect("sends");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("answers");
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, answer.split_once("\r\n\r\n").map_or_else(String::new, |(_, body)| body.to_owned()))
}

/// The permission bits of a file.
pub fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("exists").permissions().mode() & 0o777
}
