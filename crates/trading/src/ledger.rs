//! Positions and accounts in exact decimals.

use kt_model::{Price, Quantity, Side};

use crate::money::{Money, Rounding, multiply};
use crate::report::Fill;

/// One strategy's account in one market. What it is worth: `cash + quantity × price − fees + funding`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Base units, negative when short.
    pub quantity: Quantity,
    /// Received for sales less paid for purchases, in quote currency.
    pub cash: Money,
    /// Fees paid; negative when rebates were more.
    pub fees: Money,
    /// Funding received; negative when paid.
    pub funding: Money,
}

/// An amount left the range of 128-bit decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an amount does not fit 128-bit decimals")]
pub struct OutOfRange;

impl Account {
    /// Books an execution; answers the cash it moved. Without a change when it does not fit.
    ///
    /// # Errors
    /// [`OutOfRange`].
    pub fn fill(&mut self, side: Side, fill: &Fill<'_>) -> Result<Money, OutOfRange> {
        let buys = side == Side::Buy;
        let rounding = if buys { Rounding::Up } else { Rounding::Down };
        let value = multiply(fill.price, fill.quantity, rounding).ok_or(OutOfRange)?;
        let (cash, moved) = if buys { (-value.0, fill.quantity.0) } else { (value.0, -fill.quantity.0) };
        let next = Self {
            quantity: add(self.quantity, moved)?,
            cash: add(self.cash, cash)?,
            fees: add(self.fees, fill.fee.0)?,
            funding: self.funding,
        };
        *self = next;
        Ok(kt_model::Decimal(cash))
    }

    /// Books a funding payment; positive is received.
    ///
    /// # Errors
    /// [`OutOfRange`].
    pub fn fund(&mut self, payment: Money) -> Result<(), OutOfRange> {
        self.funding = add(self.funding, payment.0)?;
        Ok(())
    }

    /// The venue closes the whole position at a price, without a fee; answers the cash it moved.
    ///
    /// # Errors
    /// [`OutOfRange`].
    pub fn settle(&mut self, price: Price) -> Result<Money, OutOfRange> {
        let value = multiply(price, self.quantity, Rounding::Down).ok_or(OutOfRange)?;
        self.cash = add(self.cash, value.0)?;
        self.quantity = Quantity::ZERO;
        Ok(value)
    }

    /// What the account is worth at a price.
    ///
    /// # Errors
    /// [`OutOfRange`].
    pub fn worth(&self, price: Price) -> Result<Money, OutOfRange> {
        let value = multiply(price, self.quantity, Rounding::Down).ok_or(OutOfRange)?;
        add(add(add(self.cash, value.0)?, self.funding.0)?, -self.fees.0)
    }
}

fn add(amount: Money, more: i128) -> Result<Money, OutOfRange> {
    amount.0.checked_add(more).map(kt_model::Decimal).ok_or(OutOfRange)
}
