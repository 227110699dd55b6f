//! Flyway's history table in PostgreSQL.

use std::time::Instant;

use async_trait::async_trait;
use kt_migrate::{HISTORY_TABLE, Migration, Row, Target, TargetError};

use crate::Store;
use crate::error::reason;

/// Flyway's advisory lock: this number plus the Java hash of the quoted table name.
const LOCK_BASE: i64 = 0x0000_466C_7977_6179;

/// PostgreSQL as a migration target; scripts run in one transaction with their history row.
pub struct PostgresTarget<'a> {
    store: &'a mut Store,
}

impl<'a> PostgresTarget<'a> {
    /// Migrates over an open connection.
    pub fn new(store: &'a mut Store) -> Self {
        Self { store }
    }
}

fn boxed(error: tokio_postgres::Error) -> TargetError {
    reason(&error).into()
}

/// Java's `String.hashCode`, over ASCII.
fn java_hash(text: &str) -> i32 {
    text.bytes().fold(0, |hash: i32, byte| hash.wrapping_mul(31).wrapping_add(i32::from(byte)))
}

fn lock_number() -> i64 {
    LOCK_BASE + i64::from(java_hash(&format!("\"public\".\"{HISTORY_TABLE}\"")))
}

#[async_trait]
impl Target for PostgresTarget<'_> {
    fn name(&self) -> &str {
        "postgres"
    }

    fn transactional(&self) -> bool {
        true
    }

    async fn lock(&mut self) -> Result<(), TargetError> {
        self.store.client.execute("SELECT pg_advisory_lock($1)", &[&lock_number()]).await.map_err(boxed)?;
        Ok(())
    }

    async fn unlock(&mut self) -> Result<(), TargetError> {
        self.store.client.execute("SELECT pg_advisory_unlock($1)", &[&lock_number()]).await.map_err(boxed)?;
        Ok(())
    }

    async fn create_history(&mut self) -> Result<(), TargetError> {
        let ddl = format!(
            "CREATE TABLE IF NOT EXISTS public.{HISTORY_TABLE} (
                installed_rank INTEGER NOT NULL CONSTRAINT {HISTORY_TABLE}_pk PRIMARY KEY,
                version VARCHAR(50),
                description VARCHAR(200) NOT NULL,
                type VARCHAR(20) NOT NULL,
                script VARCHAR(1000) NOT NULL,
                checksum INTEGER,
                installed_by VARCHAR(100) NOT NULL,
                installed_on TIMESTAMP NOT NULL DEFAULT now(),
                execution_time INTEGER NOT NULL,
                success BOOLEAN NOT NULL
            );
            CREATE INDEX IF NOT EXISTS {HISTORY_TABLE}_s_idx ON public.{HISTORY_TABLE} (success);"
        );
        // A notice that the table exists is not worth a log line at every start.
        let quiet = format!("SET client_min_messages = warning; {ddl} RESET client_min_messages;");
        self.store.client.batch_execute(&quiet).await.map_err(boxed)
    }

    async fn history(&mut self) -> Result<Vec<Row>, TargetError> {
        let name = format!("public.{HISTORY_TABLE}");
        let exists =
            self.store.client.query_one("SELECT to_regclass($1::text) IS NOT NULL", &[&name]).await.map_err(boxed)?;
        if !exists.get::<_, bool>(0) {
            return Ok(Vec::new());
        }
        let query = format!(
            "SELECT installed_rank, version, description, type, script, checksum, installed_on::text, success
             FROM {name} ORDER BY installed_rank"
        );
        let rows = self.store.client.query(&query, &[]).await.map_err(boxed)?;
        Ok(rows
            .into_iter()
            .map(|row| Row {
                installed_rank: row.get(0),
                version: row.get(1),
                description: row.get(2),
                kind: row.get(3),
                script: row.get(4),
                checksum: row.get(5),
                installed_on: row.get(6),
                success: row.get(7),
            })
            .collect())
    }

    async fn apply(&mut self, migration: &Migration, installed_rank: i32) -> Result<(), TargetError> {
        let started = Instant::now();
        let transaction = self.store.client.transaction().await.map_err(boxed)?;
        transaction.batch_execute(&migration.sql).await.map_err(boxed)?;
        let insert = format!(
            "INSERT INTO public.{HISTORY_TABLE}
             (installed_rank, version, description, type, script, checksum, installed_by, execution_time, success)
             VALUES ($1, $2, $3, 'SQL', $4, $5, current_user, $6, true)"
        );
        let version = migration.version.as_ref().map(ToString::to_string);
        let milliseconds = i32::try_from(started.elapsed().as_millis()).unwrap_or(i32::MAX);
        transaction
            .execute(
                &insert,
                &[
                    &installed_rank,
                    &version,
                    &migration.description,
                    &migration.script,
                    &migration.checksum,
                    &milliseconds,
                ],
            )
            .await
            .map_err(boxed)?;
        transaction.commit().await.map_err(boxed)
    }

    async fn forget_failed(&mut self) -> Result<u64, TargetError> {
        let delete = format!("DELETE FROM public.{HISTORY_TABLE} WHERE NOT success");
        self.store.client.execute(&delete, &[]).await.map_err(boxed)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn lock_is_the_one_flyway_takes() {
        assert_eq!(super::lock_number(), 77_433_833_903_597);
    }
}
