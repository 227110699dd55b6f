//! What the research service is told.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;
use crate::size::{Size, Sizes};

/// A user of the operating system, named by number alone: kernels' users need no entry anywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

/// How the programs around a kernel are started: what knows users and signals gives the commands.
pub trait Commands: Send + Sync {
    /// The gateway, as its own user, with a plain environment. Arguments and variables are added.
    fn gateway(&self) -> Command;
    /// The program that becomes a kernel ([`crate::enter`]), as this user if one is given, in a session of its own,
    /// without any environment.
    fn enter(&self, account: Option<Account>) -> Command;
    /// The words that start [`crate::attach`] with the gateway's rights; the connection file's name is appended.
    fn attach(&self) -> Vec<String>;
    /// The first user id that nobody else has, at or after this one.
    fn free_uid(&self, from: u32) -> u32;
}

/// Where a kernel's credentials come from.
pub trait Credentials: Send + Sync {
    /// New credentials for a user whose largest running kernel has this size, as the text of `~/.kubetrader.json`.
    /// Those issued before stay valid with the new size.
    ///
    /// # Errors
    /// Why there are none; the kernel is not started then.
    fn issue(&self, user: &str, size: Size) -> Result<String, String>;
    /// Takes a user's credentials back.
    ///
    /// # Errors
    /// Why they stay.
    fn withdraw(&self, user: &str) -> Result<(), String>;
    /// Takes back what an earlier run left.
    ///
    /// # Errors
    /// Why something stays.
    fn withdraw_all(&self) -> Result<(), String>;
}

/// How many kernels, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Kernels of one user.
    pub per_user: usize,
    /// Kernels of all users.
    pub total: usize,
    /// A kernel that computes nothing for so long is ended.
    pub idle: Duration,
    /// A kernel that is seen busy for so long is interrupted and, if that does not help, ended.
    pub busy: Duration,
    /// A kernel of this age is ended, whatever it does.
    pub life: Duration,
    /// How often kernels are looked at.
    pub look: Duration,
    /// What each size may use.
    pub sizes: Sizes,
}

/// Configuration of the research service.
pub struct ResearchConfig {
    /// Where users come in.
    pub listen: SocketAddr,
    /// `/metrics` and `/health`.
    pub operations: SocketAddr,
    /// Where the gateway listens, for this service alone.
    pub gateway: SocketAddr,
    /// The gateway's user, where this process may change users.
    pub gateway_account: Option<Account>,
    /// First user id of kernels, where this process may change users.
    pub first_uid: Option<u32>,
    /// The folder of everything: tokens, audit, homes.
    pub directory: PathBuf,
    /// Python of the kernels' environment.
    pub kernel_python: PathBuf,
    /// Folders with Python sources for kernels.
    pub python_path: PathBuf,
    /// What kernels may read beside the system's folders.
    pub readable: Vec<PathBuf>,
    /// TCP ports that kernels may connect to.
    pub connect_ports: Vec<u16>,
    /// The numbers.
    pub rules: Rules,
    /// How programs are started.
    pub commands: Arc<dyn Commands>,
    /// Where credentials come from.
    pub credentials: Arc<dyn Credentials>,
}

impl ResearchConfig {
    /// The file of tokens below the directory of the research service.
    #[must_use]
    pub fn tokens_file(directory: &std::path::Path) -> PathBuf {
        directory.join("tokens.json")
    }

    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Creates a folder with mode and owner.
    pub(crate) fn make(path: &std::path::Path, mode: u32, owner: Option<Account>) -> Result<(), Error> {
        use std::os::unix::fs::{PermissionsExt as _, chown};
        std::fs::create_dir_all(path).map_err(Error::file(path))?;
        if let Some(owner) = owner {
            chown(path, Some(owner.uid), Some(owner.gid)).map_err(Error::file(path))?;
        }
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).map_err(Error::file(path))
    }
}
