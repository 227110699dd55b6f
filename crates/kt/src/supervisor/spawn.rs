//! Starting and ending processes so that none is left behind.

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use tokio::process::{Child, ChildStdin};

use crate::supervisor::spec::{ServiceSpec, nats_threads};
use crate::sys::{self, User};

/// What a service may see of the environment: nothing that could be a secret.
const PASSED: [&str; 8] = ["PATH", "HOME", "TMPDIR", "TZ", "LANG", "SSL_CERT_FILE", "SSL_CERT_DIR", "RUST_BACKTRACE"];

/// A running service.
pub(crate) struct Running {
    pub(crate) child: Child,
    pub(crate) pid: u32,
    /// Its closing tells kt's own services that the supervisor is gone.
    _lifeline: Option<ChildStdin>,
}

/// Clears the environment but for a few harmless variables.
pub(crate) fn plain_environment(command: &mut Command) {
    let passed = PASSED.iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
    let passed: Vec<_> = passed.collect();
    command.env_clear().envs(passed);
}

/// Makes the command run as `user`, without root's supplementary groups.
pub(crate) fn run_as(command: &mut Command, user: Option<&User>) {
    if let Some(user) = user {
        // The standard library drops the supplementary groups when root changes the user.
        command.uid(user.uid).gid(user.gid);
    }
}

/// Starts a service. Must be called from a thread that lives as long as the supervisor: the
/// parent-death signal follows the thread, not the process.
pub(crate) fn start(spec: &ServiceSpec) -> std::io::Result<Running> {
    let mut command = Command::new(&spec.program);
    command
        .args(&spec.arguments)
        .current_dir("/")
        .stdin(if spec.lifeline { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A group of its own: the terminal's Ctrl-C is for the supervisor alone, which stops the
        // services in order.
        .process_group(0);
    plain_environment(&mut command);
    if spec.name == "nats" {
        let (name, value) = nats_threads();
        command.env(name, value);
    }
    run_as(&mut command, spec.user.as_ref());
    if spec.niceness() > 0 {
        sys::be_nice(&mut command, spec.niceness());
    }
    sys::die_with_parent(&mut command, spec.stop_signal);
    let mut child = tokio::process::Command::from(command).kill_on_drop(true).spawn()?;
    let pid = child.id().ok_or_else(|| std::io::Error::other("the process ended at once"))?;
    let lifeline = child.stdin.take();
    Ok(Running { child, pid, _lifeline: lifeline })
}

impl Running {
    /// Asks the service to stop and kills it if it does not; `true` when it stopped by itself.
    pub(crate) async fn stop(&mut self, signal: i32, timeout: Duration) -> bool {
        // An error means that it has ended already, which the wait below sees.
        let _ = sys::kill(self.pid.cast_signed(), signal);
        if tokio::time::timeout(timeout, self.child.wait()).await.is_ok() {
            self.end_group();
            return true;
        }
        self.end_group();
        let _ = self.child.kill().await;
        false
    }

    /// Kills what the service left behind in its process group.
    pub(crate) fn end_group(&self) {
        // No such group is the usual and best answer.
        let _ = sys::kill(-self.pid.cast_signed(), libc::SIGKILL);
    }
}
