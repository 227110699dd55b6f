//! The value of an expression at a moment.

use std::collections::BTreeMap;

use crate::Labels;
use crate::expression::{Aggregation, Expression, Function, Match, Operator, Selector};
use crate::functions::over_time;
use crate::series::Store;

/// What an expression gives.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A number.
    Scalar(f64),
    /// A number for each set of labels.
    Vector(Vec<(Labels, f64)>),
}

/// Evaluates at `now`, ms since the epoch.
///
/// # Errors
/// In words, where sides do not fit: several series of equal labels, a set operation on a number.
pub fn evaluate(expression: &Expression, store: &Store, now: i64) -> Result<Value, String> {
    match expression {
        Expression::Number(number) => Ok(Value::Scalar(*number)),
        Expression::Series(selector) if selector.range_ms.is_some() => {
            Err(format!("{} with a range stands alone", selector.name))
        }
        Expression::Series(selector) => Ok(Value::Vector(store.instant(selector, now))),
        Expression::Call(function, arguments) => call(*function, arguments, store, now),
        Expression::Aggregate(aggregation, by, inner) => {
            let Value::Vector(series) = evaluate(inner, store, now)? else {
                return Err("a number has no series to put together".to_owned());
            };
            Ok(Value::Vector(aggregate(*aggregation, by, series)))
        }
        Expression::Binary(operator, left, right) => {
            binary(*operator, evaluate(left, store, now)?, evaluate(right, store, now)?)
        }
    }
}

fn call(function: Function, arguments: &[Expression], store: &Store, now: i64) -> Result<Value, String> {
    match (function, arguments) {
        (Function::Time, []) => Ok(Value::Scalar(now as f64 / 1000.0)),
        (Function::Abs, [inner]) => Ok(match evaluate(inner, store, now)? {
            Value::Scalar(number) => Value::Scalar(number.abs()),
            Value::Vector(series) => Value::Vector(series.into_iter().map(|(labels, v)| (labels, v.abs())).collect()),
        }),
        (Function::Absent, [inner]) => {
            let Value::Vector(series) = evaluate(inner, store, now)? else {
                return Err("absent() takes series".to_owned());
            };
            let labels = if let Expression::Series(selector) = inner { stated(selector) } else { Labels::new() };
            Ok(Value::Vector(if series.is_empty() { vec![(labels, 1.0)] } else { Vec::new() }))
        }
        (_, [Expression::Series(selector)]) => {
            let range = selector.range_ms.unwrap_or(0);
            let value = |samples: &[(i64, f64)]| over_time(function, samples, range, now);
            let series = store.range(selector, now);
            Ok(Value::Vector(series.into_iter().filter_map(|(labels, all)| Some((labels, value(&all)?))).collect()))
        }
        _ => Err("a function over time takes a series with a range".to_owned()),
    }
}

/// The labels that a selector fixes.
fn stated(selector: &Selector) -> Labels {
    let fixed = selector.matchers.iter().filter(|(_, how, _)| *how == Match::Is);
    fixed.map(|(label, _, value)| (label.clone(), value.clone())).collect()
}

fn aggregate(aggregation: Aggregation, by: &[String], series: Vec<(Labels, f64)>) -> Vec<(Labels, f64)> {
    let mut groups: BTreeMap<Labels, Vec<f64>> = BTreeMap::new();
    for (labels, value) in series {
        let kept = labels.into_iter().filter(|(label, _)| by.contains(label)).collect();
        groups.entry(kept).or_default().push(value);
    }
    let together = |values: &[f64]| match aggregation {
        Aggregation::Sum => values.iter().sum(),
        Aggregation::Max => values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        Aggregation::Min => values.iter().copied().fold(f64::INFINITY, f64::min),
        Aggregation::Avg => values.iter().sum::<f64>() / values.len() as f64,
        Aggregation::Count => values.len() as f64,
    };
    groups.into_iter().map(|(labels, values)| (labels, together(&values))).collect()
}

fn calculate(operator: Operator, left: f64, right: f64) -> Option<f64> {
    let keep = |holds: bool| holds.then_some(left);
    match operator {
        Operator::Add => Some(left + right),
        Operator::Subtract => Some(left - right),
        Operator::Multiply => Some(left * right),
        Operator::Divide => Some(left / right),
        Operator::Greater => keep(left > right),
        Operator::Less => keep(left < right),
        Operator::AtLeast => keep(left >= right),
        Operator::AtMost => keep(left <= right),
        Operator::Equal => keep(left == right),
        Operator::Unequal => keep(left != right),
        Operator::And | Operator::Or | Operator::Unless => None,
    }
}

fn compares(operator: Operator) -> bool {
    use Operator::{AtLeast, AtMost, Equal, Greater, Less, Unequal};
    matches!(operator, Greater | Less | AtLeast | AtMost | Equal | Unequal)
}

fn binary(operator: Operator, left: Value, right: Value) -> Result<Value, String> {
    match (left, right) {
        (Value::Scalar(left), Value::Scalar(right)) => match calculate(operator, left, right) {
            Some(number) if !compares(operator) => Ok(Value::Scalar(number)),
            _ => Err("two numbers are not compared: the answer would never change".to_owned()),
        },
        (Value::Vector(series), Value::Scalar(number)) => {
            let value = |(labels, left)| Some((labels, calculate(operator, left, number)?));
            Ok(Value::Vector(series.into_iter().filter_map(value).collect()))
        }
        (Value::Scalar(number), Value::Vector(series)) => {
            // A comparison keeps the value of the series, on whichever side it stands.
            let value = |(labels, right)| {
                let found = calculate(operator, number, right)?;
                Some((labels, if compares(operator) { right } else { found }))
            };
            Ok(Value::Vector(series.into_iter().filter_map(value).collect()))
        }
        (Value::Vector(left), Value::Vector(right)) => sides(operator, left, right).map(Value::Vector),
    }
}

/// Series of equal labels are put together.
fn sides(
    operator: Operator,
    left: Vec<(Labels, f64)>,
    right: Vec<(Labels, f64)>,
) -> Result<Vec<(Labels, f64)>, String> {
    let count = right.len();
    let other: BTreeMap<Labels, f64> = right.iter().cloned().collect();
    match operator {
        Operator::And => Ok(left.into_iter().filter(|(labels, _)| other.contains_key(labels)).collect()),
        Operator::Unless => Ok(left.into_iter().filter(|(labels, _)| !other.contains_key(labels)).collect()),
        Operator::Or => {
            let here: std::collections::BTreeSet<Labels> = left.iter().map(|(labels, _)| labels.clone()).collect();
            let further = right.into_iter().filter(|(labels, _)| !here.contains(labels));
            Ok(left.into_iter().chain(further).collect())
        }
        _ if other.len() < count => Err("several series have equal labels".to_owned()),
        _ => Ok(left
            .into_iter()
            .filter_map(|(labels, value)| {
                let found = calculate(operator, value, *other.get(&labels)?)?;
                Some((labels, found))
            })
            .collect()),
    }
}
