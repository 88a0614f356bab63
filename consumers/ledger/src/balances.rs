//! What the ledger knows of every customer, read from its state while it runs.

use std::collections::BTreeMap;
use std::path::Path;

use hooklog_consumer::state::{self, StateError};
use serde::Serialize;

use crate::{BALANCES, Balance};

/// One customer's line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// The customer.
    pub key: String,
    /// All charges together, in minor units.
    pub sum: i64,
    /// How many there were.
    pub count: u64,
}

/// Every customer's balance, by name. A customer whose charges came under several ordering keys lies in several partitions;
/// the line is their sum.
///
/// # Errors
/// [`StateError`] when there is no state or it can't be read.
pub fn read(data_dir: &Path, group: &str) -> Result<Vec<Line>, StateError> {
    let mut balances: BTreeMap<String, Balance> = BTreeMap::new();
    for partition in state::open(data_dir, group)? {
        partition.table(BALANCES, |customer, balance| {
            let total = balances.entry(customer).or_default();
            total.sum = total.sum.saturating_add(balance.sum);
            total.count += balance.count;
        })?;
    }
    Ok(balances.into_iter().map(|(key, Balance { sum, count })| Line { key, sum, count }).collect())
}
