//! A panel's rows: as columns for charts, as CSV, or as the statement itself.

use std::collections::BTreeMap;
use std::time::Instant;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use kt_warehouse::client::Options;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::query::{Asked, moment, name};
use super::{Problem, Shared};
use crate::hot::task::wall_clock;
use crate::panels::{self, Value};

/// Every place that a panel's statement may have.
#[cfg(test)]
pub const PLACES: &[&str] = &["from_ms", "to_ms", "step_s", "known_ms", "venue", "instrument", "id", "other"];

/// Steps that a chart may have, in seconds.
const STEPS: [i64; 14] = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1_800, 3_600, 14_400, 86_400];
/// Steps that a chart is cut into at most.
const MOST_STEPS: i64 = 720;
/// Longest range: ten years.
const LONGEST_S: i64 = 315_360_000;
/// The range without a word.
const USUAL_S: i64 = 3_600;

/// How the rows are wanted.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Form {
    #[default]
    Columns,
    Csv,
    Sql,
}

/// What a client may say about a panel.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    #[serde(default, rename = "as")]
    form: Form,
    range_s: Option<i64>,
    to_ms: Option<i64>,
    known_ms: Option<i64>,
    venue: Option<String>,
    instrument: Option<String>,
    id: Option<String>,
    other: Option<String>,
}

/// Rows of a panel.
#[derive(Serialize)]
struct Rows {
    now_ms: i64,
    panel: String,
    from_ms: i64,
    to_ms: i64,
    step_s: i64,
    /// The moment whose knowledge is shown; null for the present.
    known_ms: Option<i64>,
    took_ms: u64,
    /// ClickHouse's columns: `meta`, `data`, `rows`.
    answer: Box<RawValue>,
}

/// The range that a question resolves to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Window {
    from_ms: i64,
    to_ms: i64,
    step_s: i64,
}

/// The smallest step that cuts a range into few enough pieces; the range begins and ends at whole steps.
fn window(range_s: i64, to_ms: i64) -> Window {
    let fits = |step: &&i64| range_s / **step <= MOST_STEPS;
    let step_s = STEPS.iter().find(fits).copied().unwrap_or(86_400 * (range_s / MOST_STEPS / 86_400 + 1));
    let step_ms = step_s * 1000;
    let to_ms = (to_ms + step_ms - 1) / step_ms * step_ms;
    Window { from_ms: to_ms - (range_s * 1000 / step_ms).max(1) * step_ms, to_ms, step_s }
}

impl Wanted {
    async fn window(&self, shared: &Shared) -> Result<Window, Problem> {
        let range_s = self.range_s.unwrap_or(USUAL_S);
        if !(1..=LONGEST_S).contains(&range_s) {
            let hint = format!("it must lie between 1 and {LONGEST_S}");
            return Err(Problem::bad_request(format!("range_s is {range_s}"), hint));
        }
        let to_ms = match self.to_ms {
            Some(at) => moment("to_ms", at).map(|_| at)?,
            None => shared.newest().await?,
        };
        Ok(window(range_s, to_ms))
    }

    fn values(&self, window: Window) -> Result<BTreeMap<String, Value>, Problem> {
        let known = self.known_ms.map_or(Ok(wall_clock().0 / 1_000_000), |at| moment("known_ms", at).map(|_| at))?;
        let mut values = BTreeMap::new();
        for (place, number) in
            [("from_ms", window.from_ms), ("to_ms", window.to_ms), ("step_s", window.step_s), ("known_ms", known)]
        {
            values.insert(place.to_owned(), Value::Number(number));
        }
        let texts =
            [("venue", &self.venue), ("instrument", &self.instrument), ("id", &self.id), ("other", &self.other)];
        for (place, text) in texts {
            if let Some(text) = text {
                name(place, text)?;
                values.insert(place.to_owned(), Value::Text(text.clone()));
            }
        }
        Ok(values)
    }
}

/// `GET /api/v1/panels/{panel}?range_s&to_ms&known_ms&venue&instrument&id&as=columns|csv|sql`
pub async fn panel(
    State(shared): State<Shared>,
    Path(panel): Path<String>,
    Asked(wanted): Asked<Wanted>,
) -> Result<Response, Problem> {
    let Some(statement) = panels::statement(&panel, wanted.known_ms.is_some()) else {
        return Err(if panels::exists(&panel) {
            let error = format!("{panel} is not kept as it was known at a moment");
            Problem::bad_request(error, "set the time slider back to now")
        } else {
            Problem::not_found("there is no such panel", "the panels are the files of web/panels/sql")
        });
    };
    let window = wanted.window(&shared).await?;
    let values = wanted.values(window)?;
    if let Some(absent) = statement.places.iter().find(|place| !values.contains_key(*place)) {
        return Err(Problem::bad_request(format!("{panel} needs {absent}"), "add it to the question"));
    }
    let options = statement.options(&values);
    match wanted.form {
        Form::Sql => {
            Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], statement.written(&values)).into_response())
        }
        Form::Csv => csv(&shared, &panel, &statement.sql, options).await,
        Form::Columns => {
            let start = Instant::now();
            let bytes = shared.warehouse.bytes(&statement.sql, options.format("JSONColumnsWithMetadata")).await?;
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let answer = RawValue::from_string(text).map_err(|error| {
                Problem::behind(format!("the warehouse's answer is no JSON: {error}"), "see its log")
            })?;
            Ok(Json(Rows {
                now_ms: wall_clock().0 / 1_000_000,
                panel,
                from_ms: window.from_ms,
                to_ms: window.to_ms,
                step_s: window.step_s,
                known_ms: wanted.known_ms,
                took_ms: u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX),
                answer,
            })
            .into_response())
        }
    }
}

async fn csv(shared: &Shared, panel: &str, sql: &str, options: Options) -> Result<Response, Problem> {
    let bytes = shared.warehouse.bytes(sql, options.format("CSVWithNames")).await?;
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{panel}.csv\"")),
    ];
    Ok((headers, bytes).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_cut_into_steps_that_fit_a_screen_and_end_at_whole_ones() {
        let hour = window(3_600, 1_700_000_000_123);
        assert_eq!((hour.step_s, hour.to_ms % 5_000, hour.to_ms - hour.from_ms), (5, 0, 3_600_000));
        assert!(hour.to_ms >= 1_700_000_000_123);
        for range in [1, 59, 720, 721, 86_400, 2_592_000, LONGEST_S] {
            let window = window(range, 1_700_000_000_123);
            let steps = (window.to_ms - window.from_ms) / 1000 / window.step_s;
            assert!((1..=MOST_STEPS).contains(&steps), "{range} s: {steps} steps of {} s", window.step_s);
        }
    }
}
