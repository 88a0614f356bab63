//! The file that says that everything serves: whoever waits for it never reads half of it.

use std::io::Write;
use std::path::Path;

/// Writes the JSON whole: into a neighbour first, which then takes the name.
///
/// # Errors
/// What the file system says.
pub fn write(path: &Path, content: &serde_json::Value) -> std::io::Result<()> {
    let mut neighbour = path.as_os_str().to_owned();
    neighbour.push(format!(".{}", std::process::id()));
    let mut file = std::fs::File::create(&neighbour)?;
    writeln!(file, "{content}")?;
    file.sync_all()?;
    std::fs::rename(&neighbour, path)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_file_is_there_whole_and_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ready.json");
        super::write(&path, &serde_json::json!({"ingest": "http://127.0.0.1:1"})).unwrap();
        super::write(&path, &serde_json::json!({"ingest": "http://127.0.0.1:2"})).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"ingest\":\"http://127.0.0.1:2\"}\n");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
