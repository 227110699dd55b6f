//! How the programs of a kernel are started: users, sessions, environment.

use std::path::PathBuf;
use std::process::Command;

use kt_research::{Account, Commands};

use crate::supervisor::spawn;
use crate::sys::{self, User};

/// Starts the gateway and kernels.
pub(super) struct Starter {
    pub(super) gateway_python: PathBuf,
    pub(super) gateway_user: Option<User>,
    /// A `kt` that every user can run.
    pub(super) program: PathBuf,
    /// Where the launcher listens.
    pub(super) socket: PathBuf,
}

impl Commands for Starter {
    fn gateway(&self) -> Command {
        let mut command = Command::new(&self.gateway_python);
        spawn::plain_environment(&mut command);
        spawn::run_as(&mut command, self.gateway_user.as_ref());
        sys::die_with_parent(&mut command, libc::SIGKILL);
        command
    }

    fn enter(&self, account: Option<Account>) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["research", "enter"]).env_clear().current_dir("/");
        let user = account.map(|account| User { name: String::new(), uid: account.uid, gid: account.gid });
        spawn::run_as(&mut command, user.as_ref());
        sys::own_session(&mut command);
        sys::die_with_parent(&mut command, libc::SIGKILL);
        command
    }

    fn attach(&self) -> Vec<String> {
        let text = |path: &PathBuf| path.display().to_string();
        vec![text(&self.program), "research".into(), "attach".into(), "--socket".into(), text(&self.socket)]
    }

    fn free_uid(&self, from: u32) -> u32 {
        let read = |file| std::fs::read_to_string(file).unwrap_or_default();
        let taken: Vec<u32> = [read("/etc/passwd"), read("/etc/group")]
            .iter()
            .flat_map(|text| text.lines().filter_map(|line| line.split(':').nth(2)?.parse().ok()).collect::<Vec<_>>())
            .collect();
        (from..).find(|uid| !taken.contains(uid)).unwrap_or(from)
    }
}
