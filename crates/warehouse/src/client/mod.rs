//! A small asynchronous client for the warehouse, ours or a ClickHouse server.
//!
//! One method per kind of use; retries are the caller's, who alone knows whether a repeat is
//! harmless.

mod native;
mod options;
mod stream;

use bytes::Bytes;
use futures::Stream;
use reqwest::{Body, Response, Url};
use serde::de::DeserializeOwned;

pub use native::NativeReader;
pub use options::Options;
pub use stream::RowsReader;

use crate::exception::Exception;

/// Why a request did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The warehouse answered with an error of ClickHouse.
    #[error("{0}")]
    Exception(#[from] Exception),
    /// No answer, or a broken one: for an insert it is unknown whether it took place.
    #[error("warehouse at {url}: {reason}")]
    Transport {
        /// The warehouse's address.
        url: String,
        /// What went wrong.
        reason: String,
    },
    /// The answer does not fit the type asked for.
    #[error("warehouse answer is not as expected: {0}")]
    Decode(String),
}

impl ClientError {
    /// ClickHouse's error code, when it is one of its errors.
    pub fn code(&self) -> Option<i32> {
        match self {
            Self::Exception(exception) => Some(exception.code),
            _ => None,
        }
    }
}

/// A warehouse, reached over HTTP. Cheap to clone; clones share connections.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    url: Url,
    credentials: Option<(String, String)>,
}

impl Client {
    /// A client for the warehouse at `url`, for instance `http://127.0.0.1:8123`.
    ///
    /// # Errors
    /// [`ClientError::Transport`] for an address that is none.
    pub fn new(url: &str) -> Result<Self, ClientError> {
        let wrong = |reason: String| ClientError::Transport { url: url.to_owned(), reason };
        let parsed = Url::parse(url).map_err(|error| wrong(format!("not an address: {error}")))?;
        let http =
            reqwest::Client::builder().no_proxy().tcp_nodelay(true).build().map_err(|error| wrong(reasons(&error)))?;
        Ok(Self { http, url: parsed, credentials: None })
    }

    /// The same client as a given user.
    #[must_use]
    pub fn with_user(mut self, name: &str, password: &str) -> Self {
        self.credentials = Some((name.to_owned(), password.to_owned()));
        self
    }

    /// Runs a statement and ignores its result, which ClickHouse gives when all is done.
    ///
    /// # Errors
    /// What the warehouse reports, or no answer.
    pub async fn execute(&self, sql: &str, options: &Options) -> Result<(), ClientError> {
        self.query_bytes(sql, options).await.map(drop)
    }

    /// The whole result in the statement's format (or the options' default format).
    ///
    /// # Errors
    /// What the warehouse reports, or no answer.
    pub async fn query_bytes(&self, sql: &str, options: &Options) -> Result<Bytes, ClientError> {
        let mut reader = self.query_stream(sql, options).await?;
        let mut whole = Vec::new();
        while let Some(piece) = reader.next_piece().await? {
            whole.extend_from_slice(&piece);
        }
        Ok(whole.into())
    }

