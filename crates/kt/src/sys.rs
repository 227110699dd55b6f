//! System calls that the standard library does not offer: the binary's only unsafe code.

use std::ffi::CString;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// A user of the system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// The effective user id of this process.
pub(crate) fn effective_user() -> u32 {
    // SAFETY: takes nothing and cannot fail.
    unsafe { libc::geteuid() }
}

/// Looks a user up by name.
pub(crate) fn user(name: &str) -> Option<User> {
    let text = CString::new(name).ok()?;
    // SAFETY: `text` is NUL-terminated; the static record is read before any other such call, and
    // no other thread of this program makes one.
    unsafe {
        let record = libc::getpwnam(text.as_ptr());
        if record.is_null() {
            return None;
        }
        Some(User { name: name.to_owned(), uid: (*record).pw_uid, gid: (*record).pw_gid })
    }
}

/// Sends a signal to a process, or to a process group where `pid` is negative.
pub(crate) fn kill(pid: i32, signal: i32) -> io::Result<()> {
    // SAFETY: a plain system call.
    if unsafe { libc::kill(pid, signal) } == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Makes the child get `signal` when the thread that starts it ends.
///
/// The standard library changes the user before it runs this, as it must be: a change of user
/// forgets the setting. Elsewhere than on Linux there is no such setting and the child relies on
/// its lifeline.
pub(crate) fn die_with_parent(command: &mut Command, signal: i32) {
    #[cfg(target_os = "linux")]
    // SAFETY: between fork and exec only async-signal-safe calls are made: prctl and getppid.
    unsafe {
        let parent = libc::getpid();
        command.pre_exec(move || {
            if libc::prctl(libc::PR_SET_PDEATHSIG, signal, 0, 0, 0) != 0 {
                return Err(io::Error::last_os_error());
            }
            if libc::getppid() != parent {
                return Err(io::Error::other("the supervisor ended while it started this service"));
            }
            Ok(())
        });
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (command, signal);
}

/// Lets the child give way to processes of a smaller niceness.
pub(crate) fn be_nice(command: &mut Command, niceness: i32) {
    // SAFETY: setpriority on the calling process is a plain system call, safe between fork and exec.
    unsafe {
        command.pre_exec(move || {
            if libc::setpriority(libc::PRIO_PROCESS, 0, niceness) != 0 {
                return Err(io::Error::last_os_error());
            }
            Ok(())
        });
    }
}

/// Makes the child the leader of a session of its own: the terminal's signals do not reach it.
pub(crate) fn own_session(command: &mut Command) {
    // SAFETY: setsid is async-signal-safe.
    unsafe {
        command.pre_exec(|| if libc::setsid() < 0 { Err(io::Error::last_os_error()) } else { Ok(()) });
    }
}

/// Asks the kernel to send SIGTERM to this process when the pipe on standard input closes.
///
/// Unlike a thread that reads, this needs none, so it can be set before a process restricts
/// itself; and unlike the parent-death signal it survives a change of user.
#[cfg(target_os = "linux")]
pub(crate) fn terminate_when_stdin_closes() -> io::Result<()> {
    /// `F_SETSIG`, which the C library's bindings leave out: which signal announces input.
    const F_SETSIG: libc::c_int = 10;
    let input = io::stdin().as_raw_fd();
    // SAFETY: fcntl on this process's own standard input; getpid cannot fail.
    let set = unsafe {
        libc::fcntl(input, libc::F_SETOWN, libc::getpid()) == 0
            && libc::fcntl(input, F_SETSIG, libc::SIGTERM) == 0
            && libc::fcntl(input, libc::F_SETFL, libc::O_ASYNC) == 0
    };
    if !set {
        return Err(io::Error::last_os_error());
    }
    let mut state = libc::pollfd { fd: input, events: libc::POLLIN, revents: 0 };
    // SAFETY: one valid pollfd, no waiting.
    let ready = unsafe { libc::poll(&raw mut state, 1, 0) };
    if ready > 0 && state.revents & libc::POLLHUP != 0 {
        return Err(io::Error::other("the supervisor has ended"));
    }
    Ok(())
}

/// Raises the soft limit of open files to the hard one; returns the limit in force.
pub(crate) fn raise_open_files() -> io::Result<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is valid for the call.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    if limit.rlim_cur < limit.rlim_max {
        let raised = libc::rlimit { rlim_cur: limit.rlim_max, ..limit };
        // SAFETY: `raised` is valid for the call; a refusal leaves the old limit.
        if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const raised) } == 0 {
            limit = raised;
        }
    }
    Ok(limit.rlim_cur)
}

/// Free and total bytes of the file system that holds a path.
pub(crate) fn disk(path: &std::path::Path) -> io::Result<(u64, u64)> {
    let text = CString::new(path.as_os_str().as_encoded_bytes()).map_err(io::Error::other)?;
    let mut stat = std::mem::MaybeUninit::<libc::statvfs>::zeroed();
    // SAFETY: `text` is NUL-terminated and `stat` is valid for the call, which fills it.
    let stat = unsafe {
        if libc::statvfs(text.as_ptr(), stat.as_mut_ptr()) != 0 {
            return Err(io::Error::last_os_error());
        }
        stat.assume_init()
    };
    Ok((stat.f_bavail * stat.f_frsize, stat.f_blocks * stat.f_frsize))
}

/// The kernel's estimate of the clock's offset and the bound of its error, both in nanoseconds; `None` while
/// nothing disciplines it.
#[cfg(target_os = "linux")]
pub(crate) fn clock_error() -> Option<(i64, i64)> {
    let mut clock = std::mem::MaybeUninit::<libc::timex>::zeroed();
    // SAFETY: zeroed modes only read; the call fills the rest.
    unsafe {
        let state = libc::adjtimex(clock.as_mut_ptr());
        let clock = clock.assume_init();
        let synchronised = state >= 0 && state != libc::TIME_ERROR && clock.status & libc::STA_UNSYNC == 0;
        let unit = if clock.status & libc::STA_NANO == 0 { 1_000 } else { 1 };
        synchronised.then_some((clock.offset * unit, clock.maxerror * 1_000))
    }
}

/// Elsewhere the kernel says nothing about it.
#[cfg(not(target_os = "linux"))]
pub(crate) fn clock_error() -> Option<(i64, i64)> {
    None
}

/// The kernel's Landlock version; 0 without Landlock.
pub(crate) fn landlock_version() -> i64 {
    #[cfg(target_os = "linux")]
    {
        const VERSION: libc::c_uint = 1;
        // SAFETY: with this flag the call reads no memory and only answers the version.
        let version = unsafe {
            libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<libc::c_void>(), 0_usize, VERSION)
        };
        version.max(0)
    }
    #[cfg(not(target_os = "linux"))]
    0
}

/// Whether this process may create files in a directory.
pub(crate) fn writable(directory: &std::path::Path) -> io::Result<()> {
    let text = CString::new(directory.as_os_str().as_encoded_bytes()).map_err(io::Error::other)?;
    // SAFETY: `text` is NUL-terminated.
    let answer = unsafe { libc::access(text.as_ptr(), libc::W_OK | libc::X_OK) };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
