//! Where the products' binaries are.

use std::path::PathBuf;

/// Names the folder of the binaries, if they are not where the tests were built.
pub const FOLDER_VARIABLE: &str = "HOOKLOG_BIN_DIR";

/// The path of the product `name`.
///
/// # Panics
/// When it is not there.
#[must_use]
pub fn path(name: &str) -> PathBuf {
    let path = folder().join(name);
    assert!(
        path.is_file(),
        "no binary {}: build them with `make bin`, or name their folder in {FOLDER_VARIABLE}",
        path.display()
    );
    path
}

/// `HOOKLOG_BIN_DIR`, or the folder above `deps`, where the running test lies.
fn folder() -> PathBuf {
    if let Some(folder) = std::env::var_os(FOLDER_VARIABLE) {
        return folder.into();
    }
    let test = std::env::current_exe().expect("a running test has a path");
    test.ancestors().nth(2).expect("a test lies in target/PROFILE/deps").to_owned()
}

#[cfg(test)]
mod tests {
    #[test]
    #[should_panic(expected = "make bin")]
    fn a_missing_binary_names_the_mend() {
        let _ = super::path("no-such-product");
    }
}
