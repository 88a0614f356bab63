//! One pass over a JSON text that finds the scalars at some pointers: no tree, no recursion, no copy.
//!
//! Two readers of one text may disagree about a repeated key, so a key that is repeated on a pointer's path is a fault.
//! Beside the paths, repeats are nobody's business here.

use crate::pointer::Pointer;

/// The deepest nesting that is read.
pub(crate) const MAX_DEPTH: usize = 64;

/// Pointers of one scan: a set of them is one word.
pub(crate) const MAX_POINTERS: usize = 32;

/// Why a scan found nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is no JSON text, RFC 8259.
    NotJson,
    /// It is nested deeper than [`MAX_DEPTH`].
    TooDeep,
    /// A key on the path of this pointer is repeated.
    Duplicate(usize),
}

/// The tokens at the pointers, as written (a string with its quotes); none where there is nothing, `null`, an array or an
/// object. The whole text is checked, so that what is found does not depend on where a fault is.
pub(crate) fn scan<'a>(body: &'a [u8], pointers: &[&Pointer]) -> Result<Vec<Option<&'a str>>, Fault> {
    run(body, pointers, false)
}

/// The same with arrays and objects, as they are written.
pub(crate) fn scan_values<'a>(body: &'a [u8], pointers: &[&Pointer]) -> Result<Vec<Option<&'a str>>, Fault> {
    run(body, pointers, true)
}

fn run<'a>(body: &'a [u8], pointers: &[&Pointer], takes_containers: bool) -> Result<Vec<Option<&'a str>>, Fault> {
    debug_assert!(pointers.len() <= MAX_POINTERS, "a set of pointers is one word");
    let text = std::str::from_utf8(body).map_err(|_| Fault::NotJson)?;
    let mut scan =
        Scan { text, at: 0, pointers, found: vec![None; pointers.len()], stack: Vec::new(), takes_containers };
    scan.run()?;
    Ok(scan.found)
}

/// The text of a token: a string without quotes and escapes, anything else as written.
pub(crate) fn token_text(token: &str) -> Option<String> {
    if !token.starts_with('"') {
        return Some(token.to_owned());
    }
    if token.contains('\\') {
        return serde_json::from_str(token).ok();
    }
    token.strip_prefix('"')?.strip_suffix('"').map(str::to_owned)
}

/// How many bytes stand before the first quote, backslash or control character: eight at a time, since strings are most of a body.
fn plain(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    let below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word & HIGH;
    let is = |word: u64, byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    let (words, tail) = bytes.as_chunks::<8>();
    for (count, word) in words.iter().enumerate() {
        // Little-endian: of several hits the first is the lowest, and a borrow reaches only bytes above a hit.
        let word = u64::from_le_bytes(*word);
        let hits = below(word, 0x20) | is(word, b'"') | is(word, b'\\');
        if hits != 0 {
            return count * 8 + hits.trailing_zeros() as usize / 8;
        }
    }
    let ends = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..=0x1f);
    bytes.len() - tail.len() + tail.iter().position(ends).unwrap_or(tail.len())
}

/// A set of pointers, by their place in the list.
type Set = u32;

struct Scan<'a, 'p> {
    text: &'a str,
    at: usize,
    pointers: &'p [&'p Pointer],
    found: Vec<Option<&'a str>>,
    stack: Vec<Frame>,
    takes_containers: bool,
}

/// An open array or object.
struct Frame {
    /// `]` or `}`.
    close: u8,
    /// The pointers that lead through it.
    live: Set,
    /// Of those, the ones whose key was met here.
    met: Set,
    /// The index of the next element.
    next: usize,
    /// Where it began, and the pointers that end at it.
    start: usize,
    ends: Set,
}

