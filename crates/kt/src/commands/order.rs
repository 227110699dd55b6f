//! `kt order`: what became of an order, step by step.

use clap::Subcommand;
use comfy_table::{Cell, CellAlignment};
use kt_model::{Nanos, instrument::civil};
use kt_store::{OrderSummary, Store, StoredStep};
use serde_json::{Value, json};

use crate::config::Config;
use crate::error::Error;
use crate::supervisor::prepare::store_config;

/// What `kt order` does.
#[derive(Debug, Subcommand)]
pub(crate) enum OrderAction {
    /// Show one order: signal, decision, risk, sending, acknowledgement, fills, each with its delay and the book
    #[command(after_help = "Example:\n  kt order show basis-btc-6931e0a0-1 --json")]
    Show {
        /// Our id of the order, or the venue's
        id: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List the newest orders
    #[command(after_help = "Example:\n  kt order list --limit 5")]
    List {
        /// How many
        #[arg(long, default_value_t = 20, value_name = "N")]
        limit: u32,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

pub(crate) fn run(config: &Config, action: &OrderAction) -> Result<(), Error> {
    super::block_on(async {
        let unreachable = "reading orders; `kt status` shows whether PostgreSQL runs";
        let store = Store::connect(&store_config(config)?).await.map_err(Error::doing(unreachable))?;
        match action {
            OrderAction::List { limit, json } => {
                let orders = store.orders(*limit).await.map_err(Error::doing(unreachable))?;
                if *json { super::print_json(&orders) } else { list(&orders) }
            }
            OrderAction::Show { id, json } => {
                let order = store.order(id).await.map_err(Error::doing(unreachable))?;
                let order = order.ok_or_else(|| {
                    Error::failed(format!("there is no order {id}; `kt order list` shows the newest"))
                })?;
                let steps = store.order_steps(&order.client_order_id).await.map_err(Error::doing(unreachable))?;
                let hops = hops(&steps);
                if *json { super::print_json(&as_json(&order, &hops)) } else { show(&order, &hops) }
            }
        }
    })
}

fn list(orders: &[OrderSummary]) -> Result<(), Error> {
    let mut table = super::plain_table();
    table.set_header([
        "order",
        "decided (UTC)",
        "venue",
        "instrument",
        "intent",
        "side",
        "quantity",
        "filled",
        "state",
    ]);
    for order in orders {
        table.add_row([
            &order.client_order_id,
            &time(order.decided_ts),
            &order.venue,
            &order.instrument,
            &order.intent,
            &order.side,
            &order.quantity,
            &order.filled,
            &order.state,
        ]);
    }
    super::print(table);
    Ok(())
}

/// One line of an order's life.
struct Hop<'s> {
    name: &'s str,
    at: i64,
    /// Since the line before, ns.
    delay: Option<i64>,
    step: Option<&'s StoredStep>,
}

/// The signal, then each step. Steps within the desk (decision, risk, sending) bear the time of the input that
/// caused them; between them the time at which each left the process counts. From sending on it is the
/// time of the input that brought the venue's word.
fn hops(steps: &[StoredStep]) -> Vec<Hop<'_>> {
    let mut hops: Vec<Hop<'_>> = Vec::new();
    if let Some(at) = steps.first().and_then(|step| step.signal_ts) {
        hops.push(Hop { name: "signal", at, delay: None, step: None });
    }
    let mut before: Option<&StoredStep> = None;
    for step in steps {
        let inside = matches!(step.step.as_str(), "decided" | "passed" | "refused" | "sent");
        let delay = match (before, step.signal_ts) {
            (None, Some(signal)) => Some(step.published_ts - signal),
            (None, None) => None,
            (Some(before), _) if inside => Some(step.published_ts - before.published_ts),
            (Some(before), _) => Some(step.event_ts - before.event_ts),
        };
        hops.push(Hop { name: &step.step, at: step.event_ts, delay, step: Some(step) });
        before = Some(step);
    }
    hops
}

fn show(order: &OrderSummary, hops: &[Hop<'_>]) -> Result<(), Error> {
    super::print(format!(
        "{}: {} {} {} at {}, limit {}, {}, {}: {}, {} filled",
        order.client_order_id,
        order.side,
        order.quantity,
        order.instrument,
        order.venue,
        order.limit_price,
        order.time_in_force,
        order.intent,
        order.state,
        order.filled
    ));
    let mut table = super::plain_table();
    table.set_header(["step", "time (UTC)", "delay", "bid", "quantity", "ask", "quantity", "quote age", "what"]);
    for hop in hops {
        let text =
            |pick: fn(&StoredStep) -> &Option<String>| hop.step.and_then(|step| pick(step).clone()).unwrap_or_default();
        let age = hop.step.and_then(|step| Some(duration(step.event_ts - step.quote_ts?))).unwrap_or_default();
        let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
        table.add_row([
            Cell::new(hop.name),
            Cell::new(time(hop.at)),
            right(hop.delay.map(duration).unwrap_or_default()),
            right(text(|step| &step.bid_price)),
            right(text(|step| &step.bid_quantity)),
            right(text(|step| &step.ask_price)),
            right(text(|step| &step.ask_quantity)),
            right(age),
            Cell::new(what(hop, hops)),
        ]);
    }
    super::print(table);
    Ok(())
}

fn what(hop: &Hop<'_>, hops: &[Hop<'_>]) -> String {
    let Some(step) = hop.step else {
        let decided = hops.iter().find_map(|hop| hop.step);
        let number = |name: &str, value: Option<f64>| value.map(|value| format!("{name} {value:.2}"));
        let parts = decided.map(|step| {
            [number("basis bps", step.basis_bps), number("z", step.z_score), number("edge bps", step.edge_bps)]
        });
        return parts.into_iter().flatten().flatten().collect::<Vec<_>>().join(", ");
    };
    let mut words = Vec::new();
    if let (Some(price), Some(quantity)) = (&step.fill_price, &step.fill_quantity) {
        words.push(format!("{quantity} at {price} {}", step.liquidity));
    }
    if let Some(fee) = &step.fee {
        words.push(format!("fee {fee}"));
    }
    if step.step == "acknowledged" {
        words.push(step.venue_order_id.clone());
    }
    words.extend([&step.reason, &step.detail].into_iter().filter(|word| !word.is_empty()).cloned());
    words.join(", ")
}

fn as_json(order: &OrderSummary, hops: &[Hop<'_>]) -> Value {
    let steps: Vec<Value> = hops
        .iter()
        .map(|hop| json!({"hop": hop.name, "at_ns": hop.at, "delay_ns": hop.delay, "step": hop.step}))
        .collect();
    json!({"order": order, "hops": steps})
}

/// `2026-12-25 13:04:05.123456`.
fn time(at: i64) -> String {
    let (year, month, day) = civil(Nanos(at).day());
    let of_day = at.rem_euclid(86_400_000_000_000) / 1_000;
    let (seconds, micros) = (of_day / 1_000_000, of_day % 1_000_000);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{micros:06}")
}

fn duration(nanos: i64) -> String {
    match nanos.abs() {
        below if below < 1_000_000 => format!("{:.1} µs", nanos as f64 / 1e3),
        below if below < 1_000_000_000 => format!("{:.2} ms", nanos as f64 / 1e6),
        _ => format!("{:.3} s", nanos as f64 / 1e9),
    }
}
