//! Turning a worker's messages into an HTTP response.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::response::Builder;
use axum::response::Response;
use bytes::Bytes;
use tokio::sync::mpsc;

use super::connection::Flushes;
use super::encoding::Encoding;
use super::output::Message;
use super::request::Request;
use super::server::{Running, Shared};
use crate::engine::Statistics;
use crate::exception::Exception;
use crate::framing;

/// Held back before the status is sent: up to here a failure still gets its proper status.
const AHEAD: usize = 1 << 20;
/// The same with `wait_end_of_query=1`; a longer result is sent as it comes.
const AHEAD_WAITING: usize = 64 << 20;

/// How to answer one request.
pub(super) struct Reply {
    id: String,
    tag: Arc<str>,
    version: String,
    timezone: String,
    ahead: usize,
    framed: Option<framing::Method>,
    encoding: Encoding,
    flushes: Option<Flushes>,
    idle: Duration,
}

impl Reply {
    pub(super) fn new(shared: &Shared, request: &Request, id: &str, tag: &Arc<str>, flushes: Option<Flushes>) -> Self {
        Self {
            id: id.to_owned(),
            tag: Arc::clone(tag),
            version: shared.engine.version().to_owned(),
            timezone: shared.engine.timezone().to_owned(),
            ahead: if request.wait_end { AHEAD_WAITING } else { AHEAD },
            framed: request.reply_framed,
            encoding: if request.reply_framed.is_some() { Encoding::Identity } else { request.reply_encoding },
            flushes,
            idle: shared.config.idle_timeout,
        }
    }

    /// Waits for the answer, or for enough of it, and builds the response.
    pub(super) async fn build(
        self,
        mut messages: mpsc::Receiver<Message>,
        mut running: Running,
    ) -> Result<Response, Exception> {
        let mut format = String::new();
        let mut held = VecDeque::new();
        let mut size = 0;
        loop {
            match messages.recv().await {
                Some(Message::Format(name)) => format = name,
                Some(Message::Data(data)) => {
                    size += data.len();
                    held.push_back(data);
                    if size > self.ahead {
                        let head = self.head(200, &format, None, false);
                        let stream = rest(held, messages, running, (self.flushes, self.idle));
                        return Ok(finish(head, Body::from_stream(stream)));
                    }
                }
                Some(Message::End(statistics)) => {
                    running.finish();
                    let body: Vec<u8> = held.iter().flatten().copied().collect();
                    let head = self.head(200, &format, Some(&statistics), body.is_empty());
                    return Ok(finish(head, Body::from(body)));
                }
                Some(Message::Failed(exception)) => {
                    running.finish();
                    return Ok(error_response(&exception, &self.id, &self.version, self.framed));
                }
                None => {
                    running.finish();
                    return Err(Exception::new(1001, "STD_EXCEPTION", "the statement was dropped inside the server"));
                }
            }
        }
    }

    fn head(&self, status: u16, format: &str, statistics: Option<&Statistics>, empty: bool) -> Builder {
        let mut head = Response::builder()
            .status(status)
            .header("X-ClickHouse-Query-Id", printable(&self.id))
            .header("X-ClickHouse-Timezone", &self.timezone)
            .header("X-ClickHouse-Server-Display-Name", "kubetrader")
            .header("X-ClickHouse-Exception-Tag", &*self.tag)
            .header("Content-Type", content_type(format));
        if !format.is_empty() {
            head = head.header("X-ClickHouse-Format", printable(format));
        }
        if let Some(statistics) = statistics {
            head = head.header("X-ClickHouse-Summary", summary(statistics));
        }
        if self.encoding != Encoding::Identity && !empty {
            head = head.header("Content-Encoding", self.encoding.name());
        }
        head
    }
}

type Rest = (VecDeque<Bytes>, mpsc::Receiver<Message>, Option<Running>, Option<Flushes>);

