//! Plain HTTP requests to the platform's own services.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// `GET`: status and body, of which no more than `longest` bytes are read.
///
/// HTTP/1.0, because its answers end with the connection and are not cut into chunks.
pub(crate) async fn get(address: SocketAddr, path: &str, longest: u64) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(longest).read_to_end(&mut answer).await?;
    let text = String::from_utf8_lossy(&answer);
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| std::io::Error::other("the answer is not HTTP"))?;
    Ok((status, text.split_once("\r\n\r\n").map_or("", |(_, body)| body).to_owned()))
}