impl<'a> Scan<'a, '_> {
    fn run(&mut self) -> Result<(), Fault> {
        let mut leading = (0..self.pointers.len()).fold(0, |set, place| set | 1 << place);
        loop {
            self.blanks();
            let opened = match self.peek()? {
                b'{' => self.open(b'}', leading).map(|()| true)?,
                b'[' => self.open(b']', leading).map(|()| true)?,
                _ => self.scalar(leading).map(|()| false)?,
            };
            if !self.next_member(opened)? {
                return Ok(());
            }
            leading = self.member()?;
        }
    }

    /// Goes to the start of the next member, out of as many containers as end here; false at the end of the text. The first
    /// member after an opening has no comma before it.
    fn next_member(&mut self, mut opened: bool) -> Result<bool, Fault> {
        loop {
            self.blanks();
            let Some(frame) = self.stack.last() else {
                return if self.at == self.text.len() { Ok(false) } else { Err(Fault::NotJson) };
            };
            let byte = self.peek()?;
            if byte == frame.close {
                let (start, ends) = (frame.start, frame.ends);
                self.at += 1;
                self.stack.pop();
                self.take_token(start, ends);
            } else if opened {
                return Ok(true);
            } else if byte == b',' {
                self.at += 1;
                return Ok(true);
            } else {
                return Err(Fault::NotJson);
            }
            opened = false;
        }
    }

    /// Opens a container; the pointers that lead to it and end there find nothing.
    fn open(&mut self, close: u8, leading: Set) -> Result<(), Fault> {
        let depth = self.stack.len();
        if depth == MAX_DEPTH {
            return Err(Fault::TooDeep);
        }
        let live = self.keep(leading, |pointer| pointer.segments().len() > depth);
        let ends = if self.takes_containers { leading & !live } else { 0 };
        self.stack.push(Frame { close, live, met: 0, next: 0, start: self.at, ends });
        self.at += 1;
        Ok(())
    }

    /// Reads a member up to its value: the pointers that lead there.
    fn member(&mut self) -> Result<Set, Fault> {
        let step = self.stack.len() - 1;
        let Some(frame) = self.stack.last_mut() else { return Err(Fault::NotJson) };
        let live = frame.live;
        if frame.close == b']' {
            let index = frame.next;
            frame.next += 1;
            return Ok(self.keep(live, |pointer| pointer.segments()[step].index == Some(index)));
        }
        self.blanks();
        if self.peek()? != b'"' {
            return Err(Fault::NotJson);
        }
        let start = self.at;
        let is_escaped = self.string()?;
        let token = start..self.at;
        self.blanks();
        self.expect(b':')?;
        if live == 0 {
            return Ok(0);
        }
        let token = &self.text[token];
        let unescaped = if is_escaped { token_text(token) } else { None };
        let key = unescaped.as_deref().unwrap_or(&token[1..token.len() - 1]);
        let leading = self.keep(live, |pointer| pointer.segments()[step].key == key);
        let Some(frame) = self.stack.last_mut() else { return Err(Fault::NotJson) };
        let repeated = leading & frame.met;
        if repeated != 0 {
            return Err(Fault::Duplicate(usize::try_from(repeated.trailing_zeros()).unwrap_or(0)));
        }
        frame.met |= leading;
        Ok(leading)
    }

    fn scalar(&mut self, leading: Set) -> Result<(), Fault> {
        let start = self.at;
        let is_null = match self.peek()? {
            b'"' => self.string().map(|_| false)?,
            b't' => self.literal("true").map(|()| false)?,
            b'f' => self.literal("false").map(|()| false)?,
            b'n' => self.literal("null").map(|()| true)?,
            _ => self.number().map(|()| false)?,
        };
        let depth = self.stack.len();
        if leading != 0 && !is_null {
            let ends = self.keep(leading, |pointer| pointer.segments().len() == depth);
            self.take_token(start, ends);
        }
        Ok(())
    }

    /// Gives what was read since `start` to the pointers that end at it.
    fn take_token(&mut self, start: usize, ends: Set) {
        let token = &self.text[start..self.at];
        for (place, found) in self.found.iter_mut().enumerate() {
            if ends & 1 << place != 0 {
                *found = Some(token);
            }
        }
    }

    /// Reads a string with its quotes; whether there are escapes in it.
    fn string(&mut self) -> Result<bool, Fault> {
        let mut is_escaped = false;
        self.at += 1;
        loop {
            self.at += plain(&self.text.as_bytes()[self.at..]);
            match self.take()? {
                b'"' => return Ok(is_escaped),
                b'\\' => self.escape()?,
                _ => return Err(Fault::NotJson),
            }
            is_escaped = true;
        }
    }

    /// Reads what follows a backslash. Halves of a surrogate pair have no text, so they must come together.
    fn escape(&mut self) -> Result<(), Fault> {
        match self.take()? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(()),
            b'u' => match self.unit()? {
                0xd800..=0xdbff => {
                    self.expect(b'\\')?;
                    self.expect(b'u')?;
                    if matches!(self.unit()?, 0xdc00..=0xdfff) { Ok(()) } else { Err(Fault::NotJson) }
                }
                0xdc00..=0xdfff => Err(Fault::NotJson),
                _ => Ok(()),
            },
            _ => Err(Fault::NotJson),
        }
    }

    /// Four hexadecimal digits.
    fn unit(&mut self) -> Result<u32, Fault> {
        let mut unit = 0;
        for _ in 0..4 {
            unit = unit * 16 + char::from(self.take()?).to_digit(16).ok_or(Fault::NotJson)?;
        }
        Ok(unit)
    }

    fn number(&mut self) -> Result<(), Fault> {
        self.skip(b'-');
        if !self.skip(b'0') {
            self.digits()?;
        }
        if self.skip(b'.') {
            self.digits()?;
        }
        if self.skip(b'e') || self.skip(b'E') {
            let _signed = self.skip(b'+') || self.skip(b'-');
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Fault> {
        let rest = &self.text.as_bytes()[self.at..];
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        if count == 0 { Err(Fault::NotJson) } else { Ok(()) }
    }

    fn literal(&mut self, word: &str) -> Result<(), Fault> {
        if !self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            return Err(Fault::NotJson);
        }
        self.at += word.len();
        Ok(())
    }

    fn keep(&self, set: Set, wanted: impl Fn(&Pointer) -> bool) -> Set {
        if set == 0 {
            return 0;
        }
        let places = self.pointers.iter().enumerate();
        places
            .filter(|&(place, pointer)| set & 1 << place != 0 && wanted(pointer))
            .fold(0, |kept, (place, _)| kept | 1 << place)
    }

    fn blanks(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.text.as_bytes().get(self.at) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Result<u8, Fault> {
        self.text.as_bytes().get(self.at).copied().ok_or(Fault::NotJson)
    }

    fn take(&mut self) -> Result<u8, Fault> {
        let byte = self.peek()?;
        self.at += 1;
        Ok(byte)
    }

    fn skip(&mut self, byte: u8) -> bool {
        let there = self.text.as_bytes().get(self.at) == Some(&byte);
        self.at += usize::from(there);
        there
    }

    fn expect(&mut self, byte: u8) -> Result<(), Fault> {
        if self.skip(byte) { Ok(()) } else { Err(Fault::NotJson) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn eight_bytes_at_a_time_stop_where_one_at_a_time_does(bytes in prop::collection::vec(
            prop_oneof![8 => any::<u8>(), 8 => 0x20_u8..0x24, 4 => 0x5a_u8..0x5e, 1 => 0x1e_u8..0x22], 0..40,
        )) {
            let ends = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..=0x1f);
            prop_assert_eq!(plain(&bytes), bytes.iter().position(ends).unwrap_or(bytes.len()));
        }
    }
}
