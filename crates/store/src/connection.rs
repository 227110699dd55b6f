//! One connection to PostgreSQL.

use std::time::Duration;

use tokio_postgres::{Client, NoTls};

use crate::Error;
use crate::error::reason;
use crate::orders::OrderStatements;

/// How to reach the database.
#[derive(Clone)]
pub struct StoreConfig {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Database user.
    pub user: String,
    /// Its password; never logged.
    pub password: String,
    /// Database name.
    pub database: String,
}

impl std::fmt::Debug for StoreConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoreConfig")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("user", &self.user)
            .field("database", &self.database)
            .finish_non_exhaustive()
    }
}

/// An open connection. It closes when dropped.
pub struct Store {
    pub(crate) client: Client,
    pub(crate) order_statements: Option<OrderStatements>,
}

impl Store {
    /// Connects within five seconds.
    ///
    /// # Errors
    /// [`Error::Connect`] with the server's reason.
    pub async fn connect(config: &StoreConfig) -> Result<Self, Error> {
        Self::connect_to(config, &config.database).await
    }

    /// Creates the configured database if the server does not have it yet.
    ///
    /// # Errors
    /// [`Error::Connect`] or [`Error::Query`].
    pub async fn create_database(config: &StoreConfig) -> Result<(), Error> {
        let store = Self::connect_to(config, "postgres").await?;
        let found = store
            .client
            .query_opt("SELECT 1 FROM pg_database WHERE datname = $1", &[&config.database])
            .await
            .map_err(Error::query("looking for the database"))?;
        if found.is_none() {
            let name = config.database.replace('"', "\"\"");
            store
                .client
                .batch_execute(&format!("CREATE DATABASE \"{name}\""))
                .await
                .map_err(Error::query("creating the database"))?;
        }
        Ok(())
    }

    /// Asks the server for an answer.
    ///
    /// # Errors
    /// [`Error::Query`] if it gives none.
    pub async fn ping(&self) -> Result<(), Error> {
        self.client.simple_query("SELECT 1").await.map_err(Error::query("asking PostgreSQL"))?;
        Ok(())
    }

    async fn connect_to(config: &StoreConfig, database: &str) -> Result<Self, Error> {
        let mut options = tokio_postgres::Config::new();
        options
            .host(&config.host)
            .port(config.port)
            .user(&config.user)
            .password(&config.password)
            .dbname(database)
            .application_name("kubetrader")
            .connect_timeout(Duration::from_secs(5));
        let failed = |reason: String| Error::Connect {
            address: format!("{}:{}/{database}", config.host, config.port),
            user: config.user.clone(),
            reason,
        };
        let connected = tokio::time::timeout(Duration::from_secs(5), options.connect(NoTls)).await;
        let (client, connection) = match connected {
            Ok(connected) => connected.map_err(|error| failed(reason(&error)))?,
            Err(_) => return Err(failed("no answer within 5 s".into())),
        };
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::warn!(error = reason(&error), "connection to PostgreSQL ended");
            }
        });
        Ok(Self { client, order_statements: None })
    }
}
