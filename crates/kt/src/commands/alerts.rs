//! `kt alerts`: evaluates the alert rules.

use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;
use kt_alerts::{AlertsConfig, Target};

use super::services::{failed, run, stop_requested};
use crate::config::{Config, SourceMode};
use crate::error::Error;

/// The rules that are in force unless `alerts.rules` names others.
const BUILT_IN: &str = include_str!("../../../../alerts/kubetrader.rules.yml");

/// What `kt alerts` does besides serving.
#[derive(Debug, Subcommand)]
pub(crate) enum AlertsAction {
    /// Check a rules file, or print the one in force
    #[command(after_help = "Example:\n  kt alerts rules > kubetrader.rules.yml")]
    Rules {
        /// Check this file instead of what is in force
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
}

/// Checks rules, or prints them.
pub(crate) fn ask(config: &Config, action: &AlertsAction) -> Result<(), Error> {
    let AlertsAction::Rules { file } = action;
    match file {
        Some(file) => {
            let text = std::fs::read_to_string(file).map_err(Error::doing(file.display()))?;
            let rules = kt_alerts::rules::read(&text).map_err(failed)?;
            super::print(format!("{} rules over {} metrics", rules.len(), kt_alerts::metrics_of(&rules).len()));
        }
        None => super::print(rules(config)?.trim_end()),
    }
    Ok(())
}

/// Serves until asked to stop.
pub(crate) fn serve(config: &Config) -> Result<(), Error> {
    let settings = &config.alerts;
    let service = AlertsConfig {
        listen: config.address(settings.metrics_port),
        rules: rules(config)?,
        targets: targets(config),
        warehouse_url: format!("http://{}", config.address(config.warehouse.port)),
        webhooks: settings.webhooks.clone(),
        page: format!("http://{}/alerts", config.address(config.console.port)),
        interval: Duration::from_secs(settings.interval_s.max(1)),
    };
    run(async { kt_alerts::run(service, stop_requested()?).await.map_err(failed) })
}

fn rules(config: &Config) -> Result<String, Error> {
    let file = &config.alerts.rules;
    if file.as_os_str().is_empty() {
        return Ok(BUILT_IN.to_owned());
    }
    std::fs::read_to_string(file).map_err(Error::doing(format!("reading the alert rules {}", file.display())))
}

/// Every service of ours that answers with metrics.
fn targets(config: &Config) -> Vec<Target> {
    let mut services = vec![
        ("warehouse", config.warehouse.port),
        ("feed", config.feed.metrics_port),
        ("load", config.load.metrics_port),
        ("signals", config.signals.metrics_port),
        ("s3", config.s3.metrics_port),
    ];
    if config.console.enabled {
        services.push(("console", config.console.port));
    }
    if config.source.mode != SourceMode::Live {
        services.push(("sim", config.sim.port));
    }
    if config.trade.enabled && config.source.mode != SourceMode::Replay {
        services.push(("trade", config.trade.metrics_port));
    }
    let target = |(job, port): (&str, u16)| Target { job: job.to_owned(), address: config.address(port) };
    services.into_iter().map(target).collect()
}
