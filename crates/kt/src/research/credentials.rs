//! What a kernel may use of the platform: an account of the warehouse that reads, and a prefix of the object store.
//!
//! Passwords are made with a user's first kernel and are worth nothing after the last one.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use kt_research::{Credentials, Size};
use kt_s3::{GUEST, Guest, Guests};
use kt_warehouse::accounts::{Account, Accounts, Quota, Size as QuotaSize};
use serde_json::json;

use crate::config::Config;
use crate::object_store;
use crate::supervisor::prepare::random_text;

/// Passwords of the warehouse and of the object store.
type Secrets = (String, String);

/// Issues credentials and takes them back.
pub(super) struct Issuer {
    accounts: Accounts,
    guests: Guests,
    warehouse_url: String,
    store_url: String,
    program: PathBuf,
    /// So long a kernel lives at most: an account that nobody took back ends then by itself.
    life_s: u64,
    held: Mutex<BTreeMap<String, Secrets>>,
}

impl Issuer {
    pub(super) fn new(config: &Config, program: PathBuf) -> Self {
        Self {
            accounts: Accounts::new(config.data("warehouse").join("accounts")),
            guests: object_store::guests(config),
            warehouse_url: format!("http://{}", config.address(config.warehouse.research_port)),
            store_url: object_store::url(config),
            program,
            life_s: config.research.life_s,
            held: Mutex::default(),
        }
    }

    fn account(user: &str) -> String {
        format!("{GUEST}{user}")
    }
}

impl Credentials for Issuer {
    fn issue(&self, user: &str, size: Size) -> Result<String, String> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let name = Self::account(user);
        let (password, secret) = match held.get(user) {
            Some(secrets) => secrets.clone(),
            None => {
                let new = || random_text().map_err(|error| error.message);
                (new()?, new()?)
            }
        };
        let quota = Quota::of(match size {
            Size::S => QuotaSize::Small,
            Size::M => QuotaSize::Medium,
            Size::L => QuotaSize::Large,
        });
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let account = Account::new(&name, &password, quota).map_err(|error| error.to_string())?;
        self.accounts.put(&account.until(now + self.life_s + 60)).map_err(|error| error.to_string())?;
        let prefix = format!("people/{user}/");
        let guest = Guest { secret_key: secret.clone(), bucket: object_store::EXPERIMENTS.into(), prefix };
        self.guests.put(&name, &guest).map_err(|error| error.to_string())?;
        let text = json!({
            "warehouse": {"url": self.warehouse_url, "user": name, "password": password},
            "s3": {
                "endpoint": self.store_url,
                "bucket": guest.bucket,
                "prefix": guest.prefix,
                "access_key": name,
                "secret_key": secret,
            },
            "kt": self.program,
        });
        held.insert(user.to_owned(), (password, secret));
        Ok(format!("{text:#}\n"))
    }

    fn withdraw(&self, user: &str) -> Result<(), String> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.remove(user);
        let name = Self::account(user);
        // Both are tried: one that stays is no reason for the other to stay.
        let account = self.accounts.remove(&name).map_err(|error| error.to_string());
        let guest = self.guests.remove(&name).map_err(|error| error.to_string());
        account.and(guest).map(drop)
    }

    fn withdraw_all(&self) -> Result<(), String> {
        for name in self.accounts.names().map_err(|error| error.to_string())? {
            self.accounts.remove(&name).map_err(|error| error.to_string())?;
        }
        for name in self.guests.names().map_err(|error| error.to_string())? {
            self.guests.remove(&name).map_err(|error| error.to_string())?;
        }
        Ok(())
    }
}
