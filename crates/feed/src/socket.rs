//! A WebSocket whose frames know when their last byte was read.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, client_async_tls_with_config};

/// An open WebSocket.
pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TimedStream>>;

/// When bytes were last read from the socket. The system's clock is asked in the moment of the read: a
/// frame that waits in a buffer behind others keeps its own time.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReadTime(Arc<Times>);

#[derive(Debug, Default)]
struct Times {
    wall: AtomicI64,
    monotonic: AtomicI64,
}

impl ReadTime {
    /// Nanoseconds since the epoch, and monotonic nanoseconds since `origin`.
    pub fn get(&self) -> (i64, i64) {
        (self.0.wall.load(Ordering::Relaxed), self.0.monotonic.load(Ordering::Relaxed))
    }

    fn set(&self, origin: Instant) {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.0.wall.store(wall.as_nanos() as i64, Ordering::Relaxed);
        self.0.monotonic.store(origin.elapsed().as_nanos() as i64, Ordering::Relaxed);
    }
}

/// Notes the time of each read. Lies below TLS.
#[derive(Debug)]
pub(crate) struct TimedStream {
    inner: TcpStream,
    origin: Instant,
    time: ReadTime,
}

impl AsyncRead for TimedStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let outcome = Pin::new(&mut self.inner).poll_read(cx, buf);
        if matches!(outcome, Poll::Ready(Ok(()))) {
            self.time.set(self.origin);
        }
        outcome
    }
}

impl AsyncWrite for TimedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// Opens a WebSocket. `origin` is the zero of the monotonic times.
pub(crate) async fn connect(url: &str, origin: Instant) -> Result<(Socket, ReadTime), String> {
    let within = Duration::from_secs(15);
    tokio::time::timeout(within, open(url, origin)).await.map_err(|_| format!("no answer within {within:?}"))?
}

async fn open(url: &str, origin: Instant) -> Result<(Socket, ReadTime), String> {
    let (scheme, rest) = url.split_once("://").ok_or("an address without a scheme")?;
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let port = if scheme == "wss" { 443 } else { 80 };
    let address = if authority.contains(':') { authority.to_owned() } else { format!("{authority}:{port}") };
    let inner = TcpStream::connect(&address).await.map_err(|error| format!("{address}: {error}"))?;
    inner.set_nodelay(true).map_err(|error| error.to_string())?;
    let time = ReadTime::default();
    let stream = TimedStream { inner, origin, time: time.clone() };
    let config = WebSocketConfig::default().max_message_size(Some(64 << 20)).max_frame_size(Some(64 << 20));
    let opened = client_async_tls_with_config(url, stream, Some(config), None).await;
    let (socket, _) = opened.map_err(|error| error.to_string())?;
    Ok((socket, time))
}
