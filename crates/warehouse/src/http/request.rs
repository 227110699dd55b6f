//! A request's parameters, taken from its address and headers.

use std::time::Duration;

use axum::http::{HeaderMap, Method as HttpMethod, Uri};
use base64::Engine as _;

use super::encoding::Encoding;
use crate::engine::Parameter;
use crate::exception::Exception;
use crate::framing;

/// Parameters that steer the HTTP interface and are no settings of the engine.
const SWALLOWED: &[&str] = &[
    "add_http_cors_header",
    "buffer_size",
    "cancel_http_readonly_queries_on_client_close",
    "close_session",
    "output_format_parallel_formatting",
    "quota_key",
    "send_progress_in_http_headers",
    "stacktrace",
];

/// A session asked for with `session_id`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SessionParameters {
    pub(super) id: String,
    pub(super) timeout: Duration,
    /// The session must exist already.
    pub(super) check: bool,
}

/// Name and password as sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Credentials {
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
}

/// All that a request says besides its body.
#[derive(Debug, Clone)]
pub(super) struct Request {
    /// GET and HEAD may not change anything.
    pub(super) readonly: bool,
    pub(super) query: Option<String>,
    pub(super) query_id: Option<String>,
    pub(super) session: Option<SessionParameters>,
    pub(super) database: Option<String>,
    pub(super) default_format: Option<String>,
    /// Version of the protocol whose `Native` the client reads; without one that of files.
    pub(super) protocol_version: Option<u64>,
    pub(super) credentials: Credentials,
    pub(super) settings: Vec<(String, String)>,
    pub(super) parameters: Vec<Parameter>,
    /// Hold the response back until the statement is done.
    pub(super) wait_end: bool,
    pub(super) body_framed: bool,
    pub(super) body_encoding: Encoding,
    pub(super) reply_framed: Option<framing::Method>,
    pub(super) reply_encoding: Encoding,
}

impl Request {
    /// Reads address and headers.
    pub(super) fn parse(method: &HttpMethod, uri: &Uri, headers: &HeaderMap) -> Result<Self, Exception> {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let mut request = Self {
            readonly: method == HttpMethod::GET || method == HttpMethod::HEAD,
            query: None,
            query_id: header("x-clickhouse-query-id"),
            session: None,
            database: header("x-clickhouse-database"),
            default_format: header("x-clickhouse-format"),
            protocol_version: None,
            credentials: Credentials::from_headers(headers)?,
            settings: Vec::new(),
            parameters: Vec::new(),
            wait_end: false,
            body_framed: false,
            body_encoding: Encoding::of_content(headers)?,
            reply_framed: None,
            reply_encoding: Encoding::Identity,
        };
        request.read_address(uri)?;
        if request.reply_encoding != Encoding::Identity {
            request.reply_encoding = Encoding::accepted(headers);
        }
        Ok(request)
    }

    fn read_address(&mut self, uri: &Uri) -> Result<(), Exception> {
        let mut session_id = None;
        let mut session_timeout = Duration::from_secs(60);
        let mut session_check = false;
        let mut compress = false;
        let mut method = framing::Method::Lz4;
        for (name, value) in pairs(uri)? {
            match name.as_str() {
                "query" => self.query = Some(value),
                "query_id" => self.query_id = Some(value).filter(|id| !id.is_empty()),
                "session_id" => session_id = Some(value).filter(|id| !id.is_empty()),
                "session_timeout" => session_timeout = Duration::from_secs(number(&name, &value)?.min(3600)),
                "session_check" => session_check = flag(&value),
                "database" => self.database = Some(value),
                "default_format" => self.default_format = Some(value),
                "client_protocol_version" => self.protocol_version = Some(number(&name, &value)?),
                "user" => self.credentials.user = Some(value),
                "password" => self.credentials.password = Some(value),
                "wait_end_of_query" | "http_wait_end_of_query" => self.wait_end = flag(&value),
                "compress" => compress = flag(&value),
                "decompress" => self.body_framed = flag(&value),
                "network_compression_method" => {
                    if value.eq_ignore_ascii_case("zstd") {
                        method = framing::Method::Zstd;
                    }
                }
                // Marks the wish only; which encoding the client takes stands in a header.
                "enable_http_compression" if flag(&value) => self.reply_encoding = Encoding::Gzip,
                "enable_http_compression" => {}
                "role" => {
                    return Err(Exception::new(
                        48,
                        "NOT_IMPLEMENTED",
                        "the parameter role is not supported; rights follow from the user",
                    ));
                }
                _ if name.starts_with("http_") || SWALLOWED.contains(&name.as_str()) => {}
                _ => match name.strip_prefix("param_") {
                    Some(parameter) => self.parameters.push((parameter.to_owned(), value)),
                    None => self.settings.push((setting_name(name)?, value)),
                },
            }
        }
        self.database = self.database.take().filter(|name| !name.is_empty());
        self.reply_framed = compress.then_some(method);
        self.session = session_id.map(|id| SessionParameters { id, timeout: session_timeout, check: session_check });
        Ok(())
    }
}

impl Credentials {
    fn from_headers(headers: &HeaderMap) -> Result<Self, Exception> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let mut credentials = Self {
            user: text("x-clickhouse-user").map(str::to_owned),
            password: text("x-clickhouse-key").map(str::to_owned),
        };
        if let Some(encoded) = text("authorization").and_then(|value| value.strip_prefix("Basic ")) {
            let wrong =
                || Exception::new(516, "AUTHENTICATION_FAILED", "Authorization: Basic needs base64 of name:password");
            let decoded = base64::engine::general_purpose::STANDARD.decode(encoded.trim()).map_err(|_| wrong())?;
            let decoded = String::from_utf8(decoded).map_err(|_| wrong())?;
            let (user, password) = decoded.split_once(':').ok_or_else(wrong)?;
            credentials.user = Some(user.to_owned());
            credentials.password = Some(password.to_owned());
        }
        Ok(credentials)
    }
}

fn pairs(uri: &Uri) -> Result<Vec<(String, String)>, Exception> {
    let address = format!("http://warehouse/?{}", uri.query().unwrap_or_default());
    let url = reqwest::Url::parse(&address)
        .map_err(|error| Exception::new(36, "BAD_ARGUMENTS", format!("request address: {error}")))?;
    Ok(url.query_pairs().into_owned().collect())
}

fn flag(value: &str) -> bool {
    matches!(value, "1" | "true" | "True")
}

fn number(name: &str, value: &str) -> Result<u64, Exception> {
    value
        .parse()
        .map_err(|_| Exception::new(72, "CANNOT_PARSE_NUMBER", format!("{name} must be a whole number, not '{value}'")))
}

fn setting_name(name: String) -> Result<String, Exception> {
    if !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Ok(name);
    }
    Err(Exception::new(115, "UNKNOWN_SETTING", format!("Unknown setting '{name}'")))
}
