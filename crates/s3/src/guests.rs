//! Users that come and go while the server runs: each has one prefix in one bucket, and a file of its own.
//!
//! Whoever may write the folder of these files decides who is a guest; the server looks there at every request that
//! names one, so that a key is worth nothing once its file is gone.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::error::S3Error;

/// What a guest's access key begins with: no other user's may.
pub const GUEST: &str = "research_";

/// A guest's rights.
#[derive(Clone, PartialEq, Eq)]
pub struct Guest {
    /// Secret key, shared with the guest.
    pub secret_key: String,
    /// The one bucket.
    pub bucket: String,
    /// What the keys of its objects begin with; ends with `/`.
    pub prefix: String,
}

/// The folder of guests.
#[derive(Debug, Clone)]
pub struct Guests {
    folder: PathBuf,
}

impl Guests {
    /// The guests in a folder, which need not exist.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// Admits a guest from now on.
    ///
    /// # Errors
    /// A name or a prefix that cannot be, or a file that cannot be written.
    pub fn put(&self, access_key: &str, guest: &Guest) -> Result<(), S3Error> {
        let file = self.file(access_key).ok_or_else(|| self.wrong(format!("{access_key:?} is no guest's key")))?;
        let texts = [&guest.secret_key, &guest.bucket, &guest.prefix];
        if !guest.prefix.ends_with('/') || guest.prefix.len() < 2 || texts.iter().any(|text| text.contains('\n')) {
            return Err(self.wrong(format!("{:?} is no prefix such as people/alice/", guest.prefix)));
        }
        let failed = |error: std::io::Error| self.wrong(error.to_string());
        fs::create_dir_all(&self.folder).map_err(failed)?;
        let new = file.with_extension("new");
        let _ = fs::remove_file(&new);
        let mut written = fs::OpenOptions::new().create_new(true).write(true).mode(0o600).open(&new).map_err(failed)?;
        let text = format!("{}\n{}\n{}\n", guest.secret_key, guest.bucket, guest.prefix);
        written.write_all(text.as_bytes()).map_err(failed)?;
        fs::rename(&new, &file).map_err(failed)
    }

    /// Admits a guest no longer; `false` when it was none.
    ///
    /// # Errors
    /// A file that cannot be removed.
    pub fn remove(&self, access_key: &str) -> Result<bool, S3Error> {
        let Some(file) = self.file(access_key) else { return Ok(false) };
        match fs::remove_file(file) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(self.wrong(error.to_string())),
        }
    }

    /// The access keys of all guests.
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub fn names(&self) -> Result<Vec<String>, S3Error> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(self.wrong(error.to_string())),
        };
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        Ok(names.filter(|name| self.file(name).is_some()).collect())
    }

    /// A guest's rights, if there is such a guest now.
    pub(crate) fn find(&self, access_key: &str) -> Option<Guest> {
        let text = fs::read_to_string(self.file(access_key)?).ok()?;
        let mut lines = text.lines().map(str::to_owned);
        Some(Guest { secret_key: lines.next()?, bucket: lines.next()?, prefix: lines.next()? })
    }

    /// A guest's file; none for a name that could be anything else's.
    fn file(&self, access_key: &str) -> Option<PathBuf> {
        let name = access_key.strip_prefix(GUEST)?;
        let plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        (plain && !name.is_empty()).then(|| self.folder.join(access_key))
    }

    fn wrong(&self, reason: String) -> S3Error {
        S3Error::Directory { path: self.folder.clone(), reason }
    }

    /// Where the files are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

/// Operations on one object each, so that its key can be compared with the prefix.
const ON_OBJECTS: &[&str] = &[
    "GetObject",
    "HeadObject",
    "PutObject",
    "CopyObject",
    "DeleteObject",
    "CreateMultipartUpload",
    "UploadPart",
    "UploadPartCopy",
    "CompleteMultipartUpload",
    "AbortMultipartUpload",
    "ListParts",
];
/// Operations that name a prefix themselves.
const LISTS: &[&str] = &["ListObjects", "ListObjectsV2"];
/// Operations that tell nothing but that the bucket is there.
const ON_BUCKET: &[&str] = &["HeadBucket", "GetBucketLocation"];

impl Guest {
    /// Whether the guest may do this: to `keys` in `buckets` (a copy has two of each), with the request's query.
    pub(crate) fn may(&self, operation: &str, buckets: &[&str], keys: &[&str], query: Option<&str>) -> bool {
        let inside =
            |key: &str| key.starts_with(&self.prefix) && !key.split('/').any(|part| part == ".." || part == ".");
        if buckets.is_empty() || buckets.iter().any(|bucket| *bucket != self.bucket) {
            return false;
        }
        if ON_OBJECTS.contains(&operation) {
            return keys.len() == buckets.len() && keys.iter().all(|key| inside(key));
        }
        if LISTS.contains(&operation) {
            let address = reqwest::Url::parse(&format!("http://store/?{}", query.unwrap_or_default()));
            return address.is_ok_and(|address| {
                let mut named = address.query_pairs().filter(|(name, _)| name == "prefix").map(|(_, value)| value);
                // Exactly one: of two, the server could take the other.
                matches!((named.next(), named.next()), (Some(prefix), None) if inside(&prefix))
            });
        }
        ON_BUCKET.contains(&operation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_stays_within_its_prefix() {
        let guest = Guest { secret_key: "s".into(), bucket: "lab".into(), prefix: "people/alice/".into() };
        let may = |operation, keys: &[&str], query| guest.may(operation, &vec!["lab"; keys.len().max(1)], keys, query);
        assert!(may("PutObject", &["people/alice/x"], None));
        assert!(may("CopyObject", &["people/alice/x", "people/alice/y"], None));
        assert!(may("ListObjectsV2", &[], Some("list-type=2&prefix=people%2Falice%2F")));
        assert!(may("HeadBucket", &[], None));
        for (operation, keys, query) in [
            ("PutObject", &["people/alic"][..], None),
            ("GetObject", &["people/bob/x"], None),
            ("GetObject", &["people/alice/../bob/x"], None),
            ("CopyObject", &["people/alice/x", "people/bob/y"], None),
            ("ListObjectsV2", &[], Some("list-type=2")),
            ("ListObjectsV2", &[], Some("prefix=people/alice/&prefix=people/bob/")),
            ("ListObjects", &[], Some("prefix=people/")),
            ("DeleteObjects", &[], None),
            ("DeleteBucket", &[], None),
        ] {
            assert!(!may(operation, keys, query), "{operation} {keys:?} {query:?}");
        }
        assert!(!guest.may("GetObject", &["cold"], &["people/alice/x"], None));
    }

    #[test]
    fn a_guest_comes_and_goes_with_its_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let guests = Guests::new(folder.path().join("guests"));
        let guest = Guest { secret_key: "s".into(), bucket: "lab".into(), prefix: "people/alice/".into() };
        assert!(guests.names().expect("no folder is no guest").is_empty());
        guests.put("research_alice", &guest).expect("admitted");
        assert!(guests.find("research_alice") == Some(guest.clone()));
        for key in ["warehouse", "research_", "research_../x", "../research_alice"] {
            assert!(guests.put(key, &guest).is_err() && guests.find(key).is_none(), "{key}");
        }
        assert_eq!(guests.names().expect("a list"), ["research_alice"]);
        assert!(guests.remove("research_alice").expect("removed"));
        assert!(guests.find("research_alice").is_none());
    }
}
