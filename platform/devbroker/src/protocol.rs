//! How partitions are divided: what members have in common, and what most of them prefer.

use std::collections::BTreeMap;

use crate::member::{Joining, Member};

/// Whether a newcomer has the type and at least one protocol in common with all others.
pub(crate) fn fits<'a>(joining: &Joining, others: impl Iterator<Item = &'a Member> + Clone) -> bool {
    let shared = |name: &str| others.clone().all(|other| other.supports(name));
    !joining.protocol_type.is_empty()
        && others.clone().all(|other| other.joining.protocol_type == joining.protocol_type)
        && joining.protocols.iter().any(|(name, _)| shared(name))
}

/// The protocol everybody supports that most prefer.
pub(crate) fn vote<'a>(members: impl Iterator<Item = &'a Member> + Clone) -> String {
    let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
    for member in members.clone() {
        let common = |name: &&str| members.clone().all(|other| other.supports(name));
        let mut names = member.joining.protocols.iter().map(|(name, _)| name.as_str());
        if let Some(choice) = names.find(common) {
            *votes.entry(choice).or_default() += 1;
        }
    }
    votes.into_iter().max_by_key(|(_, count)| *count).map(|(name, _)| name.to_string()).unwrap_or_default()
}
