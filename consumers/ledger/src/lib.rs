//! Payments that are never charged twice: the example of a consumer with state and outside calls.
//!
//! The data's path: an event of type `charge.succeeded` is read as a [`charge`]; its customer's [`Balance`] and a call to the
//! [`payments`] service are written down in one write; the call is made afterwards with the effect's id as `Idempotency-Key`, again and
//! again until it is answered. [`balances`] reads the state, also while the consumer runs; [`sandbox`] stands in for the service; [`cli`] is the binary.

pub mod charge;
pub mod payments;
pub mod balances;
pub mod sandbox;
pub mod cli;

use hooklog_consumer::{Consumer, Context, Effect, Event, Fault, Table};
use serde::{Deserialize, Serialize};

use charge::{Charge, Order};
use payments::Payments;

/// Balances by customer.
pub const BALANCES: Table<String, Balance> = Table::new(1, "balances");

/// What a customer was charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Balance {
    /// All charges together, in minor units (cents).
    pub sum: i64,
    /// How many there were.
    pub count: u64,
}

/// The consumer.
#[derive(Debug)]
pub struct Ledger {
    payments: Payments,
}

impl Ledger {
    /// A ledger that has charges made by `payments`.
    #[must_use]
    pub const fn new(payments: Payments) -> Self {
        Self { payments }
    }
}

impl Consumer for Ledger {
    const NAME: &'static str = "ledger";

    fn handle(&self, event: &Event, cx: &mut Context<'_>) -> Result<(), Fault> {
        if event.kind() != charge::SUCCEEDED {
            return Ok(());
        }
        let Charge { customer, amount, currency } = event.json::<charge::Payload>()?.into_charge()?;
        let balance = cx.table(BALANCES).get(&customer)?.unwrap_or_default();
        let sum = balance.sum.checked_add(amount).ok_or_else(|| Fault::permanent("the customer's sum overflows"))?;
        cx.table(BALANCES).put(&customer, &Balance { sum, count: balance.count + 1 })?;
        cx.effect(&Order { event: event.id().to_owned(), customer, amount, currency })
    }

    async fn perform(&self, effect: &Effect) -> Result<(), Fault> {
        self.payments.charge(&effect.id().to_string(), &effect.json()?).await
    }
}
