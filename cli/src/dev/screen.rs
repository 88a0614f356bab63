//! The first screen: what runs where, and two lines to paste.

use std::fmt::Write as _;

use hooklog_process::secret::SecretRef;
use hooklog_signatures::{Key, UnixMillis, builtin, sign};

use crate::dev::sources::DevSource;
use crate::home::Running;

/// What the screen tells.
pub(crate) struct Screen<'a> {
    pub(crate) running: &'a Running,
    pub(crate) sources: &'a [DevSource],
    /// Consumers and what they read.
    pub(crate) consumers: Vec<(&'static str, String)>,
    /// The broker is not ours.
    pub(crate) outside_broker: bool,
    /// The usual port was taken.
    pub(crate) moved: bool,
    /// ` --data-dir DIR` where the folder is not the usual one.
    pub(crate) data_dir_option: String,
    pub(crate) now_ms: i64,
    /// What makes the pasted event's id another one with every start.
    pub(crate) nonce: u64,
}

impl Screen<'_> {
    /// The whole text.
    pub(crate) fn text(&self) -> String {
        let Running { ingest, admin, consumers, bootstrap, payments, data_dir, .. } = self.running;
        let kafka = match (self.outside_broker, self.moved) {
            (true, _) => "(not ours)",
            (false, true) => "(inside this process; port 9092 is taken)",
            (false, false) => "(inside this process)",
        };
        let mut text = format!(
            "hooklog dev: everything on one machine, for development and never for production.\n\n\
             \x20 ingest    {ingest}/in/SOURCE\n\
             \x20 admin     {admin}  /metrics /readyz /livez /configz\n\
             \x20 consumers {consumers}  /metrics /readyz /livez\n\
             \x20 kafka     {bootstrap}  {kafka}\n\
             \x20 payments  {payments}  (a sandbox, charges nobody)\n\
             \x20 data      {}\n\n",
            data_dir.display()
        );
        for (name, reads) in &self.consumers {
            let _ = writeln!(text, "  {name:9} reads {reads}");
        }
        text.push('\n');
        for source in self.sources {
            let (name, provider) = (source.name.as_str(), &source.provider);
            let _ = writeln!(text, "  {name:9} POST {ingest}/in/{name}  signed as {provider} does");
        }
        let _ = write!(text, "\nTry:\n\n  {}\n", self.send());
        if let Some(curl) = self.curl() {
            let _ = write!(text, "\n{curl}\n");
        }
        text.push_str("\nEvents as they are consumed (times are UTC; Ctrl-C ends):\n");
        text
    }

    fn send(&self) -> String {
        let stripe = self.sources.iter().find(|source| source.provider == "stripe");
        let source = stripe.or(self.sources.first()).map_or("stripe", |source| source.name.as_str());
        format!("hooklog send {source}{}", self.data_dir_option)
    }

    /// A whole `curl` line with a true signature. GitHub signs no time, so it can be pasted tomorrow too.
    fn curl(&self) -> Option<String> {
        let source = self.sources.iter().find(|source| source.provider == "github")?;
        let scheme = builtin("github")?;
        let secret = SecretRef::File(source.secret.clone()?).read().ok()?;
        let key = Key::new("dev", secret.expose(), scheme).ok()?;
        let body = r#"{"zen":"Keep it logically awesome.","repository":{"id":1296269,"full_name":"octocat/hello"}}"#;
        let id = format!("dev-{:016x}", self.nonce);
        let mut line = format!("  curl -sS -i {}/in/{}", self.running.ingest, source.name);
        let fixed = [("content-type", "application/json"), ("x-github-event", "ping")];
        let fixed = fixed.map(|(name, value)| (name.to_owned(), value.to_owned()));
        for (name, value) in fixed.into_iter().chain(sign(scheme, &key, &id, UnixMillis(self.now_ms), body.as_bytes()))
        {
            let _ = write!(line, " \\\n    -H '{name}: {value}'");
        }
        let _ = write!(line, " \\\n    --data-binary '{body}'");
        Some(line)
    }
}
