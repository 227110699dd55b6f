//! Prints runs.

use comfy_table::{Cell, CellAlignment};
use kt_backtest::coverage::{lasting, spoken};
use kt_backtest::manifest::Manifest;
use kt_backtest::outcome::Outcome;
use kt_backtest::parity::Parity;
use kt_backtest::results::Listed;
use kt_model::Nanos;
use serde_json::json;

use super::options::Run;
use crate::commands::{plain_table, print, print_json};
use crate::error::Error;

fn right(value: impl ToString) -> Cell {
    Cell::new(value.to_string()).set_alignment(CellAlignment::Right)
}

fn money(value: f64) -> Cell {
    right(format!("{value:.4}"))
}

/// The result of the run that has just ended.
pub(super) fn result(
    manifest: &Manifest,
    outcome: &Outcome,
    parities: &[Parity],
    (options, is_stored): (&Run, bool),
) -> Result<(), Error> {
    if options.json {
        let counts = &outcome.counts;
        return print_json(&json!({
            "run": manifest.run, "partial": manifest.coverage.is_partial(), "stored": is_stored, "counts": counts,
            "accounts": outcome.accounts.iter().map(|account| json!({
                "currency": account.currency, "profit": account.profit, "drawdown": account.drawdown,
            })).collect::<Vec<_>>(),
            "legs": outcome.legs, "parity": parities, "manifest": manifest,
        }));
    }
    let seconds = manifest.took_seconds.max(1e-9);
    print(format!(
        "run {}: {} to {} ({}) from the {}",
        manifest.run,
        spoken(Nanos(manifest.from)),
        spoken(Nanos(manifest.to)),
        lasting(manifest.to - manifest.from),
        manifest.source
    ));
    let counts = &outcome.counts;
    print(format!(
        "{} events in {seconds:.2} s ({:.0} K/s); {} signal changes, {} orders, {} refused, {} executions",
        counts.events,
        counts.events as f64 / seconds / 1e3,
        counts.signals,
        counts.orders,
        counts.refused,
        counts.fills
    ));
    legs(outcome);
    for account in &outcome.accounts {
        let unit = &account.currency;
        print(format!("net profit {:.4} {unit}, largest drawdown {:.4} {unit}", account.profit, account.drawdown));
    }
    warnings(manifest);
    parity(parities);
    if let Some(file) = &options.report {
        print(format!("report: {}", file.display()));
    }
    if !is_stored && !options.no_store {
        print("the warehouse does not answer, so the result is in no mart");
    }
    Ok(())
}

fn legs(outcome: &Outcome) {
    if outcome.legs.is_empty() {
        print("nothing was traded");
        return;
    }
    let mut table = plain_table();
    table.set_header([
        "strategy",
        "venue",
        "instrument",
        "fills",
        "turnover",
        "price moves",
        "fees",
        "funding",
        "net",
        "position",
    ]);
    for leg in &outcome.legs {
        let mut row =
            vec![Cell::new(&leg.strategy), Cell::new(&leg.venue), Cell::new(&leg.instrument), right(leg.fills)];
        row.extend([leg.turnover, leg.trading, -leg.fees, leg.funding, leg.net(), leg.position].map(money));
        table.add_row(row);
    }
    print(table);
}

fn warnings(manifest: &Manifest) {
    let partial = &manifest.coverage.partial;
    if !partial.is_empty() {
        print("PARTIAL DATA:");
        for reason in partial.iter().take(8) {
            print(format!("  {reason}"));
        }
        if partial.len() > 8 {
            print(format!("  and {} more; --json and the report list all", partial.len() - 8));
        }
    }
    if let Some(order) = &manifest.order.difference
        && order.events > 0
    {
        print(format!(
            "order: {} of {} events were taken in after one received later (up to {}); a run over the warehouse puts them before it",
            order.overtaken,
            order.events,
            lasting(order.largest)
        ));
    }
}

fn parity(parities: &[Parity]) {
    for parity in parities {
        let word = if parity.holds() { "equal" } else { "NOT EQUAL" };
        print(format!(
            "parity {word}: {} {}: {} of {} rows equal, {} differ, {} not in the log, {} logged later",
            parity.writer, parity.kind, parity.equal, parity.replayed, parity.different, parity.unlogged, parity.beyond
        ));
    }
}

/// Earlier runs.
pub(super) fn list(runs: &[Listed], json: bool) -> Result<(), Error> {
    if json {
        return print_json(&runs);
    }
    let mut table = plain_table();
    table
        .set_header(["run", "made", "source", "strategy", "from", "to", "data", "events", "orders", "fills", "profit"]);
    for run in runs {
        table.add_row(vec![
            Cell::new(&run.run),
            Cell::new(short(&run.made_at)),
            Cell::new(&run.source),
            Cell::new(run.strategy_file.rsplit('/').next().unwrap_or_default()),
            Cell::new(short(&run.from_ts)),
            Cell::new(short(&run.to_ts)),
            Cell::new(if run.is_partial { "partial" } else { "whole" }),
            right(run.events),
            right(run.orders),
            right(run.fills),
            Cell::new(profits(run)),
        ]);
    }
    print(table);
    Ok(())
}

fn short(time: &str) -> &str {
    time.get(..19).unwrap_or(time)
}

fn profits(run: &Listed) -> String {
    let each = run.currencies.iter().zip(&run.profits);
    each.map(|(currency, profit)| format!("{profit:.4} {currency}")).collect::<Vec<_>>().join(", ")
}

/// Runs side by side: a line for each figure.
pub(super) fn compare(runs: &[Listed], json: bool) -> Result<(), Error> {
    if json {
        return print_json(&runs);
    }
    let mut table = plain_table();
    let mut header = vec![String::new()];
    header.extend(runs.iter().map(|run| run.run.clone()));
    table.set_header(header);
    let mut line = |name: &str, of: &dyn Fn(&Listed) -> String| {
        let values: Vec<String> = runs.iter().map(of).collect();
        let mark = if values.windows(2).all(|pair| pair[0] == pair[1]) { "" } else { "*" };
        let mut row = vec![Cell::new(format!("{name} {mark}"))];
        row.extend(values.into_iter().map(right));
        table.add_row(row);
    };
    line("made", &|run| short(&run.made_at).to_owned());
    line("source", &|run| run.source.clone());
    line("from", &|run| short(&run.from_ts).to_owned());
    line("to", &|run| short(&run.to_ts).to_owned());
    line("data", &|run| if run.is_partial { "partial" } else { "whole" }.to_owned());
    line("strategy", &|run| run.strategy_hash.clone());
    line("code", &|run| run.code.clone());
    line("inputs", &|run| run.input_hash.clone());
    line("outputs", &|run| run.output_hash.clone());
    line("events", &|run| run.events.to_string());
    line("orders", &|run| run.orders.to_string());
    line("executions", &|run| run.fills.to_string());
    line("profit", &profits);
    line("drawdown", &|run| run.drawdowns.iter().map(|value| format!("{value:.4}")).collect::<Vec<_>>().join(", "));
    line("fees", &|run| format!("{:.4}", run.fees));
    line("funding", &|run| format!("{:.4}", run.funding));
    print(table);
    print("* marks what differs");
    Ok(())
}
