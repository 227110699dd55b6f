//! Removing the environment, secrets included, from the process.

use std::path::Path;

unsafe extern "C" {
    static mut environ: *mut *mut libc::c_char;
}

/// Overwrites every variable in place and then clears the list.
///
/// Clearing alone would leave the text in `/proc/self/environ`, which a query can read. Must be
/// called while the process has one thread.
pub(super) fn scrub(home: &Path) {
    // SAFETY: one thread, checked by the caller; `environ` is null or a null-terminated list of
    // NUL-terminated strings in writable memory of this process. No reference into it is held:
    // Rust's own reads copy.
    unsafe {
        let mut entry = environ;
        while !entry.is_null() && !(*entry).is_null() {
            let length = libc::strlen(*entry);
            std::ptr::write_bytes((*entry).cast::<u8>(), 0, length);
            entry = entry.add(1);
        }
        libc::clearenv();
        std::env::set_var("HOME", home);
        std::env::set_var("PATH", "/usr/bin:/bin");
        // Times without a zone must not depend on the host.
        std::env::set_var("TZ", "UTC");
    }
}
