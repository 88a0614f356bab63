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

#[cfg(test)]
mod tests {
    use super::*;

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
