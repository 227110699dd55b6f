//! A wrong key or value is refused with its line.

use crate::world::config;
use kt_trading::TradingConfig;

fn problem(change: impl Fn(String) -> String) -> (usize, String) {
    let text = config(change);
    let error = TradingConfig::parse(&text).expect_err("refused");
    (error.line, error.problem)
}

fn line_of(text: &str, what: &str) -> usize {
    text.lines().position(|line| line.starts_with(what)).expect("a line with it") + 1
}

#[test]
fn the_default_is_right() {
    let config = TradingConfig::parse(include_str!("../../../../strategies/basis.toml")).expect("right");
    assert_eq!((config.basis.len(), config.legs().len()), (3, 6));
}

#[test]
fn wrong_keys_and_values_name_their_line() {
    let right = config(|text| text);
    let cases: &[(&str, &str, &str)] = &[
        ("entry_z = 1.5", "entri_z = 1.5", "unknown field `entri_z`"),
        ("exit_z = 0.25", "exit_z = 2.5", "must be below entry_z"),
        ("exit_z = 0.25", "exit_z = -1.0", "0 or more"),
        ("notional = \"2000\"", "notional = \"-1\"", "above 0"),
        ("notional = \"2000\"", "notional = 2000.5", "in quotes"),
        ("window = 240", "window = \"many\"", "invalid type"),
        ("min_samples = 10", "min_samples = 999", "between 2 and window"),
        ("max_holding_s = 120", "max_holding_s = 0", "above 0"),
        ("slippage_bps = \"2\"", "slippage_bps = \"20000\"", "bps"),
        ("spot = \"binance/BTC-USDT-SPOT\"", "spot = \"BTC-USDT-SPOT\"", "venue/instrument"),
        ("spot = \"binance/BTC-USDT-SPOT\"", "spot = \"kraken/BTC-USDT-SPOT\"", "[paper.fees.kraken]"),
        ("spot = \"binance/BTC-USDT-SPOT\"", "spot = \"binance/BTC-USDT-USDT-PERP\"", "kind -SPOT"),
        (
            "perpetual = \"binance_usdm/BTC-USDT-USDT-PERP\"",
            "perpetual = \"binance_usdm/BTC-USD-USD-PERP\"",
            "same base and quote",
        ),
        ("entry = \"taker\"", "entry = \"both\"", "unknown variant"),
        ("max_orders_per_second = 20", "max_orders_per_second = 0", "above 0"),
        ("name = \"basis-btc\"", "name = \"a b\"", "letters, digits"),
    ];
    for (old, new, expected) in cases {
        assert!(right.contains(old), "{old}");
        let (line, text) = problem(|text| text.replace(old, new));
        assert_eq!(line, line_of(&right, old), "{new}: {text}");
        assert!(text.contains(expected), "{new}: {text}");
    }
    let (line, text) = problem(|text| text.replace("[risk]", "[risk"));
    assert_eq!(line, line_of(&right, "[risk]"), "{text}");
    let (_, text) = problem(|text| text.replace("exit_z = 0.25\n", ""));
    assert!(text.contains("exit_z"), "{text}");
}
