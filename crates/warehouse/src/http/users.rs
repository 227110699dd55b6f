//! Who asks: the users of one entrance, and how many statements an account may run at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use super::request::Credentials;
use crate::accounts::{Account, Accounts, Quota, hash};
use crate::config::UserConfig;
use crate::engine::{READER_ROLE, RESEARCH_ROLE};
use crate::exception::Exception;

/// Somebody whose credentials were right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct User {
    pub(super) name: String,
    /// The role that statements run under; `None`: everything allowed.
    pub(super) role: Option<&'static str>,
    /// Settings that hold whatever the request says.
    pub(super) limits: Vec<(String, String)>,
    /// Of an account.
    pub(super) quota: Option<Quota>,
}

impl User {
    /// Only single read-only statements, under `readonly=1`.
    pub(super) fn is_readonly(&self) -> bool {
        self.role.is_some()
    }

    fn configured(user: &UserConfig) -> Self {
        let limit = |name: &str, value: Option<u64>| value.map(|value| (name.to_owned(), value.to_string()));
        let memory = limit("max_memory_usage", user.max_memory_bytes);
        Self {
            name: user.name.clone(),
            role: user.readonly.then_some(READER_ROLE),
            limits: memory.into_iter().chain(limit("max_execution_time", user.max_execution_seconds)).collect(),
            quota: None,
        }
    }

    fn account(account: Account) -> Self {
        Self {
            name: account.name,
            role: Some(RESEARCH_ROLE),
            limits: account.quota.settings(),
            quota: Some(account.quota),
        }
    }
}

/// Whom an address knows.
#[derive(Debug, Clone)]
pub(super) enum Users {
    /// The platform's address: the users of the configuration.
    Platform(Vec<UserConfig>),
    /// The address for research: accounts and nobody else.
    Research(Accounts),
}

impl Users {
    /// The platform's; without any there is one that may do everything.
    pub(super) fn platform(users: Vec<UserConfig>) -> Self {
        Self::Platform(if users.is_empty() { vec![UserConfig::open_default()] } else { users })
    }

    /// Finds the user that a request's credentials prove.
    ///
    /// # Errors
    /// Code 516; the text does not tell which of name and password was wrong. Code 1001 for an account that cannot
    /// be read.
    pub(super) fn authenticate(&self, credentials: &Credentials) -> Result<User, Exception> {
        let name = credentials.user.as_deref().filter(|name| !name.is_empty()).unwrap_or("default");
        let given = hash(credentials.password.as_deref().unwrap_or_default());
        match self {
            Self::Platform(users) => match users.iter().find(|user| user.name == name) {
                Some(user) if user.password_sha256.as_deref().is_none_or(|wanted| same(wanted, &given)) => {
                    Ok(User::configured(user))
                }
                _ => Err(refused(name)),
            },
            Self::Research(accounts) => {
                let found = accounts.find(name).map_err(|error| Exception::new(1001, "STD_EXCEPTION", error))?;
                let account = found.filter(|account| same(&account.password_sha256, &given));
                let account = account.ok_or_else(|| refused(name))?;
                if account.expires_at.is_some_and(|end| end <= now()) {
                    return Err(Exception::new(
                        516,
                        "AUTHENTICATION_FAILED",
                        format!("{name}: Authentication failed: the account has expired; start a new kernel"),
                    ));
                }
                Ok(User::account(account))
            }
        }
    }
}

fn refused(name: &str) -> Exception {
    Exception::new(
        516,
        "AUTHENTICATION_FAILED",
        format!("{name}: Authentication failed: password is incorrect, or there is no user with such name."),
    )
}

/// Compares hashes in a time that does not depend on where the difference is.
fn same(wanted: &str, given: &str) -> bool {
    let wanted = wanted.to_ascii_lowercase();
    wanted.len() == given.len() && wanted.bytes().zip(given.bytes()).fold(0, |found, (a, b)| found | (a ^ b)) == 0
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(u64::MAX, |since| since.as_secs())
}

/// The statements that accounts run now, so that neither one of them nor all together keep the platform waiting.
#[derive(Debug, Clone)]
pub(super) struct Turns {
    all: usize,
    running: Arc<Mutex<HashMap<String, usize>>>,
}

impl Turns {
    /// At most `all` for all accounts together.
    pub(super) fn new(all: usize) -> Self {
        Self { all: all.max(1), running: Arc::default() }
    }

    /// A turn for one statement; `None` for who needs none.
    ///
    /// # Errors
    /// Code 202 when the account, or all accounts together, have no turn left.
    pub(super) fn take(&self, user: &User) -> Result<Option<Turn>, Exception> {
        let Some(quota) = user.quota else { return Ok(None) };
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let (own, total) = (running.get(&user.name).copied().unwrap_or(0), running.values().sum::<usize>());
        let busy = |what: String| Err(Exception::new(202, "TOO_MANY_SIMULTANEOUS_QUERIES", what));
        if own >= quota.concurrent {
            return busy(format!("{}: {own} statements run already, its quota; wait for one to end", user.name));
        }
        if total >= self.all {
            return busy(format!("{total} statements of research run already, all that there is room for; try again"));
        }
        *running.entry(user.name.clone()).or_default() += 1;
        Ok(Some(Turn { name: user.name.clone(), running: Arc::clone(&self.running) }))
    }
}

/// A turn, given back when dropped.
#[derive(Debug)]
pub(super) struct Turn {
    name: String,
    running: Arc<Mutex<HashMap<String, usize>>>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = running.get_mut(&self.name) {
            *count -= 1;
            if *count == 0 {
                running.remove(&self.name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::Size;

    #[test]
    fn passwords_are_compared_by_hash() {
        let users = Users::platform(vec![UserConfig {
            name: "reader".to_owned(),
            password_sha256: Some(hash("secret").to_uppercase()),
            readonly: true,
            max_memory_bytes: None,
            max_execution_seconds: None,
        }]);
        let ask = |name: &str, password: &str| {
            let credentials = Credentials { user: Some(name.to_owned()), password: Some(password.to_owned()) };
            users.authenticate(&credentials).map_err(|error| error.code).map(|user| user.name)
        };
        assert_eq!(ask("reader", "secret"), Ok("reader".to_owned()));
        assert_eq!(ask("reader", "Secret"), Err(516));
        assert_eq!(ask("default", ""), Err(516));
    }

    #[test]
    fn an_account_has_its_turns_and_no_more() {
        let user =
            |name: &str| User::account(Account::new(&format!("research_{name}"), "x", Quota::of(Size::Small)).unwrap());
        let turns = Turns::new(3);
        let held: Vec<_> = (0..2).map(|_| turns.take(&user("a")).unwrap()).collect();
        assert!(turns.take(&user("a")).unwrap_err().message.contains("its quota"));
        let other = turns.take(&user("b")).unwrap();
        assert!(turns.take(&user("b")).unwrap_err().message.contains("room"));
        drop(held);
        assert!(turns.take(&user("b")).is_ok());
        drop(other);
        assert!(turns.running.lock().unwrap().is_empty());
    }
}
