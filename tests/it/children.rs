//! A child process of a test can be killed and paused, and does not outlive a test that is killed.

use std::process::Command;
use std::time::Duration;

use hooklog_tests::eventually::eventually;
use hooklog_tests::processes::Process;

fn sleeper() -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", "echo awake; exec sleep 600"]);
    command
}

/// The state letter of a process, if there is one.
fn state(pid: &str) -> Option<String> {
    let output = Command::new("ps").args(["-o", "stat=", "-p", pid]).output().expect("there is ps");
    let state = String::from_utf8(output.stdout).expect("ps writes text");
    state.chars().next().map(String::from)
}

#[tokio::test]
async fn a_child_is_paused_and_ended() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Process::start("sleeper", sleeper(), folder.path());
    child.logged("awake", Duration::from_secs(10)).await;
    child.pause();
    let pid = child.pid().to_string();
    let stopped = async || state(&pid).filter(|state| state == "T").ok_or("runs");
    eventually(Duration::from_secs(5), "pause", stopped).await;
    child.resume();
    child.sigterm();
    assert!(!child.exited(Duration::from_secs(5)).await.success());
    assert!(!child.runs());
}

/// The inner test, which is run by the outer one in a process of its own; without the variable it is the outer one's proof that
/// a drop ends the child too.
#[tokio::test]
async fn inner_holder_of_a_child() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Process::start("sleeper", sleeper(), folder.path());
    child.logged("awake", Duration::from_secs(10)).await;
    let pid = child.pid().to_string();
    if let Some(path) = std::env::var_os("HOOKLOG_TEST_CHILD") {
        std::fs::write(path, format!("{pid} {}", folder.path().display())).unwrap();
        std::future::pending::<()>().await;
    }
    drop(child);
    assert_eq!(state(&pid), None);
}

#[tokio::test]
async fn a_child_dies_with_a_killed_test() {
    let folder = tempfile::tempdir().unwrap();
    let note = folder.path().join("note");
    let mut test = Command::new(std::env::current_exe().unwrap());
    test.args(["--exact", "children::inner_holder_of_a_child"]).env("HOOKLOG_TEST_CHILD", &note);
    let mut test = Process::start("test", test, folder.path());
    let written = async || std::fs::read_to_string(&note).ok().filter(|text| text.contains(' ')).ok_or("no note");
    let note = eventually(Duration::from_secs(20), "a child", written).await;
    let (pid, child_folder) = note.split_once(' ').unwrap();
    assert!(state(pid).is_some());
    test.kill9();
    eventually(Duration::from_secs(10), "the child's end", async || {
        let left = (state(pid).filter(|state| state != "Z"), std::path::Path::new(child_folder).exists());
        if left == (None, false) { Ok(()) } else { Err(left) }
    })
    .await;
}
