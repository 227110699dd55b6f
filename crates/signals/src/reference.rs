//! The reference page of the features, generated from their declarations.

use std::fmt::Write;

use crate::feature::Feature;
use crate::output::Reason;

const INTRODUCTION: &str = "# Signals

Generated from `crates/signals/src`; a test compares them. Signals are declared in a TOML file (`signals.declarations`; \
`kt signals list --toml` prints the built-in one). Each `[[signal]]` exists once for every instrument whose venue and \
instrument fit its patterns; of several declarations with one name the first that fits counts.

```toml
[[signal]]
name = \"basis\"                      # in rows and subjects: sig.v1.<name>.<venue>.<instrument>
feature = \"basis\"
venue = \"binance_usdm\"              # `*` stands for anything; the default is all
instrument = \"*-PERP\"
second_venue = \"binance\"            # the default {venue} is the first leg's
second_instrument = \"{base}-{quote}-SPOT\"
top = \"auto\"                        # best quotes: `quote` channel, order `book`, or quotes once there are any
max_age_ms = 5000                   # older data makes the signal stale (funding_apr: 600000)
every_ms = 100                      # at most so often while only the value changes; 0: every change
```

## Time, windows, samples

Time is that of the inputs: the receive time of events and the time of ticks, whichever is latest; it never goes back. A \
window of trades or order flow is kept in 60 buckets of equal width: it reaches from the start of the bucket 59 before \
the one under way to now. A sample is the value before the first input at or after each multiple of `sample_ms`. \
Windows default to 10 s, those of samples to 300 s with a sample each second; `minimum` defaults to 30 samples, `levels` \
to 5. Floats are IEEE doubles; the logarithm comes from `libm`, which is Rust throughout, so that machines agree.

## Rows

A row is stated at once when validity or reason changes, and at most every `every_ms` while only the value does. A row \
without a value says why. Ticks make staleness show on a silent feed. Block trades, liquidations by the insurance fund, \
cancelled and non-market trades (flags 4, 8, 16, 128) count in no window.

## Features

";

/// The page in Markdown.
#[must_use]
pub fn markdown() -> String {
    let mut page = String::from(INTRODUCTION);
    for feature in Feature::ALL {
        let about = feature.describe();
        let keys = about.keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
        // Writing to a String cannot fail.
        let _ = writeln!(page, "### `{}`\n\n{}\n", about.name, about.formula);
        let _ = writeln!(page, "- unit: {}\n- source: {}", about.unit, about.source);
        if !keys.is_empty() {
            let _ = writeln!(page, "- keys: {keys}");
        }
        if !about.refuses.is_empty() {
            let _ = writeln!(page, "- no value: {}", about.refuses);
        }
        page.push('\n');
    }
    page.push_str("## Reasons\n\n| reason | validity | meaning |\n|---|---|---|\n");
    for (reason, meaning) in Reason::ALL {
        let _ = writeln!(page, "| `{}` | {} | {meaning} |", reason.as_str(), reason.validity());
    }
    page
}
