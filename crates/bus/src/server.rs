//! The server's configuration: accounts, users, and the bridge over which an environment gets its data.
//!
//! Everything of the platform is in one account, each service with a user of its own. An environment is a
//! second server that connects as a leaf node to an account of its own here. It gets the selected subjects
//! of the hot path, and the durable log through a consumer that *we* made: it can neither make one (a push
//! consumer delivers wherever its maker says, also where the maker may not publish), nor name a subject
//! beyond the selection, nor reach the stream.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::permissions::permissions;
use crate::{LOG_STREAM, Secret, Selection};

/// Account of the platform's services.
pub const PLATFORM: &str = "PLATFORM";
/// JetStream domain of the production server.
pub const PRODUCTION: &str = "PROD";

/// What the server is told.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Its name.
    pub name: String,
    /// JetStream domain.
    pub domain: String,
    /// Where clients connect.
    pub listen: SocketAddr,
    /// The monitoring page.
    pub monitor: SocketAddr,
    /// Where leaf nodes connect.
    pub leaf_listen: SocketAddr,
    /// Directory of JetStream.
    pub store: PathBuf,
    /// Most bytes of JetStream on disk.
    pub max_file: u64,
    /// Most bytes of JetStream in memory.
    pub max_memory: u64,
    /// Users of the platform's account and their passwords.
    pub users: Vec<(String, Secret)>,
    /// Environments that get data from here.
    pub environments: Vec<Environment>,
    /// Where this server, as an environment, gets its data from.
    pub upstream: Option<Upstream>,
}

/// An environment that gets data from here.
#[derive(Debug, Clone)]
pub struct Environment {
    /// Its name, letters and digits.
    pub name: String,
    /// Password of its one user.
    pub password: Secret,
    /// What it gets.
    pub selection: Selection,
}

/// The server that an environment gets its data from.
#[derive(Debug, Clone)]
pub struct Upstream {
    /// Its address for leaf nodes.
    pub address: SocketAddr,
    /// The environment's name there.
    pub environment: String,
    /// Password of the environment's user.
    pub password: Secret,
}

/// The consumer of an environment on the production server.
#[must_use]
pub fn consumer_name(environment: &str) -> String {
    format!("ENV-{environment}")
}

/// Where that consumer delivers to, on both servers.
#[must_use]
pub fn deliver_subject(environment: &str) -> String {
    format!("deliver.{environment}")
}

/// The user with whom an environment's server connects.
#[must_use]
pub fn leaf_user(environment: &str) -> String {
    format!("leaf-{environment}")
}

impl ServerConfig {
    /// The configuration file's text. The server reads JSON.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut accounts = serde_json::Map::new();
        accounts.insert("SYS".to_owned(), json!({}));
        accounts.insert(PLATFORM.to_owned(), self.platform());
        for environment in &self.environments {
            accounts.insert(account(&environment.name), bridge(environment));
        }
        let mut leafnodes = json!({"listen": self.leaf_listen.to_string()});
        if let Some(upstream) = &self.upstream {
            let (user, password) = (leaf_user(&upstream.environment), &upstream.password.0);
            let url = format!("nats-leaf://{user}:{password}@{}", upstream.address);
            leafnodes["remotes"] = json!([{"url": url, "account": PLATFORM}]);
            leafnodes["reconnect"] = json!(1);
        }
        let config = json!({
            "server_name": self.name,
            "listen": self.listen.to_string(),
            "http": self.monitor.to_string(),
            "max_payload": 8 << 20,
            "jetstream": {
                "domain": self.domain,
                "store_dir": self.store.display().to_string(),
                "max_file_store": self.max_file,
                "max_memory_store": self.max_memory,
            },
            "system_account": "SYS",
            "accounts": accounts,
            "leafnodes": leafnodes,
        });
        format!("# Written by kt at every start from its own configuration: change that instead.\n{config:#}\n")
    }

    fn platform(&self) -> Value {
        let users: Vec<Value> = self
            .users
            .iter()
            .map(|(user, password)| {
                json!({"user": user, "password": password.0, "permissions": permissions(user),
                       "allowed_connection_types": ["STANDARD"]})
            })
            .collect();
        let exports: Vec<Value> = self.environments.iter().flat_map(exports).collect();
        json!({"jetstream": "enabled", "users": users, "exports": exports})
    }
}

/// The account of an environment here.
fn account(environment: &str) -> String {
    format!("ENV_{environment}")
}

/// The one call of JetStream's interface that an environment may make: begin its consumer anew.
fn reset(environment: &str) -> String {
    format!("API.CONSUMER.RESET.{LOG_STREAM}.{}", consumer_name(environment))
}

/// Replies that say how much arrived.
fn flow(environment: &str) -> String {
    format!("$JS.FC.{LOG_STREAM}.{}.>", consumer_name(environment))
}

fn exports(environment: &Environment) -> Vec<Value> {
    let name = &environment.name;
    let to = json!([account(name)]);
    let services = [format!("$JS.{}", reset(name)), flow(name)];
    let mut exports: Vec<Value> =
        services.into_iter().map(|subject| json!({"service": subject, "accounts": to})).collect();
    exports.extend(streams(environment).map(|subject| json!({"stream": subject, "accounts": to})));
    exports
}

/// What flows to the environment: the consumer's deliveries and the selected part of the hot path.
fn streams(environment: &Environment) -> impl Iterator<Item = String> {
    std::iter::once(deliver_subject(&environment.name)).chain(environment.selection.hot_subjects())
}

/// The environment's account: its one user, and what it may see and send.
fn bridge(environment: &Environment) -> Value {
    let name = &environment.name;
    let from = |subject: &str| json!({"account": PLATFORM, "subject": subject});
    let asked = format!("JS.{PRODUCTION}.{}", reset(name));
    let mut imports = vec![
        json!({"service": from(&format!("$JS.{}", reset(name))), "to": asked}),
        json!({"service": from(&flow(name))}),
    ];
    imports.extend(streams(environment).map(|subject| json!({"stream": from(&subject)})));
    let mut subscribe: Vec<String> = streams(environment).collect();
    // Answers to the one call come to subjects that the environment's server makes up.
    subscribe.extend(["$JSC.R.>", "_R_.>", "_GR_.>", "_INBOX.>"].map(str::to_owned));
    json!({
        "users": [{
            "user": leaf_user(name),
            "password": environment.password.0,
            "allowed_connection_types": ["LEAFNODE"],
            "permissions": {"publish": {"allow": [asked, flow(name)]}, "subscribe": {"allow": subscribe}},
        }],
        "imports": imports,
    })
}
