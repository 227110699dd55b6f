//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use toml::Value;

use crate::config::Overrides;

/// Market-data and research platform for crypto basis and funding-rate strategies.
#[derive(Debug, Parser)]
#[command(name = "kt", version, max_term_width = 100, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 all is well; 1 something is wrong with data or a service; \
                          2 the command line or the configuration is wrong.";

/// Options of every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Global {
    /// Configuration file [default: kubetrader.toml in the working directory, if there is one]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where the services keep their data
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Added to every port: runs several platforms on one machine
    #[arg(long, global = true, value_name = "N")]
    port_offset: Option<u16>,
    /// Set one configuration key; `kt config` prints all keys
    #[arg(long = "set", global = true, value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// Set by the supervisor: end when the pipe on standard input closes, log as JSON
    #[arg(long, global = true, hide = true)]
    pub(crate) supervised: bool,
}

impl Global {
    /// What the command line says about the configuration.
    pub(crate) fn overrides(&self, command: &Command) -> Overrides {
        let mut flags = Vec::new();
        if let Some(directory) = &self.data_dir {
            let text = directory.to_string_lossy().into_owned();
            flags.push(("platform.data_dir", Value::String(text), "--data-dir"));
        }
        if let Some(offset) = self.port_offset {
            flags.push(("platform.port_offset", Value::Integer(offset.into()), "--port-offset"));
        }
        if let Command::Up(up) = command {
            up.flags(&mut flags);
        }
        Overrides { file: self.config.clone(), settings: self.settings.clone(), flags }
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start the whole platform and keep it running
    #[command(
        after_help = "Examples:\n  kt up --detach\n  kt up --replay recording_stream.jsonl.zst --speed 10\n  kt up --live --light"
    )]
    Up(Up),
    /// Stop the platform
    #[command(after_help = "Example:\n  kt down")]
    Down,
    /// Show every service: state, process, uptime, restarts, memory
    #[command(after_help = "Example:\n  kt status --json")]
    Status(Status),
    /// Show the services' logs
    #[command(after_help = "Example:\n  kt logs warehouse --follow")]
    Logs(Logs),
    /// Stop one service and start it again
    #[command(after_help = "Example:\n  kt restart nats")]
    Restart {
        /// The service's name, as `kt status` shows it
        service: String,
    },
    /// Send a signal to one service, to see what happens then
    #[command(after_help = "Example:\n  kt kill nats --signal 9")]
    Kill {
        /// The service's name, as `kt status` shows it
        service: String,
        /// The signal's number
        #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(i32).range(1..=64))]
        signal: i32,
    },
    /// Say what is wrong with this machine or the installation, and how to mend it
    #[command(after_help = "Example:\n  kt doctor")]
    Doctor {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Run a statement on the warehouse and print the result
    #[command(after_help = "Example:\n  kt query \"SELECT count() FROM landing.trade\"")]
    Query(Query),
    /// Count what was accepted, logged and landed: lost and duplicated rows, open gaps
    #[command(
        after_help = "Example:\n  kt audit --json\n\nExit code 0 only when nothing is lost, duplicated or missing."
    )]
    Audit(Audit),
    /// Fill what is missing from the exchanges' histories: the gap ledger, or a stated window
    #[command(after_help = "Examples:\n  kt backfill\n  kt backfill list --json\n  kt backfill funding --since 2y")]
    Backfill(crate::commands::backfill::Options),
    /// Show where data lies by day: local disk or object store; move days, find what kills left behind
    #[command(after_help = "Examples:\n  kt tiers --json\n  kt tiers move --before 2026-11-01")]
    Tiers(crate::commands::tiers::Options),
    /// Run a second platform on a part of this one's data, which it cannot change
    #[command(after_help = "Examples:\n  kt env up test --select 'trade.binance,quote.binance'\n  kt env status")]
    Env {
        #[command(subcommand)]
        action: crate::commands::env::Action,
    },
    /// Show what the data costs per month by venue, now and at the current rate
    #[command(after_help = "Example:\n  kt cost --json")]
    Cost(crate::commands::cost::Options),
    /// Show, check or apply the databases' migrations
    #[command(after_help = "Example:\n  kt migrate info")]
    Migrate(Migrate),
    /// Print the configuration: every key with its default, or what is in force
    #[command(after_help = "Example:\n  kt config > kubetrader.toml")]
    Config {
        /// Print what is in force after file, environment and flags
        #[arg(long)]
        effective: bool,
    },
    /// What concerns one exchange
    Venue {
        #[command(subcommand)]
        action: VenueAction,
    },
    /// What Dagster does: instruments, backfill, daily marts, backtests
    #[command(after_help = "Example:\n  kt orchestration materialise")]
    Orchestration {
        #[command(subcommand)]
        action: crate::commands::orchestration::Action,
    },
    /// Kernels for notebooks: who may have them, and serving them
    #[command(after_help = "Examples:\n  kt research token alice --size M\n  kt research up")]
    Research {
        #[command(subcommand)]
        action: crate::commands::research::ResearchAction,
    },
    /// Replay the past through the code that trades live: from the warehouse, or exactly from a journal
    #[command(
        after_help = "Examples:\n  kt backtest --from -2h --strategy strategies.toml --report report.html\n  kt backtest --journal /var/lib/kubetrader/data/journal/trade --parity\n  kt backtest list"
    )]
    Backtest(Box<crate::commands::backtest::Options>),
    /// Measure every stage and the whole way from exchange frames to the warehouse
    #[command(after_help = "Example:\n  kt bench --stage decode --rounds 5")]
    Bench(crate::bench::Options),
    /// Serve the warehouse (started by `kt up`)
    #[command(after_help = "Example:\n  kt warehouse --data-dir /tmp/kt")]
    Warehouse,
    /// Serve the object store (started by `kt up`)
    #[command(after_help = "Example:\n  kt s3 --set s3.port=9000")]
    S3,
    /// Serve the simulated exchange (started by `kt up`)
    #[command(after_help = "Example:\n  kt sim --set sim.seed=7")]
    Sim,
    /// Receive, decode and publish market data (started by `kt up`)
    #[command(after_help = "Example:\n  kt feed --set source.mode=live")]
    Feed,
    /// Load the durable log into the warehouse (started by `kt up`)
    #[command(after_help = "Example:\n  kt load --set load.inserters=4")]
    Load,
    /// Compute signals (started by `kt up`), or say what is computed
    #[command(after_help = "Example:\n  kt signals list")]
    Signals {
        #[command(subcommand)]
        action: Option<crate::commands::signals::SignalsAction>,
    },
    /// Trade on paper (started by `kt up`), or throw the kill switch
    #[command(after_help = "Examples:\n  kt trade halt\n  kt trade resume")]
    Trade {
        #[command(subcommand)]
        action: Option<crate::commands::trade::TradeAction>,
    },
    /// Say what became of orders
    #[command(after_help = "Example:\n  kt order list")]
    Order {
        #[command(subcommand)]
        action: crate::commands::order::OrderAction,
    },
    /// Evaluate the alert rules (started by `kt up`), or check a rules file
    #[command(after_help = "Example:\n  kt alerts rules my.rules.yml")]
    Alerts {
        #[command(subcommand)]
        action: Option<crate::commands::alerts::AlertsAction>,
    },
    /// Serve the page (started by `kt up`)
    #[command(after_help = "Example:\n  kt console --port-offset 100")]
    Console,
}

