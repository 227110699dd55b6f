//! What the gateway starts in a kernel's place: carries the ticket and the connection file to the launcher, passes
//! signals on, and ends when the kernel ends. When it is killed, its socket closes, and that ends the kernel.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::signal::unix::{SignalKind, signal};

use crate::error::Error;

/// The first line to the launcher.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Hello {
    pub(crate) ticket: String,
    pub(crate) connection: Value,
}

/// Later lines to the launcher.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Ask {
    /// Send the kernel this signal.
    Signal(i32),
}

/// Lines of the launcher.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Told {
    /// It is not started.
    Refused(String),
    /// It runs.
    Started,
    /// It has ended, with this exit code.
    Ended(i32),
}

/// Stands in for the kernel until it ends; answers its exit code.
///
/// # Errors
/// No launcher, no connection file, or a launcher that refuses.
pub async fn attach(socket: &Path, connection: &Path, ticket: String) -> Result<i32, Error> {
    let text = std::fs::read_to_string(connection).map_err(Error::file(connection))?;
    let connection = serde_json::from_str(&text).map_err(Error::file(connection))?;
    let stream = UnixStream::connect(socket).await.map_err(Error::file(socket))?;
    let (reader, mut writer) = stream.into_split();
    let failed = || Error::file::<std::io::Error>(socket);
    let listen = |kind| signal(kind).map_err(failed());
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    writer.write_all(&line(&Hello { ticket, connection })).await.map_err(failed())?;
    let mut lines = BufReader::new(reader).lines();
    loop {
        tokio::select! {
            told = lines.next_line() => match told.map_err(failed())?.map(|text| serde_json::from_str(&text)) {
                Some(Ok(Told::Started)) => {}
                Some(Ok(Told::Ended(code))) => return Ok(code),
                Some(Ok(Told::Refused(reason))) => return Err(Error::Kernel(reason)),
                Some(Err(error)) => return Err(Error::Kernel(format!("the launcher's words make no sense: {error}"))),
                None => return Err(Error::Kernel("the research service has ended".into())),
            },
            _ = interrupt.recv() => writer.write_all(&line(&Ask::Signal(2))).await.map_err(failed())?,
            _ = terminate.recv() => writer.write_all(&line(&Ask::Signal(15))).await.map_err(failed())?,
        }
    }
}

/// A message as one line.
pub(crate) fn line(message: &impl Serialize) -> Vec<u8> {
    let mut text = serde_json::to_vec(message).expect("these messages have only text keys");
    text.push(b'\n');
    text
}
