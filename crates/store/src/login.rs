//! Databases of other programs on the same server, each with a user of its own.

use crate::error::reason;
use crate::{Error, Store, StoreConfig};

/// A user and the database of the same name that it owns.
#[derive(Clone)]
pub struct Login {
    /// Lower-case letters and `_`.
    pub user: String,
    /// Its password; never logged.
    pub password: String,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

impl Store {
    /// Makes sure that the user exists with this password and owns a database of its name, and that it
    /// cannot connect to the platform's own. `owner` must be a superuser.
    ///
    /// # Errors
    /// [`Error::Connect`] or [`Error::Query`].
    pub async fn create_login(owner: &StoreConfig, login: &Login) -> Result<(), Error> {
        let store = Self::connect(&StoreConfig { database: "postgres".into(), ..owner.clone() }).await?;
        let (user, password) = (quoted(&login.user, '"'), quoted(&login.password, '\''));
        let found = store.exists("SELECT 1 FROM pg_roles WHERE rolname = $1", &login.user).await?;
        let verb = if found { "ALTER" } else { "CREATE" };
        // One statement each: a database cannot be created inside a transaction.
        store.run(&format!("{verb} ROLE {user} LOGIN PASSWORD {password}"), "creating a user").await?;
        if !store.exists("SELECT 1 FROM pg_database WHERE datname = $1", &login.user).await? {
            store.run(&format!("CREATE DATABASE {user} OWNER {user}"), "creating its database").await?;
        }
        let own = quoted(&owner.database, '"');
        store.run(&format!("REVOKE CONNECT ON DATABASE {own} FROM PUBLIC"), "closing the platform's database").await
    }

    async fn exists(&self, query: &str, name: &str) -> Result<bool, Error> {
        let row = self.client.query_opt(query, &[&name]).await.map_err(Error::query("looking for a user"))?;
        Ok(row.is_some())
    }

    async fn run(&self, statement: &str, doing: &'static str) -> Result<(), Error> {
        // The statement may hold a password: only the server's reason is told.
        self.client.batch_execute(statement).await.map_err(|error| Error::Query { doing, reason: reason(&error) })
    }
}

fn quoted(text: &str, mark: char) -> String {
    format!("{mark}{}{mark}", text.replace(mark, &format!("{mark}{mark}")))
}
