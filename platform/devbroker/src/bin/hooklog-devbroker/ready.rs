//! The file that says that the broker is ready, and where.

use std::fs;
use std::path::Path;

use hooklog_devbroker::Broker;

/// Writes it whole. The port is bound: whoever reads this can connect, and is served as soon as the runtime turns.
pub(crate) fn tell(path: &Path, broker: &Broker) -> std::io::Result<()> {
    let ready = serde_json::json!({
        "bootstrap": broker.local_addr().to_string(),
        "cluster_id": broker.cluster_id(),
        "pid": std::process::id(),
    });
    let aside = path.with_extension("next");
    fs::write(&aside, ready.to_string())?;
    fs::rename(aside, path)
}
