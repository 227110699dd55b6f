//! Flyway's history table in ClickHouse, as its community plugin keeps it.
//!
//! ClickHouse has neither transactions over DDL nor locks: scripts must bear being run again
//! (`IF NOT EXISTS`), and one migrator works at a time, which the supervisor sees to.

use std::time::Instant;

use async_trait::async_trait;
use bytes::Bytes;
use kt_migrate::{HISTORY_TABLE, Migration, Row, Target, TargetError, split_statements};
use serde::Deserialize;

use crate::client::{Client, Options};

/// The database that holds the history; Flyway's address names it too (`…/ops`).
const DATABASE: &str = "ops";

/// A warehouse as a migration target.
pub struct ClickHouseTarget {
    client: Client,
    user: String,
}

/// A row of the history as the warehouse sends it.
#[derive(Deserialize)]
struct HistoryRow {
    installed_rank: i32,
    version: Option<String>,
    description: String,
    r#type: String,
    script: String,
    checksum: Option<i32>,
    installed_on: String,
    success: bool,
}

impl ClickHouseTarget {
    /// Migrates over a client; `user` is recorded as the one who installed.
    pub fn new(client: Client, user: &str) -> Self {
        Self { client, user: user.to_owned() }
    }

    async fn execute(&self, sql: &str) -> Result<(), TargetError> {
        // DDL and mutations are answered when they are done.
        let options = Options::new().setting("mutations_sync", 1).setting("alter_sync", 1);
        Ok(self.client.execute(sql, &options).await?)
    }

    async fn run(&self, migration: &Migration) -> Result<(), TargetError> {
        let statements = split_statements(&migration.sql);
        for (number, statement) in statements.iter().enumerate() {
            self.execute(statement).await.map_err(|error| {
                let line = statement.lines().find(|line| !line.trim_start().starts_with("--")).unwrap_or(statement);
                format!("statement {} of {} ({line} …): {error}", number + 1, statements.len())
            })?;
        }
        Ok(())
    }

    async fn record(
        &self,
        migration: &Migration,
        rank: i32,
        started: Instant,
        success: bool,
    ) -> Result<(), TargetError> {
        let row = serde_json::json!({
            "installed_rank": rank,
            "version": migration.version.as_ref().map(ToString::to_string),
            "description": migration.description,
            "type": "SQL",
            "script": migration.script,
            "checksum": migration.checksum,
            "installed_by": self.user,
            "execution_time": i32::try_from(started.elapsed().as_millis()).unwrap_or(i32::MAX),
            "success": success,
        });
        let columns = "installed_rank, version, description, type, script, checksum, installed_by, \
                       execution_time, success";
        let statement = format!("INSERT INTO {DATABASE}.{HISTORY_TABLE} ({columns}) FORMAT JSONEachRow");
        let data = futures::stream::iter([Ok::<_, std::io::Error>(Bytes::from(row.to_string()))]);
        self.client.insert_stream(&statement, data, &Options::new()).await?;
        Ok(())
    }
}

#[async_trait]
impl Target for ClickHouseTarget {
    fn name(&self) -> &str {
        "clickhouse"
    }

    fn transactional(&self) -> bool {
        false
    }

    async fn lock(&mut self) -> Result<(), TargetError> {
        Ok(())
    }

    async fn unlock(&mut self) -> Result<(), TargetError> {
        Ok(())
    }

    async fn create_history(&mut self) -> Result<(), TargetError> {
        self.execute(&format!("CREATE DATABASE IF NOT EXISTS {DATABASE}")).await?;
        self.execute(&format!(
            "CREATE TABLE IF NOT EXISTS {DATABASE}.{HISTORY_TABLE} (
                installed_rank Int32,
                version Nullable(String),
                description String,
                type String,
                script String,
                checksum Nullable(Int32),
                installed_by String,
                installed_on DateTime DEFAULT now(),
                execution_time Int32,
                success Bool
            ) ENGINE = MergeTree PRIMARY KEY (script)"
        ))
        .await
    }

    async fn history(&mut self) -> Result<Vec<Row>, TargetError> {
        let exists = "SELECT name FROM system.tables WHERE database = {database:String} AND name = {name:String}";
        let options = Options::new().param("database", DATABASE).param("name", HISTORY_TABLE);
        let found: Option<serde_json::Value> = self.client.query_row(exists, &options).await?;
        if found.is_none() {
            return Ok(Vec::new());
        }
        let select = format!(
            "SELECT installed_rank, version, description, type, script, checksum,
                    toString(installed_on) AS installed_on, success
             FROM {DATABASE}.{HISTORY_TABLE} ORDER BY installed_rank"
        );
        let rows: Vec<HistoryRow> = self.client.query_rows(&select, &Options::new()).await?;
        Ok(rows
            .into_iter()
            .map(|row| Row {
                installed_rank: row.installed_rank,
                version: row.version,
                description: row.description,
                kind: row.r#type,
                script: row.script,
                checksum: row.checksum,
                installed_on: row.installed_on,
                success: row.success,
            })
            .collect())
    }

    async fn apply(&mut self, migration: &Migration, installed_rank: i32) -> Result<(), TargetError> {
        let started = Instant::now();
        let result = self.run(migration).await;
        self.record(migration, installed_rank, started, result.is_ok()).await?;
        result
    }

    async fn forget_failed(&mut self) -> Result<u64, TargetError> {
        let failed = self.history().await?.iter().filter(|row| !row.success).count();
        if failed > 0 {
            self.execute(&format!("ALTER TABLE {DATABASE}.{HISTORY_TABLE} DELETE WHERE NOT success")).await?;
        }
        Ok(failed as u64)
    }
}
