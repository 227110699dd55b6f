//! Running one request's statement, on a worker's thread.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::access;
use super::body::{Fault, Source};
use super::encoding;
use super::metrics::Statement;
use super::native;
use super::output::{Gone, Output};
use super::parts::Parts;
use super::request::Request;
use super::server::Shared;
use super::settings;
use super::statement::{Shape, output_format, shape};
use super::users::{Turn, User};
use crate::engine::{Class, Connection, Statistics};
use crate::exception::Exception;

/// Bytes read from a body at once.
const PIECE: usize = 256 << 10;
/// Characters of a statement of research that are logged.
const LOGGED: usize = 500;

/// Why a statement did not reach its end.
pub(super) enum Failure {
    /// The engine or the server refused it.
    Exception(Exception),
    /// Nobody waits for the answer.
    Gone,
}

impl From<Exception> for Failure {
    fn from(exception: Exception) -> Self {
        Self::Exception(exception)
    }
}

impl From<Gone> for Failure {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

/// A request, ready to run.
pub(super) struct Job {
    pub(super) shared: Arc<Shared>,
    pub(super) request: Request,
    pub(super) user: User,
    /// The query id; also the mark by which it can be killed.
    pub(super) id: String,
    pub(super) source: Source,
    pub(super) output: Output,
    /// Set once the statement may be killed without harm when its client leaves.
    pub(super) killable: Arc<AtomicBool>,
    /// The account's turn, given back when the statement is done.
    pub(super) turn: Option<Turn>,
}

impl Job {
    /// Runs the statement and sends its answer.
    pub(super) fn run(mut self) {
        let started = Instant::now();
        let shared = Arc::clone(&self.shared);
        let mut kind = "other";
        let outcome = if self.output.is_gone() {
            Err(Failure::Gone)
        } else {
            let source = std::mem::replace(&mut self.source, Source::empty());
            self.perform(source, &mut kind)
        };
        let metrics = &shared.metrics;
        metrics.seconds.observe(started.elapsed().as_secs_f64());
        let answer = match outcome {
            Ok(statistics) => {
                metrics.rows_written.inc_by(statistics.written_rows);
                metrics.rows_read.inc_by(statistics.read_rows);
                Ok(statistics)
            }
            Err(Failure::Exception(exception)) => Err(exception),
            Err(Failure::Gone) => {
                metrics.drop_statement("client_gone");
                tracing::info!(query_id = %self.id, "the client left before the answer was complete");
                return;
            }
        };
        let code = answer.as_ref().err().map_or(0, |exception| exception.code);
        if self.turn.is_some() {
            let (ms, read) =
                (started.elapsed().as_millis(), answer.as_ref().map_or(0, |statistics| statistics.read_rows));
            tracing::info!(user = %self.user.name, query_id = %self.id, code, ms, read_rows = read, "statement of research ended");
        }
        metrics.statements.get_or_create(&Statement { kind, code }).inc();
        if self.output.end(answer, shared.engine.version()).is_err() {
            metrics.drop_statement("client_gone");
        }
    }

    fn perform(&mut self, source: Source, kind: &mut &'static str) -> Result<Statistics, Failure> {
        let fault = source.fault();
        let reader = encoding::decoder(source, self.request.body_encoding, self.request.body_framed);
        let mut reader = reader.map_err(|error| broken(&fault, &error))?;
        let (found, text) = self.read_statement(&mut *reader, &fault)?;
        match found {
            Shape::Insert { statement, format, data } => {
                *kind = "insert";
                access::admit_insert(&self.user, &self.request)?;
                let rest = if text[data..].iter().all(u8::is_ascii_whitespace) && self.request.query.is_some() {
                    &[]
                } else {
                    &text[data..]
                };
                self.with_connection(|job, connection| {
                    job.insert(connection, &statement, &format, rest, &mut *reader, &fault)
                })
            }
            Shape::InsertOpen | Shape::Other => {
                let sql = String::from_utf8(text)
                    .map_err(|_| Exception::new(62, "SYNTAX_ERROR", "the statement is not UTF-8"))?;
                drop(reader);
                self.with_connection(|job, connection| job.statement(connection, sql.trim(), kind))
            }
        }
    }

    /// Reads the statement's text: all of it, or up to where an INSERT's data has begun.
    fn read_statement(&self, reader: &mut dyn Read, fault: &Fault) -> Result<(Shape, Vec<u8>), Failure> {
        let mut text = Vec::new();
        if let Some(query) = &self.request.query {
            text.extend_from_slice(query.as_bytes());
            // A statement in the address is complete; whatever the body holds is its data.
            let found = shape(&text)?;
            if matches!(found, Shape::Insert { .. }) {
                return Ok((found, text));
            }
            text.push(b'\n');
        }
        let mut ended = false;
        loop {
            let found = shape(&text)?;
            let begun = matches!(&found, Shape::Insert { data, .. } if *data < text.len());
            if begun || ended {
                return Ok((found, text));
            }
            let length = text.len();
            if length > self.shared.config.max_statement_bytes {
                let limit = self.shared.config.max_statement_bytes;
                return Err(Exception::new(
                    161,
                    "QUERY_IS_TOO_LARGE",
                    format!("the statement is longer than {limit} bytes"),
                )
                .into());
            }
            text.resize(length + PIECE, 0);
            let count = reader.read(&mut text[length..]).map_err(|error| broken(fault, &error))?;
            text.truncate(length + count);
            ended = count == 0;
        }
    }

