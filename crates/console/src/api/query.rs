//! Questions to the warehouse: bounded in number and time; and the parameters of the API's own.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use kt_warehouse::client::{Client, ClientError, Options};
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::Problem;
use crate::metrics::Metrics;

/// Questions at once; more wait, for as long as one may take.
const AT_ONCE: usize = 8;
/// How long a question may take, waiting included.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// The same for the engine itself, a little shorter, so that it stops working when nobody waits.
const ENGINE_SECONDS: u64 = 4;
/// Most rows of an answer.
const MOST_ROWS: u64 = 20_000;

/// The warehouse, for the API.
#[derive(Clone)]
pub struct Warehouse {
    client: Client,
    places: Arc<Semaphore>,
    metrics: Metrics,
}

impl Warehouse {
    /// Asks through `client`.
    #[must_use]
    pub fn new(client: Client, metrics: Metrics) -> Self {
        Self { client, places: Arc::new(Semaphore::new(AT_ONCE)), metrics }
    }

    /// The warehouse's client, for what bounds itself.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Rows of a statement whose values are bound by `options`.
    ///
    /// # Errors
    /// A [`Problem`] that says what to do.
    pub async fn rows<T: DeserializeOwned>(&self, sql: &str, options: Options) -> Result<Vec<T>, Problem> {
        self.asked(async |options| self.client.query_rows(sql, options).await, options, 1).await
    }

    /// The result in the format that `options` name. Panels may use the engine's threads.
    ///
    /// # Errors
    /// As [`Warehouse::rows`].
    pub async fn bytes(&self, sql: &str, options: Options) -> Result<Bytes, Problem> {
        let options = options
            .setting("output_format_json_quote_64bit_integers", 0)
            .setting("do_not_merge_across_partitions_select_final", 1);
        self.asked(async |options| self.client.query_bytes(sql, options).await, options, 2).await
    }

    async fn asked<T>(
        &self,
        ask: impl AsyncFnOnce(&Options) -> Result<T, ClientError>,
        options: Options,
        threads: u32,
    ) -> Result<T, Problem> {
        let options = options
            .setting("max_execution_time", ENGINE_SECONDS)
            .setting("max_result_rows", MOST_ROWS)
            .setting("max_threads", threads);
        let asking = async {
            let _place = self.places.acquire().await;
            ask(&options).await
        };
        match timeout(ANSWER_WITHIN, asking).await {
            Ok(Ok(rows)) => {
                self.metrics.query("ok");
                Ok(rows)
            }
            Ok(Err(error)) => {
                self.metrics.query("error");
                Err(explain(&error))
            }
            Err(_) => {
                self.metrics.query("timeout");
                Err(Problem::late(format!("the warehouse did not answer within {} s", ANSWER_WITHIN.as_secs())))
            }
        }
    }
}

fn explain(error: &ClientError) -> Problem {
    const TIMEOUT_EXCEEDED: i32 = 159;
    const UNKNOWN_TABLE: i32 = 60;
    const UNKNOWN_DATABASE: i32 = 81;
    tracing::warn!(%error, "a question to the warehouse failed");
    match error.code() {
        Some(TIMEOUT_EXCEEDED) => Problem::late("the warehouse stopped a question that took too long"),
        Some(UNKNOWN_TABLE | UNKNOWN_DATABASE) => {
            Problem::behind("the warehouse lacks a table of the platform", "run `kt migrate`")
        }
        Some(code) => {
            Problem::behind(format!("the warehouse refused a question (code {code})"), "see the console's log")
        }
        None => Problem::behind("the warehouse cannot be reached", "is it running? see `kt status`"),
    }
}

/// Parameters of a question; a wrong one is a [`Problem`], not plain text.
pub struct Asked<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let wrong = |rejection: QueryRejection| {
            Problem::bad_request(rejection.body_text(), "see docs/reference/console.md for the parameters")
        };
        Query::from_request_parts(parts, state).await.map(|Query(value)| Self(value)).map_err(wrong)
    }
}

/// A venue or instrument name as the platform writes them.
///
/// # Errors
/// A [`Problem`] for an empty, overlong or odd name.
pub fn name(what: &str, text: &str) -> Result<(), Problem> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_' || !c.is_ascii();
    if !text.is_empty() && text.len() <= 128 && text.chars().all(|c| fits(c) && !c.is_control()) {
        return Ok(());
    }
    Err(Problem::bad_request(format!("{what} is not a name"), "names hold letters, digits, '-' and '_'"))
}

/// A moment in ms UTC within the years that the warehouse's tables hold.
///
/// # Errors
/// A [`Problem`] for a moment outside.
pub fn moment(what: &str, at_ms: i64) -> Result<i64, Problem> {
    const YEAR_2100_MS: i64 = 4_102_444_800_000;
    if (0..=YEAR_2100_MS).contains(&at_ms) {
        return Ok(at_ms / 1000);
    }
    Err(Problem::bad_request(format!("{what} lies outside the years 1970 to 2100"), "give milliseconds UTC"))
}

/// A count between 1 and `most`.
///
/// # Errors
/// A [`Problem`] for a count outside.
pub fn bounded(what: &str, count: u32, most: u32) -> Result<u32, Problem> {
    if (1..=most).contains(&count) {
        return Ok(count);
    }
    Err(Problem::bad_request(format!("{what} is {count}"), format!("it must lie between 1 and {most}")))
}
