//! Users' tokens: made once, shown once, kept as hashes, with an end.
//!
//! A token is `ktr_<id>_<secret>`: the id finds the entry, SHA-256 of the secret proves it (192 random bits need no slow
//! hash). The file is read again when it changes, so that making and revoking needs no restart.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rand::TryRngCore as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::size::Size;
use crate::time::now_seconds;

const PREFIX: &str = "ktr";

/// A token without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Names it in lists and in the audit log.
    pub id: String,
    /// Whose it is.
    pub user: String,
    /// The largest kernel it may start.
    pub size: Size,
    /// When it was made, in seconds since 1970.
    pub created: u64,
    /// When it ends, in seconds since 1970.
    pub expires: u64,
    /// When it was revoked, in seconds since 1970.
    pub revoked: Option<u64>,
    /// SHA-256 of the secret in lower-case hex.
    secret_sha256: String,
}

impl Token {
    /// Why it is no longer valid, if so.
    #[must_use]
    pub fn ended(&self, now: u64) -> Option<Refusal> {
        if self.revoked.is_some() {
            return Some(Refusal::Revoked);
        }
        (now >= self.expires).then_some(Refusal::Expired)
    }
}

/// Why a token is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// There was none.
    Missing,
    /// It is none of ours, or its secret is wrong.
    Unknown,
    /// It was valid once.
    Expired,
    /// It was taken back.
    Revoked,
}

/// The file of tokens.
#[derive(Debug)]
pub struct Tokens {
    file: PathBuf,
    known: Mutex<(Option<Version>, Vec<Token>)>,
}

/// What tells that the file is another one.
type Version = (u64, i64, i64);

impl Tokens {
    /// The tokens in `file`, which need not exist yet.
    #[must_use]
    pub fn new(file: &Path) -> Self {
        Self { file: file.to_owned(), known: Mutex::new((None, Vec::new())) }
    }

    /// Makes a token for `user`, valid for so many days; answers its text, which is kept nowhere.
    ///
    /// # Errors
    /// A name that is none, or a file that cannot be written.
    pub fn create(&self, user: &str, size: Size, days: u32) -> Result<(String, Token), Error> {
        check_user(user)?;
        if days == 0 {
            return Err(Error::Token("a token is valid for at least one day".into()));
        }
        let (id, secret) = (random_hex(4)?, random_hex(24)?);
        let created = now_seconds();
        let token = Token {
            user: user.to_owned(),
            size,
            created,
            expires: created + u64::from(days) * 86_400,
            revoked: None,
            secret_sha256: hash(&secret),
            id,
        };
        self.change(|tokens| tokens.push(token.clone()))?;
        Ok((format!("{PREFIX}_{}_{secret}", token.id), token))
    }

    /// Revokes a token by its id, or all of a user; answers how many were valid till now.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn revoke(&self, id_or_user: &str) -> Result<usize, Error> {
        let now = now_seconds();
        self.change(|tokens| {
            let named = tokens.iter_mut().filter(|token| token.id == id_or_user || token.user == id_or_user);
            named.filter(|token| token.ended(now).is_none()).map(|token| token.revoked = Some(now)).count()
        })
    }

    /// Every token.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn list(&self) -> Result<Vec<Token>, Error> {
        let version = match fs::metadata(&self.file) {
            Ok(found) => (found.ino(), found.mtime(), found.mtime_nsec()),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Error::file(&self.file)(error)),
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.0 != Some(version) {
            *known = (Some(version), read(&self.file)?);
        }
        Ok(known.1.clone())
    }

    /// The token that a text proves.
    ///
    /// # Errors
    /// Why it is not taken. A file that cannot be read is logged and makes every token unknown.
    pub fn check(&self, text: Option<&str>) -> Result<Token, (Refusal, Option<Token>)> {
        let text = text.ok_or((Refusal::Missing, None))?;
        let tokens = self.list().unwrap_or_else(|error| {
            tracing::error!(%error, "no token can be checked");
            Vec::new()
        });
        let mut parts = text.splitn(3, '_');
        let (prefix, id, secret) = (parts.next(), parts.next(), parts.next().unwrap_or_default());
        let found = tokens.into_iter().find(|token| prefix == Some(PREFIX) && id == Some(token.id.as_str()));
        let token = found.ok_or((Refusal::Unknown, None))?;
        if !same(hash(secret).as_bytes(), token.secret_sha256.as_bytes()) {
            return Err((Refusal::Unknown, None));
        }
        match token.ended(now_seconds()) {
            Some(refusal) => Err((refusal, Some(token))),
            None => Ok(token),
        }
    }

    /// Reads, changes and replaces the file while no other process does.
    fn change<T>(&self, change: impl FnOnce(&mut Vec<Token>) -> T) -> Result<T, Error> {
        let failed = || Error::file(&self.file);
        let lock = self.file.with_extension("lock");
        let lock = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(lock);
        let lock = lock.map_err(failed())?;
        lock.lock().map_err(failed())?;
        let mut tokens = if self.file.exists() { read(&self.file)? } else { Vec::new() };
        let answer = change(&mut tokens);
        let text = serde_json::to_vec_pretty(&tokens).map_err(Error::file(&self.file))?;
        let new = self.file.with_extension("new");
        let _ = fs::remove_file(&new);
        let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&new).map_err(failed())?;
        file.write_all(&text).and_then(|()| file.sync_all()).map_err(failed())?;
        fs::rename(&new, &self.file).map_err(failed())?;
        Ok(answer)
    }
}

