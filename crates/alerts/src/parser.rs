//! Text to [`Expression`], by precedence.

use crate::expression::{Aggregation, Expression, Function, Match, Operator, Selector, duration};

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Number(f64),
    Name(String),
    Text(String),
    Range(i64),
    Sign(&'static str),
}

const SIGNS: [&str; 16] = [">=", "<=", "==", "!=", "(", ")", "{", "}", ",", "+", "-", "*", "/", ">", "<", "="];

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let end;
        if first.is_ascii_digit() || first == '.' {
            end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == 'e')).unwrap_or(rest.len());
            let number = rest[..end].parse().map_err(|_| format!("{:?} is no number", &rest[..end]))?;
            found.push(Token::Number(number));
        } else if first.is_ascii_alphabetic() || first == '_' {
            end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':')).unwrap_or(rest.len());
            found.push(Token::Name(rest[..end].to_owned()));
        } else if first == '"' || first == '\'' {
            let close = rest[1..].find(first).ok_or("a text is not closed")?;
            if rest[1..=close].contains('\\') {
                return Err("escapes in texts are not evaluated here".to_owned());
            }
            found.push(Token::Text(rest[1..=close].to_owned()));
            end = close + 2;
        } else if first == '[' {
            let close = rest.find(']').ok_or("a range is not closed")?;
            let range = duration(&rest[1..close]).ok_or_else(|| format!("{:?} is no duration", &rest[1..close]))?;
            found.push(Token::Range(range));
            end = close + 1;
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            found.push(Token::Sign(sign));
            end = sign.len();
        } else {
            return Err(format!("{first:?} is not evaluated here"));
        }
        rest = rest[end..].trim_start();
    }
    Ok(found)
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

/// An expression of Prometheus' query language.
///
/// # Errors
/// In words: what is wrong, or not evaluated here.
pub fn parse(text: &str) -> Result<Expression, String> {
    let mut parser = Parser { tokens: tokens(text)?, at: 0 };
    let expression = parser.either()?;
    match parser.tokens.get(parser.at) {
        None => Ok(expression),
        Some(token) => Err(format!("{token:?} was not expected")),
    }
}

impl Parser {
    fn sign(&mut self, sign: &str) -> bool {
        let found = matches!(self.tokens.get(self.at), Some(Token::Sign(here)) if *here == sign);
        self.at += usize::from(found);
        found
    }

    fn word(&mut self, word: &str) -> bool {
        let found = matches!(self.tokens.get(self.at), Some(Token::Name(here)) if here == word);
        self.at += usize::from(found);
        found
    }

    fn need(&mut self, sign: &str) -> Result<(), String> {
        if self.sign(sign) { Ok(()) } else { Err(format!("{sign:?} is missing before {:?}", self.tokens.get(self.at))) }
    }

    fn name(&mut self) -> Result<String, String> {
        match self.tokens.get(self.at) {
            Some(Token::Name(name)) => {
                self.at += 1;
                Ok(name.clone())
            }
            other => Err(format!("a name is missing before {other:?}")),
        }
    }

    fn either(&mut self) -> Result<Expression, String> {
        let mut left = self.both()?;
        while self.word("or") {
            left = Expression::Binary(Operator::Or, Box::new(left), Box::new(self.both()?));
        }
        Ok(left)
    }

    fn both(&mut self) -> Result<Expression, String> {
        let mut left = self.comparison()?;
        loop {
            let operator = if self.word("and") {
                Operator::And
            } else if self.word("unless") {
                Operator::Unless
            } else {
                return Ok(left);
            };
            left = Expression::Binary(operator, Box::new(left), Box::new(self.comparison()?));
        }
    }

    fn binary(
        &mut self,
        signs: &[(&str, Operator)],
        below: fn(&mut Self) -> Result<Expression, String>,
    ) -> Result<Expression, String> {
        let mut left = below(self)?;
        while let Some((_, operator)) = signs.iter().find(|(sign, _)| self.sign(sign)) {
            for word in ["bool", "on", "ignoring", "group_left", "group_right"] {
                if self.word(word) {
                    return Err(format!("{word} is not evaluated here"));
                }
            }
            left = Expression::Binary(*operator, Box::new(left), Box::new(below(self)?));
        }
        Ok(left)
    }

    fn comparison(&mut self) -> Result<Expression, String> {
        let signs = [
            (">=", Operator::AtLeast),
            ("<=", Operator::AtMost),
            ("==", Operator::Equal),
            ("!=", Operator::Unequal),
            (">", Operator::Greater),
            ("<", Operator::Less),
        ];
        self.binary(&signs, Self::sum)
    }

    fn sum(&mut self) -> Result<Expression, String> {
        self.binary(&[("+", Operator::Add), ("-", Operator::Subtract)], Self::product)
    }

    fn product(&mut self) -> Result<Expression, String> {
        self.binary(&[("*", Operator::Multiply), ("/", Operator::Divide)], Self::unary)
    }

