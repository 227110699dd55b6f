use kt_alerts::exposition::parse;
use kt_alerts::rules::{Rule, read};
use kt_alerts::series::Store;
use kt_alerts::state::{Alert, Book, Stage};
use kt_alerts::{Labels, expression};
use proptest::prelude::*;

const FILE: &str = include_str!("../../../../alerts/kubetrader.rules.yml");
const STEP_MS: i64 = 5_000;
const START: i64 = 1_800_000_000_000;

struct World {
    rules: Vec<Rule>,
    store: Store,
    book: Book,
    now: i64,
}

impl World {
    fn new() -> Self {
        let rules = read(FILE).expect("the platform's rules");
        let keep = rules.iter().map(|rule| rule.expression.longest_range()).max().unwrap();
        Self { rules, store: Store::new(keep), book: Book::default(), now: START }
    }

    /// One round in which a service answers with `text`, or does not answer.
    fn round(&mut self, text: Option<&str>) -> Vec<Alert> {
        self.now += STEP_MS;
        let source =
            Labels::from([("job".to_owned(), "feed".to_owned()), ("instance".to_owned(), "here:1".to_owned())]);
        let mut samples = text.map(|text| parse(text).expect("samples")).unwrap_or_default();
        let up = format!("up {}", u8::from(text.is_some()));
        samples.extend(parse(&up).expect("a sample"));
        self.store.take(self.now, &source, samples);
        let changed = self.book.step(&self.rules, &self.store, self.now);
        assert!(self.book.problems.is_empty(), "{:?}", self.book.problems);
        changed
    }

    /// Rounds until something with this name happens; how many seconds it took.
    fn until(&mut self, name: &str, stage: Stage, text: impl Fn(i64) -> Option<String>) -> (i64, Alert) {
        let begin = self.now;
        for _ in 0..2_000 {
            let changed = self.round(text(self.now + STEP_MS).as_deref());
            if let Some(alert) = changed.into_iter().find(|alert| alert.name == name && alert.stage == stage) {
                return ((self.now - begin) / 1000, alert);
            }
        }
        panic!("{name} never becomes {}", stage.as_str());
    }
}

#[test]
fn a_stale_feed_fires_after_its_time_and_ends_when_it_moves() {
    let mut world = World::new();
    let frozen = START / 1000;
    let still = |_| {
        Some(format!("kt_feed_last_frame_seconds{{venue=\"okx\"}} {frozen}\nkt_feed_connections{{venue=\"okx\"}} 1"))
    };
    let (seconds, alert) = world.until("FeedStale", Stage::Firing, still);
    assert!((45..=55).contains(&seconds), "30 s of silence and 15 s of patience: {seconds} s");
    assert_eq!(alert.labels["venue"], "okx");
    assert!(alert.annotations["summary"].starts_with("okx has sent no frame for "), "{}", alert.annotations["summary"]);
    let moving = |now: i64| Some(format!("kt_feed_last_frame_seconds{{venue=\"okx\"}} {}", now / 1000));
    let (seconds, alert) = world.until("FeedStale", Stage::Resolved, moving);
    assert!(alert.fired && seconds <= 10, "{seconds}");
}

#[test]
fn a_service_that_stops_is_down_and_its_other_series_are_gone() {
    let mut world = World::new();
    world.round(Some("kt_feed_connections{venue=\"okx\"} 0"));
    assert_eq!(world.book.alerts().filter(|alert| alert.name == "FeedNotConnected").count(), 1);
    world.round(None);
    let names: Vec<&str> = world.book.alerts().map(|alert| alert.name.as_str()).collect();
    assert_eq!(names, ["ServiceDown"], "what is not known any more neither fires nor waits");
    world.until("ServiceDown", Stage::Firing, |_| None);
}

#[test]
fn each_cause_has_its_alert() {
    for (text, name) in [
        ("kt_alerts_open_gaps{venue=\"okx\"} 2", "GapOpen"),
        ("kt_alerts_landed_age_seconds 42", "LandingLags"),
        ("kt_alerts_disk_free_ratio{disk=\"default\"} 0.05", "DiskFilling"),
        ("kt_alerts_basis_zscore{venue=\"a\",instrument=\"b\"} -4.5", "BasisFarFromMean"),
        ("kt_feed_spool_has_room{venue=\"a\"} 0", "SpoolFull"),
        ("kt_load_log_behind_blocks 6000", "LogBehind"),
        ("kt_alerts_rejected_orders{venue=\"a\"} 1", "OrderRejected"),
        ("kt_trade_halted 1", "TradingHalted"),
    ] {
        let mut world = World::new();
        world.until(name, Stage::Firing, |_| Some(text.to_owned()));
        assert_eq!(world.book.alerts().count(), 1, "{name} alone");
    }
    let grows = |name: &str, metric: &str| {
        let mut world = World::new();
        world.until(name, Stage::Firing, |now| Some(format!("{metric} {}", i64::from(now > START + 60_000))));
    };
    grows("LogAlarm", "kt_load_log_alarms_total{cause=\"x\"}");
    grows("BlockRefused", "kt_load_refused_blocks_total");
}

#[test]
fn a_funding_flip_fires_once_seen_and_ends_with_its_window() {
    let mut world = World::new();
    let flips = |now: i64| {
        let sign = if now > START + 120_000 { -1 } else { 1 };
        Some(format!("kt_alerts_funding_sign{{venue=\"a\",instrument=\"b\"}} {sign}"))
    };
    let (seconds, _) = world.until("FundingFlipped", Stage::Firing, flips);
    assert!((120..=130).contains(&seconds), "{seconds}");
    let (seconds, _) = world.until("FundingFlipped", Stage::Resolved, flips);
    assert!((1_795..=1_805).contains(&seconds), "{seconds}");
}

#[test]
fn nothing_fires_on_a_healthy_platform_or_without_numbers() {
    let mut world = World::new();
    for _ in 0..100 {
        let now = (world.now + STEP_MS) / 1000;
        let text = format!(
            "kt_feed_last_frame_seconds{{venue=\"a\"}} {now}\nkt_feed_connections{{venue=\"a\"}} 2\nkt_feed_spool_has_room{{venue=\"a\"}} 1\n\
             kt_alerts_landed_age_seconds NaN\nkt_alerts_disk_free_ratio{{disk=\"default\"}} 0.4\nkt_load_log_alarms_total{{cause=\"x\"}} 7\n\
             kt_alerts_basis_zscore{{venue=\"a\",instrument=\"b\"}} 1.2\nkt_alerts_funding_sign{{venue=\"a\",instrument=\"b\"}} 1"
        );
        assert_eq!(world.round(Some(&text)), []);
    }
}

proptest! {
    /// Whatever a rules file or a service says, reading it ends in words, not in a panic.
    #[test]
    fn no_text_breaks_the_readers(text in "\\PC{0,80}", tail in "[a-z{}\\[\\]()\"=0-9<>, ]{0,40}") {
        let _ = expression::parse(&text);
        let _ = expression::parse(&tail);
        let _ = parse(&text);
        let _ = parse(&tail);
        let _ = read(&text);
        let _ = read(&FILE.replacen("up == 0", &tail, 1));
    }
}
