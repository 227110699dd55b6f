//! `kt research`: kernels for notebooks, and who may have them.

use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;
use kt_research::tokens::{Token, Tokens};
use kt_research::{ResearchConfig, Size};
use serde_json::json;

use super::services::{failed, run as serve_to_the_end, stop_requested};
use crate::config::Config;
use crate::error::Error;
use crate::research;
use crate::supervisor::{lock, prepare, status};

/// What to do with research.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum ResearchAction {
    /// Serve kernels beside the running platform until Ctrl-C
    #[command(after_help = "Example:\n  kt research up")]
    Up,
    /// Make a token with which a person starts kernels; it is printed once and kept nowhere
    #[command(
        after_help = "Examples:\n  kt research token alice\n  kt research token bob --size L --days 7 --json\n\n\
                            Whoever has the token has the kernels: hand it over by a way that nobody else reads."
    )]
    Token {
        /// Whose: a letter, then letters, digits and _ (small ones)
        user: String,
        /// The largest kernel it may start
        #[arg(long, default_value = "M", value_parser = parse_size)]
        size: Size,
        /// How long it is valid
        #[arg(long, default_value_t = 30, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=366))]
        days: u32,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List the tokens
    #[command(after_help = "Example:\n  kt research tokens --json")]
    Tokens {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Take a token back, or all of a person; open connections are cut within seconds
    #[command(after_help = "Example:\n  kt research revoke alice")]
    Revoke {
        /// A token's id or a person's name
        #[arg(value_name = "ID|USER")]
        token: String,
    },
    /// Serve kernels (started by `kt up` where research.enabled is set)
    #[command(hide = true)]
    Serve,
    /// Stand in for a kernel (started by the gateway)
    #[command(hide = true)]
    Attach {
        #[arg(long)]
        socket: PathBuf,
        connection_file: PathBuf,
    },
    /// Become a kernel (started by the launcher)
    #[command(hide = true)]
    Enter,
}

fn parse_size(text: &str) -> Result<Size, String> {
    text.parse()
}

/// What runs with less than the platform's rights, and so before its configuration is read.
pub(crate) fn without_configuration(action: &ResearchAction) -> Option<Result<(), Error>> {
    match action {
        ResearchAction::Attach { socket, connection_file } => Some(attach(socket, connection_file)),
        ResearchAction::Enter => Some(match kt_research::enter::enter() {
            Ok(never) => match never {},
            Err(error) => Err(failed(error)),
        }),
        _ => None,
    }
}

/// Runs the action; `running` gives the configuration of the running platform.
pub(crate) fn run(
    config: &Config,
    running: &dyn Fn() -> Config,
    action: &ResearchAction,
    supervised: bool,
) -> Result<(), Error> {
    match action {
        ResearchAction::Up => up(&Config { research: config.research.clone(), ..running() }),
        ResearchAction::Serve => {
            crate::service(config, supervised)?;
            serve(config)
        }
        ResearchAction::Token { user, size, days, json } => token(&running(), user, *size, *days, *json),
        ResearchAction::Tokens { json } => list(&running(), *json),
        ResearchAction::Revoke { token } => revoke(&running(), token),
        ResearchAction::Attach { .. } | ResearchAction::Enter => {
            Err(Error::usage("this runs before the configuration is read"))
        }
    }
}

fn serve(config: &Config) -> Result<(), Error> {
    let settings = research::settings(config)?;
    serve_to_the_end(async { kt_research::serve(settings, stop_requested()?).await.map_err(failed) })
}

/// Serves in this terminal, for as long as the platform runs.
fn up(config: &Config) -> Result<(), Error> {
    if lock::holder(config).is_none() {
        return Err(Error::failed("no platform runs here; start it with `kt up`"));
    }
    crate::logging::start(config, std::io::stderr)?;
    let settings = research::settings(config)?;
    let (address, metrics) = (settings.listen, settings.operations);
    serve_to_the_end(async {
        let asked = stop_requested()?;
        let platform = config.clone();
        let gone = async move {
            while lock::holder(&platform).is_some() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            tracing::info!("the platform has ended, and research with it");
        };
        let stop = async move {
            tokio::select! {
                () = asked => {}
                () = gone => {}
            }
        };
        tokio::select! {
            ended = kt_research::serve(settings, stop) => ended.map_err(failed),
            () = announce(address, metrics) => unreachable!("it does not end"),
        }
    })
}

/// Says once that kernels can be had.
async fn announce(address: std::net::SocketAddr, metrics: std::net::SocketAddr) {
    while !crate::http::get(metrics, "/health", 64).await.is_ok_and(|(status, _)| status == 200) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    super::print(format!("research is ready: http://{address}; make a token with `kt research token NAME`"));
    std::future::pending().await
}

fn tokens(config: &Config) -> Result<Tokens, Error> {
    let root = research::directory_of(config);
    prepare::directory(&config.platform.data_dir, 0o755, None)?;
    prepare::directory(&root, 0o711, None)?;
    Ok(Tokens::new(&ResearchConfig::tokens_file(&root)))
}

fn token(config: &Config, user: &str, size: Size, days: u32, json: bool) -> Result<(), Error> {
    kt_research::tokens::check_user(user).map_err(|error| Error::usage(error.to_string()))?;
    let (text, token) = tokens(config)?.create(user, size, days).map_err(failed)?;
    if json {
        let address = format!("http://{}", config.address(config.research.port));
        let told = json!({"token": text, "id": token.id, "user": user, "size": size, "days": days, "address": address});
        return super::print_json(&told);
    }
    // The token alone, for a script or a pipe.
    super::print(text);
    Ok(())
}

fn list(config: &Config, json: bool) -> Result<(), Error> {
    let tokens = tokens(config)?.list().map_err(failed)?;
    let now = status::now_ms() / 1000;
    let state = |token: &Token| match token.ended(now) {
        None => format!("valid for {} more days", token.expires.saturating_sub(now).div_ceil(86_400)),
        Some(_) if token.revoked.is_some() => "revoked".to_owned(),
        Some(_) => "expired".to_owned(),
    };
    if json {
        let told = |token: &Token| {
            json!({
                "id": token.id, "user": token.user, "size": token.size, "created": token.created,
                "expires": token.expires, "revoked": token.revoked, "valid": token.ended(now).is_none(),
            })
        };
        return super::print_json(&tokens.iter().map(told).collect::<Vec<_>>());
    }
    let mut table = super::plain_table();
    table.set_header(["ID", "USER", "SIZE", "STATE"]);
    for token in &tokens {
        table.add_row([token.id.clone(), token.user.clone(), token.size.to_string(), state(token)]);
    }
    super::print(table);
    Ok(())
}

fn revoke(config: &Config, token: &str) -> Result<(), Error> {
    match tokens(config)?.revoke(token).map_err(failed)? {
        0 => Err(Error::failed(format!("there is no valid token {token}; `kt research tokens` lists them"))),
        1 => {
            super::print("1 token revoked");
            Ok(())
        }
        many => {
            super::print(format!("{many} tokens revoked"));
            Ok(())
        }
    }
}

/// Stands in for a kernel; ends as the kernel ended.
fn attach(socket: &std::path::Path, connection_file: &std::path::Path) -> Result<(), Error> {
    // The gateway hands its kernels what the proxy gave it for them, by the environment.
    let ticket = std::env::var("KERNEL_KT_TICKET").map_err(Error::doing("KERNEL_KT_TICKET"))?;
    let code =
        super::block_on(async { kt_research::attach::attach(socket, connection_file, ticket).await.map_err(failed) })?;
    std::process::exit(code)
}
