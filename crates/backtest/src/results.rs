//! Results in the warehouse: written at the end of a run, listed and compared later.

use bytes::Bytes;
use kt_model::Decimal;
use kt_warehouse::Client;
use kt_warehouse::client::Options;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::BacktestError;
use crate::manifest::Manifest;
use crate::outcome::{Account, Outcome};

/// A run as `kt backtest list` shows it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Listed {
    /// Its name.
    pub run: String,
    /// When it was made, as text.
    pub made_at: String,
    /// `warehouse`, `journal` or `tape`.
    pub source: String,
    /// File of the strategy's configuration.
    pub strategy_file: String,
    /// Hash of that configuration.
    pub strategy_hash: String,
    /// Start of the range, as text.
    pub from_ts: String,
    /// End of the range, as text.
    pub to_ts: String,
    /// Whether something is known to be missing from its data.
    pub is_partial: bool,
    /// Market events.
    pub events: u64,
    /// Orders sent.
    pub orders: u64,
    /// Executions.
    pub fills: u64,
    /// Hash over its inputs.
    pub input_hash: String,
    /// Hash over its outputs.
    pub output_hash: String,
    /// Version of the program.
    pub code: String,
    /// Currencies, and in the next three their figures.
    pub currencies: Vec<String>,
    /// Profit after fees and funding.
    pub profits: Vec<f64>,
    /// Largest fall from a peak.
    pub drawdowns: Vec<f64>,
    /// Fees paid.
    pub fees: f64,
    /// Funding received.
    pub funding: f64,
}

/// Writes a run's rows into the marts.
///
/// # Errors
/// What the warehouse refuses.
pub async fn store(client: &Client, manifest: &Manifest, outcome: &Outcome) -> Result<(), BacktestError> {
    // The run's own row comes last: what is listed is there as a whole.
    let tables = [
        ("marts.backtest_account", outcome.accounts.iter().map(|account| account_row(manifest, account)).collect()),
        ("marts.backtest_leg", outcome.legs.iter().map(|leg| leg_row(manifest, leg)).collect()),
        ("marts.backtest_trade", trade_rows(manifest, outcome)),
        ("marts.backtest_equity", outcome.accounts.iter().flat_map(|account| equity_rows(manifest, account)).collect()),
        ("marts.backtest_run", vec![run_row(manifest, outcome)]),
    ];
    for (table, rows) in tables {
        insert(client, table, rows).await?;
    }
    Ok(())
}

async fn insert(client: &Client, table: &str, rows: Vec<Value>) -> Result<(), BacktestError> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut text = Vec::new();
    for row in &rows {
        text.extend_from_slice(row.to_string().as_bytes());
        text.push(b'\n');
    }
    let body = futures::stream::iter([Ok::<_, std::io::Error>(Bytes::from(text))]);
    let statement = format!("INSERT INTO {table} FORMAT JSONEachRow");
    client
        .insert_stream(&statement, body, &Options::new())
        .await
        .map_err(BacktestError::asking("writing the run's results"))?;
    Ok(())
}

/// A moment as ClickHouse reads it from JSON: seconds with nine digits, so that nothing is lost.
fn at(nanos: i64) -> String {
    Decimal::<9>(i128::from(nanos)).to_string()
}

fn run_row(manifest: &Manifest, outcome: &Outcome) -> Value {
    let counts = &outcome.counts;
    json!({
        "run": manifest.run, "made_at": at(manifest.made_at), "source": manifest.source, "place": manifest.place,
        "strategy_file": manifest.strategy_file, "strategy_hash": manifest.strategy_hash, "code": manifest.code,
        "from_ts": at(manifest.from), "to_ts": at(manifest.to), "is_partial": manifest.coverage.is_partial(),
        "partial": manifest.coverage.partial, "inputs": counts.inputs, "events": counts.events,
        "dropped": counts.dropped, "signals": counts.signals, "orders": counts.orders, "fills": counts.fills,
        "refused": counts.refused, "input_hash": manifest.input_hash, "output_hash": manifest.output_hash,
        "took_seconds": manifest.took_seconds, "manifest": serde_json::to_string(manifest).unwrap_or_default(),
    })
}

