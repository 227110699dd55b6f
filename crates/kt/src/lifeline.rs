//! Ends a service whose supervisor is gone, however the supervisor ended.
//!
//! The supervisor holds the writing end of a pipe that is the service's standard input. When it
//! dies, the kernel closes that end. On Linux the service then gets SIGTERM and stops as on
//! request; everywhere a thread also ends the process if it has not stopped in time.

use std::io::Read as _;
use std::time::Duration;

use crate::error::Error;

/// How long a service may take to stop by itself once its supervisor is gone.
const GRACE: Duration = Duration::from_secs(10);

/// Arms the signal only: for a process that must not have a second thread yet.
pub(crate) fn arm_signal() -> Result<(), Error> {
    #[cfg(target_os = "linux")]
    crate::sys::terminate_when_stdin_closes().map_err(Error::doing("watching the supervisor"))?;
    Ok(())
}

/// Arms the signal and the thread that ends the process after [`GRACE`].
pub(crate) fn arm() -> Result<(), Error> {
    arm_signal()?;
    std::thread::Builder::new()
        .name("lifeline".into())
        .spawn(|| {
            let mut byte = [0];
            // Nothing is ever written: any return means that the other end is closed.
            while matches!(std::io::stdin().read(&mut byte), Ok(1)) {}
            #[cfg(not(target_os = "linux"))]
            let _ = crate::sys::kill(std::process::id().cast_signed(), libc::SIGTERM);
            std::thread::sleep(GRACE);
            tracing::error!("the supervisor is gone and this service did not stop in time; ending it");
            std::process::exit(1);
        })
        .map_err(Error::doing("starting the lifeline thread"))?;
    Ok(())
}
