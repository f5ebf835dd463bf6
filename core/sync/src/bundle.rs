//! Bundles as they go over the wire: a transaction of PUTs, a batch of GETs, and how their answers are read.

use crate::net::{Request, Response};
use base64ct::{Base64, Encoding};
use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};
use sha1::{Digest, Sha1};
use std::io::Write;

/// FHIR's media type.
pub(crate) const FHIR: &str = "application/fhir+json";

/// One PUT of a transaction.
pub(crate) struct Put {
    pub(crate) reference: String,
    pub(crate) resource: Value,
    /// The version that it replaces; `None` for a new one.
    pub(crate) replaces: Option<String>,
}

/// The body of a transaction, gzipped.
pub(crate) fn transaction(puts: &[Put]) -> Vec<u8> {
    let entry = |put: &Put| {
        let mut request = json!({ "method": "PUT", "url": put.reference });
        match &put.replaces {
            Some(version) => request["ifMatch"] = json!(format!("W/\"{version}\"")),
            // Servers that know it refuse a create that comes late over a newer version; others ignore it.
            None => request["ifNoneMatch"] = json!("*"),
        }
        json!({ "resource": put.resource, "request": request })
    };
    let entries: Vec<Value> = puts.iter().map(entry).collect();
    gzip(&json!({ "resourceType": "Bundle", "type": "transaction", "entry": entries }))
}

/// The body of a batch that reads these references, gzipped.
pub(crate) fn reads(references: &[String]) -> Vec<u8> {
    let entries: Vec<Value> =
        references.iter().map(|reference| json!({ "request": { "method": "GET", "url": reference } })).collect();
    gzip(&json!({ "resourceType": "Bundle", "type": "batch", "entry": entries }))
}

/// A POST of a Bundle.
pub(crate) fn post(server: &str, body: Vec<u8>) -> Request {
    Request::new("POST", server.to_owned())
        .header("content-type", FHIR)
        .header("content-encoding", "gzip")
        .header("accept", FHIR)
        .header("prefer", "return=minimal")
        .body(body)
}

/// The entries of an answer's Bundle; `None` when it is none or has another number of them.
pub(crate) fn entries(response: &Response, expected: usize) -> Option<Vec<Value>> {
    let mut bundle: Value = serde_json::from_slice(&response.body).ok()?;
    match bundle.get_mut("entry")?.take() {
        Value::Array(entries) if entries.len() == expected => Some(entries),
        _ => None,
    }
}

/// The version in an entry's or a resource's etag, without the marks that servers use or leave out.
pub(crate) fn version(etag: &str) -> String {
    etag.trim().trim_start_matches("W/").trim_matches('"').to_owned()
}

/// Whether an entry of an answer succeeded.
pub(crate) fn succeeded(entry: &Value) -> bool {
    entry["response"]["status"].as_str().is_some_and(|status| status.starts_with('2'))
}

/// What an OperationOutcome says; `None` when the body is none, and so not from a FHIR server.
pub(crate) fn outcome(response: &Response) -> Option<String> {
    let outcome: Value = serde_json::from_slice(&response.body).ok()?;
    if outcome["resourceType"] != "OperationOutcome" {
        return None;
    }
    let issues = outcome["issue"].as_array()?;
    let said = issues.iter().find_map(|issue| {
        [&issue["diagnostics"], &issue["details"]["text"], &issue["code"]].into_iter().find_map(Value::as_str)
    });
    Some(said.unwrap_or("refused").chars().take(500).collect())
}

/// `Type/id`.
pub(crate) fn reference(resource: &Value) -> String {
    format!("{}/{}", resource["resourceType"].as_str().unwrap_or(""), resource["id"].as_str().unwrap_or(""))
}

/// Every `reference` below a value.
pub(crate) fn references(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::Object(members) => members.iter().for_each(|(name, member)| match member {
            Value::String(reference) if name == "reference" => into.push(reference.clone()),
            member => references(member, into),
        }),
        Value::Array(items) => items.iter().for_each(|item| references(item, into)),
        _ => {}
    }
}

/// What equal words have in common: base64 of SHA-1 of their JSON, whose members serde_json keeps sorted.
///
/// Not for safety: it only spares sending the same again.
#[must_use]
pub fn digest(resource: &Value) -> String {
    Base64::encode_string(&Sha1::digest(resource.to_string()))
}

fn gzip(value: &Value) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder
        .write_all(value.to_string().as_bytes())
        .and_then(|()| encoder.finish())
        .expect("a vector takes all that is written")
}
