//! Which spot market each perpetual is compared with, read once a round: the view behind it costs the
//! engine more to plan than a round's basis costs to compute.

use serde::Deserialize;

use super::recompute::Scope;
use super::statements::quoted;
use crate::client::{Client, ClientError, Options};

/// A row of `ref.pairs`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Pair {
    venue: String,
    instrument: String,
    spot_venue: String,
    spot_instrument: String,
    /// What prices are divided by, a decimal number.
    multiplier: String,
    spot_multiplier: String,
}

impl Pair {
    fn is_touched_by(&self, scope: &Scope) -> bool {
        let has =
            |venue: &str, instrument: &str| scope.instruments.contains(&(venue.to_owned(), instrument.to_owned()));
        has(&self.venue, &self.instrument) || has(&self.spot_venue, &self.spot_instrument)
    }

    /// The perpetual, `('venue', 'instrument')`.
    fn perpetual(&self) -> String {
        format!("({}, {})", quoted(&self.venue), quoted(&self.instrument))
    }

    /// Two rows, one for each side: the pair, whether the side is the perpetual, the side, its multiplier.
    fn sides(&self) -> [String; 2] {
        let pair = [&self.venue, &self.instrument, &self.spot_venue, &self.spot_instrument].map(|text| quoted(text));
        let pair = pair.join(", ");
        let side = |is_perpetual: bool, venue: &str, instrument: &str, multiplier: &str| {
            let (venue, instrument, multiplier) = (quoted(venue), quoted(instrument), quoted(multiplier));
            format!("({pair}, {is_perpetual}, {venue}, {instrument}, {multiplier})")
        };
        [
            side(true, &self.venue, &self.instrument, &self.multiplier),
            side(false, &self.spot_venue, &self.spot_instrument, &self.spot_multiplier),
        ]
    }
}

/// The pairs of which one side is in the scope.
///
/// # Errors
/// The warehouse's.
pub(super) async fn touched(client: &Client, scope: &Scope) -> Result<Vec<Pair>, ClientError> {
    let sql = "SELECT venue, instrument, spot_venue, spot_instrument, toString(multiplier) AS multiplier, \
               toString(spot_multiplier) AS spot_multiplier FROM ref.pairs";
    let mut pairs: Vec<Pair> = client.query_rows(sql, &Options::new()).await?;
    pairs.retain(|pair| pair.is_touched_by(scope));
    Ok(pairs)
}

/// The condition that a row of the basis is one of these pairs'.
pub(super) fn condition(pairs: &[Pair]) -> String {
    format!("(venue, instrument) IN ({})", pairs.iter().map(Pair::perpetual).collect::<Vec<_>>().join(", "))
}

/// Both sides of the pairs as a table.
pub(super) fn sides(pairs: &[Pair]) -> String {
    let rows: Vec<String> = pairs.iter().flat_map(Pair::sides).collect();
    format!(
        "values('venue String, instrument String, spot_venue String, spot_instrument String, is_perpetual Bool, \
         side_venue String, side_instrument String, multiplier Decimal(38, 18)', {})",
        rows.join(", ")
    )
}