    /// All rows, each decoded from a JSON object whose keys are the columns. Decimals arrive as
    /// text, so that no digit is lost; 64-bit integers as numbers.
    ///
    /// # Errors
    /// What the warehouse reports, no answer, or rows that do not fit `T`.
    pub async fn query_rows<T: DeserializeOwned>(&self, sql: &str, options: &Options) -> Result<Vec<T>, ClientError> {
        let options = options
            .clone()
            .format("JSONEachRow")
            .setting("output_format_json_quote_64bit_integers", 0)
            .setting("output_format_json_quote_decimals", 1);
        let bytes = self.query_bytes(sql, &options).await?;
        bytes
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| {
                serde_json::from_slice(line)
                    .map_err(|error| ClientError::Decode(format!("{error} in {}", String::from_utf8_lossy(line))))
            })
            .collect()
    }

    /// The first row of [`Client::query_rows`], if there is one.
    ///
    /// # Errors
    /// As [`Client::query_rows`].
    pub async fn query_row<T: DeserializeOwned>(&self, sql: &str, options: &Options) -> Result<Option<T>, ClientError> {
        Ok(self.query_rows(sql, options).await?.into_iter().next())
    }

    /// A result read piece by piece. An exception in its midst is an error, not data.
    ///
    /// # Errors
    /// What the warehouse reports before the first piece, or no answer.
    pub async fn query_stream(&self, sql: &str, options: &Options) -> Result<RowsReader, ClientError> {
        let response = self.send(options.pairs(), Body::from(sql.to_owned())).await?;
        Ok(RowsReader::new(response))
    }

    /// A large result, block by block, put together to rows of `RowBinary`. The columns must be of our tables' types.
    ///
    /// # Errors
    /// What the warehouse reports before the first piece, or no answer.
    pub async fn query_native(&self, sql: &str, options: &Options) -> Result<NativeReader, ClientError> {
        self.query_stream(sql, &options.clone().format("Native")).await.map(NativeReader::new)
    }

    /// Inserts rows in RowBinary, as one block: with one partition in it, all or nothing.
    ///
    /// `columns` names the columns in the rows' order; `None` means all of the table's. Returns
    /// the rows written, those of materialised views included.
    ///
    /// # Errors
    /// What the warehouse reports (then nothing was inserted), or no answer (then unknown).
    pub async fn insert_row_binary(
        &self,
        table: &str,
        columns: Option<&[&str]>,
        rows: Bytes,
        options: &Options,
    ) -> Result<u64, ClientError> {
        let list = columns.map_or_else(String::new, |columns| format!(" ({})", columns.join(", ")));
        let statement = format!("INSERT INTO {table}{list} FORMAT RowBinary");
        self.insert(&statement, Body::from(rows), options).await
    }

    /// Inserts a stream of bytes under any `INSERT … FORMAT …`. An `Err` in the stream breaks the
    /// request off, and nothing is inserted.
    ///
    /// # Errors
    /// As [`Client::insert_row_binary`].
    pub async fn insert_stream<S, E>(&self, statement: &str, data: S, options: &Options) -> Result<u64, ClientError>
    where
        S: Stream<Item = Result<Bytes, E>> + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
    {
        self.insert(statement, Body::wrap_stream(data), options).await
    }

    async fn insert(&self, statement: &str, body: Body, options: &Options) -> Result<u64, ClientError> {
        let mut pairs = options.pairs();
        pairs.push(("query".to_owned(), statement.to_owned()));
        let response = self.send(pairs, body).await?;
        let summary = response.headers().get("x-clickhouse-summary").cloned();
        // The end of the body is the end of the insert.
        RowsReader::new(response).finish().await?;
        let summary: serde_json::Value = summary
            .and_then(|value| serde_json::from_slice(value.as_bytes()).ok())
            .ok_or_else(|| ClientError::Decode("no summary of an insert".to_owned()))?;
        summary["written_rows"]
            .as_str()
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| ClientError::Decode(format!("no written_rows in {summary}")))
    }

    async fn send(&self, pairs: Vec<(String, String)>, body: Body) -> Result<Response, ClientError> {
        let mut url = self.url.clone();
        url.query_pairs_mut().extend_pairs(pairs);
        let mut request = self.http.post(url).body(body);
        if let Some((name, password)) = &self.credentials {
            request = request.basic_auth(name, Some(password));
        }
        let response = request.send().await.map_err(|error| self.transport(&error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let code = response.headers().get("x-clickhouse-exception-code").cloned();
        let text = response.text().await.map_err(|error| self.transport(&error))?;
        let mut exception = Exception::parse(&text);
        if let Some(code) = code.and_then(|code| code.to_str().ok()?.parse().ok()) {
            exception.code = code;
        }
        if exception.code == 0 {
            let reason = format!("HTTP {status}: {text}");
            return Err(ClientError::Transport { url: self.url.to_string(), reason });
        }
        Err(exception.into())
    }

    fn transport(&self, error: &reqwest::Error) -> ClientError {
        ClientError::Transport { url: self.url.to_string(), reason: reasons(error) }
    }
}

/// An error with its causes, which reqwest's own text leaves out.
fn reasons(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
