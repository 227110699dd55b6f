//! Where the services find the engines: the ones that `kt up` starts, or a cluster's.

use std::fs;
use std::path::Path;

use kt_bus::Credentials;

use super::Config;
use crate::error::Error;

impl Config {
    /// The address of NATS.
    pub(crate) fn nats_url(&self) -> String {
        if self.nats.url.is_empty() {
            format!("nats://{}", self.address(self.nats.port))
        } else {
            self.nats.url.clone()
        }
    }

    /// The address of the warehouse.
    pub(crate) fn warehouse_url(&self) -> String {
        if self.warehouse.url.is_empty() {
            format!("http://{}", self.address(self.warehouse.port))
        } else {
            self.warehouse.url.clone()
        }
    }

    /// How the service `name` (`kt-load`) proves at NATS who it is.
    pub(crate) fn nats_credentials(&self, name: &str) -> Credentials {
        if unset(&self.nats.password_file) {
            // The server that `kt up` starts knows each service by a password that was made for it.
            return if self.nats.url.is_empty() {
                crate::messaging::credentials(self, name)
            } else {
                Credentials::None
            };
        }
        let user = if self.nats.username.is_empty() { name.to_owned() } else { self.nats.username.clone() };
        Credentials::UserPasswordFile { user, file: self.nats.password_file.clone() }
    }

    /// User and password of the service `name` (`kt-load`) at the warehouse, where it asks for them.
    ///
    /// # Errors
    /// A password file that cannot be read, with its name.
    pub(crate) fn warehouse_user(&self, name: &str) -> Result<Option<(String, String)>, Error> {
        let file = &self.warehouse.password_file;
        if unset(file) {
            return Ok(None);
        }
        let given = &self.warehouse.username;
        // ClickHouse's configuration names users by XML elements; a dash would be legal there but not in its SQL.
        let user = if given.is_empty() { name.replace('-', "_") } else { given.clone() };
        let password = fs::read_to_string(file).map_err(Error::doing(format!("reading {}", file.display())))?;
        Ok(Some((user, password.trim().to_owned())))
    }

    /// The first key that names an engine elsewhere, and so cannot be meant for `kt up`.
    pub(crate) fn remote_engine(&self) -> Option<&'static str> {
        let keys = [("nats.url", &self.nats.url), ("warehouse.url", &self.warehouse.url)];
        keys.into_iter().find(|(_, url)| !url.is_empty()).map(|(key, _)| key)
    }
}

fn unset(file: &Path) -> bool {
    file.as_os_str().is_empty()
}
