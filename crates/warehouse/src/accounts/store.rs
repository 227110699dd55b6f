//! Accounts as files: `<folder>/<name>.json`.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use super::{Account, check_name};
use crate::error::WarehouseError;

/// The folder of accounts. Whoever writes it is root or the warehouse's own user.
#[derive(Debug, Clone)]
pub struct Accounts {
    folder: PathBuf,
}

impl Accounts {
    /// The accounts in `folder`, which is `<the warehouse's data directory>/accounts`. It need not exist.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// Makes or replaces an account; it holds from the next request on.
    ///
    /// # Errors
    /// [`WarehouseError::Config`] for a wrong name, [`WarehouseError::DataDirectory`] when the folder cannot be
    /// written.
    pub fn put(&self, account: &Account) -> Result<(), WarehouseError> {
        check_name(&account.name)?;
        let text = serde_json::to_vec(account).map_err(|error| WarehouseError::Config(error.to_string()))?;
        self.write(&account.name, &text).map_err(|error| self.wrong(&error))
    }

    /// Removes an account. Returns whether there was one.
    ///
    /// # Errors
    /// As with [`Self::put`].
    pub fn remove(&self, name: &str) -> Result<bool, WarehouseError> {
        check_name(name)?;
        match fs::remove_file(self.file(name)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(self.wrong(&error)),
        }
    }

    /// The names of all accounts, in order.
    ///
    /// # Errors
    /// As with [`Self::put`].
    pub fn names(&self) -> Result<Vec<String>, WarehouseError> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(self.wrong(&error)),
        };
        let name = |entry: fs::DirEntry| Some(entry.file_name().to_str()?.strip_suffix(".json")?.to_owned());
        let mut names: Vec<String> =
            entries.flatten().filter_map(name).filter(|name| check_name(name).is_ok()).collect();
        names.sort_unstable();
        Ok(names)
    }

    /// The account of this name.
    ///
    /// # Errors
    /// [`WarehouseError::DataDirectory`] for a file that cannot be read or is no account.
    pub(crate) fn find(&self, name: &str) -> Result<Option<Account>, WarehouseError> {
        if check_name(name).is_err() {
            return Ok(None);
        }
        let text = match fs::read(self.file(name)) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.wrong(&error)),
        };
        let account: Account = serde_json::from_slice(&text).map_err(|error| self.wrong(&error))?;
        Ok(Some(account).filter(|account| account.name == name))
    }

    /// Makes the folder, so that whoever writes first need not be who reads.
    pub(crate) fn prepare(&self) -> std::io::Result<()> {
        match fs::DirBuilder::new().mode(0o700).create(&self.folder) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            Ok(()) => give(&fs::File::open(&self.folder)?, self.folder.parent().unwrap_or(&self.folder)),
            Err(error) => Err(error),
        }
    }

    /// Writes beside and renames: a request never sees half an account.
    fn write(&self, name: &str, text: &[u8]) -> std::io::Result<()> {
        self.prepare()?;
        let new = self.folder.join(format!(".{name}.{:08x}", rand::random::<u32>()));
        let written = (|| {
            let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
            give(&file, &self.folder)?;
            file.write_all(text)?;
            fs::rename(&new, self.file(name))
        })();
        if written.is_err() {
            // What is left is not read by anybody; the first error is the one to tell.
            let _ = fs::remove_file(&new);
        }
        written
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.json"))
    }

    fn wrong(&self, reason: &dyn std::fmt::Display) -> WarehouseError {
        WarehouseError::DataDirectory { path: self.folder.clone(), reason: format!("accounts: {reason}") }
    }
}

/// Gives a file to whom its folder belongs, which only root can and need do.
fn give(file: &fs::File, folder: &Path) -> std::io::Result<()> {
    let (own, wanted) = (file.metadata()?, fs::metadata(folder)?);
    if (own.uid(), own.gid()) == (wanted.uid(), wanted.gid()) {
        return Ok(());
    }
    fchown(file, Some(wanted.uid()), Some(wanted.gid()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::{Quota, Size};

    #[test]
    fn accounts_come_and_go_and_names_stay_within_the_folder() {
        let directory = tempfile::tempdir().unwrap();
        let accounts = Accounts::new(directory.path().join("accounts"));
        assert_eq!(accounts.names().unwrap(), Vec::<String>::new());
        let account = Account::new("research_ann_s", "secret", Quota::of(Size::Small)).unwrap().until(7);
        accounts.put(&account).unwrap();
        assert_eq!(accounts.names().unwrap(), ["research_ann_s"]);
        assert_eq!(accounts.find("research_ann_s").unwrap(), Some(account.clone()));
        assert_eq!(accounts.find("research_bob").unwrap(), None);
        for name in ["default", "research_", "research_../x", "research_A", "research_a/b", "research_a.json", ""] {
            assert!(Account::new(name, "x", Quota::of(Size::Small)).is_err(), "{name}");
            assert_eq!(accounts.find(name).unwrap(), None, "{name}");
            assert!(accounts.put(&Account { name: name.to_owned(), ..account.clone() }).is_err(), "{name}");
        }
        // A file under another's name is nobody's account.
        fs::copy(accounts.file("research_ann_s"), accounts.file("research_eve")).unwrap();
        assert_eq!(accounts.find("research_eve").unwrap(), None);
        assert!(accounts.remove("research_ann_s").unwrap() && !accounts.remove("research_ann_s").unwrap());
        fs::write(accounts.file("research_bad"), "{").unwrap();
        assert!(accounts.find("research_bad").unwrap_err().to_string().contains("accounts"));
    }
}
