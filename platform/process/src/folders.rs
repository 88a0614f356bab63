//! Where programs keep a user's data (XDG base directories).

use std::path::PathBuf;

/// `hooklog` in the user's data folder: `$XDG_DATA_HOME/hooklog`, else `~/.local/share/hooklog`. None where the user has no home.
#[must_use]
pub fn user_data() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let data = absolute("XDG_DATA_HOME").or_else(|| Some(absolute("HOME")?.join(".local").join("share")));
    data.map(|data| data.join("hooklog"))
}

/// The folder of `hooklog dev` if it is given none.
#[must_use]
pub fn dev() -> Option<PathBuf> {
    user_data().map(|data| data.join("dev"))
}