fn read(file: &Path) -> Result<Vec<Token>, Error> {
    let text = File::open(file).and_then(std::io::read_to_string).map_err(Error::file(file))?;
    serde_json::from_str(&text).map_err(Error::file(file))
}

/// A user's name becomes part of other names: of a folder, of a user of the warehouse, of a key of the object store.
///
/// # Errors
/// What a name may be.
pub fn check_user(user: &str) -> Result<(), Error> {
    let first = user.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
    let plain = user.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    // The gateway starts nothing for a user of this name.
    if first && plain && user.len() <= 24 && user != "root" {
        return Ok(());
    }
    Err(Error::Token(format!(
        "{user:?} is no name for a user here: it begins with a letter, has at most 24 of a to z, 0 to 9 and _, and is not root"
    )))
}

/// So many random bytes as text.
pub(crate) fn random_hex(bytes: usize) -> Result<String, Error> {
    let mut random = vec![0; bytes];
    let filled = rand::rngs::OsRng.try_fill_bytes(&mut random);
    filled.map_err(|error| Error::Token(format!("the system gives no random numbers: {error}")))?;
    Ok(hex(&random))
}

fn hash(secret: &str) -> String {
    hex(&Sha256::digest(secret))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Compares in a time that does not depend on where the difference is.
fn same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |found, (a, b)| found | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_taken_until_it_ends_and_its_file_does_not_hold_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("tokens.json");
        let (made, seen) = (Tokens::new(&file), Tokens::new(&file));
        let (text, token) = made.create("alice", Size::M, 1).expect("made");
        assert_eq!(seen.check(Some(&text)), Ok(token.clone()));
        let secret = text.rsplit('_').next().expect("a secret");
        assert!(!fs::read_to_string(&file).expect("readable").contains(secret));
        assert_eq!(fs::metadata(&file).expect("there").mode() & 0o777, 0o600);
        let wrong = format!("{}0", &text[..text.len() - 1]);
        let other = if wrong == text { format!("{}1", &text[..text.len() - 1]) } else { wrong };
        for (given, refusal) in [(Some(other.as_str()), Refusal::Unknown), (Some("ktr_"), Refusal::Unknown)] {
            assert_eq!(seen.check(given).map_err(|(refusal, _)| refusal), Err(refusal));
        }
        assert_eq!(seen.check(None).map_err(|(refusal, _)| refusal), Err(Refusal::Missing));
        assert_eq!(token.ended(token.expires), Some(Refusal::Expired));
        assert_eq!(made.revoke("alice").expect("revoked"), 1);
        assert_eq!(seen.check(Some(&text)).map_err(|(refusal, _)| refusal), Err(Refusal::Revoked));
    }

    #[test]
    fn names_that_would_leave_their_place_are_refused() {
        for name in ["", "../x", "Alice", "a b", "9a", "a.b", "a-b", "root", &"a".repeat(25)] {
            assert!(check_user(name).is_err(), "{name}");
        }
        assert!(check_user("alice_2").is_ok());
    }
}
