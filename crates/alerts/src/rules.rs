//! The rules file: Prometheus' own format, of which only alerting rules are taken.

use serde::Deserialize;

use crate::expression::{Expression, duration, parse};
use crate::{Error, Labels};

/// One alerting rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its group.
    pub group: String,
    /// Its name.
    pub alert: String,
    /// When it holds.
    pub expression: Expression,
    /// How long it has to hold before it fires, ms.
    pub for_ms: i64,
    /// How long it goes on firing after it held, ms.
    pub keep_ms: i64,
    /// Further labels, as templates.
    pub labels: Labels,
    /// Words for people, as templates.
    pub annotations: Labels,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    name: String,
    /// Prometheus' evaluation interval; here all rules are evaluated at one pace.
    #[serde(rename = "interval")]
    _interval: Option<String>,
    rules: Vec<Raw>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    alert: String,
    expr: String,
    #[serde(rename = "for")]
    held: Option<String>,
    keep_firing_for: Option<String>,
    #[serde(default)]
    labels: Labels,
    #[serde(default)]
    annotations: Labels,
}

/// Reads a rules file.
///
/// # Errors
/// [`Error::Rules`] that names the rule and what is wrong with it.
pub fn read(text: &str) -> Result<Vec<Rule>, Error> {
    let file: File = serde_yaml_ng::from_str(text).map_err(|error| Error::Rules(error.to_string()))?;
    let mut rules: Vec<Rule> = Vec::new();
    for group in file.groups {
        for raw in group.rules {
            let name = raw.alert.clone();
            let wrong = |what: String| Error::Rules(format!("{name}: {what}"));
            let rule = rule(&group.name, raw).map_err(wrong)?;
            if rules.iter().any(|other| other.alert == rule.alert && other.expression == rule.expression) {
                return Err(wrong("it stands there twice".to_owned()));
            }
            rules.push(rule);
        }
    }
    if rules.is_empty() { Err(Error::Rules("the file holds no rule".to_owned())) } else { Ok(rules) }
}

fn rule(group: &str, raw: Raw) -> Result<Rule, String> {
    let time = |text: &Option<String>| match text {
        None => Ok(0),
        Some(text) => duration(text).ok_or_else(|| format!("{text:?} is no duration")),
    };
    let expression = parse(&raw.expr)?;
    for text in raw.labels.values().chain(raw.annotations.values()) {
        render(text, &Labels::new(), 0.0)?;
    }
    Ok(Rule {
        group: group.to_owned(),
        alert: raw.alert,
        expression,
        for_ms: time(&raw.held)?,
        keep_ms: time(&raw.keep_firing_for)?,
        labels: raw.labels,
        annotations: raw.annotations,
    })
}

/// A template with an alert's labels and value: `{{ $labels.venue }}`, `{{ $value }}`, `{{ $value | humanize }}`.
///
/// # Errors
/// In words, for what Prometheus' templates can and these cannot.
pub fn render(template: &str, labels: &Labels, value: f64) -> Result<String, String> {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, behind)) = rest.split_once("{{") {
        let (inner, after) = behind.split_once("}}").ok_or("a template is not closed")?;
        text.push_str(before);
        match inner.trim() {
            "$value" => text.push_str(&value.to_string()),
            "$value | humanize" => text.push_str(&humanize(value)),
            inner => {
                let label =
                    inner.strip_prefix("$labels.").ok_or_else(|| format!("{{{{ {inner} }}}} is not written here"))?;
                text.push_str(labels.get(label).map_or("", String::as_str));
            }
        }
        rest = after;
    }
    text.push_str(rest);
    Ok(text)
}

/// Four digits that mean something, thousands as k, M, G: Prometheus' `humanize`.
fn humanize(value: f64) -> String {
    let units = [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")];
    let (scaled, unit) =
        units.iter().find(|(size, _)| value.abs() >= *size).map_or((value, ""), |(size, unit)| (value / size, *unit));
    if scaled == 0.0 || !scaled.is_finite() {
        return format!("{scaled}");
    }
    let decimals = (3 - scaled.abs().log10().floor() as i32).clamp(0, 12) as usize;
    let text = format!("{scaled:.decimals$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text };
    format!("{text}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: a > 1\n    for: 1m\n    labels: {severity: page}\n    \
        annotations: {summary: '{{ $labels.venue }} at {{ $value | humanize }}'}\n";

    #[test]
    fn a_rule_is_read_and_rendered() {
        let rules = read(FILE).expect("rules");
        assert_eq!((rules[0].alert.as_str(), rules[0].for_ms), ("A", 60_000));
        let labels = Labels::from([("venue".to_owned(), "okx".to_owned())]);
        assert_eq!(render(&rules[0].annotations["summary"], &labels, 12_345.6), Ok("okx at 12.35k".to_owned()));
        assert_eq!(render("{{ $value | humanize }}", &labels, 0.012_34), Ok("0.01234".to_owned()));
    }

    #[test]
    fn what_prometheus_would_refuse_or_read_otherwise_is_refused() {
        for (from, to, told) in [
            ("alert: A", "record: a", "record"),
            ("expr: a > 1", "expr: a >", "A: a name is missing"),
            ("for: 1m", "for: soon", "no duration"),
            ("for: 1m", "fore: 1m", "fore"),
            ("{{ $labels.venue }}", "{{ range query }}", "not written here"),
        ] {
            let error = read(&FILE.replace(from, to)).expect_err(to).to_string();
            assert!(error.contains(told), "{to}: {error}");
        }
        assert!(read("groups: []").is_err());
    }
}
