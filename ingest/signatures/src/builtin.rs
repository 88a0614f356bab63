//! The providers that are compiled in: one file each, embedded by the build script, read when first asked for.

use std::sync::OnceLock;

use crate::scheme::Scheme;

include!(concat!(env!("OUT_DIR"), "/providers.rs"));

static SCHEMES: [OnceLock<Scheme>; FILES.len()] = [const { OnceLock::new() }; FILES.len()];

/// The compiled-in scheme of this name.
#[must_use]
pub fn builtin(name: &str) -> Option<&'static Scheme> {
    let place = FILES.binary_search_by_key(&name, |(known, _)| known).ok()?;
    let read = || Scheme::from_toml(FILES[place].1).expect("embedded provider files are read by a test");
    Some(SCHEMES[place].get_or_init(read))
}

/// The names of all compiled-in schemes, in alphabetical order.
pub fn builtin_names() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|&(name, _)| name)
}

/// The compiled-in names that somebody may have meant who wrote this one: there are too many to list.
#[must_use]
pub fn names_like(name: &str) -> Vec<&'static str> {
    let mut near: Vec<(usize, &str)> = builtin_names()
        .map(|known| (if known.contains(name) || name.contains(known) { 1 } else { distance(known, name) }, known))
        .filter(|(distance, _)| *distance <= 2)
        .collect();
    near.sort_unstable();
    near.into_iter().take(5).map(|(_, known)| known).collect()
}

/// How many letters must be added, dropped or changed (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (above, a) in one.bytes().enumerate() {
        let mut corner = row[0];
        row[0] = above + 1;
        for (left, b) in other.bytes().enumerate() {
            let changed = corner + usize::from(a != b);
            corner = row[left + 1];
            row[left + 1] = changed.min(corner + 1).min(row[left] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_written_wrong_is_found() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(names_like("strype").first(), Some(&"stripe"));
        assert!(names_like("standard").contains(&"standard-webhooks"));
        assert!(names_like("nothing-like-it").is_empty());
    }

    #[test]
    fn every_file_is_a_scheme_of_its_name() {
        let mut faults = Vec::new();
        for (name, text) in FILES {
            match Scheme::from_toml(text) {
                Ok(scheme) if scheme.name != name => faults.push(format!("{name}: its name is {}", scheme.name)),
                Ok(scheme) if !scheme.source_link.starts_with("https://") => faults.push(format!("{name}: no source")),
                Ok(_) => {}
                Err(error) => faults.push(format!("{name}: {error}")),
            }
        }
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }
}
