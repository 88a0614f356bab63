//! Consumer groups as their coordinator knows them, without joining them.

use std::time::Duration;

use hooklog_schemas::{Partition, TopicName};
use rdkafka::consumer::Consumer;
use rdkafka::groups::{GroupInfo, GroupMemberInfo};

use super::Admin;
use crate::error::AdminError;

/// A group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// `Stable`, `PreparingRebalance`, `CompletingRebalance`, `Empty`, `Dead`.
    pub state: String,
    /// How partitions are shared out: `cooperative-sticky`.
    pub assignor: String,
    /// Its members.
    pub members: Vec<Member>,
}

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The id the coordinator gave it.
    pub id: String,
    /// The name its client gave itself.
    pub client_id: String,
    /// Where it connects from.
    pub host: String,
    /// What it owns.
    pub partitions: Vec<(TopicName, Partition)>,
}

impl Admin {
    /// All groups of all brokers.
    ///
    /// # Errors
    /// [`AdminError`]
    pub fn groups(&self, within: Duration) -> Result<Vec<Group>, AdminError> {
        self.list_groups(None, within)
    }

    /// One group; none when no coordinator knows it.
    ///
    /// # Errors
    /// [`AdminError`]
    pub fn group(&self, name: &str, within: Duration) -> Result<Option<Group>, AdminError> {
        let known = |group: &Group| group.name == name && group.state != "Dead";
        Ok(self.list_groups(Some(name), within)?.into_iter().find(known))
    }

    fn list_groups(&self, name: Option<&str>, within: Duration) -> Result<Vec<Group>, AdminError> {
        let list = self.consumer.fetch_group_list(name, within);
        self.drain_logs();
        let list = list.map_err(|error| self.of("list groups", None, &error, within))?;
        let mut groups: Vec<_> = list.groups().iter().map(group).collect();
        groups.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(groups)
    }
}

fn group(info: &GroupInfo) -> Group {
    Group {
        name: info.name().to_owned(),
        state: info.state().to_owned(),
        assignor: info.protocol().to_owned(),
        members: info.members().iter().map(member).collect(),
    }
}

fn member(info: &GroupMemberInfo) -> Member {
    Member {
        id: info.id().to_owned(),
        client_id: info.client_id().to_owned(),
        host: info.client_host().to_owned(),
        partitions: info.assignment().and_then(assignment).unwrap_or_default(),
    }
}

/// The consumer protocol's assignment: version, then topics with their partitions, all big-endian. None when it is something else.
fn assignment(bytes: &[u8]) -> Option<Vec<(TopicName, Partition)>> {
    let mut rest = bytes;
    let _version = take::<2>(&mut rest)?;
    let mut owned = Vec::new();
    for _ in 0..u32::from_be_bytes(take(&mut rest)?) {
        let length = usize::from(u16::from_be_bytes(take(&mut rest)?));
        let (name, after) = rest.split_at_checked(length)?;
        rest = after;
        let topic = TopicName::parse(std::str::from_utf8(name).ok()?).ok()?;
        for _ in 0..u32::from_be_bytes(take(&mut rest)?) {
            owned.push((topic.clone(), Partition(i32::from_be_bytes(take(&mut rest)?))));
        }
    }
    Some(owned)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, after) = rest.split_first_chunk::<N>()?;
    *rest = after;
    Some(*taken)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_assignment_is_read() {
        let mut bytes = vec![0, 1, 0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 2];
        bytes.extend([0, 0, 0, 3, 0, 0, 0, 5, 255, 255, 255, 255]);
        let topic = TopicName::parse("t").unwrap();
        assert_eq!(assignment(&bytes), Some(vec![(topic.clone(), Partition(3)), (topic, Partition(5))]));
        assert_eq!(assignment(&bytes[..15]), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = assignment(&bytes);
        }
    }
}