/// The rest of a result that is sent as it comes. After a failure the exception stands in the
/// data and the connection is cut, so that no client takes the result for whole.
fn rest(
    held: VecDeque<Bytes>,
    messages: mpsc::Receiver<Message>,
    running: Running,
    (flushes, idle): (Option<Flushes>, Duration),
) -> impl futures::Stream<Item = std::io::Result<Bytes>> {
    let start: Rest = (held, messages, Some(running), flushes);
    futures::stream::unfold(start, move |(mut held, mut messages, mut running, mut flushes)| async move {
        if let Some(data) = held.pop_front() {
            return Some((Ok(data), (held, messages, running, flushes)));
        }
        let mut guard = running.take()?;
        match messages.recv().await {
            Some(Message::Data(data)) => Some((Ok(data), (held, messages, Some(guard), flushes))),
            Some(Message::End(_) | Message::Format(_)) => {
                guard.finish();
                None
            }
            Some(Message::Failed(_)) | None => {
                guard.finish();
                // A cut drops what the connection still holds: the exception has to leave first.
                if let Some(flushes) = &mut flushes {
                    flushes.next(idle).await;
                }
                Some((Err(std::io::Error::other("the statement failed")), (held, messages, None, flushes)))
            }
        }
    })
}

/// The response to a statement that failed before anything was sent.
pub(super) fn error_response(
    exception: &Exception,
    id: &str,
    version: &str,
    framed: Option<framing::Method>,
) -> Response {
    let text = format!("{}\n", exception.with_version(version)).into_bytes();
    let body = match framed {
        Some(method) => {
            let mut out = Vec::new();
            // Compressing a short text fails only without memory; then the text itself helps more.
            match framing::encode(&text, method, &mut out) {
                Ok(()) => out,
                Err(_) => text,
            }
        }
        None => text,
    };
    let head = Response::builder()
        .status(exception.http_status())
        .header("Content-Type", "text/plain; charset=UTF-8")
        .header("X-ClickHouse-Server-Display-Name", "kubetrader")
        .header("X-ClickHouse-Query-Id", printable(id))
        .header("X-ClickHouse-Exception-Code", exception.code);
    let head = if exception.http_status() == 401 {
        head.header("WWW-Authenticate", "Basic realm=\"ClickHouse\"")
    } else {
        head
    };
    finish(head, Body::from(body))
}

fn finish(head: Builder, body: Body) -> Response {
    head.body(body).expect("every header value was made printable")
}

/// Header values must not carry what a client put into a query id.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_graphic() { c } else { '?' }).collect()
}

fn summary(statistics: &Statistics) -> String {
    let Statistics { result_rows, read_rows, read_bytes, written_rows, written_bytes } = statistics;
    format!(
        r#"{{"read_rows":"{read_rows}","read_bytes":"{read_bytes}","written_rows":"{written_rows}","written_bytes":"{written_bytes}","total_rows_to_read":"{read_rows}","result_rows":"{result_rows}","result_bytes":"0"}}"#
    )
}

fn content_type(format: &str) -> &'static str {
    match format {
        "" | "Null" => "text/plain; charset=UTF-8",
        _ if format.starts_with("TabSeparated") || format.starts_with("TSV") => {
            "text/tab-separated-values; charset=UTF-8"
        }
        _ if format.starts_with("CSVWithNames") => "text/csv; charset=UTF-8; header=present",
        _ if format.starts_with("CSV") => "text/csv; charset=UTF-8; header=absent",
        _ if format.contains("EachRow") || format == "JSONLines" || format == "NDJSON" => {
            "application/x-ndjson; charset=UTF-8"
        }
        _ if format.starts_with("JSON") => "application/json; charset=UTF-8",
        _ if format.starts_with("Pretty") || format == "Vertical" || format == "Markdown" => {
            "text/plain; charset=UTF-8"
        }
        _ => "application/octet-stream",
    }
}
