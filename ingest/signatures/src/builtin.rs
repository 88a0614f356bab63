//! The providers that are compiled in: one file each, read once.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::scheme::Scheme;

/// Every provider file, by name.
const FILES: [(&str, &str); 10] = [
    ("github", include_str!("../providers/github.toml")),
    ("stripe", include_str!("../providers/stripe.toml")),
    ("shopify", include_str!("../providers/shopify.toml")),
    ("slack", include_str!("../providers/slack.toml")),
    ("standard-webhooks", include_str!("../providers/standard-webhooks.toml")),
    ("svix", include_str!("../providers/svix.toml")),
    ("hmac", include_str!("../providers/hmac.toml")),
    ("basic", include_str!("../providers/basic.toml")),
    ("bearer", include_str!("../providers/bearer.toml")),
    ("none", include_str!("../providers/none.toml")),
];

static SCHEMES: LazyLock<BTreeMap<&'static str, Scheme>> = LazyLock::new(|| {
    let read = |text| Scheme::from_toml(text).expect("embedded provider files are read by a test");
    FILES.iter().map(|&(name, text)| (name, read(text))).collect()
});

/// The compiled-in scheme of this name.
#[must_use]
pub fn builtin(name: &str) -> Option<&'static Scheme> {
    SCHEMES.get(name)
}

/// The names of all compiled-in schemes, providers first.
pub fn builtin_names() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|&(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_a_scheme_of_its_name() {
        for (name, text) in FILES {
            let scheme = Scheme::from_toml(text).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(scheme.name, name);
            assert!(scheme.source_link.starts_with("https://"), "{name} has no source");
        }
    }
}
