//! Who has which kernel. The gateway's word is taken for what a kernel does, never for whose it is.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use axum::http::StatusCode;

use crate::admit::Refusal;
use crate::config::Rules;
use crate::error::Error;
use crate::size::Size;
use crate::tokens::{Token, random_hex};

/// A kernel from the moment its start is allowed.
#[derive(Debug, Clone)]
pub(crate) struct Kernel {
    pub(crate) id: String,
    pub(crate) user: String,
    pub(crate) size: Size,
    /// Proves at the launch that it is this kernel; the gateway and what it starts know it, nobody else.
    pub(crate) ticket: String,
    pub(crate) started: Instant,
    /// The gateway lists it.
    pub(crate) listed: bool,
    /// Since when every look at it found it busy.
    pub(crate) busy_since: Option<Instant>,
    /// It was interrupted because it was busy for too long.
    pub(crate) interrupted: Option<Instant>,
    /// Why it is being ended, once it is.
    pub(crate) ending: Option<&'static str>,
}

/// All kernels by id.
#[derive(Debug, Default)]
pub(crate) struct Kernels(Mutex<BTreeMap<String, Kernel>>);

impl Kernels {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Kernel>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place for a new kernel, if the token and the rules have room for it.
    ///
    /// # Errors
    /// Which limit stands against it.
    pub(crate) fn reserve(&self, token: &Token, size: Size, rules: &Rules) -> Result<Kernel, Refusal> {
        if size > token.size {
            let message = format!(
                "{}'s token allows kernels up to size {}, not {size}; ask for another token",
                token.user, token.size
            );
            return Err(Refusal::new(StatusCode::FORBIDDEN, "size", message));
        }
        let id = random_id()
            .map_err(|error| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "random", error.to_string()))?;
        let mut kernels = self.lock();
        let own = kernels.values().filter(|kernel| kernel.user == token.user).count();
        if own >= rules.per_user {
            let message =
                format!("{} has {own} kernels, which is the most one user may have; end one first", token.user);
            return Err(Refusal::new(StatusCode::FORBIDDEN, "too_many", message));
        }
        if kernels.len() >= rules.total {
            let message = format!("{} kernels run here, which is the most; try again later", kernels.len());
            return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "full", message));
        }
        let kernel = Kernel {
            id: id.0,
            user: token.user.clone(),
            size,
            ticket: id.1,
            started: Instant::now(),
            listed: false,
            busy_since: None,
            interrupted: None,
            ending: None,
        };
        kernels.insert(kernel.id.clone(), kernel.clone());
        Ok(kernel)
    }

    /// A user's own kernel; another's is as absent as one that never was.
    pub(crate) fn own(&self, id: &str, user: &str) -> Option<Kernel> {
        self.lock().get(id).filter(|kernel| kernel.user == user).cloned()
    }

    /// The kernel that a ticket was made for.
    pub(crate) fn of_ticket(&self, ticket: &str) -> Option<Kernel> {
        self.lock().values().find(|kernel| kernel.ticket == ticket).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Kernel> {
        self.lock().values().cloned().collect()
    }

    /// Changes one that is still there.
    pub(crate) fn update(&self, id: &str, change: impl FnOnce(&mut Kernel)) {
        self.lock().get_mut(id).map(change);
    }

    pub(crate) fn remove(&self, id: &str) -> Option<Kernel> {
        self.lock().remove(id)
    }
}

/// A random UUID (version 4, RFC 9562) and a ticket.
fn random_id() -> Result<(String, String), Error> {
    let hex = random_hex(16)?;
    let variant = ["8", "9", "a", "b"][usize::from(hex.as_bytes()[16]) % 4];
    let id = format!("{}-{}-4{}-{variant}{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..]);
    Ok((id, random_hex(24)?))
}

#[cfg(test)]
mod tests {
    use super::random_id;

    #[test]
    fn ids_are_ids() {
        let (id, ticket) = random_id().expect("random numbers");
        assert!(crate::admit::is_id(&id), "{id}");
        assert_eq!(ticket.len(), 48);
    }
}
