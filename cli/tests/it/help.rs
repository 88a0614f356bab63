//! The help of every command is a golden file: what people learn from may not change unseen. `UPDATE_GOLDEN=1` writes them.

use std::path::Path;

use crate::program::hooklog;

const COMMANDS: [&str; 28] = [
    "",
    "dev",
    "send",
    "tail",
    "topics",
    "topics apply",
    "topics list",
    "topics check",
    "lag",
    "dlq",
    "dlq list",
    "state",
    "state dump",
    "spool",
    "spool status",
    "spool verify",
    "spool export",
    "spool discard",
    "quarantine",
    "quarantine reverify",
    "sources",
    "sources list",
    "sources check",
    "sources test",
    "schemas",
    "schemas infer",
    "config",
    "help",
];

#[test]
fn every_commands_help_is_as_committed() {
    for command in COMMANDS {
        let words = command.split_whitespace().chain((command != "help").then_some("--help"));
        let said = hooklog(words);
        assert_eq!(said.code, 0, "{command}: {}", said.err);
        let name = if command.is_empty() { "hooklog".to_owned() } else { command.replace(' ', "-") };
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/help").join(format!("{name}.txt"));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &said.out).unwrap();
        }
        let golden = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(said.out, golden, "the help of `hooklog {command}` changed; UPDATE_GOLDEN=1 accepts it");
    }
}

#[test]
fn every_command_shows_examples_and_takes_json() {
    for command in COMMANDS {
        if matches!(command, "" | "help" | "topics" | "dlq" | "state" | "spool" | "quarantine" | "sources" | "schemas")
        {
            continue;
        }
        let said = hooklog(command.split(' ').chain(["--help"]));
        assert!(said.out.contains("Examples:"), "{command}");
        assert!(said.out.contains("--json"), "{command}");
    }
}
