//! The report's tables.

use std::fmt::Write as _;

use kt_model::Nanos;

use super::text::{colour, count, escaped, grouped, money};
use crate::coverage::{lasting, spoken};
use crate::manifest::Manifest;
use crate::outcome::Outcome;

/// Executions shown; the rest is in `marts.backtest_trade`.
const TRADES: usize = 5_000;

pub(super) fn head(manifest: &Manifest, out: &mut String) {
    let partial = manifest.coverage.is_partial();
    let badge = if partial { ("partial", "partial data") } else { ("whole", "no gaps known") };
    let _ = write!(
        out,
        "<h1>Backtest of {}<span class=\"badge {}\">{}</span></h1><p class=\"lead\"><b>{}</b> to <b>{}</b> ({}), from the {}, \
         run <code>{}</code></p>",
        escaped(super::strategy(manifest)),
        badge.0,
        badge.1,
        spoken(Nanos(manifest.from)),
        spoken(Nanos(manifest.to)),
        lasting(manifest.to - manifest.from),
        escaped(&manifest.source),
        escaped(&manifest.run)
    );
    if partial {
        out.push_str("<div class=\"warning\" role=\"note\"><h2>The data under this result is partial</h2><ul>");
        for reason in manifest.coverage.partial.iter().take(12) {
            let _ = write!(out, "<li>{}</li>", escaped(reason));
        }
        if manifest.coverage.partial.len() > 12 {
            let _ = write!(out, "<li>and {} more, in the record below</li>", manifest.coverage.partial.len() - 12);
        }
        out.push_str("</ul></div>");
    }
}

/// A table's head; names that begin with `#` are of numbers.
fn table(names: &[&str], out: &mut String) {
    out.push_str("<table><thead><tr>");
    for name in names {
        match name.strip_prefix('#') {
            Some(name) => write!(out, "<th class=\"n\" scope=\"col\">{name}</th>"),
            None => write!(out, "<th scope=\"col\">{name}</th>"),
        }
        .unwrap_or_default();
    }
    out.push_str("</tr></thead><tbody>");
}

fn amount(value: f64, out: &mut String) {
    let _ = write!(out, "<td class=\"n {}\">{}</td>", colour(value), money(value));
}

pub(super) fn legs(outcome: &Outcome, out: &mut String) {
    out.push_str("<section><h2>Legs <small>price moves, fees and funding apart; the open position at the middle of the book</small></h2>");
    if outcome.legs.is_empty() {
        out.push_str("<p class=\"none\">Nothing was traded.</p></section>");
        return;
    }
    out.push_str("<div class=\"scroll\">");
    let names = [
        "strategy",
        "venue",
        "instrument",
        "#price moves",
        "#fees",
        "#funding",
        "#net",
        "currency",
        "#fills",
        "#position",
        "#turnover",
        "#bought",
        "#sold",
    ];
    table(&names, out);
    for leg in &outcome.legs {
        let _ = write!(
            out,
            "<tr><td>{}</td><td>{}</td><td>{}</td>",
            escaped(&leg.strategy),
            escaped(&leg.venue),
            escaped(&leg.instrument)
        );
        for value in [leg.trading, -leg.fees, leg.funding, leg.net()] {
            amount(value, out);
        }
        let _ = write!(out, "<td>{}</td><td class=\"n\">{}</td>", escaped(&leg.currency), count(leg.fills));
        for value in [leg.position, leg.turnover, leg.bought, leg.sold] {
            let _ = write!(out, "<td class=\"n\">{}</td>", money(value));
        }
        out.push_str("</tr>");
    }
    for account in &outcome.accounts {
        let own = || outcome.legs.iter().filter(|leg| leg.currency == account.currency);
        out.push_str("<tr class=\"sum\"><td colspan=\"3\">together</td>");
        for value in [
            own().map(|leg| leg.trading).sum::<f64>(),
            -own().map(|leg| leg.fees).sum::<f64>(),
            own().map(|leg| leg.funding).sum(),
            own().map(crate::outcome::LegOutcome::net).sum(),
        ] {
            amount(value, out);
        }
        let _ = write!(
            out,
            "<td>{}</td><td class=\"n\">{}</td><td></td><td class=\"n\">{}</td><td></td><td></td></tr>",
            escaped(&account.currency),
            count(own().map(|leg| leg.fills).sum()),
            money(own().map(|leg| leg.turnover).sum())
        );
    }
    out.push_str("</tbody></table></div></section>");
}

pub(super) fn trades(outcome: &Outcome, out: &mut String) {
    let _ = write!(out, "<section><h2>Executions <small>{}</small></h2>", count(outcome.trades.len() as u64));
    if outcome.trades.is_empty() {
        out.push_str("<p class=\"none\">None.</p></section>");
        return;
    }
    out.push_str("<div class=\"scroll tall\">");
    let names = [
        "time (UTC)",
        "strategy",
        "venue",
        "instrument",
        "why",
        "side",
        "#quantity",
        "#price",
        "#fee",
        "as",
        "#position after",
        "order",
    ];
    table(&names, out);
    for trade in outcome.trades.iter().take(TRADES) {
        let _ = write!(
            out,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td>",
            spoken(Nanos(trade.at)).replace('T', " ").trim_end_matches('Z'),
            escaped(&trade.strategy),
            escaped(&trade.venue),
            escaped(&trade.instrument),
            escaped(&trade.intent),
            escaped(&trade.side)
        );
        for number in [&trade.quantity, &trade.price, &trade.fee] {
            let _ = write!(out, "<td class=\"n\">{}</td>", grouped(&escaped(number)));
        }
        let _ = write!(
            out,
            "<td>{}</td><td class=\"n\">{}</td><td class=\"dim\">{}</td></tr>",
            escaped(&trade.liquidity),
            money(trade.position),
            escaped(&trade.order)
        );
    }
    out.push_str("</tbody></table></div>");
    if outcome.trades.len() > TRADES {
        let _ = write!(out, "<p class=\"note\">The first {TRADES}; all are in marts.backtest_trade.</p>");
    }
    out.push_str("</section>");
}

