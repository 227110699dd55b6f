//! `kt alerts`: scrapes, probes, evaluates, records and delivers, round by round.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::future::join_all;
use kt_ops::Readiness;
use kt_warehouse::client::Client;
use prometheus_client::registry::Registry;
use tokio::time::{Instant, MissedTickBehavior};

use crate::expression::Expression;
use crate::metrics::{Metrics, Outcome, StageLabel};
use crate::record::Record;
use crate::rules::{self, Rule};
use crate::series::Store;
use crate::state::{Alert, Book, Stage};
use crate::webhook::{Senders, body};
use crate::{Error, Labels, exposition, probes};

/// How long a service may take to answer with its metrics.
const SCRAPE_WITHIN: Duration = Duration::from_secs(3);
/// Largest answer that is read.
const LONGEST_ANSWER: u64 = 8 << 20;
/// Time between questions to the warehouse.
const PROBE_EVERY: Duration = Duration::from_secs(15);

/// A service whose `/metrics` are read.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its name: the label `job`.
    pub job: String,
    /// Where it listens: the label `instance`.
    pub address: SocketAddr,
}

/// Configuration of [`run`].
#[derive(Clone, Debug)]
pub struct AlertsConfig {
    /// `/metrics` and `/health` of this service.
    pub listen: SocketAddr,
    /// The rules file's text.
    pub rules: String,
    /// Services to scrape; this one is added.
    pub targets: Vec<Target>,
    /// The warehouse, `http://127.0.0.1:8123`.
    pub warehouse_url: String,
    /// Receivers of notices. May hold secrets: never logged.
    pub webhooks: Vec<String>,
    /// The page's address, for links in notices.
    pub page: String,
    /// Time between rounds.
    pub interval: Duration,
}

/// Evaluates the rules until `shutdown` completes.
///
/// # Errors
/// [`Error::Rules`] for a wrong file, [`Error::Serve`] when the port is taken, [`Error::Warehouse`] for an address that
/// is none. Services and warehouse may come and go: that is what the rules are about.
pub async fn run(config: AlertsConfig, shutdown: impl Future<Output = ()> + Send + 'static) -> Result<(), Error> {
    let rules = rules::read(&config.rules)?;
    let client = Client::new(&config.warehouse_url)?;
    let metrics = Metrics::default();
    let mut registry = Registry::default();
    metrics.register(&mut registry);
    let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build();
    let http = http.map_err(|error| Error::Http(error.to_string()))?;
    let readiness = Readiness::not_ready("no round has been evaluated yet");
    let served = kt_ops::serve(config.listen, Arc::new(registry), readiness.clone(), shutdown);
    let senders = Senders::start(&http, &config.webhooks, &metrics);
    let keep = rules.iter().map(|rule| rule.expression.longest_range()).max().unwrap_or(0);
    tracing::info!(rules = rules.len(), webhooks = config.webhooks.len(), "alert rules are evaluated");
    let rounds = Rounds {
        store: Store::new(keep),
        book: Book::default(),
        record: Record::default(),
        probed: None,
        config,
        rules,
        http,
        client,
        senders,
        metrics,
    };
    tokio::select! {
        served = served => Ok(served?),
        () = rounds.run(readiness) => Ok(()),
    }
}

struct Rounds {
    config: AlertsConfig,
    rules: Vec<Rule>,
    http: reqwest::Client,
    client: Client,
    senders: Senders,
    metrics: Metrics,
    store: Store,
    book: Book,
    record: Record,
    probed: Option<Instant>,
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

impl Rounds {
    async fn run(mut self, readiness: Readiness) {
        let mut tick = tokio::time::interval(self.config.interval);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.config.targets.push(Target { job: "alerts".to_owned(), address: self.config.listen });
        loop {
            tick.tick().await;
            self.round().await;
            readiness.set_ready();
        }
    }

    async fn round(&mut self) {
        if self.probed.is_none_or(|at| at.elapsed() >= PROBE_EVERY) {
            probes::ask(&self.client, &self.metrics).await;
            self.probed = Some(Instant::now());
        }
        let answers = join_all(self.config.targets.iter().map(|target| scrape(&self.http, target))).await;
        let now = now_ms();
        for (target, answer) in self.config.targets.iter().zip(answers) {
            let outcome = if answer.is_ok() { "ok" } else { "failed" };
            self.metrics.scrapes.get_or_create(&Outcome { outcome }).inc();
            take(&mut self.store, now, target, answer);
        }
        let changed = self.book.step(&self.rules, &self.store, now);
        self.tell(now, &changed);
        self.record.write(&self.client, &self.metrics).await;
        self.count();
    }

    fn tell(&mut self, now: i64, changed: &[Alert]) {
        // An alert that ended before it fired was never told.
        let mut fired: std::collections::BTreeMap<&str, Vec<&Alert>> = std::collections::BTreeMap::new();
        for alert in changed {
            tracing::info!(name = alert.name, stage = alert.stage.as_str(), value = alert.value, labels = ?alert.labels, "alert");
            if alert.fired {
                fired.entry(alert.name.as_str()).or_default().push(alert);
            }
        }
        for (name, alerts) in fired {
            self.senders.send(&body(name, &alerts, &self.config.page), &self.metrics);
        }
        self.record.add(now, changed, &self.metrics);
    }

    fn count(&self) {
        let gauge = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.metrics.series.set(gauge(self.store.len()));
        self.metrics.series_refused.set(i64::try_from(self.store.refused).unwrap_or(i64::MAX));
        self.metrics.rule_problems.set(gauge(self.book.problems.len()));
        for (rule, problem) in &self.book.problems {
            tracing::warn!(rule, problem, "a rule cannot be evaluated");
        }
        for stage in [Stage::Pending, Stage::Firing] {
            let count = self.book.alerts().filter(|alert| alert.stage == stage).count();
            self.metrics.alerts.get_or_create(&StageLabel { stage: stage.as_str() }).set(gauge(count));
        }
    }
}

/// Enters an answer with Prometheus' own series `up`.
fn take(store: &mut Store, now: i64, target: &Target, answer: Result<Vec<exposition::Sample>, String>) {
    let source =
        Labels::from([("job".to_owned(), target.job.clone()), ("instance".to_owned(), target.address.to_string())]);
    let up = if answer.is_ok() { 1.0 } else { 0.0 };
    let mut samples = answer.unwrap_or_default();
    samples.push(exposition::Sample { name: "up".to_owned(), labels: Labels::new(), value: up });
    store.take(now, &source, samples);
}

async fn scrape(http: &reqwest::Client, target: &Target) -> Result<Vec<exposition::Sample>, String> {
    let request = http.get(format!("http://{}/metrics", target.address)).timeout(SCRAPE_WITHIN);
    let answer =
        request.send().await.and_then(reqwest::Response::error_for_status).map_err(|error| error.to_string())?;
    if answer.content_length().is_some_and(|length| length > LONGEST_ANSWER) {
        return Err(format!("{} answers with more than {LONGEST_ANSWER} bytes", target.job));
    }
    let text = answer.text().await.map_err(|error| error.to_string())?;
    let parsed = exposition::parse(&text);
    if let Err(problem) = &parsed {
        tracing::warn!(job = target.job, problem, "metrics cannot be read");
    }
    parsed
}

/// Every metric that the rules name, for those who check that it is served.
#[must_use]
pub fn metrics_of(rules: &[Rule]) -> Vec<&str> {
    let mut names = Vec::new();
    rules.iter().for_each(|rule| Expression::metrics(&rule.expression, &mut names));
    names.sort_unstable();
    names.dedup();
    names
}
