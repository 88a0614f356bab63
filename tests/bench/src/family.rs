//! A process with all that it started: servers of some ecosystems are several processes, and all of them are the peer.

use std::fs;

use crate::machine::Stat;

/// The process and all that descend from it.
#[must_use]
pub fn of(pid: u32) -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let parents: Vec<(u32, u32)> = pids.filter_map(|pid| Some((pid, Stat::of(pid).ok()?.parent))).collect();
    descendants(pid, &parents)
}

/// Of pairs of a process and its parent.
fn descendants(pid: u32, parents: &[(u32, u32)]) -> Vec<u32> {
    let mut family = vec![pid];
    let mut at = 0;
    while let Some(&parent) = family.get(at) {
        family.extend(parents.iter().filter(|(child, of)| *of == parent && *child != parent).map(|(child, _)| child));
        at += 1;
    }
    family
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_of_children_belong_to_it_and_strangers_do_not() {
        let parents = [(1, 0), (10, 1), (20, 10), (30, 20), (40, 1), (21, 10)];
        assert_eq!(descendants(10, &parents), [10, 20, 21, 30]);
        assert_eq!(descendants(40, &parents), [40]);
        assert!(of(std::process::id()).contains(&std::process::id()));
    }
}
