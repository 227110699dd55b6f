//! `kt audit`: what was accepted against what is in the warehouse.

use std::time::Duration;

use comfy_table::{Cell, CellAlignment};
use kt_bus::Bus;
use kt_warehouse::audit::{AuditReport, audit};

use crate::cli::Audit;
use crate::config::Config;
use crate::error::Error;

pub(crate) fn run(config: &Config, options: &Audit) -> Result<(), Error> {
    let report = super::block_on(take(config, options))?;
    if options.json {
        super::print_json(&report)?;
    } else {
        table(&report);
    }
    verdict(&report)
}

async fn take(config: &Config, options: &Audit) -> Result<AuditReport, Error> {
    let unreachable = |what: &str| format!("{what}; `kt status` shows whether it runs");
    let bus = Bus::connect(&super::services::bus(config, "kt-audit"))
        .await
        .map_err(Error::doing(unreachable("asking the writers what they accepted")))?;
    let client = super::warehouse_client(config)?;
    audit(&client, Some(&bus), Duration::from_secs(options.settle))
        .await
        .map_err(Error::doing(unreachable("counting what has landed")))
}

/// Exit code 0 only when nothing is wrong: an open gap is wrong too, although nothing was lost by us.
fn verdict(report: &AuditReport) -> Result<(), Error> {
    let mut wrong = Vec::new();
    for (count, what) in [
        (report.lost, "accepted rows are not in the warehouse"),
        (report.duplicated, "rows are in the warehouse more often than once"),
        (report.gaps, "gaps are open: the exchange or a disconnect left them; nothing accepted is missing there"),
    ] {
        if count > 0 {
            wrong.push(format!("{count} {what}"));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(Error::failed(wrong.join("; "))) }
}

fn table(report: &AuditReport) {
    let mut table = super::plain_table();
    let names = ["writer", "epoch", "accepted", "logged", "landed", "lost", "duplicated", "collapsed"];
    table.set_header(names);
    let right = |value: u64| Cell::new(value).set_alignment(CellAlignment::Right);
    for writer in &report.writers {
        let counts = [
            u64::from(writer.epoch),
            writer.accepted,
            writer.logged,
            writer.landed,
            writer.lost,
            writer.duplicated,
            writer.collapsed,
        ];
        let mut row = vec![Cell::new(&writer.writer)];
        row.extend(counts.into_iter().map(right));
        table.add_row(row);
    }
    let mut row = vec![Cell::new("together"), Cell::new("")];
    let totals = [report.accepted, report.logged, report.landed, report.lost, report.duplicated, report.collapsed];
    row.extend(totals.into_iter().map(right));
    table.add_row(row);
    super::print(table);
    super::print(format!("open gaps: {}", report.gaps));
    for writer in &report.writers {
        for range in &writer.lost_ranges {
            let kind = range.kind.unwrap_or("kind unknown");
            super::print(format!(
                "lost: {} epoch {} counters {} to {} ({kind})",
                writer.writer, writer.epoch, range.first, range.last
            ));
        }
    }
}
