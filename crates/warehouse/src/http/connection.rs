//! Connections that tell when everything given to them has left the process.
//!
//! A statement that fails in the midst of its result ends with the exception in the data and then
//! with a cut connection. A cut throws away what the connection has not sent yet, so the response
//! has to know when that is nothing.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Accepts connections of this kind.
pub(crate) struct Connections(pub(crate) TcpListener);

impl Listener for Connections {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        let (stream, address) = Listener::accept(&mut self.0).await;
        (Connection { stream, flushes: watch::Sender::new(0) }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// A client's connection; counts how often it was flushed, which the HTTP layer does only after
/// the last byte of its own buffer was taken.
pub(crate) struct Connection {
    stream: TcpStream,
    flushes: watch::Sender<u64>,
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, task: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(task, into)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, task: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(task, data)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(task, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(task);
        if matches!(flushed, Poll::Ready(Ok(()))) {
            self.flushes.send_modify(|count| *count += 1);
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(task)
    }
}

/// A response's view of its connection.
#[derive(Clone, Debug)]
pub(crate) struct Flushes(watch::Receiver<u64>);

impl Connected<IncomingStream<'_, Connections>> for Flushes {
    fn connect_info(stream: IncomingStream<'_, Connections>) -> Self {
        Self(stream.io().flushes.subscribe())
    }
}

impl Flushes {
    /// Waits until what was handed over before has left, for at most `limit`.
    pub(super) async fn next(&mut self, limit: Duration) {
        self.0.mark_unchanged();
        // Over the limit the client does not read: there is nobody to tell.
        let _ = tokio::time::timeout(limit, self.0.changed()).await;
    }
}
