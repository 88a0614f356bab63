//! What is signed, at byte level: literals, parts of the request's head, and the body, in order.

use crate::verify::Head;

/// A part of the signed bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Timestamp,
    Id,
    Method,
    Path,
    PathAndQuery,
}

/// The signed bytes around the body. The body is fed between both halves as it arrives, so nothing is buffered.
#[derive(Debug, Clone)]
pub struct Template {
    before: Vec<Part>,
    after: Vec<Part>,
}

/// The texts that a template's parts stand for, exactly as received.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Values<'a> {
    pub(crate) method: &'a str,
    pub(crate) path_and_query: &'a str,
    pub(crate) timestamp: &'a str,
    pub(crate) id: &'a str,
}

impl<'a> Values<'a> {
    pub(crate) fn of(head: Head<'a>) -> Self {
        Self { method: head.method, path_and_query: head.path_and_query, timestamp: "", id: "" }
    }
}

impl Template {
    /// Parses `v0:{timestamp}:{body}`; the error says what to change.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (mut before, mut after, mut bodies) = (Vec::new(), Vec::new(), 0_usize);
        let mut rest = text;
        while !rest.is_empty() {
            let (literal, inside) = match rest.split_once('{') {
                Some((literal, inside)) => (literal, Some(inside)),
                None => (rest, None),
            };
            let half = if bodies == 0 { &mut before } else { &mut after };
            if !literal.is_empty() {
                half.push(Part::Literal(literal.to_owned()));
            }
            let Some(inside) = inside else { break };
            let (name, tail) = inside.split_once('}').ok_or("close the brace of its last part")?;
            match name {
                "body" => bodies += 1,
                name => half.push(part(name)?),
            }
            rest = tail;
        }
        match bodies {
            1 => Ok(Self { before, after }),
            0 => Err("add {body}: a signature that leaves the body out does not protect it".to_owned()),
            _ => Err("{body} can stand only once".to_owned()),
        }
    }

    pub(crate) fn uses_timestamp(&self) -> bool {
        self.parts().any(|part| *part == Part::Timestamp)
    }

    pub(crate) fn uses_id(&self) -> bool {
        self.parts().any(|part| *part == Part::Id)
    }

    /// Whether the character would let a signed id end early: the dot, which every delimiting scheme uses, blanks and
    /// controls, and the punctuation of this template's literals.
    pub(crate) fn delimits(&self, c: char) -> bool {
        let literal = |part: &Part| matches!(part, Part::Literal(text) if text.contains(c));
        c == '.' || c.is_whitespace() || c.is_control() || (c.is_ascii_punctuation() && self.parts().any(literal))
    }

    pub(crate) fn feed_before(&self, values: Values<'_>, sink: impl FnMut(&[u8])) {
        feed(&self.before, values, sink);
    }

    pub(crate) fn feed_after(&self, values: Values<'_>, sink: impl FnMut(&[u8])) {
        feed(&self.after, values, sink);
    }

    fn parts(&self) -> impl Iterator<Item = &Part> {
        self.before.iter().chain(&self.after)
    }
}

fn part(name: &str) -> Result<Part, String> {
    Ok(match name {
        "timestamp" => Part::Timestamp,
        "id" => Part::Id,
        "method" => Part::Method,
        "path" => Part::Path,
        "path_query" => Part::PathAndQuery,
        other => {
            return Err(format!(
                "{{{other}}} is no part, there are {{body}}, {{timestamp}}, {{id}}, {{method}}, {{path}}, {{path_query}}"
            ));
        }
    })
}

fn feed(parts: &[Part], values: Values<'_>, mut sink: impl FnMut(&[u8])) {
    for part in parts {
        let text = match part {
            Part::Literal(text) => text,
            Part::Timestamp => values.timestamp,
            Part::Id => values.id,
            Part::Method => values.method,
            Part::Path => values.path_and_query.split_once('?').map_or(values.path_and_query, |(path, _)| path),
            Part::PathAndQuery => values.path_and_query,
        };
        sink(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(template: &str) -> String {
        let template = Template::parse(template).unwrap();
        let values = Values { method: "POST", path_and_query: "/in/x?a=1", timestamp: "17", id: "msg_1" };
        let mut bytes = Vec::new();
        template.feed_before(values, |part| bytes.extend_from_slice(part));
        bytes.extend_from_slice(b"BODY");
        template.feed_after(values, |part| bytes.extend_from_slice(part));
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn parts_stand_in_their_order_on_both_sides_of_the_body() {
        assert_eq!(rendered("{body}"), "BODY");
        assert_eq!(rendered("v0:{timestamp}:{body}"), "v0:17:BODY");
        assert_eq!(rendered("{id}.{timestamp}.{body}"), "msg_1.17.BODY");
        assert_eq!(rendered("{method}\n{path}\n{body}.{path_query}{timestamp}!"), "POST\n/in/x\nBODY./in/x?a=117!");
    }

    #[test]
    fn a_bad_template_says_what_to_change() {
        for (text, word) in
            [("{timestamp}", "{body}"), ("{body}{body}", "once"), ("{bodi}", "{bodi}"), ("{body", "brace")]
        {
            assert!(Template::parse(text).unwrap_err().contains(word), "{text}");
        }
    }

    #[test]
    fn a_dot_a_blank_and_the_literals_punctuation_delimit() {
        let template = Template::parse("{id}|{timestamp}|{body}").unwrap();
        assert!(['.', '|', ' ', '\n', '\0'].into_iter().all(|c| template.delimits(c)));
        assert!(!['a', '_', '-', ':'].into_iter().any(|c| template.delimits(c)));
    }
}
