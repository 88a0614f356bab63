//! The edge's configuration: any file is taken or refused with a reason, and no reason tells a secret.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::LazyLock;

use hooklog_ingest::config::{Config, DEFAULTS, PREFIX};
use hooklog_ingest::source::Sources;
use hooklog_process::config::Layers;
use tempfile::TempDir;

use crate::vectors::PROVIDERS;

/// Names and values of settings.
pub const WORDS: &[&str] = &[
    "[sources.a]",
    "provider = \"github\"",
    "provider = \"hmac\"",
    "provider = \"none\"",
    "secrets = [$SECRET]",
    "scheme = { ",
    "header = \"X-A\"",
    "prefix = \"a=\"",
    "algorithm = \"hmac-sha1\"",
    "encoding = \"base64\"",
    "id = \"/id\"",
    "key = { header = \"X-K\" }",
    "url = \"https://a.example/in/a\"",
    "topic = \"hooks.a\"",
    "max_body = \"25MiB\"",
    "rate = 1",
    "allow = [\"10.0.0.0/8\", \"::1/128\"]",
    "media_types = [\"application/json\"]",
    "when_log_away = \"refuse\"",
    "[limits]",
    "[timeouts]",
    "[kafka]",
    "[spool]",
    "[log]",
    "linger = \"5ms\"",
    "requests = 1",
    "first_byte = \"1s\"",
    "0s",
    "18446744073709551615",
    "GiB",
    "-1",
    "nan",
];

const SECRET: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// The defaults without their explanations, which are most of what there is to read and never change.
static BARE: LazyLock<String> = LazyLock::new(|| {
    let lines = DEFAULTS.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.map(|line| format!("{line}\n")).collect()
});

struct Desk {
    folder: TempDir,
    secret: String,
}

static DESK: LazyLock<Desk> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let path = folder.path().join("secret");
    fs::write(&path, SECRET).expect("a secret can be written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("a file of ours can be closed to others");
    let secret = format!("{{ id = \"a\", file = {:?} }}", path.display().to_string());
    Desk { folder, secret }
});

/// A configuration file, in which `$SECRET` stands for a secret in a file.
pub fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let path = DESK.folder.path().join(format!("edge-{}.toml", std::process::id()));
    fs::write(&path, text.replace("$SECRET", &DESK.secret)).expect("a configuration can be written");
    let layers = Layers { defaults: &BARE, file: Some(&path), prefix: PREFIX };
    let refused = match layers.load_with::<Config>(std::iter::empty()) {
        // Another file than ours may be anything: a pipe that nobody writes to, a disk of zeros.
        Ok(config) if reads_elsewhere(&config) => return,
        Ok(config) => match Sources::build(&config) {
            Ok(sources) => {
                assert_eq!(sources.iter().count(), config.sources.len(), "a source is lost");
                let shown = serde_json::to_string(&config).unwrap_or_default();
                return assert!(!shown.contains(SECRET), "what is shown of the configuration tells the secret");
            }
            Err(error) => error.to_string(),
        },
        Err(error) => error.to_string(),
    };
    assert!(!refused.is_empty() && !refused.contains(SECRET), "a refusal says why and no secret: {refused}");
}

fn reads_elsewhere(config: &Config) -> bool {
    let mut secrets = config.sources.values().flat_map(|source| &source.secrets);
    secrets.any(|secret| !DESK.secret.contains(&format!("{:?}", secret.at).replace("File(", "").replace(')', "")))
}

/// The manual itself, and a source of every provider.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let source = |name: &str| format!("[sources.a]\nprovider = \"{name}\"\nsecrets = [$SECRET]\n").into_bytes();
    let full = "[limits]\nmax_body = \"2MiB\"\n\n[sources.a]\nprovider = \"hmac\"\nsecrets = [$SECRET]\ntopic = \"hooks.b\"\nrate = 10\nmax_body = \"1KiB\"\nallow = [\"10.0.0.0/8\"]\nmedia_types = [\"application/json\"]\nwhen_log_away = \"refuse\"\n\n[sources.a.scheme]\nheader = \"X-A\"\nprefix = \"a=\"\nid = \"/id\"\nkey = { header = \"X-K\" }\n";
    let names = PROVIDERS.iter().map(|provider| source(&provider.scheme.name));
    [DEFAULTS.as_bytes().to_vec(), full.as_bytes().to_vec()].into_iter().chain(names).collect()
}
