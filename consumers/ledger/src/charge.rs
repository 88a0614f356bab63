//! A charge as Stripe tells of it, and the order that follows from it.

use hooklog_consumer::Fault;
use serde::{Deserialize, Serialize};

/// The type of the events that are booked; all others pass by.
pub const SUCCEEDED: &str = "charge.succeeded";

/// The part of the event's body that is read.
#[derive(Debug, Deserialize)]
pub struct Payload {
    data: Data,
}

#[derive(Debug, Deserialize)]
struct Data {
    object: Object,
}

#[derive(Debug, Deserialize)]
struct Object {
    customer: Option<String>,
    amount: i64,
    currency: String,
}

/// A charge that can be booked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// Whose.
    pub customer: String,
    /// How much, in minor units; more than nothing.
    pub amount: i64,
    /// In which currency: three letters.
    pub currency: String,
}

/// What the payments service is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The event's id.
    pub event: String,
    /// Whom to charge.
    pub customer: String,
    /// How much, in minor units.
    pub amount: i64,
    /// In which currency.
    pub currency: String,
}

impl Payload {
    /// The charge.
    ///
    /// # Errors
    /// A permanent [`Fault`] when it can't be booked.
    pub fn into_charge(self) -> Result<Charge, Fault> {
        let Object { customer, amount, currency } = self.data.object;
        let customer = customer.filter(|customer| !customer.is_empty());
        let customer = customer.ok_or_else(|| Fault::permanent("the charge has no customer"))?;
        if amount <= 0 {
            return Err(Fault::permanent(format_args!("the charge's amount is {amount}")));
        }
        if currency.len() != 3 {
            return Err(Fault::permanent(format_args!("the charge's currency is {currency:?}")));
        }
        Ok(Charge { customer, amount, currency })
    }
}
