//! `barefoot sync` as its user runs it, against HAPI FHIR JPA (`cargo xtask setup fhir`).

#[path = "../core/app/tests/support/mod.rs"]
mod servers;
mod support;

use servers::Server;
use support::Home;

#[test]
fn the_command_sends_says_what_became_of_each_record_and_shows_no_patient_to_a_dead_server() {
    let home = Home::new();
    let patient = home.json(&["patient", "add", "王芳", "--age", "40"]);
    let patient = patient["id"].as_str().expect("an id");
    // Nobody there: one plain sentence, exit code 1, everything kept.
    let refused = home.run(&["sync", "--server", "http://127.0.0.1:9/fhir", "--once", "--lang", "en"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("does not answer"));
    let Some(fhir) = Server::fhir() else { return };
    let report = home.json(&["sync", "--server", &fhir.url, "--once"]);
    assert_eq!((&report["sent"], &report["waiting"]), (&0.into(), &0.into()), "no consent yet");
    assert_eq!(home.json(&["sync", "--status"])["records"][0]["state"], "held_back");
    home.json(&["consent", "set", patient, "care", "yes"]);
    let report = home.json(&["sync", "--server", &fhir.url, "--once"]);
    assert_eq!((&report["sent"], &report["waiting"], &report["received"]), (&2.into(), &0.into(), &0.into()));
    assert!(report["bytes"].as_u64().is_some_and(|bytes| bytes > 0));
    assert_eq!(report["quarantined"], serde_json::json!([]));
    let status = home.json(&["sync", "--status"]);
    assert!(status["records"].as_array().is_some_and(|all| all.iter().all(|record| record["state"] == "sent")));
}