/// What `kt venue` does.
#[derive(Debug, Subcommand)]
pub(crate) enum VenueAction {
    /// Decode a recording and say what is right and wrong in it
    #[command(after_help = "Example:\n  kt venue check okx frames/okx/20220513_stream.jsonl.zst --json --books 10")]
    Check(crate::venue_check::VenueCheck),
    /// List the instruments that the venues name now, and whether their lists could be read whole
    #[command(
        after_help = "Examples:\n  kt venue instruments --json\n  kt venue instruments binance_usdm --recording frames/binance_usdm/20210722_reference.jsonl.zst"
    )]
    Instruments(crate::commands::instruments::Instruments),
}

/// Options of `kt up`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Up {
    /// Replay recorded streams instead of a generated market
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with = "live")]
    replay: Vec<PathBuf>,
    /// How fast to replay: a factor, or max
    #[arg(long, value_name = "N|max", requires = "replay")]
    speed: Option<String>,
    /// Connect to the exchanges themselves
    #[arg(long)]
    live: bool,
    /// Subscribe only quotes, mark price and funding of all perpetuals
    #[arg(long, requires = "live")]
    light: bool,
    /// Do not start the page
    #[arg(long)]
    no_console: bool,
    /// Do not start Dagster
    #[arg(long)]
    no_orchestration: bool,
    /// Return when the platform is ready and leave it running; `kt down` stops it
    #[arg(long)]
    pub(crate) detach: bool,
    /// Print plain lines even on a terminal
    #[arg(long)]
    pub(crate) plain: bool,
    /// Set by --detach for the process that stays
    #[arg(long, hide = true)]
    pub(crate) in_background: bool,
}

