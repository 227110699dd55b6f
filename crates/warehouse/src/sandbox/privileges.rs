//! Giving up root for good.

use std::ffi::{CStr, CString};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::wrong;
use crate::error::WarehouseError;

/// A user of the system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// User id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
    /// Login name, or the id as text where it has none.
    pub name: String,
}

impl Identity {
    /// The user this process runs as.
    pub fn current() -> Self {
        // SAFETY: these calls take nothing and cannot fail.
        let (uid, gid) = unsafe { (libc::geteuid(), libc::getegid()) };
        // SAFETY: returns null or a static record, copied before any other call.
        let name = unsafe {
            let record = libc::getpwuid(uid);
            (!record.is_null()).then(|| CStr::from_ptr((*record).pw_name).to_string_lossy().into_owned())
        };
        Self { uid, gid, name: name.unwrap_or_else(|| uid.to_string()) }
    }

    fn named(name: &str) -> Option<Self> {
        let text = CString::new(name).ok()?;
        // SAFETY: `text` is NUL-terminated; the static record is read before any other call.
        let (uid, gid) = unsafe {
            let record = libc::getpwnam(text.as_ptr());
            if record.is_null() {
                return None;
            }
            ((*record).pw_uid, (*record).pw_gid)
        };
        Some(Self { uid, gid, name: name.to_owned() })
    }
}

/// Becomes `name` when started as root; otherwise stays who it is.
pub(super) fn become_user(name: Option<&str>, data: &Path) -> Result<Identity, WarehouseError> {
    let current = Identity::current();
    if current.uid != 0 {
        no_new_privileges()?;
        return Ok(current);
    }
    let name = name
        .ok_or_else(|| WarehouseError::Config("run_as is not set, and the engine must not run as root".to_owned()))?;
    let user = Identity::named(name).filter(|user| user.uid != 0).ok_or_else(|| {
        WarehouseError::Sandbox(format!(
            "user {name} does not exist or is root; create it with `useradd --system --no-create-home {name}` or run `make setup`"
        ))
    })?;
    hand_over(data, &user)?;
    drop_to(&user)?;
    no_new_privileges()?;
    Ok(user)
}

/// Gives an empty data directory to the user; one with content must already be theirs.
fn hand_over(data: &Path, user: &Identity) -> Result<(), WarehouseError> {
    let owner = std::fs::metadata(data).map_err(|error| wrong(data, error))?.uid();
    if owner == user.uid {
        return Ok(());
    }
    let empty = std::fs::read_dir(data).map_err(|error| wrong(data, error))?.next().is_none();
    if !empty {
        return Err(wrong(
            data,
            format!("belongs to user id {owner} and is not empty; run `chown -R {0} {1}`", user.name, data.display()),
        ));
    }
    std::os::unix::fs::chown(data, Some(user.uid), Some(user.gid)).map_err(|error| wrong(data, error))
}

fn drop_to(user: &Identity) -> Result<(), WarehouseError> {
    let check = |step: &str, answer: libc::c_int| {
        if answer == 0 {
            return Ok(());
        }
        let reason = std::io::Error::last_os_error();
        Err(WarehouseError::Sandbox(format!("{step} to become {} failed: {reason}", user.name)))
    };
    // SAFETY: plain system calls; the empty group list is valid with length 0. All three ids
    // (real, effective, saved) are set, so the way back is closed.
    unsafe {
        check("setgroups", libc::setgroups(0, std::ptr::null()))?;
        check("setresgid", libc::setresgid(user.gid, user.gid, user.gid))?;
        check("setresuid", libc::setresuid(user.uid, user.uid, user.uid))?;
        // After a change of user /proc/self belongs to root; the engine reads its own auxv and
        // maps there and crashes when it cannot.
        check("prctl", libc::prctl(libc::PR_SET_DUMPABLE, 1, 0, 0, 0))
    }
}

fn no_new_privileges() -> Result<(), WarehouseError> {
    // SAFETY: a plain system call.
    if unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) } == 0 {
        return Ok(());
    }
    let reason = std::io::Error::last_os_error();
    Err(WarehouseError::Sandbox(format!("no_new_privs: {reason}")))
}
