//! What a command prints: whole lines on standard output, for people or as JSON.

use std::fmt::{self, Display};
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use serde::Serialize;

use crate::failure::Failure;

/// Where lines go.
pub struct Output(Box<dyn Write + Send>);

impl Output {
    /// Standard output.
    #[must_use]
    pub fn stdout() -> Self {
        Self(Box::new(io::stdout()))
    }

    /// Anything else, for tests.
    #[must_use]
    pub fn to(writer: impl Write + Send + 'static) -> Self {
        Self(Box::new(writer))
    }

    /// Prints one line and passes it on at once: a reader at the other end of a pipe sees it now.
    ///
    /// # Errors
    /// [`Failure::OutputClosed`] when nobody reads any more, [`Failure::Io`] for everything else.
    pub fn line(&mut self, line: impl Display) -> Result<(), Failure> {
        let line = format!("{line}\n");
        self.0.write_all(line.as_bytes()).and_then(|()| self.0.flush()).map_err(|cause| match cause.kind() {
            ErrorKind::BrokenPipe => Failure::OutputClosed,
            _ => Failure::io(Path::new("standard output"))(cause),
        })
    }

    /// Prints one value as JSON on one line.
    ///
    /// # Errors
    /// As [`Output::line`].
    pub fn json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string(value).map_err(|error| Failure::Internal(error.to_string()))?;
        self.line(text)
    }
}

/// Text from outside, shown on one line: what a terminal would act on is escaped.
pub struct Shown<'a>(pub &'a str);

impl Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            if character.is_control() || is_direction(character) {
                write!(f, "{}", character.escape_unicode())?;
            } else {
                write!(f, "{character}")?;
            }
        }
        Ok(())
    }
}

/// Characters that turn the direction of the text after them, and could make a line read as another.
const fn is_direction(character: char) -> bool {
    matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A table for people: columns as wide as their widest cell.
#[derive(Debug)]
pub struct Columns(Vec<Vec<String>>);

impl Columns {
    /// Begins with the heads.
    #[must_use]
    pub fn headed(heads: &[&str]) -> Self {
        Self(vec![heads.iter().map(ToString::to_string).collect()])
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.0.push(cells.into_iter().collect());
    }

    /// Prints all rows.
    ///
    /// # Errors
    /// As [`Output::line`].
    pub fn print(&self, output: &mut Output) -> Result<(), Failure> {
        let columns = self.0.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| self.0.iter().filter_map(|row| Some(row.get(column)?.chars().count())).max();
        let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
        for row in &self.0 {
            let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}")).collect();
            output.line(cells.join("  ").trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn columns_stand_below_each_other() {
        let paper = Paper::default();
        let mut columns = Columns::headed(&["NAME", "LAG"]);
        columns.row(["hooks.github".to_owned(), "7".to_owned()]);
        columns.print(&mut Output::to(paper.clone())).unwrap();
        assert_eq!(String::from_utf8(paper.0.lock().unwrap().clone()).unwrap(), "NAME          LAG\nhooks.github  7\n");
    }

    #[test]
    fn a_closed_pipe_is_told_apart() {
        assert!(matches!(Output::to(Closed).line("x"), Err(Failure::OutputClosed)));
    }

    #[test]
    fn text_from_outside_can_not_steer_the_terminal() {
        assert_eq!(Shown("a\u{1b}[31m\n\u{202e}é").to_string(), "a\\u{1b}[31m\\u{a}\\u{202e}é");
    }
}
