//! What a PromQL expression names: its metrics, with the labels asked of each, and the labels it groups by.

use std::collections::BTreeSet;

/// The names in one expression.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Names {
    /// Each metric with the labels its selector asks for.
    pub(crate) metrics: Vec<(String, Vec<String>)>,
    /// Labels after `by`, `on`, `without`, `ignoring`, `group_left`, `group_right`.
    pub(crate) grouping: BTreeSet<String>,
}

/// Words that stand before a list of labels.
const BEFORE_LABELS: &[&str] = &["by", "without", "on", "ignoring", "group_left", "group_right"];
/// Words that are neither metric nor function.
const WORDS: &[&str] = &["and", "or", "unless", "bool", "offset", "inf", "nan", "start", "end"];

/// Reads an expression.
pub(crate) fn names(expression: &str) -> Names {
    let tokens = tokens(expression);
    let (mut names, mut at) = (Names::default(), 0);
    while at < tokens.len() {
        let token = tokens[at].as_str();
        let next = tokens.get(at + 1).map_or("", String::as_str);
        if BEFORE_LABELS.contains(&token) {
            if next == "(" {
                let labels = until(&tokens, at + 2, ")");
                names.grouping.extend(labels.iter().filter(|label| is_name(label)).cloned());
                at += labels.len() + 2;
            }
        } else if token == "[" {
            at += until(&tokens, at + 1, "]").len() + 1;
        } else if is_name(token) && !WORDS.contains(&token) {
            let aggregates = BEFORE_LABELS.contains(&next);
            if next == "{" {
                let inside = until(&tokens, at + 2, "}");
                names.metrics.push((token.to_owned(), inside.iter().filter(|word| is_name(word)).cloned().collect()));
                at += inside.len() + 2;
            } else if next != "(" && !aggregates {
                names.metrics.push((token.to_owned(), Vec::new()));
            }
        }
        at += 1;
    }
    names
}

fn until(tokens: &[String], from: usize, end: &str) -> Vec<String> {
    tokens[from.min(tokens.len())..].iter().take_while(|token| *token != end).cloned().collect()
}

fn is_name(token: &str) -> bool {
    token.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_' || first == ':')
}

/// Names, numbers with their units, and single signs; strings are left out.
fn tokens(expression: &str) -> Vec<String> {
    let (mut tokens, mut rest) = (Vec::new(), expression.trim_start());
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' | '\'' => 2 + rest[1..].split(first).next().unwrap_or_default().len(),
            _ if is_part(first) => rest.find(|sign| !is_part(sign)).unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        let token = &rest[..length.min(rest.len())];
        if !token.starts_with(['"', '\'']) {
            tokens.push(token.to_owned());
        }
        rest = rest[token.len()..].trim_start();
    }
    tokens
}

/// `$` is part of a name so that a dashboard's variables are none.
fn is_part(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '_' | ':' | '$' | '.')
}

#[test]
fn metrics_labels_and_groups_are_told_apart() {
    let found = names(
        "histogram_quantile(0.99, sum by (le, source) (rate(a_bucket{job=~\"x(y)\", source!=\"-\"}[$__rate_interval]))) \
         / on(topic) group_left() b_total offset 5m > bool 1.5e3 and c unless sum(d{}) by (group)",
    );
    let of = |name: &str, labels: &[&str]| (name.to_owned(), labels.iter().map(ToString::to_string).collect());
    assert_eq!(found.metrics, [of("a_bucket", &["job", "source"]), of("b_total", &[]), of("c", &[]), of("d", &[])]);
    assert_eq!(found.grouping.into_iter().collect::<Vec<_>>(), ["group", "le", "source", "topic"]);
}
