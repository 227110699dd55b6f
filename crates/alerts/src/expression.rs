//! The part of Prometheus' query language that rules use. What is outside of it is refused when the rules are read, so
//! that a rule never means one thing here and another there.

use crate::Labels;
pub use crate::parser::parse;

/// A comparison, calculation or set operation of two sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `>`
    Greater,
    /// `<`
    Less,
    /// `>=`
    AtLeast,
    /// `<=`
    AtMost,
    /// `==`
    Equal,
    /// `!=`
    Unequal,
    /// `and`
    And,
    /// `or`
    Or,
    /// `unless`
    Unless,
}

/// How a label is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    /// `=`
    Is,
    /// `!=`
    IsNot,
}

/// `name{label="value"}[5m]`
#[derive(Clone, Debug, PartialEq)]
pub struct Selector {
    /// Metric.
    pub name: String,
    /// Comparisons of labels.
    pub matchers: Vec<(String, Match, String)>,
    /// Range in ms, for functions over time.
    pub range_ms: Option<i64>,
}

impl Selector {
    /// Whether a series of these labels is meant.
    #[must_use]
    pub fn fits(&self, labels: &Labels) -> bool {
        self.matchers.iter().all(|(label, how, value)| {
            let equal = labels.get(label).map_or("", String::as_str) == value;
            equal == (*how == Match::Is)
        })
    }
}

/// A function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// Growth per second of a counter.
    Rate,
    /// Growth of a counter.
    Increase,
    /// How often a value changed.
    Changes,
    /// Largest value of a range.
    MaxOverTime,
    /// Smallest value of a range.
    MinOverTime,
    /// Mean of a range.
    AvgOverTime,
    /// Magnitude.
    Abs,
    /// 1 when there is no series.
    Absent,
    /// Now, in seconds.
    Time,
}

impl Function {
    /// The function of a name, and how many arguments it takes.
    #[must_use]
    pub fn named(name: &str) -> Option<(Self, usize)> {
        Some(match name {
            "rate" => (Self::Rate, 1),
            "increase" => (Self::Increase, 1),
            "changes" => (Self::Changes, 1),
            "max_over_time" => (Self::MaxOverTime, 1),
            "min_over_time" => (Self::MinOverTime, 1),
            "avg_over_time" => (Self::AvgOverTime, 1),
            "abs" => (Self::Abs, 1),
            "absent" => (Self::Absent, 1),
            "time" => (Self::Time, 0),
            _ => return None,
        })
    }

    /// Whether it takes a range.
    #[must_use]
    pub fn over_time(self) -> bool {
        !matches!(self, Self::Abs | Self::Absent | Self::Time)
    }
}

/// How several series become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregation {
    /// Total.
    Sum,
    /// Largest.
    Max,
    /// Smallest.
    Min,
    /// Mean.
    Avg,
    /// How many.
    Count,
}

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Expression {
    /// A number.
    Number(f64),
    /// Series.
    Series(Selector),
    /// A function of others.
    Call(Function, Vec<Expression>),
    /// Series put together, by labels.
    Aggregate(Aggregation, Vec<String>, Box<Expression>),
    /// Two sides.
    Binary(Operator, Box<Expression>, Box<Expression>),
}

impl Expression {
    /// Every metric that the expression names.
    pub fn metrics<'a>(&'a self, into: &mut Vec<&'a str>) {
        match self {
            Self::Number(_) => {}
            Self::Series(selector) => into.push(&selector.name),
            Self::Call(_, arguments) => arguments.iter().for_each(|argument| argument.metrics(into)),
            Self::Aggregate(_, _, inner) => inner.metrics(into),
            Self::Binary(_, left, right) => {
                left.metrics(into);
                right.metrics(into);
            }
        }
    }

    /// The longest range that it looks back over, ms.
    #[must_use]
    pub fn longest_range(&self) -> i64 {
        match self {
            Self::Number(_) => 0,
            Self::Series(selector) => selector.range_ms.unwrap_or(0),
            Self::Call(_, arguments) => arguments.iter().map(Self::longest_range).max().unwrap_or(0),
            Self::Aggregate(_, _, inner) => inner.longest_range(),
            Self::Binary(_, left, right) => left.longest_range().max(right.longest_range()),
        }
    }
}

/// `5m`, `90s`, `1h30m`, `1d`, in ms.
#[must_use]
pub fn duration(text: &str) -> Option<i64> {
    let mut total = 0_i64;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: i64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let unit = match &rest[..letters] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 604_800_000,
            _ => return None,
        };
        total = total.checked_add(number.checked_mul(unit)?)?;
        rest = &rest[letters..];
    }
    (!text.is_empty()).then_some(total)
}
