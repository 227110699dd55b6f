//! `kt query`: a statement over the warehouse's HTTP protocol.

use std::io::Write;

use comfy_table::{Cell, CellAlignment};
use kt_warehouse::client::{ClientError, Options, RowsReader};
use serde::Deserialize;
use serde_json::Value;

use crate::cli::Query;
use crate::config::Config;
use crate::error::Error;

pub(crate) fn run(config: &Config, options: &Query) -> Result<(), Error> {
    super::block_on(async {
        match format(options) {
            Some(format) => stream(ask(config, options, &format).await?).await,
            None => {
                let answer = ask(config, options, "JSONCompact").await?;
                table(&whole(answer).await?)
            }
        }
    })
}

fn format(options: &Query) -> Option<String> {
    if options.json {
        return Some("JSON".into());
    }
    if options.csv {
        return Some("CSVWithNames".into());
    }
    options.format.clone()
}

async fn ask(config: &Config, options: &Query, format: &str) -> Result<RowsReader, Error> {
    // Numbers as text keep every digit: JSON's own would lose those of decimals and large integers.
    let settings = Options::new()
        .format(format)
        .setting("output_format_json_quote_64bit_integers", 1)
        .setting("output_format_json_quote_decimals", 1);
    super::warehouse_client(config)?.query_stream(&options.sql, &settings).await.map_err(explain)
}

fn explain(error: ClientError) -> Error {
    match error {
        ClientError::Transport { .. } => {
            Error::failed(format!("{error}; `kt status` shows whether the warehouse runs"))
        }
        error => Error::failed(without_grammar(&error.to_string())),
    }
}

/// A syntax error without the list of all words that could have stood there, which fills a screen.
fn without_grammar(message: &str) -> String {
    match (message.find(" Expected one of: "), message.rfind(". (")) {
        (Some(from), Some(to)) if to > from + 300 => format!("{}{}", &message[..from], &message[to + 1..]),
        _ => message.to_owned(),
    }
}

async fn stream(mut answer: RowsReader) -> Result<(), Error> {
    let mut output = std::io::stdout();
    while let Some(piece) = answer.next_piece().await.map_err(explain)? {
        if output.write_all(&piece).is_err() {
            // The reader of our output has seen enough.
            return Ok(());
        }
    }
    Ok(())
}

async fn whole(mut answer: RowsReader) -> Result<String, Error> {
    let mut bytes = Vec::new();
    while let Some(piece) = answer.next_piece().await.map_err(explain)? {
        bytes.extend_from_slice(&piece);
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[derive(Deserialize)]
struct Compact {
    meta: Vec<Column>,
    data: Vec<Vec<Value>>,
}

#[derive(Deserialize)]
struct Column {
    name: String,
    #[serde(rename = "type")]
    kind: String,
}

fn table(text: &str) -> Result<(), Error> {
    if text.trim().is_empty() {
        // A statement without a result, for example DDL.
        return Ok(());
    }
    // A statement that names its own format is printed as it comes.
    let Ok(result) = serde_json::from_str::<Compact>(text) else {
        super::print(text.trim_end());
        return Ok(());
    };
    let mut table = super::plain_table();
    table.set_header(result.meta.iter().map(|column| column.name.as_str()));
    for row in result.data {
        let cells = row.into_iter().zip(&result.meta).map(|(value, column)| {
            let text = match value {
                Value::String(text) => text,
                Value::Null => "NULL".into(),
                other => other.to_string(),
            };
            let number = ["Int", "UInt", "Float", "Decimal"].iter().any(|kind| column.kind.contains(kind));
            Cell::new(text).set_alignment(if number { CellAlignment::Right } else { CellAlignment::Left })
        });
        table.add_row(cells.collect::<Vec<_>>());
    }
    super::print(table);
    Ok(())
}
