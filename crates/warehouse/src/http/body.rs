//! A request's body on its way from the network to the worker that feeds the engine.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use bytes::{Buf, Bytes};
use futures::StreamExt;
use tokio::sync::mpsc;

/// Taken in before a worker is bothered: small bodies never make one wait for the network.
const AHEAD: usize = 1 << 20;
/// Pieces in flight after that; with pieces of at most some hundred KiB this bounds memory.
const PIECES: usize = 16;
/// Read and thrown away after a statement failed, so that the client gets to read the answer.
const DRAIN: usize = 256 << 20;

enum Piece {
    Data(Bytes),
    End,
    Broken(String),
}

/// Why a body ended before its end.
#[derive(Debug, Clone, Default)]
pub(super) struct Fault(Arc<OnceLock<String>>);

impl Fault {
    /// The reason, when the body broke.
    pub(super) fn reason(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }
}

/// The body as a blocking reader, for a worker.
pub(super) struct Source {
    ready: VecDeque<Bytes>,
    rest: Option<mpsc::Receiver<Piece>>,
    fault: Fault,
}

impl Source {
    /// Takes in the beginning of a body; the rest follows as it is read.
    pub(super) async fn open(body: Body, idle: Duration) -> Self {
        let fault = Fault::default();
        let mut stream = body.into_data_stream();
        let mut ready = VecDeque::new();
        let mut size = 0;
        while size < AHEAD {
            match next(&mut stream, idle).await {
                Piece::Data(data) => {
                    size += data.len();
                    ready.push_back(data);
                }
                Piece::End => return Self { ready, rest: None, fault },
                Piece::Broken(reason) => {
                    let _ = fault.0.set(reason);
                    return Self { ready, rest: None, fault };
                }
            }
        }
        let (sender, receiver) = mpsc::channel(PIECES);
        tokio::spawn(pump(stream, sender, idle));
        Self { ready, rest: Some(receiver), fault }
    }

    /// A body without bytes.
    pub(super) fn empty() -> Self {
        Self { ready: VecDeque::new(), rest: None, fault: Fault::default() }
    }

    /// Tells why reading failed, if it was the client's connection.
    pub(super) fn fault(&self) -> Fault {
        self.fault.clone()
    }

    fn broken(&self, reason: String) -> io::Error {
        let _ = self.fault.0.set(reason);
        io::ErrorKind::ConnectionAborted.into()
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(front) = self.ready.front_mut() {
                let count = front.len().min(buffer.len());
                front.copy_to_slice(&mut buffer[..count]);
                if front.is_empty() {
                    self.ready.pop_front();
                }
                if count > 0 || buffer.is_empty() {
                    return Ok(count);
                }
                continue;
            }
            if let Some(reason) = self.fault.reason() {
                return Err(self.broken(reason.to_owned()));
            }
            let Some(rest) = self.rest.as_mut() else { return Ok(0) };
            match rest.blocking_recv() {
                Some(Piece::Data(data)) => self.ready.push_back(data),
                Some(Piece::End) => self.rest = None,
                Some(Piece::Broken(reason)) => return Err(self.broken(reason)),
                None => return Err(self.broken("the request was dropped".to_owned())),
            }
        }
    }
}

async fn next(stream: &mut BodyDataStream, idle: Duration) -> Piece {
    match tokio::time::timeout(idle, stream.next()).await {
        Ok(Some(Ok(data))) => Piece::Data(data),
        Ok(Some(Err(error))) => Piece::Broken(format!("the client broke the body off: {error}")),
        Ok(None) => Piece::End,
        Err(_) => Piece::Broken(format!("the client sent nothing for {} s", idle.as_secs())),
    }
}

async fn pump(mut stream: BodyDataStream, sender: mpsc::Sender<Piece>, idle: Duration) {
    let mut drained = 0;
    loop {
        let piece = next(&mut stream, idle).await;
        let (last, size) = match &piece {
            Piece::Data(data) => (false, data.len()),
            Piece::End | Piece::Broken(_) => (true, 0),
        };
        if sender.send(piece).await.is_err() {
            drained += size;
        }
        if last || drained > DRAIN {
            return;
        }
    }
}
