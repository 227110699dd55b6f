//! From values to alerts: pending while a rule has not held long enough, firing, resolved.

use std::collections::BTreeMap;

use crate::Labels;
use crate::evaluate::{Value, evaluate};
use crate::rules::{Rule, render};
use crate::series::Store;

/// Where an alert stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Holds, but not long enough yet.
    Pending,
    /// Fires.
    Firing,
    /// Has ended.
    Resolved,
}

impl Stage {
    /// In one word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Firing => "firing",
            Self::Resolved => "resolved",
        }
    }
}

/// One alert.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// Its rule.
    pub name: String,
    /// Labels of series and rule.
    pub labels: Labels,
    /// Words for people.
    pub annotations: Labels,
    /// Where it stands.
    pub stage: Stage,
    /// The value when it last held.
    pub value: f64,
    /// Since when it holds, ms.
    pub since_ms: i64,
    /// When it last held, ms.
    pub held_ms: i64,
    /// Whether it has fired: one that ended before was never told.
    pub fired: bool,
}

/// All alerts that hold, and what is wrong with rules.
#[derive(Debug, Default)]
pub struct Book {
    held: BTreeMap<(usize, Labels), Alert>,
    /// Why a rule could not be evaluated, by its name.
    pub problems: BTreeMap<String, String>,
}

impl Book {
    /// Evaluates all rules at `now` and gives the alerts that began, fired or ended by it.
    pub fn step(&mut self, rules: &[Rule], store: &Store, now: i64) -> Vec<Alert> {
        let mut changed = Vec::new();
        self.problems.clear();
        for (number, rule) in rules.iter().enumerate() {
            match evaluate(&rule.expression, store, now) {
                Ok(Value::Vector(series)) => self.hold(number, rule, series, now, &mut changed),
                Ok(Value::Scalar(_)) => {
                    self.problems.insert(rule.alert.clone(), "it gives a number, not series".to_owned());
                }
                // What is not known ends no alert: those that hold go on.
                Err(problem) => {
                    self.problems.insert(rule.alert.clone(), problem);
                    continue;
                }
            }
            self.end(number, rule, now, &mut changed);
        }
        changed
    }

    fn hold(&mut self, number: usize, rule: &Rule, series: Vec<(Labels, f64)>, now: i64, changed: &mut Vec<Alert>) {
        for (of_series, value) in series {
            let labels = labels(rule, &of_series, value);
            let new = |labels: Labels| Alert {
                name: rule.alert.clone(),
                labels,
                annotations: Labels::new(),
                stage: Stage::Pending,
                value,
                since_ms: now,
                held_ms: now,
                fired: false,
            };
            let known = self.held.contains_key(&(number, labels.clone()));
            let alert = self.held.entry((number, labels.clone())).or_insert_with(|| new(labels));
            (alert.value, alert.held_ms) = (value, now);
            alert.annotations = rendered(&rule.annotations, &of_series, value);
            let before = alert.stage;
            if before == Stage::Pending && now - alert.since_ms >= rule.for_ms {
                (alert.stage, alert.fired) = (Stage::Firing, true);
            }
            if !known || before != alert.stage {
                changed.push(alert.clone());
            }
        }
    }

    /// Alerts that did not hold now: a pending one is dropped, a firing one ends after its time.
    fn end(&mut self, number: usize, rule: &Rule, now: i64, changed: &mut Vec<Alert>) {
        self.held.retain(|(of, _), alert| {
            if *of != number || alert.held_ms == now || now - alert.held_ms < rule.keep_ms {
                return true;
            }
            alert.stage = Stage::Resolved;
            changed.push(alert.clone());
            false
        });
    }

    /// The alerts that hold now.
    pub fn alerts(&self) -> impl Iterator<Item = &Alert> {
        self.held.values()
    }
}

fn labels(rule: &Rule, of_series: &Labels, value: f64) -> Labels {
    let mut labels = of_series.clone();
    labels.extend(rendered(&rule.labels, of_series, value));
    labels.insert("alertname".to_owned(), rule.alert.clone());
    labels
}

fn rendered(templates: &Labels, labels: &Labels, value: f64) -> Labels {
    // Templates were tried when the rules were read.
    let text = |template: &String| render(template, labels, value).unwrap_or_else(|problem| problem);
    templates.iter().map(|(name, template)| (name.clone(), text(template))).collect()
}
