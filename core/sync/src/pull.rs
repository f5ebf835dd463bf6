//! What others wrote: changes of records that both sides hold, and answers to our cases.

use crate::bundle::{self, FHIR};
use crate::merge::{Base, merge};
use crate::net::{Net, Request};
use crate::records::{Answer, Records, Settled, Take};
use crate::session::{FIRST_HEARD, Heard, Outcome, Session, agreed, is_changing, version_in};
use crate::{SyncError, digest};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::collections::BTreeSet;

/// Kinds that are asked for: those that both sides change, and those in which a specialist answers.
const KINDS: [&str; 9] = [
    "Patient",
    "Appointment",
    "Condition",
    "DiagnosticReport",
    "ClinicalImpression",
    "Communication",
    "CarePlan",
    "ServiceRequest",
    "Task",
];
/// How far each pull goes back behind the last: a server's transaction may become visible after a later one.
const OVERLAP: SignedDuration = SignedDuration::from_secs(60);
/// Entries per page.
const PAGE: u32 = 50;
/// The name under which it is kept that the server has no history by kind.
const SEARCH_ONLY: &str = "search-only";

impl<R: Records, N: Net> Session<'_, R, N> {
    /// Takes in what is new since the last time, kind by kind. The cursor of a kind is kept only after its last page is.
    pub(crate) fn pull(&mut self) -> Outcome<(), R> {
        for kind in KINDS {
            self.pull_kind(kind)?;
        }
        Ok(())
    }

    fn pull_kind(&mut self, kind: &str) -> Outcome<(), R> {
        let name = format!("cursor/{kind}");
        let cursor = match self.records.value(&name).map_err(SyncError::Records)? {
            None => self.records.value(FIRST_HEARD).map_err(SyncError::Records)?,
            kept => kept,
        };
        let cursor = cursor.and_then(|c| c.parse::<Timestamp>().ok());
        let since = cursor.map_or(Timestamp::UNIX_EPOCH, |c| c.checked_sub(OVERLAP).unwrap_or(c));
        let mut newest = cursor;
        let mut next = Some(self.first_page(kind, since)?);
        while let Some(url) = next.take() {
            let request = Request::new("GET", url.clone()).header("accept", FHIR).header("cache-control", "no-cache");
            let answer = match self.send(request)? {
                Heard::Answer(answer) => answer,
                Heard::Nothing => {
                    next = Some(url);
                    continue;
                }
                // A kind that the server fails at waits for the next sync.
                Heard::Failed => return Ok(()),
            };
            if !answer.is_success() {
                if bundle::outcome(&answer).is_none() {
                    return Err(SyncError::NotFhir(answer.status));
                }
                if url.contains("/_history") && !self.searches_only()? {
                    self.records.set_value(SEARCH_ONLY, Some("yes")).map_err(SyncError::Records)?;
                    return self.pull_kind(kind);
                }
                // A server without this kind.
                return Ok(());
            }
            let page: Value = serde_json::from_slice(&answer.body).map_err(|_| SyncError::NotFhir(answer.status))?;
            newest = newest.max(self.take_in(&page)?);
            next = self.next_page(&page)?;
        }
        if let Some(newest) = newest.filter(|newest| Some(*newest) != cursor) {
            self.records.set_value(&name, Some(&newest.to_string())).map_err(SyncError::Records)?;
        }
        Ok(())
    }

    fn searches_only(&mut self) -> Outcome<bool, R> {
        Ok(self.records.value(SEARCH_ONLY).map_err(SyncError::Records)?.is_some())
    }

    fn first_page(&mut self, kind: &str, since: Timestamp) -> Outcome<String, R> {
        let server = &self.options.server;
        Ok(if self.records.value(SEARCH_ONLY).map_err(SyncError::Records)?.is_some() {
            format!("{server}/{kind}?_lastUpdated=ge{since}&_sort=_lastUpdated&_count={PAGE}")
        } else {
            format!("{server}/{kind}/_history?_since={since}&_count={PAGE}")
        })
    }

    /// Only on the same server: what it calls next must not carry our token elsewhere.
    fn next_page(&self, page: &Value) -> Outcome<Option<String>, R> {
        let links = page["link"].as_array().map(Vec::as_slice).unwrap_or_default();
        let next = links.iter().find(|link| link["relation"] == "next").and_then(|link| link["url"].as_str());
        match next {
            None => Ok(None),
            Some(url) if url.starts_with(&self.options.server) => Ok(Some(url.to_owned())),
            Some(url) if !url.contains("://") => {
                Ok(Some(format!("{}/{}", self.options.server, url.trim_start_matches('/'))))
            }
            Some(_) => Err(SyncError::NotFhir(200)),
        }
    }

    /// Commits what a page brings; the newest time in it.
    fn take_in(&mut self, page: &Value) -> Outcome<Option<Timestamp>, R> {
        let mut newest = None;
        let mut changed = BTreeSet::new();
        let mut answers: Vec<(Option<Timestamp>, Answer)> = Vec::new();
        for entry in page["entry"].as_array().into_iter().flatten() {
            let resource = &entry["resource"];
            if !resource.is_object() {
                continue;
            }
            let at = resource["meta"]["lastUpdated"].as_str().and_then(|at| at.parse::<Timestamp>().ok());
            newest = newest.max(at);
            let reference = bundle::reference(resource);
            let known = self.records.known(&reference).map_err(SyncError::Records)?;
            match known {
                Some(known) if known.version.is_none() => {}
                Some(known) if known.version == Some(version_in(resource)) => {}
                // A page may hold old versions: the server is asked for the one that counts.
                Some(_) => drop(changed.insert(reference)),
                None => {
                    let mut refers_to = Vec::new();
                    bundle::references(resource, &mut refers_to);
                    answers.push((at, Answer { resource: resource.clone(), refers_to }));
                }
            }
        }
        answers.sort_by_key(|(at, _)| *at);
        let answers: Vec<Answer> = answers.into_iter().map(|(_, answer)| answer).collect();
        if !answers.is_empty() {
            self.report.received += self.records.receive(&answers).map_err(SyncError::Records)?;
        }
        if !changed.is_empty() {
            self.take_changes(&changed.into_iter().collect::<Vec<_>>())?;
        }
        Ok(newest)
    }

    fn take_changes(&mut self, references: &[String]) -> Outcome<(), R> {
        let found = loop {
            if let Some(found) = self.look_at(references)? {
                break found;
            }
        };
        for (reference, theirs) in found {
            let known = self.known(&reference)?;
            // What was deleted there stays here.
            let Some(theirs) = theirs else { continue };
            let version = version_in(&theirs);
            if known.version.as_ref() == Some(&version) {
                continue;
            }
            if !is_changing(&reference) {
                // Somebody has amended what we wrote once: that is an answer.
                let answer = Answer { resource: theirs, refers_to: vec![reference] };
                self.report.received += self.records.receive(&[answer]).map_err(SyncError::Records)?;
                continue;
            }
            let Some(ours) = self.records.current(&reference).map_err(SyncError::Records)? else { continue };
            if digest(&ours) != known.digest {
                // Changed here too: sending it meets the conflict and merges.
                continue;
            }
            let base = Base { full: known.full.as_ref(), ours: known.ours.as_ref(), attempts: &[] };
            let merged = merge(base, &ours, &theirs);
            let takes = match merged.taken.is_empty() {
                true => Vec::new(),
                false => vec![Take { resource: theirs.clone(), digest: digest(&ours), elements: merged.taken }],
            };
            let received = takes.len() as u64;
            let known = vec![(reference, agreed(&ours, theirs, Some(version)))];
            // Edited here meanwhile: sending that meets the conflict and merges.
            if self.settle(Settled { known, takes, ..Settled::default() })? {
                self.report.received += received;
            }
        }
        Ok(())
    }
}
