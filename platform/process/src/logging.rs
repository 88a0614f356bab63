//! Log lines: text for people, JSON for machines; one line an event, control characters escaped, on standard error.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Why logging could not begin.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// The filter can't be understood.
    #[error("log filter {filter:?}: {cause}; write for example \"info\" or \"info,hooklog_ingest=debug\"")]
    Filter {
        /// As given.
        filter: String,
        /// What is wrong with it.
        cause: tracing_subscriber::filter::ParseError,
    },
    /// Logging has begun already in this process.
    #[error("logging has begun already")]
    Twice,
}

/// Begins logging to standard error for the whole process.
///
/// # Errors
/// [`LoggingError`] on a bad filter or a second call.
pub fn begin(format: Format, filter: &str) -> Result<(), LoggingError> {
    let level =
        EnvFilter::try_new(filter).map_err(|cause| LoggingError::Filter { filter: filter.to_owned(), cause })?;
    let subscriber = subscriber(format, level, std::io::stderr);
    tracing::subscriber::set_global_default(subscriber).map_err(|_| LoggingError::Twice)
}

fn subscriber<W>(format: Format, level: EnvFilter, writer: W) -> Box<dyn tracing::Subscriber + Send + Sync>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt().with_env_filter(level).with_writer(writer);
    match format {
        Format::Text => Box::new(lines.with_ansi(false).compact().finish()),
        Format::Json => Box::new(lines.json().flatten_event(true).finish()),
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: Format) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = subscriber(format, EnvFilter::new("info"), move || writer.clone());
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(agent = "a\nforged line\u{1b}[31m", "request refused");
            tracing::debug!("not shown");
        });
        String::from_utf8(lines.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn a_forged_value_stays_on_its_line() {
        for format in [Format::Text, Format::Json] {
            let text = logged(format);
            assert_eq!(text.lines().count(), 1, "{text:?}");
            assert!(!text.contains('\u{1b}'), "{text:?}");
        }
        let json: serde_json::Value = serde_json::from_str(&logged(Format::Json)).unwrap();
        assert_eq!(json["message"], "request refused");
        assert_eq!(json["agent"], "a\nforged line\u{1b}[31m");
    }

    #[test]
    fn a_bad_filter_is_named() {
        let error = begin(Format::Text, "loud=shout").unwrap_err().to_string();
        assert!(error.contains("loud=shout"), "{error}");
    }
}
