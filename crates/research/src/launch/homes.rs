//! Users' folders and their ids in the operating system.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::config::{Account, Commands, ResearchConfig};
use crate::error::Error;

/// The folders of users and of running kernels.
pub(crate) struct Homes {
    directory: PathBuf,
    first_uid: Option<u32>,
}

impl Homes {
    /// Makes the folders above users' own; only root may change what is in them.
    pub(crate) fn new(config: &ResearchConfig) -> Result<Self, Error> {
        for folder in ["home", "run"] {
            ResearchConfig::make(&config.folder(folder), 0o711, None)?;
        }
        Ok(Self { directory: config.directory.clone(), first_uid: config.first_uid })
    }

    /// A user's own id: chosen at the first kernel and kept, as the files are kept. `None` where this process cannot
    /// change users.
    pub(crate) fn account(&self, user: &str, commands: &dyn Commands) -> Result<Option<Account>, Error> {
        let Some(first) = self.first_uid else { return Ok(None) };
        let file = self.directory.join("users.json");
        let mut known: BTreeMap<String, u32> = match fs::read_to_string(&file) {
            Ok(text) => serde_json::from_str(&text).map_err(Error::file(&file))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(Error::file(&file)(error)),
        };
        let uid = match known.get(user) {
            Some(uid) => *uid,
            None => {
                let uid = commands.free_uid(known.values().max().map_or(first, |last| last + 1));
                known.insert(user.to_owned(), uid);
                let text = serde_json::to_string_pretty(&known).map_err(Error::file(&file))?;
                let new = file.with_extension("new");
                fs::write(&new, text).and_then(|()| fs::rename(&new, &file)).map_err(Error::file(&file))?;
                uid
            }
        };
        Ok(Some(Account { uid, gid: uid }))
    }

    /// A user's folder, which stays.
    pub(crate) fn home(&self, user: &str, account: Option<Account>) -> Result<PathBuf, Error> {
        let home = self.directory.join("home").join(user);
        ResearchConfig::make(&home, 0o700, account)?;
        Ok(home)
    }

    /// A running kernel's folder, with one for temporary files.
    pub(crate) fn run(&self, kernel: &str, account: Option<Account>) -> Result<PathBuf, Error> {
        let run = self.directory.join("run").join(kernel);
        remove(&run);
        // The inner folder first: once the outer one is the user's, a link could stand in its place.
        ResearchConfig::make(&run, 0o700, None)?;
        ResearchConfig::make(&run.join("tmp"), 0o700, account)?;
        ResearchConfig::make(&run, 0o700, account)?;
        Ok(run)
    }

    /// Removes a kernel's folder.
    pub(crate) fn remove_run(&self, kernel: &str) {
        remove(&self.directory.join("run").join(kernel));
    }

    /// Removes a user's credentials.
    pub(crate) fn remove_credentials(&self, user: &str) {
        remove_file(&self.directory.join("home").join(user).join(crate::enter::CREDENTIALS));
    }

    /// Removes what an earlier run left: kernels' folders and credentials.
    pub(crate) fn clean(&self) {
        let below = |folder: &str| fs::read_dir(self.directory.join(folder)).into_iter().flatten().flatten();
        below("run").for_each(|entry| remove(&entry.path()));
        below("home").for_each(|entry| remove_file(&entry.path().join(crate::enter::CREDENTIALS)));
    }
}

fn remove(folder: &Path) {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::error!(%error, folder = %folder.display(), "a kernel's folder stays");
        }
        _ => {}
    }
}

fn remove_file(file: &Path) {
    match fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::error!(%error, file = %file.display(), "credentials stay in a user's folder");
        }
        _ => {}
    }
}
