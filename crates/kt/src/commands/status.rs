//! `kt status`.

use comfy_table::{CellAlignment, Table, presets};
use kt_store::Store;
use serde_json::json;

use crate::cli::Status;
use crate::config::Config;
use crate::error::Error;
use crate::supervisor::status::{PlatformStatus, ServiceStatus, now_ms};
use crate::supervisor::{control, prepare, time};

pub(crate) fn run(config: &Config, options: &Status) -> Result<(), Error> {
    if options.history {
        return history(config, options);
    }
    let status = control::status(config, true)?;
    if options.json {
        super::print_json(&status)?;
    } else {
        show(&status);
    }
    let down: Vec<_> = status.services.iter().filter(|service| service.is_down()).collect();
    if down.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = down.iter().map(|service| format!("{} {}", service.service, service.state.as_str())).collect();
    Err(Error::failed(format!("not all is up: {}", names.join(", "))))
}

fn show(status: &PlatformStatus) {
    let mut table = super::plain_table();
    table.set_header(["service", "state", "pid", "uptime", "restarts", "ports", "memory", ""]);
    for service in &status.services {
        table.add_row(row(service));
    }
    for column in [2, 4, 6] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let up = time::spoken(now_ms().saturating_sub(status.started_ms) / 1000);
    super::print(format!(
        "{}  (up {up}, supervisor {}, data {})",
        status.address, status.supervisor_pid, status.data_dir
    ));
    super::print(table);
    let total: u64 = status.services.iter().filter_map(|service| service.memory_bytes).sum();
    super::print(format!("memory together {} (PSS)", megabytes(total)));
}

fn row(service: &ServiceStatus) -> Vec<String> {
    let uptime = service.started_ms.map(|started| time::spoken(now_ms().saturating_sub(started) / 1000));
    let ports: Vec<_> = service.ports.iter().map(ToString::to_string).collect();
    vec![
        service.service.clone(),
        service.state.as_str().into(),
        service.pid.map(|pid| pid.to_string()).unwrap_or_default(),
        uptime.unwrap_or_default(),
        service.restarts.to_string(),
        ports.join(" "),
        service.memory_bytes.map(megabytes).unwrap_or_default(),
        service.detail.clone(),
    ]
}

fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes.div_ceil(1_000_000))
}

fn history(config: &Config, options: &Status) -> Result<(), Error> {
    let store_config = prepare::store_config(config)?;
    let events = super::block_on(async {
        let store = Store::connect(&store_config).await.map_err(Error::doing("reading the history"))?;
        store.latest_events(options.limit).await.map_err(Error::doing("reading the history"))
    })?;
    if options.json {
        let lines: Vec<_> = events
            .iter()
            .map(|event| {
                json!({
                    "happened_at": time::rfc3339(event.happened_at), "run": event.run, "service": event.service,
                    "kind": event.kind, "cause": event.cause, "pid": event.pid, "restarts": event.restarts,
                })
            })
            .collect();
        return super::print_json(&lines);
    }
    let mut table: Table = super::plain_table();
    table.load_preset(presets::NOTHING);
    table.set_header(["time", "service", "event", "pid", "restarts", "cause"]);
    for event in events {
        let kind = format!("{:?}", event.kind).to_lowercase();
        let pid = event.pid.map(|pid| pid.to_string()).unwrap_or_default();
        let restarts = event.restarts.to_string();
        table.add_row([time::rfc3339(event.happened_at), event.service, kind, pid, restarts, event.cause]);
    }
    super::print(table);
    Ok(())
}
