//! Line charts as inline SVG: no script draws them, so they show in any viewer and in print.

use std::fmt::Write as _;

use kt_model::Nanos;

use super::text::escaped;
use crate::coverage::spoken;

const WIDTH: f64 = 960.0;
const LEFT: f64 = 74.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 24.0;
/// Points drawn at most; a chart is not wider than that.
const POINTS: usize = 1_600;

/// One line.
#[derive(Debug, Clone)]
pub struct Line<'a> {
    /// What it shows.
    pub name: &'a str,
    /// Its CSS class, which gives the colour.
    pub class: &'a str,
    /// Time in nanoseconds and value, ascending by time.
    pub points: &'a [(i64, f64)],
}

/// A chart of lines over one time axis.
#[derive(Debug, Clone)]
pub struct Chart<'a> {
    /// For those who do not see it.
    pub title: &'a str,
    /// Unit of the values.
    pub unit: &'a str,
    /// Height in pixels of its own coordinates.
    pub height: f64,
    /// The lines.
    pub lines: Vec<Line<'a>>,
    /// Whether the area down to zero is filled.
    pub filled: bool,
}

/// Maps times and values to the drawing.
struct Frame {
    from: i64,
    to: i64,
    low: f64,
    high: f64,
    height: f64,
}

impl Frame {
    fn x(&self, at: i64) -> f64 {
        let share = (at - self.from) as f64 / (self.to - self.from).max(1) as f64;
        LEFT + share * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        let share = (value - self.low) / (self.high - self.low);
        self.height - BOTTOM - share * (self.height - TOP - BOTTOM)
    }
}

impl Chart<'_> {
    /// The chart as one SVG element; a note in its place when there is nothing to draw.
    #[must_use]
    pub fn svg(&self) -> String {
        let Some(frame) = self.frame() else {
            return format!("<p class=\"none\">{}: nothing to draw.</p>", escaped(self.title));
        };
        let mut out = format!(
            "<svg class=\"chart\" viewBox=\"0 0 {WIDTH} {}\" role=\"img\" aria-label=\"{}\" \
             data-from=\"{}\" data-to=\"{}\" data-left=\"{LEFT}\" data-right=\"{}\" data-unit=\"{}\">",
            self.height,
            escaped(self.title),
            frame.from,
            frame.to,
            WIDTH - RIGHT,
            escaped(self.unit)
        );
        value_axis(&frame, &mut out);
        time_axis(&frame, &mut out);
        for line in &self.lines {
            self.line(line, &frame, &mut out);
        }
        let _ = write!(
            out,
            "<line class=\"cursor\" y1=\"{TOP}\" y2=\"{}\"/><text class=\"reading\" y=\"{}\"></text></svg>",
            self.height - BOTTOM,
            TOP + 4.0
        );
        out
    }

    fn frame(&self) -> Option<Frame> {
        let points = || self.lines.iter().flat_map(|line| line.points);
        let (from, to) = (points().map(|point| point.0).min()?, points().map(|point| point.0).max()?);
        let zero = 0.0_f64;
        let low = points().map(|point| point.1).fold(zero, f64::min);
        let high = points().map(|point| point.1).fold(zero, f64::max);
        let room = if high > low { (high - low) * 0.04 } else { 1.0 };
        let (low, high) =
            (if low < 0.0 { low - room } else { low }, if high > 0.0 || low == high { high + room } else { high });
        Some(Frame { from, to, low, high, height: self.height })
    }

    fn line(&self, line: &Line<'_>, frame: &Frame, out: &mut String) {
        let points = thinned(line.points);
        let Some((first, last)) = points.first().zip(points.last()) else { return };
        // An account's value stays until the next point, so the line has steps.
        let mut path = format!("M{:.1} {:.1}", frame.x(first.0), frame.y(first.1));
        for point in &points[1..] {
            let _ = write!(path, "H{:.1}V{:.1}", frame.x(point.0), frame.y(point.1));
        }
        if self.filled {
            let _ = write!(
                out,
                "<path class=\"area {}\" d=\"{path}V{:.1}H{:.1}Z\"/>",
                line.class,
                frame.y(0.0),
                frame.x(first.0)
            );
        }
        let values: Vec<String> = points.iter().map(|(at, value)| format!("{at} {}", number(*value))).collect();
        let _ = write!(
            out,
            "<path class=\"line {}\" d=\"{path}\" data-name=\"{}\" data-points=\"{}\"/>",
            line.class,
            escaped(line.name),
            values.join(",")
        );
        let _ = write!(
            out,
            "<circle class=\"dot {}\" r=\"2.5\" cx=\"{:.1}\" cy=\"{:.1}\"/>",
            line.class,
            frame.x(last.0),
            frame.y(last.1)
        );
    }
}

