//! Secrets that begin and end: replaced under load without a refusal, believed in their time only, and never a door that stands open.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use hooklog_schemas::codec::decode;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::live::{Live, live};
use crate::request::{Answer, exchange, read_answer, signed_with};
use crate::server::{NOW, SECRET};

const NEW: &str = "the secret that comes in its place";

const SENDERS: usize = 8;

fn configured(secrets: &[&str]) -> String {
    format!("[sources.github]\nprovider = \"github\"\nsecrets = [{}]", secrets.join(", "))
}

async fn status(live: &Live, source: &str, provider: &str, secret: &str) -> u16 {
    exchange(&live.server, &signed_with(secret, provider, source, "1", b"{}")).await.status
}

#[tokio::test]
async fn a_secret_is_replaced_under_load_without_one_refusal() {
    let live = Arc::new(live("").await);
    let (old, new) = (live.secret("old", SECRET), live.secret("new", NEW));
    live.apply(&configured(&[&old])).await;
    // Which secret the senders use: 0 the old, 1 the new.
    let (signs_with, stored) = (Arc::new(AtomicUsize::new(0)), Arc::new([AtomicU64::new(0), AtomicU64::new(0)]));
    let switched: Arc<[AtomicBool]> = (0..SENDERS).map(|_| AtomicBool::new(false)).collect();
    let done = Arc::new(AtomicBool::new(false));
    let senders: Vec<_> = (0..SENDERS)
        .map(|number| {
            let (live, signs_with) = (Arc::clone(&live), Arc::clone(&signs_with));
            let (stored, switched, done) = (Arc::clone(&stored), Arc::clone(&switched), Arc::clone(&done));
            tokio::spawn(async move {
                let requests = [SECRET, NEW]
                    .map(|secret| signed_with(secret, "github", "github", &format!("{number}"), b"{\"load\":true}"));
                let mut stream = TcpStream::connect(live.server.address).await.unwrap();
                while !done.load(Ordering::SeqCst) {
                    let which = signs_with.load(Ordering::SeqCst);
                    stream.write_all(&requests[which]).await.unwrap();
                    let answer: Answer = read_answer(&mut stream).await.unwrap();
                    assert_eq!(answer.status, 200, "a live secret was refused");
                    stored[which].fetch_add(1, Ordering::SeqCst);
                    switched[number].store(which == 1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    let served = async |which: usize| {
        let enough = stored[which].load(Ordering::SeqCst) + 100;
        live.until("the load goes on", || stored[which].load(Ordering::SeqCst) >= enough).await;
    };
    served(0).await;
    live.apply(&configured(&[&old, &new])).await;
    served(0).await;
    signs_with.store(1, Ordering::SeqCst);
    served(1).await;
    let has_switched = || switched.iter().all(|switched| switched.load(Ordering::SeqCst));
    live.until("no request is signed with the old secret any more", has_switched).await;
    live.apply(&configured(&[&new])).await;
    served(1).await;
    done.store(true, Ordering::SeqCst);
    for sender in senders {
        sender.await.unwrap();
    }
    assert_eq!(live.server.outcome("unverified"), 0);
    assert_eq!(status(&live, "github", "github", SECRET).await, 401, "the old secret is still believed");
    assert_eq!(status(&live, "github", "github", NEW).await, 200);
}

#[tokio::test]
async fn a_secret_is_believed_in_its_time_only_and_named_in_the_record() {
    let live = live("").await;
    let timed = |id: &str, text: &str, times: &str| live.secret(id, text).replace(" }", &format!(", {times} }}"));
    let old = timed("old", SECRET, &format!("not_after = {}", NOW + 20));
    let new = timed("new", NEW, &format!("not_before = {}", NOW + 10));
    live.apply(&configured(&[&old, &new])).await;
    for (second, by_old, by_new, count) in
        [(0, 200, 401, 1), (9, 200, 401, 1), (10, 200, 200, 2), (20, 200, 200, 2), (21, 401, 200, 1), (15, 200, 200, 2)]
    {
        // The last step is a clock that was set back.
        live.server.hand.set_ms((NOW + second) * 1000);
        live.until("the clock is looked at", || live.live_secrets("github") == count).await;
        assert_eq!(status(&live, "github", "github", SECRET).await, by_old, "second {second}");
        assert_eq!(status(&live, "github", "github", NEW).await, by_new, "second {second}");
    }
    let schemes: Vec<String> =
        live.server.records().iter().map(|record| decode(record.value.as_ref().unwrap()).unwrap().scheme).collect();
    assert!(schemes.iter().any(|scheme| scheme == "github:old") && schemes.iter().any(|scheme| scheme == "github:new"));
    assert_eq!(live.reloads("applied"), 1, "time alone is no new configuration");
}

#[tokio::test]
async fn a_source_whose_secrets_have_all_ended_refuses_everything() {
    let providers = ["github", "stripe", "bearer", "basic", "standard-webhooks"];
    let secret_of = |provider: &str| match provider {
        "basic" => format!("user:{SECRET}"),
        "standard-webhooks" => "whsec_YSBzZWNyZXQgb2YgdGhpcnR5LXR3byBieXRlcyEh".to_owned(),
        _ => SECRET.to_owned(),
    };
    let live = live("").await;
    let sources: String = providers
        .iter()
        .map(|provider| {
            let secret = live.secret(provider, &secret_of(provider));
            let secret = secret.replace(" }", &format!(", not_after = {} }}", NOW + 10));
            format!("[sources.{provider}]\nprovider = \"{provider}\"\nsecrets = [{secret}]\n")
        })
        .collect();
    live.apply(&format!("{sources}[sources.forms]\nprovider = \"none\"")).await;
    for provider in providers {
        assert_eq!(status(&live, provider, provider, &secret_of(provider)).await, 200, "{provider}");
    }
    live.server.hand.set_ms((NOW + 11) * 1000);
    live.until("the secrets have ended", || providers.iter().all(|provider| live.live_secrets(provider) == 0)).await;
    let before = live.server.outcome("appended");
    for provider in providers {
        assert_eq!(status(&live, provider, provider, &secret_of(provider)).await, 401, "{provider}");
        let unsigned = crate::request::post(provider, "", b"{}");
        assert_eq!(exchange(&live.server, &unsigned).await.status, 401, "{provider} stands open");
    }
    assert_eq!(live.server.outcome("appended"), before);
    let unasked = crate::request::post("forms", "", b"{}");
    assert_eq!(exchange(&live.server, &unasked).await.status, 200, "a source without a proof has no secret to end");
    assert_eq!(live.server.sum("source=\"forms\"", "hooklog_ingest_live_secrets"), 0);
}

#[tokio::test]
async fn files_that_hang_keep_no_secret_alive() {
    let live = live("").await;
    let old = live.secret("old", SECRET).replace(" }", &format!(", not_after = {} }}", NOW + 10));
    live.apply(&configured(&[&old])).await;
    // Whoever reads a pipe waits for somebody who writes.
    let file = live.file("edge.toml");
    std::fs::remove_file(&file).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&file).status().unwrap().success());
    assert_eq!(status(&live, "github", "github", SECRET).await, 200);
    live.server.hand.set_ms((NOW + 11) * 1000);
    live.until("the secret has ended", || live.live_secrets("github") == 0).await;
    assert_eq!(status(&live, "github", "github", SECRET).await, 401);
    live.server.shutdown.request();
    let (file, is_read) = (file.clone(), std::sync::Arc::new(AtomicBool::new(false)));
    let done = Arc::clone(&is_read);
    // Lets the reader go, or the test could not end.
    std::thread::spawn(move || {
        let _ = std::fs::write(&file, "");
        done.store(true, Ordering::SeqCst);
    });
    live.until("the pipe is read", || is_read.load(Ordering::SeqCst)).await;
}

#[tokio::test]
async fn an_edge_that_starts_after_a_secret_has_ended_does_not_believe_it() {
    let live = live(&format!(
        "[sources.shop]\nprovider = \"hmac\"\nsecrets = [{}]",
        format!("$SECRET, not_after = {} }}", NOW - 1).replace("$SECRET", "{ id = \"a\", env = \"PATH\"")
    ))
    .await;
    assert_eq!(live.live_secrets("shop"), 0);
    let path = std::env::var("PATH").unwrap();
    assert_eq!(status(&live, "shop", "hmac", &path).await, 401);
}