    fn unary(&mut self) -> Result<Expression, String> {
        if self.sign("-") {
            let inner = self.unary()?;
            return Ok(Expression::Binary(Operator::Multiply, Box::new(Expression::Number(-1.0)), Box::new(inner)));
        }
        self.primary()
    }

    fn primary(&mut self) -> Result<Expression, String> {
        if let Some(Token::Number(number)) = self.tokens.get(self.at) {
            self.at += 1;
            return Ok(Expression::Number(*number));
        }
        if self.sign("(") {
            let inner = self.either()?;
            self.need(")")?;
            return Ok(inner);
        }
        let name = self.name()?;
        if let Some(aggregation) = aggregation(&name) {
            return self.aggregate(aggregation);
        }
        if matches!(self.tokens.get(self.at), Some(Token::Sign("("))) {
            return self.call(&name);
        }
        self.selector(name).map(Expression::Series)
    }

    fn aggregate(&mut self, aggregation: Aggregation) -> Result<Expression, String> {
        let before = self.by()?;
        self.need("(")?;
        let inner = self.either()?;
        self.need(")")?;
        let labels = match before {
            Some(labels) => labels,
            None => self.by()?.unwrap_or_default(),
        };
        Ok(Expression::Aggregate(aggregation, labels, Box::new(inner)))
    }

    fn by(&mut self) -> Result<Option<Vec<String>>, String> {
        if self.word("without") {
            return Err("without is not evaluated here; use by".to_owned());
        }
        if !self.word("by") {
            return Ok(None);
        }
        self.need("(")?;
        let mut labels = Vec::new();
        while !self.sign(")") {
            labels.push(self.name()?);
            self.sign(",");
        }
        Ok(Some(labels))
    }

    fn call(&mut self, name: &str) -> Result<Expression, String> {
        let (function, count) = Function::named(name).ok_or_else(|| format!("{name}() is not evaluated here"))?;
        self.need("(")?;
        let mut arguments = Vec::new();
        while !self.sign(")") {
            arguments.push(self.either()?);
            self.sign(",");
        }
        if arguments.len() != count {
            return Err(format!("{name}() takes {count} arguments, not {}", arguments.len()));
        }
        let ranged = arguments.iter().any(|one| matches!(one, Expression::Series(Selector { range_ms: Some(_), .. })));
        if function.over_time() != ranged {
            return Err(format!("{name}() takes a series {} a range", if ranged { "without" } else { "with" }));
        }
        Ok(Expression::Call(function, arguments))
    }

    fn selector(&mut self, name: String) -> Result<Selector, String> {
        let mut matchers = Vec::new();
        if self.sign("{") {
            while !self.sign("}") {
                let label = self.name()?;
                let how = if self.sign("=") {
                    Match::Is
                } else if self.sign("!=") {
                    Match::IsNot
                } else {
                    return Err("labels are compared by = and != here".to_owned());
                };
                let Some(Token::Text(value)) = self.tokens.get(self.at).cloned() else {
                    return Err(format!("the value of {label} is missing"));
                };
                self.at += 1;
                matchers.push((label, how, value));
                self.sign(",");
            }
        }
        let range_ms = match self.tokens.get(self.at) {
            Some(Token::Range(range)) => {
                let range = *range;
                self.at += 1;
                Some(range)
            }
            _ => None,
        };
        Ok(Selector { name, matchers, range_ms })
    }
}

fn aggregation(name: &str) -> Option<Aggregation> {
    Some(match name {
        "sum" => Aggregation::Sum,
        "max" => Aggregation::Max,
        "min" => Aggregation::Min,
        "avg" => Aggregation::Avg,
        "count" => Aggregation::Count,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precedence_is_that_of_prometheus() {
        let whole = parse("a + b * 2 > 1 and c or d unless e").expect("an expression");
        let Expression::Binary(Operator::Or, left, right) = whole else { panic!("or binds least") };
        assert!(matches!(*left, Expression::Binary(Operator::And, _, _)));
        assert!(matches!(*right, Expression::Binary(Operator::Unless, _, _)));
        let shaped =
            parse("max by (venue) (time() - kt_feed_last_frame_seconds{venue!=\"x\"}) > 30").expect("an expression");
        let mut names = Vec::new();
        shaped.metrics(&mut names);
        assert_eq!(names, ["kt_feed_last_frame_seconds"]);
        assert_eq!(parse("increase(a[1h30m])").expect("an expression").longest_range(), 5_400_000);
    }

    #[test]
    fn what_is_not_evaluated_here_is_refused_by_name() {
        for (text, told) in [
            ("a{b=~\"c\"}", "not evaluated"),
            ("histogram_quantile(0.9, a)", "histogram_quantile() is not"),
            ("a > bool 1", "bool is not"),
            ("a * on(b) c", "on is not"),
            ("rate(a)", "with a range"),
            ("abs(a[5m])", "without a range"),
            ("a >", "a name is missing"),
            ("(a", "is missing"),
            ("a b", "was not expected"),
            ("a[5x]", "no duration"),
            ("sum without (a) (b)", "use by"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains(told), "{text}: {error}");
        }
    }
}