impl Up {
    /// The configuration keys that these options set.
    fn flags(&self, flags: &mut Vec<(&'static str, Value, &'static str)>) {
        if !self.replay.is_empty() {
            let files = self.replay.iter().map(|file| Value::String(file.to_string_lossy().into_owned()));
            flags.push(("source.mode", Value::String("replay".into()), "--replay"));
            flags.push(("source.replay", Value::Array(files.collect()), "--replay"));
        }
        if let Some(speed) = &self.speed {
            flags.push(("source.speed", Value::String(speed.clone()), "--speed"));
        }
        if self.live {
            flags.push(("source.mode", Value::String("live".into()), "--live"));
        }
        if self.light {
            flags.push(("source.light", Value::Boolean(true), "--light"));
        }
        if self.no_console {
            flags.push(("console.enabled", Value::Boolean(false), "--no-console"));
        }
        if self.no_orchestration {
            flags.push(("orchestration.enabled", Value::Boolean(false), "--no-orchestration"));
        }
    }
}

/// Options of `kt status`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Status {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Show what happened to the services instead, from PostgreSQL
    #[arg(long)]
    pub(crate) history: bool,
    /// How many lines of history
    #[arg(long, default_value_t = 50, value_name = "N")]
    pub(crate) limit: u32,
}

/// Options of `kt logs`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Logs {
    /// Only this service; without it all, sorted by time
    pub(crate) service: Option<String>,
    /// Go on as lines arrive
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// Print the JSON lines as they are
    #[arg(long)]
    pub(crate) json: bool,
    /// How many lines of each log to begin with
    #[arg(long, short = 'n', default_value_t = 100, value_name = "N")]
    pub(crate) lines: usize,
}

/// Options of `kt audit`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Audit {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// How long rows that are on their way get to arrive, in seconds
    #[arg(long, default_value_t = 10, value_name = "SECONDS")]
    pub(crate) settle: u64,
}

/// Options of `kt query`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Query {
    /// One statement
    pub(crate) sql: String,
    /// Print ClickHouse's JSON
    #[arg(long, conflicts_with_all = ["csv", "format"])]
    pub(crate) json: bool,
    /// Print comma-separated values with a header
    #[arg(long, conflicts_with = "format")]
    pub(crate) csv: bool,
    /// Print any of ClickHouse's formats
    #[arg(long, value_name = "NAME")]
    pub(crate) format: Option<String>,
}

/// Options of `kt migrate`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Migrate {
    /// What to do
    #[arg(value_enum, default_value_t = MigrateAction::Info)]
    pub(crate) action: MigrateAction,
    /// Only this database
    #[arg(long, value_enum)]
    pub(crate) target: Option<MigrateTarget>,
    /// Read the scripts from <DIR>/clickhouse and <DIR>/postgres instead of the built-in ones
    #[arg(long, value_name = "DIR")]
    pub(crate) scripts: Option<PathBuf>,
    /// Apply scripts whose version is below an applied one
    #[arg(long)]
    pub(crate) out_of_order: bool,
    /// Print JSON (info)
    #[arg(long)]
    pub(crate) json: bool,
}

/// What `kt migrate` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum MigrateAction {
    /// Show every script and where it stands
    Info,
    /// Check the history against the scripts
    Validate,
    /// Apply what is pending
    Apply,
    /// Forget failed runs, after their effects were undone by hand
    Repair,
}

/// A database with migrations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum MigrateTarget {
    Clickhouse,
    Postgres,
}