    /// Runs `work` on the session's connection or on a fresh one, with the request's settings.
    fn with_connection(
        &mut self,
        work: impl FnOnce(&mut Self, &mut Connection) -> Result<Statistics, Failure>,
    ) -> Result<Statistics, Failure> {
        let shared = Arc::clone(&self.shared);
        let settings = access::settings(&self.user, &self.request)?;
        match self.request.session.clone() {
            // A read-only user's connection cannot get its settings back, so it is never kept.
            Some(wanted) if !self.user.is_readonly() => {
                let session = shared.sessions.get(&self.user.name, &wanted)?;
                let mut guard = session.lock(&shared.engine)?;
                let Some(connection) = guard.as_mut() else {
                    return Err(Exception::new(373, "SESSION_IS_LOCKED", "the session has no connection").into());
                };
                let before = settings::remember(connection, &self.request, &settings)?;
                let prepared = settings::apply(connection, self.request.database.as_deref(), &self.id, &settings);
                let outcome = match prepared {
                    Ok(()) => work(self, connection),
                    Err(exception) => Err(exception.into()),
                };
                if before.restore(connection).is_err() {
                    // A connection in an unknown state is not handed to the next request.
                    *guard = None;
                }
                session.touch(wanted.timeout);
                outcome
            }
            _ => {
                let mut connection = shared.engine.connect()?;
                settings::apply(&mut connection, self.request.database.as_deref(), &self.id, &settings)?;
                work(self, &mut connection)
            }
        }
    }

    fn insert(
        &mut self,
        connection: &mut Connection,
        statement: &str,
        format: &str,
        begun: &[u8],
        reader: &mut dyn Read,
        fault: &Fault,
    ) -> Result<Statistics, Failure> {
        let mut stream = connection.insert(statement, format, &self.request.parameters)?;
        if !begun.is_empty() {
            stream.append(begun)?;
        }
        let mut size = begun.len() as u64;
        let mut piece = vec![0; PIECE];
        loop {
            // On error the stream is dropped, which cancels the insert.
            match reader.read(&mut piece).map_err(|error| broken(fault, &error)) {
                Ok(0) => break,
                Ok(count) => {
                    stream.append(&piece[..count])?;
                    size += count as u64;
                }
                Err(exception) => {
                    self.shared.metrics.drop_statement("broken_body");
                    tracing::warn!(query_id = %self.id, reason = %exception, "insert cancelled, nothing inserted");
                    return Err(exception.into());
                }
            }
        }
        let statistics = stream.finish()?;
        self.shared.metrics.bytes_in.inc_by(size);
        self.output.format(format)?;
        Ok(statistics)
    }

    fn statement(
        &mut self,
        connection: &mut Connection,
        sql: &str,
        kind: &mut &'static str,
    ) -> Result<Statistics, Failure> {
        let class = access::admit(&self.user, &self.request, connection, sql)?;
        if self.turn.is_some() {
            let text: String = sql.chars().take(LOGGED).collect();
            tracing::info!(user = %self.user.name, query_id = %self.id, statement = %text, "statement of research");
        }
        if let Some(role) = self.user.role {
            access::lower(connection, role)?;
        }
        let own = output_format(sql);
        let format = own.or_else(|| self.request.default_format.clone()).unwrap_or_else(|| "TabSeparated".to_owned());
        if class == Class::ReadOnly {
            *kind = "select";
            self.killable.store(true, Ordering::SeqCst);
        }
        self.output.format(&format)?;
        if class == Class::ReadOnly
            && let Some(parts) = Parts::of(&format, sql, &self.request.settings)
            && let Some(outcome) = self.stream(connection, sql, &format, parts)
        {
            return outcome;
        }
        let output = connection.execute(sql, &format, &self.request.parameters)?;
        let sent = self.output.data(self.fit(&format, output.data)?)?;
        self.shared.metrics.bytes_out.inc_by(sent);
        Ok(output.statistics)
    }

    /// A piece of a result, whole blocks where it has any, as the client's version of the protocol wants it.
    fn fit(&self, format: &str, data: Vec<u8>) -> Result<Vec<u8>, Exception> {
        match self.request.protocol_version {
            Some(version) if version > 0 && format == "Native" => native::for_version(&data, version),
            _ => Ok(data),
        }
    }

    /// Sends a result part by part; `None` when the engine cannot stream this statement.
    fn stream(
        &mut self,
        connection: &mut Connection,
        sql: &str,
        format: &str,
        mut parts: Parts,
    ) -> Option<Result<Statistics, Failure>> {
        let mut stream = match connection.stream(sql, format, &self.request.parameters) {
            Ok(stream) => stream,
            Err(exception) if exception.message.contains("Streaming query is not supported") => return None,
            Err(exception) => return Some(Err(exception.into())),
        };
        let mut total = Statistics::default();
        let mut send = || -> Result<Statistics, Failure> {
            while let Some(part) = stream.next_part()? {
                total.add(&part.statistics);
                let sent = self.output.data(self.fit(format, parts.join(part.data)?)?)?;
                self.shared.metrics.bytes_out.inc_by(sent);
            }
            self.shared.metrics.bytes_out.inc_by(self.output.data(parts.end())?);
            Ok(total)
        };
        Some(send())
    }
}

/// What a failed read of the body means for the client: 400 in each case.
fn broken(fault: &Fault, error: &std::io::Error) -> Exception {
    match fault.reason() {
        Some(reason) => {
            Exception::new(33, "CANNOT_READ_ALL_DATA", format!("request body: {reason}; nothing was inserted"))
        }
        None => Exception::new(271, "CANNOT_DECOMPRESS", format!("request body cannot be decompressed: {error}")),
    }
}
