//! Log lines: text for people, JSON for machines; one line an event, control characters escaped, on standard error.

use std::sync::Arc;

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

/// Which lines are logged, as it can be changed while the process lives. Clones change the same.
#[derive(Clone)]
pub struct Filter(Arc<dyn Fn(EnvFilter) + Send + Sync>);

impl Filter {
    /// Logs by another filter from now on.
    ///
    /// # Errors
    /// [`LoggingError::Filter`], and the old one stays.
    pub fn set(&self, filter: &str) -> Result<(), LoggingError> {
        (self.0)(parse(filter)?);
        Ok(())
    }
}

/// Begins logging to standard error for the whole process. What is returned changes the filter.
///
/// # Errors
/// [`LoggingError`] on a bad filter or a second call.
pub fn begin(format: Format, filter: &str) -> Result<Filter, LoggingError> {
    let (subscriber, filter) = subscriber(format, parse(filter)?, std::io::stderr);
    tracing::subscriber::set_global_default(subscriber).map_err(|_| LoggingError::Twice)?;
    Ok(filter)
}

/// Whether a filter can be understood.
///
/// # Errors
/// [`LoggingError::Filter`]
pub fn check(filter: &str) -> Result<(), LoggingError> {
    parse(filter).map(drop)
}

fn parse(filter: &str) -> Result<EnvFilter, LoggingError> {
    EnvFilter::try_new(filter).map_err(|cause| LoggingError::Filter { filter: filter.to_owned(), cause })
}

type Subscriber = Box<dyn tracing::Subscriber + Send + Sync>;

fn subscriber<W>(format: Format, level: EnvFilter, writer: W) -> (Subscriber, Filter)
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt().with_env_filter(level).with_writer(writer);
    match format {
        Format::Text => {
            let lines = lines.with_ansi(false).compact().with_filter_reloading();
            let handle = lines.reload_handle();
            // It fails only once the subscriber is gone, and then nothing is logged.
            (Box::new(lines.finish()), Filter(Arc::new(move |level| drop(handle.reload(level)))))
        }
        Format::Json => {
            let lines = lines.json().flatten_event(true).with_filter_reloading();
            let handle = lines.reload_handle();
            (Box::new(lines.finish()), Filter(Arc::new(move |level| drop(handle.reload(level)))))
        }
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
        let (subscriber, _filter) = subscriber(format, EnvFilter::new("info"), move || writer.clone());
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
    fn a_filter_is_changed_while_lines_are_written_and_a_bad_one_changes_nothing() {
        for format in [Format::Text, Format::Json] {
            let lines = Lines::default();
            let writer = lines.clone();
            let (subscriber, filter) = subscriber(format, EnvFilter::new("info"), move || writer.clone());
            tracing::subscriber::with_default(subscriber, || {
                tracing::debug!("before");
                filter.set("debug").unwrap();
                tracing::debug!("meanwhile");
                assert!(filter.set("loud=shout").is_err());
                filter.set("warn").unwrap();
                tracing::info!("after");
            });
            let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
            let said = ["before", "meanwhile", "after"].map(|word| text.contains(word));
            assert_eq!(said, [false, true, false], "{text}");
        }
    }

    #[test]
    fn a_bad_filter_is_named() {
        let error = begin(Format::Text, "loud=shout").err().unwrap().to_string();
        assert!(error.contains("loud=shout"), "{error}");
        assert!(check("loud=shout").is_err() && check("info,hooklog_ingest=debug").is_ok());
    }
}
