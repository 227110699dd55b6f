//! The panels' statements: files of `web/panels/sql`, which Grafana's dashboards are generated from as well.
//!
//! A statement is chosen by name and its values are bound: nothing that a client sends becomes part of a
//! statement's text.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use kt_warehouse::client::Options;
use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "../../web/panels/sql"]
struct Files;

/// One value of a panel's statement.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A whole number.
    Number(i64),
    /// Text.
    Text(String),
}

/// A panel's statement with the places of its values.
#[derive(Clone, Debug)]
pub struct Statement {
    /// As it is sent: comments left out, places as `{name:Type}`.
    pub sql: String,
    /// Names of the places.
    pub places: Vec<String>,
}

/// The statement of a panel; `known` asks for the one that shows values as they were known at a moment.
/// `None` when there is no such panel.
#[must_use]
pub fn statement(panel: &str, known: bool) -> Option<Statement> {
    let plain = || read(panel);
    let found = if known { read(&format!("{panel}.known")).or_else(plain) } else { plain() };
    found.filter(|statement| !known || statement.places.iter().any(|place| place == "known_ms"))
}

/// Whether there is such a panel at all.
#[must_use]
pub fn exists(panel: &str) -> bool {
    read(panel).is_some()
}

fn read(name: &str) -> Option<Statement> {
    // The name is looked up among the files built in: a path leads nowhere.
    let file = Files::get(&format!("{name}.sql"))?;
    let text = String::from_utf8_lossy(&file.data);
    let sql = text.lines().filter(|line| !line.trim_start().starts_with("--")).collect::<Vec<_>>().join("\n");
    let mut places = Vec::new();
    for (name, _) in pieces(&sql).into_iter().filter_map(|piece| piece.place) {
        if !places.contains(&name) {
            places.push(name);
        }
    }
    Some(Statement { sql, places })
}

/// A stretch of text and the place that follows it.
struct Piece<'a> {
    text: &'a str,
    place: Option<(String, &'a str)>,
}

/// Cuts a statement at its places `{name:Type}`. Other braces (repetitions in patterns) are text.
fn pieces(sql: &str) -> Vec<Piece<'_>> {
    let mut found = Vec::new();
    let (mut begin, mut at) = (0, 0);
    while let Some(open) = sql[at..].find('{').map(|offset| at + offset) {
        let inner = sql[open + 1..].find('}').map(|offset| &sql[open + 1..open + 1 + offset]);
        let named = inner.and_then(|inner| inner.split_once(':')).filter(|(name, _)| is_name(name));
        match (named, inner) {
            (Some((name, kind)), Some(inner)) => {
                found.push(Piece { text: &sql[begin..open], place: Some((name.to_owned(), kind)) });
                at = open + inner.len() + 2;
                begin = at;
            }
            _ => at = open + 1,
        }
    }
    found.push(Piece { text: &sql[begin..], place: None });
    found
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c == '_')
}

impl Statement {
    /// The values for the warehouse.
    #[must_use]
    pub fn options(&self, values: &BTreeMap<String, Value>) -> Options {
        let bound = self.places.iter().filter_map(|place| Some((place, values.get(place)?)));
        bound.fold(Options::new(), |options, (place, value)| match value {
            Value::Number(number) => options.param(place, number),
            Value::Text(text) => options.param(place, text),
        })
    }

    /// The statement for people: values written in, ready to be run elsewhere.
    #[must_use]
    pub fn written(&self, values: &BTreeMap<String, Value>) -> String {
        let mut text = String::new();
        for piece in pieces(&self.sql) {
            text.push_str(piece.text);
            if let Some((name, kind)) = piece.place {
                let _ = match values.get(&name) {
                    Some(Value::Number(number)) => write!(text, "to{kind}({number})"),
                    Some(Value::Text(value)) => {
                        write!(text, "'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))
                    }
                    None => write!(text, "{{{name}:{kind}}}"),
                };
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_panel_names_only_known_places_and_patterns_stay_text() {
        let mut seen = 0;
        for file in Files::iter() {
            let statement = read(file.trim_end_matches(".sql")).expect("it is there");
            let known = crate::api::panel::PLACES;
            assert!(
                statement.places.iter().all(|place| known.contains(&place.as_str())),
                "{file}: {:?}",
                statement.places
            );
            assert!(!statement.sql.contains("--"), "{file}: comments stand on lines of their own");
            seen += 1;
        }
        assert!(seen >= 10, "{seen} panels");
        let term = read("basis_term").expect("it is there");
        assert!(term.sql.contains("'^10{3,}[A-Z]'"), "{}", term.sql);
    }

    #[test]
    fn values_are_written_as_literals_that_cannot_break_out() {
        let statement = Statement { sql: "SELECT {venue:String}, {step_s:UInt32}".into(), places: vec![] };
        let values = BTreeMap::from([
            ("venue".to_owned(), Value::Text("a' OR \\'1".to_owned())),
            ("step_s".to_owned(), Value::Number(60)),
        ]);
        assert_eq!(statement.written(&values), r"SELECT 'a\' OR \\\'1', toUInt32(60)");
    }

    #[test]
    fn paths_lead_nowhere() {
        for name in ["../../package", "../sql/basis_series", "/etc/passwd", "basis_series.sql", ""] {
            assert!(!exists(name), "{name}");
        }
        assert!(statement("basis_series", true).expect("known").sql.contains("landing.quote"));
        assert!(statement("audit_history", true).is_none(), "it does not tell what was known when");
    }
}