fn account_row(manifest: &Manifest, account: &Account) -> Value {
    json!({
        "run": manifest.run, "made_at": at(manifest.made_at), "currency": account.currency, "profit": account.profit,
        "drawdown": account.drawdown, "drawdown_ts": at(account.drawdown_at),
    })
}

fn leg_row(manifest: &Manifest, leg: &crate::outcome::LegOutcome) -> Value {
    let [quantity, cash, fees, funding] = &leg.exact;
    json!({
        "run": manifest.run, "made_at": at(manifest.made_at), "strategy": leg.strategy, "venue": leg.venue,
        "instrument": leg.instrument, "currency": leg.currency, "fills": leg.fills, "bought": leg.bought,
        "sold": leg.sold, "turnover": leg.turnover, "trading": leg.trading, "fees": leg.fees, "funding": leg.funding,
        "net": leg.net(), "position": leg.position, "exact_quantity": quantity, "exact_cash": cash,
        "exact_fees": fees, "exact_funding": funding,
    })
}

fn trade_rows(manifest: &Manifest, outcome: &Outcome) -> Vec<Value> {
    let rows = outcome.trades.iter().zip(1_u64..).map(|(trade, number)| {
        json!({
            "run": manifest.run, "made_at": at(manifest.made_at), "number": number, "ts": at(trade.at),
            "strategy": trade.strategy, "venue": trade.venue, "instrument": trade.instrument,
            "client_order_id": trade.order, "intent": trade.intent, "side": trade.side, "price": trade.price,
            "quantity": trade.quantity, "fee": trade.fee, "liquidity": trade.liquidity, "position": trade.position,
        })
    });
    rows.collect()
}

fn equity_rows(manifest: &Manifest, account: &Account) -> Vec<Value> {
    let mut peak = 0.0_f64;
    let rows = account.equity.iter().map(|(nanos, equity)| {
        peak = peak.max(*equity);
        json!({
            "run": manifest.run, "made_at": at(manifest.made_at), "currency": account.currency, "ts": at(*nanos),
            "equity": equity, "drawdown": equity - peak,
        })
    });
    rows.collect()
}

const LISTED: &str = "
    SELECT run, toString(made_at) AS made_at, source, strategy_file, strategy_hash, toString(from_ts) AS from_ts,
        toString(to_ts) AS to_ts, is_partial, events, orders, fills, input_hash, output_hash, code,
        a.currencies AS currencies, a.profits AS profits, a.drawdowns AS drawdowns, l.fees AS fees, l.funding AS funding
    FROM (SELECT * FROM marts.backtest_run FINAL) AS r
    LEFT JOIN (
        SELECT run, groupArray(currency) AS currencies, groupArray(profit) AS profits, groupArray(drawdown) AS drawdowns
        FROM (SELECT * FROM marts.backtest_account FINAL ORDER BY run, currency) GROUP BY run
    ) AS a USING (run)
    LEFT JOIN (SELECT run, sum(fees) AS fees, sum(funding) AS funding FROM marts.backtest_leg FINAL GROUP BY run) AS l
        USING (run)";

/// The newest runs, newest first.
///
/// # Errors
/// No answer.
pub async fn list(client: &Client, limit: u32) -> Result<Vec<Listed>, BacktestError> {
    let sql = format!("{LISTED} ORDER BY r.made_at DESC LIMIT {limit}");
    client.query_rows(&sql, &Options::new()).await.map_err(BacktestError::asking("listing runs"))
}

/// The run whose name begins with `name`.
///
/// # Errors
/// No answer, no such run, or several.
pub async fn find(client: &Client, name: &str) -> Result<Listed, BacktestError> {
    let sql = format!("{LISTED} WHERE startsWith(run, {{name:String}}) LIMIT 2");
    let options = Options::new().param("name", name);
    let mut found: Vec<Listed> =
        client.query_rows(&sql, &options).await.map_err(BacktestError::asking("looking for a run"))?;
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => Err(BacktestError::Request(format!("there is no run {name}; `kt backtest list` shows which there are"))),
        _ => Err(BacktestError::Request(format!("several runs begin with {name}; give more of its name"))),
    }
}
