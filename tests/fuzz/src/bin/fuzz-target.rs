//! `fuzz-target --target=NAME --seeds=FOLDER`: writes the target's seeds and dictionary, then runs as libFuzzer does; its flags have one dash.

#![no_main]

use std::path::Path;
use std::sync::OnceLock;

use hooklog_fuzz::Target;

static TARGET: OnceLock<&Target> = OnceLock::new();

libfuzzer_sys::fuzz_target!(init: begin(), |input: &[u8]| {
    if let Some(target) = TARGET.get() {
        (target.check)(input);
    }
});

/// libFuzzer passes over what begins with two dashes, and reads the folders after this.
fn begin() {
    let argument = |flag: &str| std::env::args().find_map(|argument| argument.strip_prefix(flag).map(str::to_owned));
    let name = argument("--target=").expect("say which target: --target=NAME");
    let target = Target::find(&name).unwrap_or_else(|| panic!("there is no target {name:?}"));
    let _first = TARGET.set(target);
    if let Some(folder) = argument("--seeds=") {
        write(target, Path::new(&folder)).unwrap_or_else(|error| panic!("{folder} can't be written: {error}"));
    }
}

fn write(target: &Target, folder: &Path) -> std::io::Result<()> {
    for (number, seed) in (target.seeds)().iter().enumerate() {
        std::fs::write(folder.join(format!("seed-{number:05}")), seed)?;
    }
    std::fs::write(folder.with_extension("dict"), target.dictionary())
}
