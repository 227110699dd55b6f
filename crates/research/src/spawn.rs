//! One thread that starts processes and lives as long as the service.
//!
//! What asks the kernel to end a child with its parent watches the thread that started it; the runtime's threads come
//! and go.

use std::io;
use std::process::Command;

use tokio::process::Child;
use tokio::sync::{mpsc, oneshot};

type Job = (Command, oneshot::Sender<io::Result<Child>>);

/// Starts processes.
#[derive(Clone)]
pub(crate) struct Spawner(mpsc::Sender<Job>);

impl Spawner {
    /// Starts the thread. Must be called inside a runtime.
    pub(crate) fn new() -> io::Result<Self> {
        let (sender, mut jobs) = mpsc::channel::<Job>(16);
        let runtime = tokio::runtime::Handle::current();
        std::thread::Builder::new().name("spawner".into()).spawn(move || {
            let _entered = runtime.enter();
            while let Some((command, answer)) = jobs.blocking_recv() {
                let child = tokio::process::Command::from(command).kill_on_drop(true).spawn();
                // Whoever asked has gone: the child is dropped, and killed by that.
                let _ = answer.send(child);
            }
        })?;
        Ok(Self(sender))
    }

    /// Starts a process that ends with this service.
    pub(crate) async fn start(&self, command: Command) -> io::Result<Child> {
        let gone = || io::Error::other("the thread that starts processes has ended");
        let (sender, answer) = oneshot::channel();
        self.0.send((command, sender)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}
