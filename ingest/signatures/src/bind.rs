//! What else must hold of a request beside its signature: conditions, hashes carried elsewhere, and where keys may lie.

use std::fmt;

use serde::Deserialize;

use crate::digest::Digest;
use crate::encoding::Encoding;
use crate::place::Place;

/// Something that must hold. In TOML: `{ from = { header = "X-Version" }, equals = "1" }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Condition {
    pub(crate) from: Place,
    pub(crate) is: Expected,
}

/// What must be at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Expected {
    Text(String),
    Param(String),
    /// The public name of the key that matched.
    KeyName,
    Present,
    Absent,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConditionTable {
    from: Place,
    equals: Option<String>,
    param: Option<String>,
    #[serde(default)]
    key_name: bool,
    #[serde(default)]
    present: bool,
    #[serde(default)]
    absent: bool,
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let table = ConditionTable::deserialize(deserializer)?;
        let mut expected = Vec::new();
        expected.extend(table.equals.map(Expected::Text));
        expected.extend(table.param.map(Expected::Param));
        expected.extend(table.key_name.then_some(Expected::KeyName));
        expected.extend(table.present.then_some(Expected::Present));
        expected.extend(table.absent.then_some(Expected::Absent));
        match (expected.pop(), expected.is_empty()) {
            (Some(is), true) => Ok(Self { from: table.from, is }),
            _ => Err(serde::de::Error::custom(
                "a condition has one of `equals`, `param`, `key_name = true`, `present = true`, `absent = true`",
            )),
        }
    }
}

/// A hash (or the text itself) of the body or URL that is carried at a signed place.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Bind {
    pub(crate) from: Place,
    pub(crate) of: Bound,
    pub(crate) hash: Option<Digest>,
    pub(crate) encoding: Option<Encoding>,
    #[serde(default)]
    pub(crate) when: When,
}

/// What is bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Bound {
    Body,
    Url,
}

/// When the binding must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum When {
    #[default]
    Always,
    /// It is absent exactly when the body is empty.
    NotEmpty,
    /// The body is bound elsewhere when it is a form.
    NotForm,
}

/// Where a request says that its certificate lies, and the only hosts believed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyUrl {
    pub(crate) from: Place,
    pub(crate) hosts: Vec<HostPattern>,
    /// The names, one of which the certificate must be for; none is asked where there is none.
    #[serde(default)]
    pub(crate) names: Vec<HostPattern>,
    /// Whether what lies there must lead to an authority. Where not, the host that it came from vouches for it alone.
    #[serde(default = "yes")]
    pub(crate) chain: bool,
}

const fn yes() -> bool {
    true
}

/// What is asked of the certificate that a request names, beside where it lies and when it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CertificateRules<'a> {
    /// The names, one of which it must be for; any where there is none.
    pub names: &'a [HostPattern],
    /// Whether it must lead to an authority.
    pub chain: bool,
}

/// A host's name, in which a label may be `*`: `sns.*.amazonaws.com`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct HostPattern(Vec<String>);

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("."))
    }
}

impl TryFrom<String> for HostPattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let good = |label: &str| {
            label == "*"
                || (!label.is_empty()
                    && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'))
        };
        let labels: Vec<&str> = text.split('.').collect();
        let fixed = labels.len() >= 2 && labels[labels.len() - 2..].iter().all(|label| *label != "*");
        if fixed && labels.iter().all(|label| good(label)) {
            Ok(Self(labels.into_iter().map(str::to_owned).collect()))
        } else {
            Err(format!(
                "{text:?} is no host: write a full name like \"sns.*.amazonaws.com\", the last two labels fixed"
            ))
        }
    }
}

impl HostPattern {
    /// Whether this is the host's name, each `*` standing for one whole label.
    #[must_use]
    pub fn matches(&self, host: &str) -> bool {
        let labels: Vec<&str> = host.split('.').collect();
        labels.len() == self.0.len()
            && self.0.iter().zip(labels).all(|(want, is)| (want == "*" && !is.is_empty()) || want == is)
    }
}

/// Whether a URL is https on one of the hosts: no user, no port, nothing that another reader could take for another host.
pub(crate) fn is_pinned(url: &str, hosts: &[HostPattern]) -> bool {
    let Some(rest) = url.strip_prefix("https://") else { return false };
    let harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/?=&%:+,".contains(&byte);
    let Some((host, path)) = rest.split_once('/') else { return false };
    let plain = host.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b));
    plain && url.len() <= 2048 && path.bytes().all(harmless) && hosts.iter().any(|pattern| pattern.matches(host))
}
