//! The threads that engine calls run on.
//!
//! Engine calls block, some for minutes, so they have threads of their own instead of the async
//! runtime's. The queue before them is bounded; a full queue is the caller's to report.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

type Job = Box<dyn FnOnce() + Send>;

/// The queue before the workers is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("all workers are busy and the queue is full")]
pub struct QueueFull;

/// A fixed number of threads with a bounded queue.
pub struct Workers {
    sender: SyncSender<Job>,
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    /// Starts `threads` workers with room for `queue` waiting jobs.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(name: &str, threads: usize, queue: usize) -> std::io::Result<Self> {
        let (sender, receiver) = sync_channel::<Job>(queue);
        let receiver = Arc::new(Mutex::new(receiver));
        let threads = (0..threads.max(1))
            .map(|number| {
                let receiver = Arc::clone(&receiver);
                std::thread::Builder::new().name(format!("{name}-{number}")).spawn(move || run(&receiver))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { sender, threads })
    }

    /// Hands a job to the next free worker.
    ///
    /// # Errors
    /// [`QueueFull`]; the job is dropped.
    pub fn submit(&self, job: impl FnOnce() + Send + 'static) -> Result<(), QueueFull> {
        match self.sender.try_send(Box::new(job)) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => Err(QueueFull),
        }
    }

    /// Ends the queue and waits until every accepted job is done.
    pub fn stop(self) {
        drop(self.sender);
        for thread in self.threads {
            // A worker cannot panic: jobs run under `catch_unwind`.
            let _ = thread.join();
        }
    }
}

fn run(receiver: &Mutex<Receiver<Job>>) {
    loop {
        let next = receiver.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else { return };
        if catch_unwind(AssertUnwindSafe(job)).is_err() {
            tracing::error!("a warehouse worker's job panicked; its request is dropped");
        }
    }
}
