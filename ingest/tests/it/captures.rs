//! Secrets that a provider tells in its handshake: kept, in use at once, and never replaced by a call.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::live::live;
use crate::request::{exchange, post, signed_with};
use crate::server::{Server, start};

const TOLD: &str = "0123456789abcdef0123456789abcdef";

const OTHER: &str = "fedcba9876543210fedcba9876543210";

fn settings(path: &Path) -> String {
    let path = path.display().to_string();
    format!(
        "[sources.asana]\nprovider = \"asana\"\nsecrets = [{{ id = \"told\", file = {path:?}, captured = true }}]\n\
         scheme = {{ unsigned_handshakes = true }}\n"
    )
}

fn place() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("asana");
    (folder, path)
}

fn handshake(secret: &str) -> Vec<u8> {
    post("asana", &format!("x-hook-secret: {secret}\r\n"), b"")
}

async fn event(server: &Server, secret: &str) -> u16 {
    exchange(server, &signed_with(secret, "asana", "asana", "1", b"{\"events\":[]}")).await.status
}

#[tokio::test]
async fn a_told_secret_is_kept_and_believed_at_once_and_no_other_takes_its_place() {
    let (_folder, path) = place();
    let server = start(&settings(&path)).await;
    assert_eq!(event(&server, TOLD).await, 401, "nothing is believed before the secret is told");
    assert_eq!(exchange(&server, &post("asana", "", b"{}")).await.status, 401);
    assert!(!path.exists());
    let answer = exchange(&server, &handshake(TOLD)).await;
    assert_eq!((answer.status, answer.header("x-hook-secret")), (200, Some(TOLD)));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), TOLD);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(event(&server, TOLD).await, 200, "it is in use");
    let answer = exchange(&server, &handshake(OTHER)).await;
    assert_eq!((answer.status, answer.header("x-hook-secret")), (409, None));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), TOLD);
    assert_eq!((event(&server, OTHER).await, event(&server, TOLD).await), (401, 200));
    assert_eq!(exchange(&server, &handshake(TOLD)).await.status, 200, "the provider may come again");
    assert_eq!((server.outcome("handshake"), server.outcome("handshake_refused")), (2, 1));
    let again = start(&settings(&path)).await;
    assert_eq!(event(&again, TOLD).await, 200, "a start finds it");
    assert_eq!(exchange(&again, &handshake(OTHER)).await.status, 409);
}

#[tokio::test]
async fn what_can_not_be_kept_is_not_answered() {
    let (folder, _) = place();
    let path = folder.path().join("missing/asana");
    let server = start(&settings(&path)).await;
    let answer = exchange(&server, &handshake(TOLD)).await;
    assert_eq!((answer.status, answer.header("x-hook-secret")), (503, None));
    assert!(answer.header("retry-after").is_some());
    assert_eq!(exchange(&server, &handshake("short")).await.status, 409, "a secret that could be guessed is none");
    std::fs::create_dir(path.parent().unwrap()).unwrap();
    assert_eq!(exchange(&server, &handshake(TOLD)).await.status, 200);
    assert_eq!(event(&server, TOLD).await, 200);
}

#[tokio::test]
async fn of_many_handshakes_at_once_one_secret_is_taken() {
    let (_folder, path) = place();
    let server = std::sync::Arc::new(start(&settings(&path)).await);
    let greeting: Vec<_> = (0..8)
        .map(|number| {
            let (server, secret) = (std::sync::Arc::clone(&server), format!("{number}{}", &TOLD[1..]));
            tokio::spawn(async move { (exchange(&server, &handshake(&secret)).await.status, secret) })
        })
        .collect();
    let mut taken = Vec::new();
    for one in greeting {
        let (status, secret) = one.await.unwrap();
        match status {
            200 => taken.push(secret),
            other => assert_eq!(other, 409),
        }
    }
    assert_eq!(taken, [std::fs::read_to_string(&path).unwrap()]);
    assert_eq!(event(&server, &taken[0]).await, 200);
}

#[tokio::test]
async fn a_reload_keeps_what_was_told_and_begins_anew_when_the_file_is_removed() {
    let (_folder, path) = place();
    let live = live(&settings(&path)).await;
    assert_eq!(exchange(&live.server, &handshake(TOLD)).await.status, 200);
    live.apply(&format!("{}[sources.forms]\nprovider = \"none\"\n", settings(&path))).await;
    assert_eq!(event(&live.server, TOLD).await, 200);
    std::fs::remove_file(&path).unwrap();
    live.until("the secret is forgotten", || live.live_secrets("asana") == 0).await;
    assert_eq!(event(&live.server, TOLD).await, 401);
    assert_eq!(exchange(&live.server, &handshake(OTHER)).await.status, 200);
    assert_eq!(event(&live.server, OTHER).await, 200);
}