fn value_axis(frame: &Frame, out: &mut String) {
    let step = nice((frame.high - frame.low) / 4.0);
    let mut value = (frame.low / step).ceil() * step;
    while value <= frame.high {
        let y = frame.y(value);
        let class = if value.abs() < step / 1e6 { "zero" } else { "grid" };
        let _ =
            write!(out, "<line class=\"{class}\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>", WIDTH - RIGHT);
        let _ = write!(
            out,
            "<text class=\"tick\" x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 8.0,
            y + 3.5,
            tick(value, step)
        );
        value += step;
    }
}

fn time_axis(frame: &Frame, out: &mut String) {
    let span = (frame.to - frame.from).max(1);
    let steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 28_800, 43_200, 86_400];
    let step = steps.iter().map(|seconds| seconds * 1_000_000_000_i64).find(|step| span / step <= 8);
    let step = step.unwrap_or((span / 8 / 86_400_000_000_000 + 1) * 86_400_000_000_000);
    let mut at = frame.from.div_euclid(step) * step + step;
    while at <= frame.to {
        let said = spoken(Nanos(at));
        let label = if step >= 86_400_000_000_000 {
            &said[5..10]
        } else if step >= 60_000_000_000 {
            &said[11..16]
        } else {
            &said[11..19]
        };
        let x = frame.x(at);
        let _ = write!(
            out,
            "<text class=\"tick\" x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{label}</text>",
            frame.height - 6.0
        );
        at += step;
    }
}

/// The smallest of 1, 2, 5 × 10ⁿ that is not below `raw`.
fn nice(raw: f64) -> f64 {
    let magnitude = 10_f64.powf(raw.max(1e-12).log10().floor());
    [1.0, 2.0, 5.0, 10.0].iter().map(|factor| factor * magnitude).find(|step| *step >= raw).unwrap_or(raw)
}

fn tick(value: f64, step: f64) -> String {
    let digits = (-step.log10().floor()).clamp(0.0, 8.0) as usize;
    let rounded = if value.abs() < step / 1e6 { 0.0 } else { value };
    super::text::grouped(&format!("{rounded:.digits$}"))
}

/// A value for the reading under the pointer: six significant digits.
fn number(value: f64) -> String {
    let digits = (5.0 - value.abs().max(1e-9).log10().floor()).clamp(0.0, 8.0) as usize;
    format!("{value:.digits$}")
}

/// Fewer points with the same outline: of each stretch the lowest, the highest and the last.
fn thinned(points: &[(i64, f64)]) -> Vec<(i64, f64)> {
    if points.len() <= POINTS {
        return points.to_vec();
    }
    let stretch = points.len() * 3 / POINTS + 1;
    let mut out = Vec::with_capacity(POINTS + 3);
    out.push(points[0]);
    for part in points[1..].chunks(stretch) {
        let by = |a: &&(i64, f64), b: &&(i64, f64)| a.1.total_cmp(&b.1);
        let mut kept: Vec<(i64, f64)> =
            [part.iter().min_by(by), part.iter().max_by(by), part.last()].into_iter().flatten().copied().collect();
        kept.sort_by_key(|point| point.0);
        kept.dedup();
        out.extend(kept);
    }
    out
}
