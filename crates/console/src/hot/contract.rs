//! What a canonical instrument id says, as far as the page needs it to pair perpetuals with spot.

use kt_model::instrument::split_multiplier;

/// Kind of contract in a canonical id, as its last part names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContractKind {
    /// `…-SPOT`.
    Spot,
    /// `…-PERP`.
    Perpetual,
    /// Dated futures, options and names that follow no rule.
    Other,
}

/// The parts of a canonical id that decide which instruments belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contract {
    /// Kind of contract.
    pub kind: ContractKind,
    /// The asset priced: `SHIB` for `1000SHIB`.
    pub underlying: String,
    /// How much underlying one base is.
    pub multiplier: u64,
    /// Quote currency.
    pub quote: String,
    /// Whether profit is fixed in a third currency: such a price is not comparable with spot.
    pub quanto: bool,
}

impl Contract {
    /// Reads a canonical id; an id that follows no known form is of kind `Other` and never paired.
    #[must_use]
    pub fn parse(instrument: &str) -> Self {
        let parts: Vec<&str> = instrument.split('-').collect();
        let (kind, quanto) = match parts.as_slice() {
            [_, _, "SPOT"] => (ContractKind::Spot, false),
            [_, _, _, "PERP"] => (ContractKind::Perpetual, false),
            [_, _, _, "QUANTO", "PERP"] => (ContractKind::Perpetual, true),
            _ => (ContractKind::Other, false),
        };
        let (multiplier, underlying) = split_multiplier(parts.first().copied().unwrap_or_default());
        Self {
            kind,
            underlying: underlying.to_owned(),
            multiplier,
            quote: parts.get(1).copied().unwrap_or_default().to_owned(),
            quanto,
        }
    }
}

/// Whether two venue names are market segments of one exchange: `binance` and `binance_usdm` are.
#[must_use]
pub fn same_exchange(left: &str, right: &str) -> bool {
    exchange(left) == exchange(right)
}

/// The exchange a venue name belongs to: the part before the first `_`.
#[must_use]
pub fn exchange(venue: &str) -> &str {
    venue.split('_').next().unwrap_or(venue)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_say_what_is_priced_and_in_what() {
        let perpetual = Contract::parse("1000SHIB-USDT-USDT-PERP");
        assert_eq!((perpetual.kind, perpetual.multiplier), (ContractKind::Perpetual, 1000));
        let spot = Contract::parse("SHIB-USDT-SPOT");
        assert_eq!((spot.kind, spot.multiplier), (ContractKind::Spot, 1));
        assert_eq!((&perpetual.underlying, &perpetual.quote), (&spot.underlying, &spot.quote));
        assert!(Contract::parse("ETH-USD-BTC-QUANTO-PERP").quanto);
        for other in ["", "BTC", "BTC-USD-BTC-20261225-FUT", "BTC-USD-BTC-20261225-60000-C-OPT"] {
            assert_eq!(Contract::parse(other).kind, ContractKind::Other, "{other}");
        }
    }

    #[test]
    fn segments_belong_to_their_exchange() {
        assert!(same_exchange("binance", "binance_usdm") && same_exchange("okx", "okx"));
        assert!(!same_exchange("binance", "bybit"));
    }
}
