//! Reads what `/metrics` answers: Prometheus' text format and OpenMetrics.

use crate::Labels;

/// One number of one series.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Name of the metric.
    pub name: String,
    /// Its labels.
    pub labels: Labels,
    /// Its value.
    pub value: f64,
}

/// All samples of a text; `Err` holds the number and text of the first line that is none.
///
/// # Errors
/// A line that is neither a comment nor a sample.
pub fn parse(text: &str) -> Result<Vec<Sample>, String> {
    let mut samples = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let sample = parse_line(line).ok_or_else(|| format!("line {}: not a sample: {line}", number + 1))?;
        samples.push(sample);
    }
    Ok(samples)
}

fn parse_line(line: &str) -> Option<Sample> {
    let end = line.find(|c: char| c == '{' || c.is_ascii_whitespace())?;
    let name = &line[..end];
    if name.is_empty() {
        return None;
    }
    let (labels, rest) =
        if line[end..].starts_with('{') { labels(&line[end + 1..])? } else { (Labels::new(), &line[end..]) };
    // After the value may stand a time and an exemplar; neither is needed.
    let value = number(rest.split_ascii_whitespace().next()?)?;
    Some(Sample { name: name.to_owned(), labels, value })
}

/// A value as both formats write it.
fn number(text: &str) -> Option<f64> {
    match text {
        "+Inf" | "Inf" => Some(f64::INFINITY),
        "-Inf" => Some(f64::NEG_INFINITY),
        "NaN" => Some(f64::NAN),
        text => text.parse().ok(),
    }
}

/// Labels up to the closing brace, and what follows it.
fn labels(mut text: &str) -> Option<(Labels, &str)> {
    let mut labels = Labels::new();
    loop {
        text = text.trim_start_matches([',', ' ']);
        if let Some(rest) = text.strip_prefix('}') {
            return Some((labels, rest));
        }
        let (name, rest) = text.split_once("=\"")?;
        let (value, rest) = quoted(rest)?;
        labels.insert(name.trim().to_owned(), value);
        text = rest;
    }
}

/// Text up to the closing quote, escapes resolved.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(match letters.next()?.1 {
                'n' => '\n',
                other => other,
            }),
            letter => value.push(letter),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_formats_are_read_and_nonsense_is_named() {
        let text = "# HELP a b\n# TYPE a counter\na_total 3\nb{venue=\"x\",why=\"say \\\"no\\\"\\n\"} 1.5 1700000000\n\
            c_bucket{le=\"+Inf\"} 7 # {id=\"1\"} 0.2\nd{} NaN\n# EOF\n";
        let samples = parse(text).expect("samples");
        assert_eq!(samples.len(), 4);
        assert_eq!((samples[0].name.as_str(), samples[0].value), ("a_total", 3.0));
        assert_eq!(samples[1].labels["why"], "say \"no\"\n");
        assert_eq!((samples[2].labels["le"].as_str(), samples[2].value), ("+Inf", 7.0));
        assert!(samples[3].value.is_nan());
        for wrong in ["a", "a{b=\"c} 1", "a{b} 1", "a x", "{} 1"] {
            assert!(parse(wrong).expect_err("wrong").contains("line 1"), "{wrong}");
        }
    }
}
