//! On which line of a TOML text a key stands, for messages about keys that are well formed and yet wrong.

/// The line, from 1, on which the key of this path is set; of its nearest table where it is set inside one line.
pub(crate) fn of_key(text: &str, path: &str) -> Option<usize> {
    let path: Vec<&str> = path.split('.').collect();
    let (mut table, mut best) = (Vec::new(), None);
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim_start();
        let here = match (line.strip_prefix('['), line.split_once('=')) {
            (Some(header), _) => {
                table = header.trim_matches(|c| "[] ".contains(c)).split('.').collect();
                table.clone()
            }
            (None, Some((key, _))) => table.iter().copied().chain(key.trim().split('.')).collect(),
            (None, None) => continue,
        };
        let depth = here.len();
        if path.starts_with(&here) && best.is_none_or(|(known, _)| depth > known) {
            best = Some((depth, number));
        }
    }
    best.map(|(_, number)| number)
}

#[cfg(test)]
mod tests {
    use super::of_key;

    #[test]
    fn a_key_is_found_in_its_table_or_inline() {
        let text =
            "fn = 1\nsecret = { form = \"raw\" }\n\n[signature]\nlist = { pair = \"=\" }\n[[handshake]]\nmethod = 1\n";
        for (path, line) in
            [("fn", 1), ("secret.form", 2), ("signature", 4), ("signature.list.labels", 5), ("handshake.method", 7)]
        {
            assert_eq!(of_key(text, path), Some(line), "{path}");
        }
        assert_eq!(of_key(text, "time"), None);
    }
}
