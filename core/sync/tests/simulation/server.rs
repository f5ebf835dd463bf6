//! A FHIR R4 and tus 1.0 server in memory, as strict as the real ones where it matters: transactions are atomic, versions are compared,
//! references must resolve, an equal PUT makes no version, uploads keep what arrived of a cut PATCH.

use barefoot_sync::{Request, Response};
use base64ct::{Base64, Encoding};
use flate2::read::GzDecoder;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sha1::{Digest, Sha1};
use std::collections::{BTreeMap, HashSet};
use std::io::Read;

pub(crate) const FHIR: &str = "http://server.test/fhir";
pub(crate) const FILES: &str = "http://server.test/files";

pub(crate) struct Server {
    pub(crate) resources: BTreeMap<String, Vec<Value>>,
    pub(crate) binaries: BTreeMap<String, Vec<u8>>,
    pub(crate) uploads: BTreeMap<String, Upload>,
    pub(crate) now: Timestamp,
    /// What this server can do; real ones differ.
    pub(crate) honours_if_none_match: bool,
    pub(crate) has_history: bool,
    pub(crate) checks_sums: bool,
    pub(crate) page: usize,
    begun: u64,
}

#[derive(Default)]
pub(crate) struct Upload {
    /// The photo that it is for.
    pub(crate) photo: String,
    pub(crate) length: usize,
    pub(crate) bytes: Vec<u8>,
    /// All that ever arrived for it, what was refused too.
    pub(crate) received: usize,
}

impl Server {
    pub(crate) fn new() -> Self {
        Self {
            resources: BTreeMap::new(),
            binaries: BTreeMap::new(),
            uploads: BTreeMap::new(),
            now: "2026-01-01T00:00:00Z".parse().expect("a time"),
            honours_if_none_match: true,
            has_history: true,
            checks_sums: true,
            page: 7,
            begun: 0,
        }
    }

    pub(crate) fn latest(&self, reference: &str) -> Option<&Value> {
        self.resources.get(reference)?.last()
    }

    /// Writes as a client that reads before it writes.
    pub(crate) fn write(&mut self, mut resource: Value) -> u64 {
        let reference = reference(&resource);
        self.now += SignedDuration::from_millis(7);
        let versions = self.resources.entry(reference).or_default();
        if versions.last().is_some_and(|last| content(last) == content(&resource)) {
            return versions.len() as u64;
        }
        let mut meta = resource.get("meta").cloned().unwrap_or_else(|| json!({}));
        meta["versionId"] = json!((versions.len() + 1).to_string());
        meta["lastUpdated"] = json!(self.now.to_string());
        resource["meta"] = meta;
        versions.push(resource);
        versions.len() as u64
    }

