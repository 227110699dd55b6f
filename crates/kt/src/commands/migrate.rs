//! `kt migrate`.

use std::collections::BTreeMap;

use kt_migrate::{MigrationSet, Migrator, Options, Target};
use kt_store::{PostgresTarget, Store};
use kt_warehouse::ClickHouseTarget;

use crate::cli::{Migrate, MigrateAction, MigrateTarget};
use crate::config::Config;
use crate::error::Error;
use crate::supervisor::prepare;

pub(crate) fn run(config: &Config, options: &Migrate) -> Result<(), Error> {
    super::block_on(async {
        for target in [MigrateTarget::Postgres, MigrateTarget::Clickhouse] {
            if options.target.is_none_or(|only| only == target) {
                migrate(config, options, target).await?;
            }
        }
        Ok(())
    })
}

async fn migrate(config: &Config, options: &Migrate, target: MigrateTarget) -> Result<(), Error> {
    let set = scripts(options, target)?;
    match target {
        MigrateTarget::Postgres => {
            let store_config = prepare::store_config(config)?;
            if options.action == MigrateAction::Apply {
                Store::create_database(&store_config).await.map_err(failed)?;
            }
            let mut store = Store::connect(&store_config).await.map_err(failed)?;
            act(options, &set, &mut PostgresTarget::new(&mut store)).await
        }
        MigrateTarget::Clickhouse => {
            let client = super::warehouse_client(config)?;
            act(options, &set, &mut ClickHouseTarget::new(client, "kubetrader")).await
        }
    }
}

fn scripts(options: &Migrate, target: MigrateTarget) -> Result<MigrationSet, Error> {
    let (folder, built_in) = match target {
        MigrateTarget::Clickhouse => ("clickhouse", crate::embedded::CLICKHOUSE),
        MigrateTarget::Postgres => ("postgres", crate::embedded::POSTGRES),
    };
    let placeholders = BTreeMap::new();
    match &options.scripts {
        Some(directory) => MigrationSet::from_directory(&directory.join(folder), &placeholders),
        None => MigrationSet::from_files(built_in.iter().copied(), &placeholders),
    }
    .map_err(failed)
}

async fn act(options: &Migrate, set: &MigrationSet, target: &mut dyn Target) -> Result<(), Error> {
    let name = target.name().to_owned();
    let mut migrator = Migrator::new(target, set, Options { out_of_order: options.out_of_order });
    match options.action {
        MigrateAction::Info => {
            let entries = migrator.info().await.map_err(failed)?;
            if options.json {
                return super::print_json(&serde_json::json!({"target": name, "migrations": entries}));
            }
            let mut table = super::plain_table();
            table.set_header([&name, "version", "state", "installed", "description"]);
            for entry in entries {
                let state = format!("{:?}", entry.state);
                let (version, installed) = (entry.version.unwrap_or_default(), entry.installed_on.unwrap_or_default());
                table.add_row([entry.script, version, state, installed, entry.description]);
            }
            super::print(table);
        }
        MigrateAction::Validate => {
            migrator.validate().await.map_err(failed)?;
            super::print(format!("{name}: scripts and history agree"));
        }
        MigrateAction::Apply => {
            let outcome = migrator.apply().await.map_err(failed)?;
            super::print(format!("{name}: {} applied, {} were there", outcome.applied.len(), outcome.already));
        }
        MigrateAction::Repair => {
            let forgotten = migrator.repair().await.map_err(failed)?;
            super::print(format!("{name}: {forgotten} failed runs forgotten"));
        }
    }
    Ok(())
}

fn failed(error: impl std::error::Error) -> Error {
    Error::failed(error.to_string())
}