pub(super) fn coverage(manifest: &Manifest, out: &mut String) {
    out.push_str(
        "<section><h2>Coverage <small>rows by receive time, the warm-up included</small></h2><div class=\"scroll\">",
    );
    table(&["venue", "instrument", "kind", "#rows", "from", "to", "#longest silence", "extent"], out);
    let (from, to) = (manifest.from - manifest.warm_up, manifest.to);
    for market in &manifest.coverage.markets {
        for kind in &market.kinds {
            let _ = write!(
                out,
                "<tr><td>{}</td><td>{}</td><td>{}</td><td class=\"n\">{}</td><td>{}</td><td>{}</td><td class=\"n\">{}</td>",
                escaped(&market.venue),
                escaped(&market.instrument),
                escaped(&kind.kind),
                count(kind.rows),
                &spoken(Nanos(kind.first))[..19].replace('T', " "),
                &spoken(Nanos(kind.last))[..19].replace('T', " "),
                if kind.longest_silence > 0 { lasting(kind.longest_silence) } else { "none".to_owned() }
            );
            let share = |at: i64| (at.clamp(from, to) - from) as f64 / (to - from).max(1) as f64 * 100.0;
            let (x, end) = (share(kind.first), share(kind.last));
            let _ = write!(
                out,
                "<td><svg class=\"strip\" viewBox=\"0 0 100 10\" preserveAspectRatio=\"none\" aria-hidden=\"true\">\
                 <rect class=\"ground\" width=\"100\" height=\"10\"/>\
                 <rect class=\"there\" x=\"{x:.2}\" width=\"{:.2}\" height=\"10\"/></svg></td></tr>",
                (end - x).max(0.5)
            );
        }
    }
    out.push_str("</tbody></table></div>");
    writers(manifest, out);
    out.push_str("</section>");
}

fn writers(manifest: &Manifest, out: &mut String) {
    if manifest.coverage.writers.is_empty() {
        return;
    }
    out.push_str("<h2>Counters <small>the writers' positions over all kinds and instruments of the range</small></h2><div class=\"scroll\">");
    table(
        &["writer", "#epoch", "#first", "#last", "#in the warehouse", "#gave way to an equal event", "#not landed"],
        out,
    );
    for writer in &manifest.coverage.writers {
        let _ = write!(out, "<tr><td>{}</td><td class=\"n\">{}</td>", escaped(&writer.writer), writer.epoch);
        for value in [writer.first, writer.last, writer.present, writer.merged, writer.unaccounted] {
            let _ = write!(out, "<td class=\"n\">{}</td>", count(value));
        }
        out.push_str("</tr>");
    }
    out.push_str("</tbody></table></div>");
    let _ = write!(
        out,
        "<p class=\"note\">{} gaps announced by the feeds touch the range. {} rows of it were fetched afterwards and are left out: \
         nobody had them at the time.</p>",
        count(manifest.coverage.gaps.len() as u64),
        count(manifest.coverage.backfilled)
    );
}

pub(super) fn order(manifest: &Manifest, out: &mut String) {
    let _ = write!(out, "<section><h2>Order of the inputs</h2><p class=\"lead\">{}</p>", escaped(&manifest.order.said));
    if let Some(difference) = &manifest.order.difference {
        let share = difference.overtaken as f64 / difference.events.max(1) as f64 * 100.0;
        let _ = write!(
            out,
            "<p>Of {} events in the journal, {} ({share:.3} %) stand after one that was received later: {} within one writer, \
             {} between two. The largest difference is {}.</p>",
            count(difference.events),
            count(difference.overtaken),
            count(difference.within_writer),
            count(difference.between_writers),
            lasting(difference.largest)
        );
    }
    out.push_str("</section>");
}

pub(super) fn provenance(manifest: &Manifest, outcome: &Outcome, out: &mut String) {
    out.push_str("<section><h2>Record</h2><dl>");
    let counts = &outcome.counts;
    let rows = [
        ("code", manifest.code.clone()),
        ("strategy", format!("{}, xxh3-64 {}", manifest.strategy_file, manifest.strategy_hash)),
        ("source", format!("{} {}", manifest.source, manifest.place)),
        ("warm-up", lasting(manifest.warm_up)),
        ("inputs", format!("{}, xxh3-64 {}", count(counts.inputs), manifest.input_hash)),
        (
            "outputs",
            format!(
                "{} signal changes and {} order events, xxh3-64 {}",
                count(counts.signals),
                count(counts.order_events),
                manifest.output_hash
            ),
        ),
        ("made", format!("{} in {:.2} s", spoken(Nanos(manifest.made_at)), manifest.took_seconds)),
    ];
    for (name, value) in rows {
        let _ = write!(out, "<dt>{name}</dt><dd>{}</dd>", escaped(&value));
    }
    out.push_str("</dl>");
    let _ = write!(
        out,
        "<details><summary>The strategy's configuration</summary><pre>{}</pre></details>",
        escaped(&manifest.strategy_text)
    );
    let json = serde_json::to_string_pretty(manifest).unwrap_or_default();
    let _ = write!(
        out,
        "<details><summary>The whole record as JSON</summary><pre>{}</pre></details></section>",
        escaped(&json)
    );
}