    /// Handles a request of which only the first `arrived` bytes of the body came.
    pub(crate) fn handle(&mut self, request: &Request, arrived: usize) -> Response {
        self.now += SignedDuration::from_millis(50);
        let mut answer = if let Some(path) = request.url.strip_prefix(FILES) {
            self.tus(request, path, &request.body[..arrived.min(request.body.len())])
        } else if arrived < request.body.len() {
            // A Bundle that is not whole is never carried out.
            outcome(400, "cut")
        } else {
            self.fhir(request)
        };
        let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&self.now);
        let date = date.expect("a date");
        answer.headers.push(("date".to_owned(), date));
        answer
    }

    fn fhir(&mut self, request: &Request) -> Response {
        let path = request.url.strip_prefix(FHIR).expect("our server").trim_start_matches('/').to_owned();
        match (request.method, path.as_str()) {
            ("POST", "") => {
                let mut text = String::new();
                GzDecoder::new(request.body.as_slice()).read_to_string(&mut text).expect("gzip");
                let bundle: Value = serde_json::from_str(&text).expect("JSON");
                let entries = bundle["entry"].as_array().expect("entries");
                assert!(entries.len() <= 50, "too many entries");
                if bundle["type"] == "batch" { self.batch(entries) } else { self.transaction(entries) }
            }
            ("PUT", binary) if binary.starts_with("Binary/") => {
                self.binaries.insert(binary.to_owned(), request.body.clone());
                ok(&json!({}))
            }
            ("GET", _) => self.search(&path),
            _ => outcome(405, "not supported"),
        }
    }

    fn batch(&mut self, entries: &[Value]) -> Response {
        let read = |entry: &Value| {
            let reference = entry["request"]["url"].as_str().expect("url");
            match self.latest(reference) {
                Some(resource) => json!({ "resource": resource, "response": { "status": "200 OK" } }),
                None => json!({ "response": { "status": "404 Not Found" } }),
            }
        };
        let answers: Vec<Value> = entries.iter().map(read).collect();
        ok(&json!({ "resourceType": "Bundle", "type": "batch-response", "entry": answers }))
    }

    fn transaction(&mut self, entries: &[Value]) -> Response {
        let coming: HashSet<String> = entries.iter().map(|entry| reference(&entry["resource"])).collect();
        for entry in entries {
            let resource = &entry["resource"];
            let mut needs = Vec::new();
            references(resource, &mut needs);
            if let Some(missing) = needs.iter().find(|need| !coming.contains(*need) && self.latest(need).is_none()) {
                return outcome(400, &format!("{missing} not found"));
            }
            if resource.to_string().contains("poison") {
                return outcome(422, "this server takes no poison");
            }
            let there = self.latest(&reference(resource)).map(version);
            let expected = entry["request"]["ifMatch"].as_str().map(|etag| etag[3..etag.len() - 1].to_owned());
            if expected.is_some() && expected != there {
                return outcome(412, "not the current version");
            }
            if self.honours_if_none_match && entry["request"]["ifNoneMatch"] == "*" && there.is_some() {
                return outcome(412, "exists");
            }
        }
        let mut answers = Vec::new();
        for entry in entries {
            let version = self.write(entry["resource"].clone());
            answers.push(json!({ "response": { "status": "200 OK", "etag": format!("W/\"{version}\"") } }));
        }
        ok(&json!({ "resourceType": "Bundle", "type": "transaction-response", "entry": answers }))
    }

    /// `Kind/_history?_since=` newest first, or `Kind?_lastUpdated=ge`, in pages.
    fn search(&self, path: &str) -> Response {
        let (kind, query) = path.split_once('?').expect("a query");
        let history = kind.ends_with("/_history");
        if history && !self.has_history {
            return outcome(405, "no history");
        }
        let prefix = format!("{}/", kind.trim_end_matches("/_history"));
        let parameter = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name));
        let since = parameter("_since=").or(parameter("_lastUpdated=ge")).expect("since");
        let since: Timestamp = since.parse().expect("a time");
        let from: usize = parameter("_offset=").map_or(0, |offset| offset.parse().expect("an offset"));
        let of_kind = self.resources.iter().filter(|(reference, _)| reference.starts_with(&prefix));
        let mut found: Vec<&Value> = match history {
            true => of_kind.flat_map(|(_, versions)| versions).collect(),
            false => of_kind.filter_map(|(_, versions)| versions.last()).collect(),
        };
        found.retain(|resource| updated(resource) >= since);
        found.sort_by_key(|resource| updated(resource));
        if history {
            found.reverse();
        }
        let page: Vec<Value> =
            found.iter().skip(from).take(self.page).map(|resource| json!({ "resource": resource })).collect();
        let mut bundle = json!({ "resourceType": "Bundle", "entry": page });
        if from + self.page < found.len() {
            let base = path.split("&_offset=").next().expect("a start");
            bundle["link"] =
                json!([{ "relation": "next", "url": format!("{FHIR}/{base}&_offset={}", from + self.page) }]);
        }
        ok(&bundle)
    }

    fn tus(&mut self, request: &Request, path: &str, body: &[u8]) -> Response {
        let header = |name: &str| request.headers.iter().find(|(n, _)| *n == name).map(|(_, value)| value.as_str());
        assert_eq!(header("tus-resumable"), Some("1.0.0"));
        let empty = |status: u16| Response { status, ..Response::default() };
        let name = path.trim_start_matches('/').to_owned();
        match request.method {
            "OPTIONS" => {
                let mut answer = empty(204);
                let extensions = if self.checks_sums { "creation,checksum,termination" } else { "creation" };
                answer.headers.push(("tus-extension".to_owned(), extensions.to_owned()));
                answer.headers.push(("tus-checksum-algorithm".to_owned(), "md5,sha1".to_owned()));
                answer
            }
            "POST" => {
                let length = header("upload-length").expect("length").parse().expect("a number");
                self.begun += 1;
                let name = format!("u{}", self.begun);
                let photo = photo_in(header("upload-metadata").expect("metadata"));
                self.uploads.insert(name.clone(), Upload { length, photo, ..Upload::default() });
                let mut answer = empty(201);
                answer.headers.push(("location".to_owned(), format!("/files/{name}")));
                answer
            }
            "HEAD" => match self.uploads.get(&name) {
                Some(upload) => with_offset(200, upload.bytes.len()),
                None => empty(404),
            },
            "DELETE" => empty(if self.uploads.remove(&name).is_some() { 204 } else { 404 }),
            "PATCH" => {
                let Some(upload) = self.uploads.get_mut(&name) else { return empty(404) };
                upload.received += body.len();
                if header("upload-offset") != Some(upload.bytes.len().to_string().as_str()) {
                    return empty(409);
                }
                if let Some(sum) = header("upload-checksum").filter(|_| self.checks_sums) {
                    let expected = format!("sha1 {}", Base64::encode_string(&Sha1::digest(body)));
                    if sum != expected {
                        return empty(460);
                    }
                }
                upload.bytes.extend_from_slice(body);
                assert!(upload.bytes.len() <= upload.length, "more than was announced");
                with_offset(204, upload.bytes.len())
            }
            _ => empty(405),
        }
    }
}

/// The photo that an upload's metadata names.
pub(crate) fn photo_in(metadata: &str) -> String {
    let name = metadata.split(',').find_map(|pair| pair.strip_prefix("filename ")).expect("a name");
    String::from_utf8(Base64::decode_vec(name).expect("base64")).expect("UTF-8")
}

fn with_offset(status: u16, offset: usize) -> Response {
    Response { status, headers: vec![("upload-offset".to_owned(), offset.to_string())], body: Vec::new() }
}

fn ok(body: &Value) -> Response {
    Response { status: 200, headers: Vec::new(), body: body.to_string().into_bytes() }
}

fn outcome(status: u16, why: &str) -> Response {
    let body = json!({ "resourceType": "OperationOutcome", "issue": [{ "severity": "error", "diagnostics": why }] });
    Response { status, headers: Vec::new(), body: body.to_string().into_bytes() }
}

pub(crate) fn reference(resource: &Value) -> String {
    format!("{}/{}", resource["resourceType"].as_str().expect("type"), resource["id"].as_str().expect("id"))
}

fn version(resource: &Value) -> String {
    resource["meta"]["versionId"].as_str().expect("version").to_owned()
}

fn updated(resource: &Value) -> Timestamp {
    resource["meta"]["lastUpdated"].as_str().expect("time").parse().expect("a time")
}

fn content(resource: &Value) -> Value {
    let mut content = resource.clone();
    content.as_object_mut().expect("a resource").remove("meta");
    content
}

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
