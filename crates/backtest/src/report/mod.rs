//! The report: one HTML file that needs nothing but itself.
//!
//! It opens from a disk, loads nothing over a network (its content policy forbids it), follows the reader's
//! light or dark setting, and prints.

mod chart;
mod parts;
mod text;

use std::fmt::Write as _;

use crate::manifest::Manifest;
use crate::outcome::{Account, Outcome};
use chart::{Chart, Line};
use text::{colour, count, escaped, money};

const STYLE: &str = include_str!("report.css");
const SCRIPT: &str = include_str!("report.js");

/// The report of a run.
#[must_use]
pub fn page(manifest: &Manifest, outcome: &Outcome) -> String {
    let title = format!("Backtest {} {}", strategy(manifest), manifest.run);
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; \
         script-src 'unsafe-inline'; img-src data:\">\
         <title>{}</title><style>{STYLE}</style></head><body><main>",
        escaped(&title)
    );
    parts::head(manifest, &mut out);
    tiles(outcome, &mut out);
    for account in &outcome.accounts {
        charts(account, &mut out);
    }
    parts::legs(outcome, &mut out);
    parts::trades(outcome, &mut out);
    parts::coverage(manifest, &mut out);
    parts::order(manifest, &mut out);
    parts::provenance(manifest, outcome, &mut out);
    let _ = writeln!(out, "</main><script>{SCRIPT}</script></body></html>");
    out
}

/// Name of the strategy's file, without its folder and ending.
fn strategy(manifest: &Manifest) -> &str {
    let file = manifest.strategy_file.rsplit('/').next().unwrap_or_default();
    file.strip_suffix(".toml").unwrap_or(file)
}

fn tiles(outcome: &Outcome, out: &mut String) {
    out.push_str("<section class=\"tiles\" aria-label=\"Result\">");
    for account in &outcome.accounts {
        let sum = |pick: fn(&crate::outcome::LegOutcome) -> f64| {
            outcome.legs.iter().filter(|leg| leg.currency == account.currency).map(pick).sum::<f64>()
        };
        let unit = escaped(&account.currency);
        tile(
            &format!("Net profit, {unit}"),
            &money(account.profit),
            colour(account.profit),
            "after fees and funding",
            out,
        );
        let trading = sum(|leg| leg.trading);
        tile("Price moves", &money(trading), colour(trading), "before fees and funding", out);
        let fees = -sum(|leg| leg.fees);
        tile("Fees", &money(fees), colour(fees), "", out);
        let funding = sum(|leg| leg.funding);
        tile("Funding", &money(funding), colour(funding), "", out);
        let fall = -account.drawdown;
        tile("Largest drawdown", &money(fall), colour(fall), "from a peak of the equity", out);
    }
    let counts = &outcome.counts;
    let note = format!("of {} orders, {} refused", count(counts.orders), count(counts.refused));
    tile("Executions", &count(counts.fills), "", &note, out);
    let note = format!("{} signal changes", count(counts.signals));
    tile("Market events", &count(counts.events), "", &note, out);
    out.push_str("</section>");
}

fn tile(name: &str, value: &str, class: &str, note: &str, out: &mut String) {
    let _ = write!(
        out,
        "<div class=\"tile\"><h3>{name}</h3><p class=\"value {class}\">{value}</p><p class=\"note\">{}</p></div>",
        escaped(note)
    );
}

fn charts(account: &Account, out: &mut String) {
    let unit = &account.currency;
    let equity = Chart {
        title: &format!("Equity in {unit}"),
        unit,
        height: 280.0,
        lines: vec![Line { name: "equity", class: "equity", points: &account.equity }],
        filled: false,
    };
    let mut peak = 0.0_f64;
    let falls: Vec<(i64, f64)> = account
        .equity
        .iter()
        .map(|(at, value)| {
            peak = peak.max(*value);
            (*at, value - peak)
        })
        .collect();
    let drawdown = Chart {
        title: &format!("Drawdown in {unit}"),
        unit,
        height: 150.0,
        lines: vec![Line { name: "drawdown", class: "drawdown", points: &falls }],
        filled: true,
    };
    let _ = write!(
        out,
        "<section><h2>Equity <small>{}, profit since the start; open positions at the middle of the book</small></h2>{}\
         <h2>Drawdown <small>below the highest equity so far</small></h2>{}</section>",
        escaped(unit),
        equity.svg(),
        drawdown.svg()
    );
}
