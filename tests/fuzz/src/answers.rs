//! Answers as they come off a connection: their statuses, however many there are.

/// The statuses of all answers, interim ones left out; none where the bytes are no sequence of answers.
///
/// An answer to `HEAD` has a length and no body: what begins like the next answer is the next answer.
#[must_use]
pub fn statuses(bytes: &[u8]) -> Option<Vec<u16>> {
    let (mut statuses, mut rest) = (Vec::new(), bytes);
    while !rest.is_empty() {
        let end = rest.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&rest[..end]).ok()?;
        let mut lines = head.split("\r\n");
        let first = lines.next()?;
        let status: u16 =
            first.strip_prefix("HTTP/1.1 ").or(first.strip_prefix("HTTP/1.0 "))?.get(..3)?.parse().ok()?;
        let length = lines.filter_map(|line| line.split_once(": ")).find(|(name, _)| *name == "content-length");
        let length: usize = length.map_or(Some(0), |(_, length)| length.parse().ok())?;
        rest = &rest[end + 4..];
        if status >= 200 {
            statuses.push(status);
            if !rest.is_empty() && !rest.starts_with(b"HTTP/1.") {
                rest = rest.get(length..)?;
            }
        }
    }
    Some(statuses)
}

#[cfg(test)]
mod tests {
    use super::statuses;

    #[test]
    fn answers_are_told_apart() {
        let two = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabcHTTP/1.1 405 No\r\ncontent-length: 9\r\n\r\n";
        assert_eq!(statuses(two), Some(vec![200, 405]));
        assert_eq!(statuses(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nab"), None, "a body that ends early");
        assert_eq!(statuses(b"garbage\r\n\r\n"), None);
        assert_eq!(statuses(b""), Some(Vec::new()));
    }
}
