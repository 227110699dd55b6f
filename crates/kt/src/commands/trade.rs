//! `kt trade`: the service, and its kill switch.

use std::path::Path;
use std::time::Duration;

use clap::Subcommand;
use kt_bus::Bus;
use kt_execution::{ExecutionConfig, KILL_SWITCH_TOPIC, KillSwitchAnswer, KillSwitchQuestion, SERVICE};
use kt_journal::{Limits, replay};
use kt_trading::TradingConfig;
use serde_json::json;

use super::services::{bus, failed, log, run as run_service, stop_requested};
use crate::config::Config;
use crate::error::Error;
use crate::supervisor::prepare::store_config;

/// The strategies that are in force unless `trade.strategies` names others.
const BUILT_IN: &str = include_str!("../../../../strategies/basis.toml");

/// How long the service may take to answer.
const PATIENCE: Duration = Duration::from_secs(8);

/// What `kt trade` does besides serving.
#[derive(Debug, Subcommand)]
pub(crate) enum TradeAction {
    /// Forbid trading: nothing is sent any more, what waits is cancelled, positions stay
    #[command(after_help = "Example:\n  kt trade halt")]
    Halt,
    /// Allow trading again
    #[command(after_help = "Example:\n  kt trade resume")]
    Resume,
    /// Say whether trading is forbidden
    #[command(after_help = "Example:\n  kt trade status --json")]
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Check strategies and print them
    #[command(after_help = "Example:\n  kt trade strategies > strategies.toml")]
    Strategies {
        /// Check this file instead of what is in force
        #[arg(value_name = "FILE")]
        file: Option<std::path::PathBuf>,
    },
    /// Replay the journal and print each order step as a line of JSON
    #[command(after_help = "Example:\n  kt trade replay | head")]
    Replay {
        /// Epoch of the journal [default: the newest]
        #[arg(long)]
        epoch: Option<u32>,
    },
}

/// Serves until asked to stop.
pub(crate) fn serve(config: &Config) -> Result<(), Error> {
    let settings = &config.trade;
    let service = ExecutionConfig {
        bus: bus(config, "kt-trade"),
        log: log(config),
        store: store_config(config)?,
        folder: config.data("journal").join("trade"),
        limits: Limits { tape_bytes: settings.tape_size.0, ..Limits::default() },
        strategies: strategies(&settings.strategies)?,
        tick: Duration::from_millis(settings.tick_ms),
        listen: config.address(settings.metrics_port),
    };
    run_service(async { kt_execution::run(service, stop_requested()?).await.map_err(failed) })
}

/// Answers a question.
pub(crate) fn ask(config: &Config, action: &TradeAction) -> Result<(), Error> {
    match action {
        TradeAction::Halt => throw(config, Some(true), false),
        TradeAction::Resume => throw(config, Some(false), false),
        TradeAction::Status { json } => throw(config, None, *json),
        TradeAction::Strategies { file } => {
            super::print(strategies(file.as_ref().unwrap_or(&config.trade.strategies))?.trim_end());
            Ok(())
        }
        TradeAction::Replay { epoch } => replay_journal(config, *epoch),
    }
}

/// The text of the strategies, checked.
fn strategies(file: &Path) -> Result<String, Error> {
    let built_in = file.as_os_str().is_empty();
    let text = if built_in {
        BUILT_IN.to_owned()
    } else {
        std::fs::read_to_string(file)
            .map_err(|error| Error::usage(format!("cannot read {}: {error}", file.display())))?
    };
    let name = if built_in { "the built-in strategies".to_owned() } else { file.display().to_string() };
    TradingConfig::parse(&text).map_err(|error| Error::usage(format!("{name}:{}: {}", error.line, error.problem)))?;
    Ok(text)
}

fn throw(config: &Config, on: Option<bool>, as_json: bool) -> Result<(), Error> {
    let answer = super::block_on(async {
        let unreachable = "asking the trading service; `kt status` shows whether it runs";
        let bus = Bus::connect(&bus(config, "kt-kill-switch")).await.map_err(Error::doing(unreachable))?;
        let question = KillSwitchQuestion { on };
        let asked = bus.request::<_, KillSwitchAnswer>(KILL_SWITCH_TOPIC, SERVICE, &question, PATIENCE).await;
        asked.map_err(Error::doing(unreachable))
    })?;
    if !answer.problem.is_empty() {
        return Err(Error::failed(answer.problem));
    }
    if as_json {
        return super::print_json(&json!({"halted": answer.halted, "open_orders": answer.open_orders}));
    }
    let word = if answer.halted { "forbidden" } else { "allowed" };
    super::print(format!("trading is {word}; open orders: {}", answer.open_orders));
    Ok(())
}

fn replay_journal(config: &Config, epoch: Option<u32>) -> Result<(), Error> {
    let folder = config.data("journal").join("trade");
    let epochs = replay::epochs(&folder).map_err(failed)?;
    let epoch = epoch.or_else(|| epochs.last().copied()).filter(|epoch| epochs.contains(epoch));
    let Some(epoch) = epoch else {
        return Err(Error::failed(format!("{} holds no such journal; it has {epochs:?}", folder.display())));
    };
    kt_execution::replay_orders(&folder.join(epoch.to_string()), epoch, |row| {
        let text = |number: Option<kt_model::Price>| number.map(|number| number.to_string());
        super::print(json!({
            "writer": row.header.writer.0, "epoch": row.header.epoch, "counter": row.header.counter,
            "venue": row.header.venue.0, "instrument": row.header.instrument.0, "event_ts": row.header.event_ts.0,
            "happened_ts": row.header.exch_ts.map(|at| at.0), "step": row.step.as_str(), "sequence": row.sequence,
            "strategy": row.strategy.0, "client_order_id": row.client_order_id, "venue_order_id": row.venue_order_id,
            "fill_id": row.fill_id, "intent": row.intent.0, "side": row.side.as_str(),
            "limit_price": text(row.limit_price), "quantity": text(row.quantity), "filled": text(row.filled),
            "fill_price": text(row.fill_price), "fill_quantity": text(row.fill_quantity),
            "liquidity": row.liquidity.0, "fee": text(row.fee), "cash": text(row.cash),
            "position": text(row.position), "z_score": row.z_score.map(f64::to_bits),
            "edge_bps": row.edge_bps.map(f64::to_bits), "reason": row.reason.0,
        }));
    })
    .map(drop)
    .map_err(failed)
}
