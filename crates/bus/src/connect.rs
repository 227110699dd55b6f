//! Connecting, and what the connection reports.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use async_nats::{ConnectOptions, Event};
use tokio::sync::watch;

use crate::BusError;

/// How to prove who we are. Secrets come from files or from the caller, never from arguments.
#[derive(Clone, Debug, Default)]
pub enum Credentials {
    /// The server asks for nothing.
    #[default]
    None,
    /// User and password.
    UserPassword {
        /// Name of the user.
        user: String,
        /// Its password.
        password: Secret,
    },
    /// User, and a file that holds the password. It is read at every new connection of a service.
    UserPasswordFile {
        /// Name of the user.
        user: String,
        /// File with its password; white space around it does not count.
        file: PathBuf,
    },
    /// A `.creds` file (JWT and seed).
    File(PathBuf),
}

/// Text that does not appear in debug output.
#[derive(Clone, Default)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Secret(…)")
    }
}

/// Where the server is and who connects.
#[derive(Clone, Debug)]
pub struct BusConfig {
    /// Address, `nats://127.0.0.1:4222`.
    pub url: String,
    /// Name shown in the server's connection list.
    pub name: String,
    /// How to prove who we are.
    pub credentials: Credentials,
    /// How long to keep trying when the server does not answer at start.
    pub connect_within: Duration,
    /// Longest pause between attempts to reconnect.
    pub reconnect_pause: Duration,
}

impl BusConfig {
    /// A local server without credentials.
    #[must_use]
    pub fn local(port: u16, name: &str) -> Self {
        Self {
            url: format!("nats://127.0.0.1:{port}"),
            name: name.to_owned(),
            credentials: Credentials::None,
            connect_within: Duration::from_secs(10),
            reconnect_pause: Duration::from_secs(1),
        }
    }
}

/// A connection to the messaging server, to be cloned freely.
#[derive(Clone)]
pub struct Bus {
    pub(crate) client: async_nats::Client,
    pub(crate) context: async_nats::jetstream::Context,
    /// Counts connections: 1 after the first, one more with each reconnect.
    pub(crate) generation: watch::Receiver<u64>,
    pub(crate) config: BusConfig,
}

impl Bus {
    /// Connects, trying again until `connect_within` has passed. Reconnects by itself ever after.
    ///
    /// # Errors
    /// [`BusError::Connect`] with the last cause, [`BusError::Credentials`] for an unusable file.
    pub async fn connect(config: &BusConfig) -> Result<Self, BusError> {
        let deadline = Instant::now() + config.connect_within;
        loop {
            let (options, mut generation) = options(config).await?;
            match options.connect(config.url.as_str()).await {
                Ok(client) => {
                    // The report of this first connection must not look like a reconnect later.
                    let reported = generation.wait_for(|count| *count > 0);
                    let _ = tokio::time::timeout(Duration::from_secs(1), reported).await;
                    let mut context = async_nats::jetstream::new(client.clone());
                    context.set_timeout(Duration::from_secs(5));
                    return Ok(Self { client, context, generation, config: config.clone() });
                }
                Err(error) if Instant::now() >= deadline => {
                    return Err(BusError::Connect { url: config.url.clone(), cause: error.to_string() });
                }
                Err(error) => tracing::debug!(%error, url = config.url, "NATS does not answer yet"),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Whether the connection stands at this moment.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.client.connection_state() == async_nats::connection::State::Connected
    }

    /// How often a connection was made so far.
    #[must_use]
    pub fn connections_made(&self) -> u64 {
        *self.generation.borrow()
    }

    /// Sends what is buffered. To be called before the last handle is dropped: the client loses its
    /// tail otherwise.
    ///
    /// # Errors
    /// [`BusError::Timeout`] when the server does not take it within `within`.
    pub async fn flush(&self, within: Duration) -> Result<(), BusError> {
        let timeout = BusError::Timeout { what: "flushing the connection to NATS", after: within };
        match tokio::time::timeout(within, self.client.flush()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(BusError::Closed),
            Err(_) => Err(timeout),
        }
    }
}

/// The password that a file holds.
pub(crate) fn password_in(file: &Path) -> Result<Secret, BusError> {
    let text =
        std::fs::read_to_string(file).map_err(|error| BusError::Credentials(format!("{}: {error}", file.display())))?;
    Ok(Secret(text.trim().to_owned()))
}

/// A user's own inboxes: nobody else may listen to the answers that it gets.
fn as_user(user: &str, password: String) -> ConnectOptions {
    ConnectOptions::new()
        .user_and_password(user.to_owned(), password)
        .custom_inbox_prefix(crate::permissions::inbox(user))
}

async fn options(config: &BusConfig) -> Result<(ConnectOptions, watch::Receiver<u64>), BusError> {
    let options = match &config.credentials {
        Credentials::None => ConnectOptions::new(),
        Credentials::UserPassword { user, password } => as_user(user, password.0.clone()),
        Credentials::UserPasswordFile { user, file } => as_user(user, password_in(file)?.0),
        Credentials::File(path) => ConnectOptions::with_credentials_file(path)
            .await
            .map_err(|error| BusError::Credentials(format!("{}: {error}", path.display())))?,
    };
    let (sender, generation) = watch::channel(0u64);
    let name = config.name.clone();
    let longest = config.reconnect_pause;
    let options = options
        .name(&config.name)
        .connection_timeout(Duration::from_secs(3))
        .request_timeout(Some(Duration::from_secs(5)))
        .ping_interval(Duration::from_secs(10))
        .reconnect_delay_callback(move |attempt| {
            let doubled = Duration::from_millis(20).saturating_mul(1 << attempt.min(10) as u32);
            doubled.min(longest)
        })
        .event_callback(move |event| {
            match &event {
                Event::Connected => sender.send_modify(|count| *count += 1),
                Event::Disconnected => tracing::warn!(client = name, "connection to NATS lost, reconnecting"),
                Event::SlowConsumer(_) => tracing::debug!(client = name, "a subscription is full, messages dropped"),
                other => tracing::info!(client = name, event = %other, "NATS"),
            }
            std::future::ready(())
        });
    Ok((options, generation))
}
