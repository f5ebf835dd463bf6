//! `barefoot sync` as its user runs it; against HAPI FHIR JPA where that is set up (`cargo xtask setup fhir`).

#[path = "../core/app/tests/support/mod.rs"]
mod servers;
mod support;

use servers::Server;
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Stdio;
use support::Home;

const DEAD: &str = "http://127.0.0.1:9/fhir";

fn patient(home: &Home, name: &str) -> String {
    home.json(&["patient", "add", name, "--age", "40"])["id"].as_str().expect("an id").to_owned()
}

#[test]
fn without_a_network_it_says_so_in_both_languages_and_keeps_everything() {
    let home = Home::new();
    patient(&home, "王芳");
    for (language, words) in [("en", "does not answer"), ("zh", "没有应答")] {
        let refused = home.run(&["sync", "--server", DEAD, "--once", "--lang", language]);
        assert_eq!(refused.status.code(), Some(1));
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(said.contains(words) && said.trim_end().lines().count() == 1, "{said}");
        assert!(refused.stdout.is_empty());
    }
    assert_eq!(home.json(&["sync", "--status"])["records"][0]["state"], "held_back");
}

/// Reads the head of a request, so that whoever sent it waits for the answer.
fn take_request(listener: &TcpListener) -> TcpStream {
    let (mut phone, _) = listener.accept().expect("a connection");
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        assert_eq!(phone.read(&mut byte).expect("a byte"), 1, "a whole head");
        head.push(byte[0]);
    }
    phone
}

#[test]
fn a_case_is_saved_while_a_sync_waits_for_the_server_and_a_second_sync_is_refused() {
    let home = Home::new();
    let first = patient(&home, "王芳");
    home.json(&["consent", "set", &first, "care", "yes"]);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = format!("http://{}/fhir", listener.local_addr().expect("an address"));
    let sync = ["sync", "--server", &address, "--once", "--lang", "en"];
    let mut command = home.command(&sync);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    let waiting = take_request(&listener);
    patient(&home, "李雷");
    assert_eq!(home.json(&["patient", "search", "李雷"]).as_array().map(Vec::len), Some(1));
    let second = home.run(&sync);
    assert_eq!(second.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&second.stderr).contains("another sync"));
    drop((waiting, listener));
    let ended = child.wait_with_output().expect("ends");
    assert_eq!(ended.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&ended.stderr).contains("nothing is lost"));
    let verified = home.run(&["cases", "verify"]);
    assert!(verified.status.success());
}

fn assert_absent(folder: &Path, secret: &[u8]) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            assert_absent(&path, secret);
        } else {
            let bytes = std::fs::read(&path).expect("a file");
            assert!(!bytes.windows(secret.len()).any(|window| window == secret), "in {}", path.display());
        }
    }
}

#[test]
fn a_token_is_kept_sealed() {
    let home = Home::new();
    let secret = "canary-5f1d0c9be0aa4d3c";
    let elsewhere = tempfile::tempdir().expect("a folder");
    let file = elsewhere.path().join("token");
    std::fs::write(&file, secret).expect("written");
    home.run(&["sync", "--server", DEAD, "--once", "--token-file", support::text(&file)]);
    assert_absent(home.path(), secret.as_bytes());
    // It was kept: the next sync shows it to the server.
    let patient = patient(&home, "王芳");
    home.json(&["consent", "set", &patient, "care", "yes"]);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = format!("http://{}/fhir", listener.local_addr().expect("an address"));
    let mut command = home.command(&["sync", "--server", &address, "--once"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts");
    let (mut phone, _) = listener.accept().expect("a connection");
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && phone.read(&mut byte).expect("a byte") == 1 {
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).expect("a head");
    assert!(head.contains(&format!("authorization: Bearer {secret}\r\n")), "no token");
    drop((phone, listener));
    child.wait().expect("ends");
    assert_absent(home.path(), secret.as_bytes());
}

#[test]
fn the_command_sends_and_says_what_became_of_each_record() {
    let Some(fhir) = Server::fhir() else { return };
    let home = Home::new();
    let patient = patient(&home, "王芳");
    let report = home.json(&["sync", "--server", &fhir.url, "--once"]);
    assert_eq!((&report["sent"], &report["waiting"]), (&0.into(), &0.into()), "no consent yet");
    assert_eq!(home.json(&["sync", "--status"])["records"][0]["state"], "held_back");
    home.json(&["consent", "set", &patient, "care", "yes"]);
    let report = home.json(&["sync", "--server", &fhir.url, "--once"]);
    assert_eq!((&report["sent"], &report["waiting"], &report["received"]), (&2.into(), &0.into(), &0.into()));
    assert!(report["bytes"].as_u64().is_some_and(|bytes| bytes > 0));
    assert_eq!(report["quarantined"], serde_json::json!([]));
    let status = home.json(&["sync", "--status"]);
    assert!(status["records"].as_array().is_some_and(|all| all.iter().all(|record| record["state"] == "sent")));
}
