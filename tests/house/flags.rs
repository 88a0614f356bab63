//! A command that somebody is told to type works: its words and flags are those the built binaries print in their `--help`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;

use crate::tree;

/// The product's binaries.
const BINARIES: &[&str] = &["hooklog-ingest", "hooklog-devbroker", "hooklog", "ledger", "tally"];

/// Help texts by command, since many commands ask for the same.
static HELP: Mutex<BTreeMap<String, Option<String>>> = Mutex::new(BTreeMap::new());

/// Where the binaries lie: `HOOKLOG_BIN_DIR`, or the folder that this test was built into.
fn folder() -> PathBuf {
    std::env::var_os("HOOKLOG_BIN_DIR").map_or_else(
        || {
            let test = std::env::current_exe().expect("a running test has a path");
            test.ancestors().nth(2).expect("a test lies in target/PROFILE/deps").to_owned()
        },
        PathBuf::from,
    )
}

/// What is wrong with a command line of ours; nothing if the binary is not built, which is said aloud.
pub(crate) fn complaints(command: &[String]) -> Vec<String> {
    let Some((binary, arguments)) = command.split_first() else { return Vec::new() };
    let path = folder().join(binary);
    let mut known = HELP.lock().expect("no check panics while it holds the texts");
    if !path.exists() {
        if known.insert(binary.clone(), None).is_none() {
            tree::skipped(&format!("{binary} is not built, its flags are not checked (`make bin`)"));
        }
        return Vec::new();
    }
    let words: Vec<&String> = arguments.iter().take_while(|word| !word.starts_with('-')).collect();
    let key = format!("{binary} {words:?}");
    let help = known.entry(key).or_insert_with(|| {
        let ran = Command::new(&path).args(&words).arg("--help").output().expect("a built binary runs");
        ran.status.success().then(|| String::from_utf8_lossy(&ran.stdout).into_owned())
    });
    let Some(help) = help else { return vec![format!("`{binary} {words:?} --help` is refused")] };
    unknown_flags(arguments, help).into_iter().map(|flag| format!("{binary} {words:?} has no {flag}")).collect()
}

fn unknown_flags(arguments: &[String], help: &str) -> Vec<String> {
    let sign = |letter: char| !(letter.is_ascii_alphanumeric() || letter == '-');
    let known: Vec<&str> = help.split(sign).filter(|word| word.starts_with('-')).collect();
    let flags = arguments.iter().filter(|word| word.starts_with('-') && word.len() > 1);
    let flags = flags.map(|flag| flag.split('=').next().unwrap_or_default());
    flags.filter(|flag| *flag != "--" && !known.contains(flag)).map(str::to_owned).collect()
}

/// The commands of ours in a document's code blocks; long lines may be continued with a backslash.
fn commands(text: &str) -> Vec<Vec<String>> {
    let (mut found, mut inside) = (Vec::new(), false);
    for line in text.replace("\\\n", " ").lines().map(str::trim) {
        if line.starts_with("```") {
            inside = !inside;
        } else if inside {
            let line =
                line.split(" #").next().unwrap_or_default().split(['|', '>', '&', ';']).next().unwrap_or_default();
            let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            let ours = words.iter().position(|word| BINARIES.contains(&word.rsplit('/').next().unwrap_or_default()));
            // `docker compose run --rm hooklog …` and `$ hooklog …` are ours; a word further back is a value.
            let prefix = |at: &usize| words[..*at].iter().all(|word| PREFIXES.contains(&word.as_str()));
            if let Some(at) = ours.filter(prefix) {
                let mut command = words[at..].to_vec();
                command[0] = command[0].rsplit('/').next().unwrap_or_default().to_owned();
                found.push(command);
            }
        }
    }
    found
}

/// Words that may stand before a command of ours.
const PREFIXES: &[&str] = &["$", "docker", "compose", "run", "--rm", "exec", "-T"];

#[test]
fn documents_tell_commands_that_exist() {
    let mut found = Vec::new();
    for path in tree::files_ending(".md") {
        for command in commands(&tree::read(&path)) {
            // `docker compose exec ledger ledger …` names the service first.
            let command = if command.get(1) == command.first() { &command[1..] } else { &command };
            found.extend(complaints(command).into_iter().map(|complaint| format!("{path}: {complaint}")));
        }
    }
    tree::none("commands in documents", &found);
}

#[test]
fn an_unknown_flag_is_seen() {
    let help =
        "Usage: hooklog send [OPTIONS] <PROVIDER>\n\n  -n, --count <N>  how many\n      --to=<URL>\n  -h, --help";
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    assert!(unknown_flags(&words("send stripe --count 3 --to=http://x -n 1"), help).is_empty());
    assert_eq!(unknown_flags(&words("send --counts 3 --co"), help), ["--counts", "--co"]);
    let text = "hooklog no\n```sh\n$ hooklog send a \\\n  --count 2 | jq # --none\ncurl http://hooklog\n```\n";
    assert_eq!(commands(text), [words("hooklog send a --count 2")]);
}
