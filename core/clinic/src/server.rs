//! What is known of the clinic's server: which of our resources it has and in which version, answers of specialists, elements that were
//! changed on both sides. May not live here: sockets, the protocol (core/sync), and what may leave (outbox.rs).

use crate::audit::{self, Action};
use crate::fhir::Codes;
use crate::kind::Kind;
use crate::outbox::{Change, change};
use crate::work::new_id;
use crate::{Clinic, ClinicError, NewPatient, Use, input, patient};
use jiff::Timestamp;
use rusqlite::{OptionalExtension, Row, Transaction, TransactionBehavior, params};
use serde::Serialize;
use serde_json::Value;

/// What is known of one of our resources on the server.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ServerCopy {
    /// Its version there; `None` while it is not known whether it arrived.
    pub version: Option<String>,
    /// Of our record's words as last agreed.
    pub digest: String,
    /// Those words, for kinds that change.
    pub ours: Option<Value>,
    /// The whole resource as last seen there, for kinds that change.
    pub full: Option<Value>,
    /// What was tried since.
    pub attempts: Vec<Value>,
}

/// What an answer of the server has settled: written whole or not at all.
#[derive(Debug, Clone, Default)]
pub struct FromServer {
    /// Changes that it has; earlier ones of the same records with them.
    pub sent: Vec<i64>,
    /// Changes that it refuses, and why.
    pub refused: Vec<(i64, String)>,
    /// New knowledge, by reference.
    pub copies: Vec<(String, ServerCopy)>,
    /// Resources from which our records take these elements, with the digest of what the record said when they were compared.
    pub takes: Vec<(Value, String, Vec<String>)>,
    /// Elements changed on both sides: reference, element, ours, theirs.
    pub reviews: Vec<(String, String, Value, Value)>,
}

/// What a specialist wrote about a case.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answer {
    /// `Type/id` on the server.
    pub reference: String,
    /// RFC 3339, UTC.
    pub received_at: String,
    /// The words, where the resource has any at a usual place.
    pub words: String,
    /// The FHIR resource.
    pub content: Value,
}

/// An element that was changed here and on the server.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Review {
    /// UUIDv7.
    pub id: String,
    /// `Type/id`.
    pub reference: String,
    /// The element's name in FHIR.
    pub element: String,
    /// What was written here.
    pub ours: Value,
    /// What is in place.
    pub theirs: Value,
    /// RFC 3339, UTC.
    pub made_at: String,
}

/// What became of a record's last change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecordDelivery {
    /// The record.
    pub id: String,
    /// Its kind.
    pub kind: String,
    /// `sent`, `waiting`, `held_back` (no consent) or `quarantined` (refused by the server).
    pub state: String,
    /// Why the server refused it.
    pub reason: Option<String>,
}

impl Clinic {
    /// What became of every record's last change, newest first. Reads the database.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn deliveries(&self, purpose: Use) -> Result<Vec<RecordDelivery>, ClinicError> {
        let sql = "SELECT record, kind, CASE WHEN state = 'waiting'
                AND NOT EXISTS (SELECT 1 FROM outbox_ready r WHERE r.seq = o.seq AND r.use = ?1) THEN 'held_back' ELSE state END, reason
            FROM outbox o WHERE seq = (SELECT max(seq) FROM outbox n WHERE n.record = o.record) ORDER BY seq DESC";
        let delivery = |row: &Row<'_>| {
            Ok(RecordDelivery { id: row.get(0)?, kind: row.get(1)?, state: row.get(2)?, reason: row.get(3)? })
        };
        Ok(self.db.prepare_cached(sql)?.query_map([purpose.code()], delivery)?.collect::<Result<_, _>>()?)
    }

    /// Changes that may leave now for this use, oldest first; of one root, or of all. Reads the database.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn sendable(&self, purpose: Use, root: Option<&str>) -> Result<Vec<Change>, ClinicError> {
        let Some(root) = root else { return self.pending_changes(purpose, u32::MAX) };
        let sql = "SELECT seq, unit, root, kind, record, made_at FROM outbox o WHERE root = ?1 AND state = 'waiting'
            AND EXISTS (SELECT 1 FROM may_leave m WHERE m.use = ?2 AND m.seq = o.seq) ORDER BY seq";
        Ok(self.db.prepare_cached(sql)?.query_map(params![root, purpose.code()], change)?.collect::<Result<_, _>>()?)
    }

    /// Changes that the server refuses, with its reasons, oldest first. Reads the database.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn refused_changes(&self) -> Result<Vec<(Change, String)>, ClinicError> {
        let sql = "SELECT seq, unit, root, kind, record, made_at, reason FROM outbox WHERE state = 'quarantined' ORDER BY seq";
        let refused = |row: &Row<'_>| Ok((change(row)?, row.get::<_, Option<String>>(6)?.unwrap_or_default()));
        Ok(self.db.prepare_cached(sql)?.query_map([], refused)?.collect::<Result<_, _>>()?)
    }

    /// What is known of a resource on the server. Reads the database.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn server_copy(&self, reference: &str) -> Result<Option<ServerCopy>, ClinicError> {
        let sql = "SELECT version, digest, ours, full_copy, attempts FROM server_copy WHERE reference = ?1";
        let row = self
            .db
            .prepare_cached(sql)?
            .query_row([reference], |row| {
                let text = |i: usize| row.get::<_, Option<String>>(i);
                Ok((row.get(0)?, row.get(1)?, text(2)?, text(3)?, text(4)?))
            })
            .optional()?;
        let Some((version, digest, ours, full, attempts)) = row else { return Ok(None) };
        let parsed = |text: Option<String>| text.map(|text| serde_json::from_str(&text)).transpose();
        let attempts = attempts.map_or(Ok(Vec::new()), |text| serde_json::from_str(&text))?;
        Ok(Some(ServerCopy { version, digest, ours: parsed(ours)?, full: parsed(full)?, attempts }))
    }

    /// Notes what is about to be sent. Does I/O.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn note_attempts(&mut self, copies: &[(String, ServerCopy)]) -> Result<(), ClinicError> {
        let tx = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        copies.iter().try_for_each(|(reference, copy)| put_copy(&tx, reference, copy))?;
        Ok(tx.commit()?)
    }

    /// Writes what an answer of the server has settled. Where a record takes elements over, its copy's words become what the record says
    /// after that, digested by `digest`. False, and nothing is written, when such a record was edited since. Does I/O.
    ///
    /// # Errors
    /// When the database refuses; nothing is changed then.
    pub fn settle_with_server(
        &mut self,
        settled: &FromServer,
        codes: Codes<'_>,
        digest: &dyn Fn(&Value) -> String,
    ) -> Result<bool, ClinicError> {
        let now = Timestamp::now().to_string();
        // The records are read again within the transaction, through the same connection.
        let tx = Transaction::new_unchecked(&self.db, TransactionBehavior::Immediate)?;
        for (resource, compared, _) in &settled.takes {
            let words = self.words_of(resource, codes)?;
            if words.is_some_and(|words| digest(&words) != *compared) {
                return Ok(false);
            }
        }
        for seq in &settled.sent {
            tx.prepare_cached(
                "UPDATE outbox SET state = 'sent', reason = NULL WHERE seq <= ?1 AND state <> 'sent'
                    AND (kind, record) = (SELECT kind, record FROM outbox WHERE seq = ?1)",
            )?
            .execute([seq])?;
        }
        for (seq, reason) in &settled.refused {
            tx.prepare_cached("UPDATE outbox SET state = 'quarantined', reason = ?2 WHERE seq = ?1")?
                .execute(params![seq, reason])?;
        }
        for (reference, copy) in &settled.copies {
            put_copy(&tx, reference, copy)?;
        }
        for (resource, _, elements) in &settled.takes {
            if !self.take(&tx, &now, resource, elements)? {
                continue;
            }
            let reference = format!("{}/{}", text(&resource["resourceType"]), text(&resource["id"]));
            if let Some(words) = self.words_of(resource, codes)? {
                tx.prepare_cached("UPDATE server_copy SET ours = ?2, digest = ?3 WHERE reference = ?1")?
                    .execute(params![reference, words.to_string(), digest(&words)])?;
            }
        }
        for (reference, element, ours, theirs) in &settled.reviews {
            let id = new_id();
            tx.prepare_cached(
                "INSERT INTO review (id, reference, element, ours, theirs, made_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![id, reference, element, ours.to_string(), theirs.to_string(), now])?;
            audit::append(&tx, &now, None, Action::Created, Kind::Review, &id)?;
        }
        tx.commit()?;
        Ok(true)
    }

    /// What the record behind a resource says now; `None` when it is of a kind that takes nothing over.
    fn words_of(&self, resource: &Value, codes: Codes<'_>) -> Result<Option<Value>, ClinicError> {
        let Some(kind) = taking_kind(resource) else { return Ok(None) };
        let resources = self.fhir_resources(kind, text(&resource["id"]), codes)?;
        Ok(resources.into_iter().find(|words| words["resourceType"] == resource["resourceType"]))
    }

    /// Takes elements over into a record; whether it changed.
    fn take(
        &self,
        tx: &Transaction<'_>,
        now: &str,
        resource: &Value,
        elements: &[String],
    ) -> Result<bool, ClinicError> {
        let id = text(&resource["id"]);
        let takes = |name: &str| elements.iter().any(|element| element == name);
        let Some(kind) = taking_kind(resource) else { return Ok(false) };
        match kind {
            Kind::Patient => {
                let Some(new) = self.taken_patient(id, resource, &takes)? else { return Ok(false) };
                let estimated = match takes("birthDate") {
                    true => resource["_birthDate"]["extension"].to_string().contains("estimated"),
                    false => self.patient(id)?.birth_estimated,
                };
                patient::rewrite(tx, id, &new)?;
                tx.execute("UPDATE patient SET birth_estimated = ?2 WHERE id = ?1", params![id, estimated])?;
            }
            _ => {
                let status = match text(&resource["status"]) {
                    "fulfilled" | "arrived" | "checked-in" => Some("done"),
                    "cancelled" | "noshow" | "entered-in-error" => Some("cancelled"),
                    _ => Some("planned"),
                };
                let day = resource["start"].as_str().and_then(|start| start.get(..10));
                let changed = tx
                    .prepare_cached("UPDATE follow_up SET status = COALESCE(?2, status), due_on = COALESCE(?3, due_on) WHERE id = ?1")?
                    .execute(params![id, status.filter(|_| takes("status")), day.filter(|_| takes("start"))])?;
                if changed == 0 {
                    return Ok(false);
                }
            }
        }
        audit::append(tx, now, None, Action::Changed, kind, id)?;
        Ok(true)
    }

    /// The patient as the server has it in these elements; `None` when it cannot be stored so.
    fn taken_patient(
        &self,
        id: &str,
        resource: &Value,
        takes: &dyn Fn(&str) -> bool,
    ) -> Result<Option<NewPatient>, ClinicError> {
        let Ok(old) = self.patient(id) else { return Ok(None) };
        let mut new = NewPatient::from(old);
        let owned = |value: &Value| value.as_str().filter(|text| !text.trim().is_empty()).map(str::to_owned);
        if takes("name") {
            let name = &resource["name"][0];
            let given: Vec<&str> = name["given"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let parts = [text(&name["family"]), &given.concat()].concat();
            new.name = owned(&name["text"]).or(Some(parts).filter(|parts| !parts.is_empty())).unwrap_or(new.name);
        }
        if takes("gender") {
            new.sex = owned(&resource["gender"]);
        }
        if takes("birthDate") {
            new.birth_date = owned(&resource["birthDate"]);
        }
        if takes("telecom") {
            let phones = resource["telecom"].as_array().into_iter().flatten();
            new.phone = phones.filter(|contact| contact["system"] == "phone").find_map(|phone| owned(&phone["value"]));
        }
        if takes("address") {
            let address = &resource["address"][0];
            let lines = address["line"].as_array().into_iter().flatten();
            let parts: String = ["state", "city", "district"]
                .map(|part| text(&address[part]))
                .into_iter()
                .chain(lines.map(text))
                .collect();
            new.village = owned(&address["text"]).or(Some(parts).filter(|parts| !parts.is_empty()));
        }
        Ok(input::patient(&new).is_ok().then_some(new))
    }

    /// Keeps those answers that are about a record of ours, given with what each refers to; how many were new. Does I/O.
    ///
    /// # Errors
    /// When the database refuses; nothing is kept then.
    pub fn receive_answers(&mut self, answers: &[(Value, Vec<String>)]) -> Result<u64, ClinicError> {
        let now = Timestamp::now().to_string();
        let tx = Transaction::new_unchecked(&self.db, TransactionBehavior::Immediate)?;
        let mut new = 0;
        for (resource, refers_to) in answers {
            let id = format!("{}/{}", text(&resource["resourceType"]), text(&resource["id"]));
            let version = text(&resource["meta"]["versionId"]);
            // What this phone wrote itself comes back after a restore; it is no answer.
            let own = !refers_to.contains(&id) && self.subject_of(&id)?.is_some();
            let mut subject = None;
            for reference in refers_to {
                let found = self.subject_of(reference)?;
                // An encounter says more than its patient.
                if found.is_some() && (subject.is_none() || !reference.starts_with("Patient/")) {
                    subject = found;
                }
            }
            let Some(subject) = subject.filter(|_| !own) else { continue };
            let known: Option<(String, String)> = tx
                .prepare_cached("SELECT version, content FROM answer WHERE id = ?1")?
                .query_row([&id], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
            if let Some((known, content)) = &known {
                // Versions are opaque and a server's history brings old ones too: its time says which is newer.
                let content: Value = serde_json::from_str(content)?;
                if known == version || written_at(resource) < written_at(&content) {
                    continue;
                }
            }
            tx.prepare_cached(
                "INSERT INTO answer (id, version, subject, received_at, content) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (id) DO UPDATE SET version = ?2, received_at = ?4, content = ?5",
            )?
            .execute(params![id, version, subject, now, resource.to_string()])?;
            let action = if known.is_some() { Action::Changed } else { Action::Created };
            audit::append(&tx, &now, None, action, Kind::Answer, &id)?;
            new += 1;
        }
        tx.commit()?;
        Ok(new)
    }

    /// The encounter (or patient) that a reference to one of our resources is about.
    fn subject_of(&self, reference: &str) -> Result<Option<String>, ClinicError> {
        let Some((resource, id)) = reference.split_once('/') else { return Ok(None) };
        // Ids of resources begin with their record's id, which has the length of a UUID.
        let id = id.get(..36).unwrap_or(id);
        let (table, column) = match resource {
            "Patient" => (Kind::Patient, "id"),
            "Encounter" => (Kind::Encounter, "id"),
            "DocumentReference" => (Kind::Photo, "encounter_id"),
            "Condition" => (Kind::Diagnosis, "encounter_id"),
            "CarePlan" => (Kind::TreatmentNote, "encounter_id"),
            "Appointment" => (Kind::FollowUp, "encounter_id"),
            "ServiceRequest" | "Task" => (Kind::Referral, "encounter_id"),
            "Observation" | "RiskAssessment" => (Kind::Assessment, "encounter_id"),
            _ => return Ok(None),
        };
        let sql = format!("SELECT {column} FROM {} WHERE id = ?1", table.table());
        let found = self.db.prepare_cached(&sql)?.query_row([id], |row| row.get(0)).optional()?;
        if found.is_none() && resource == "Observation" {
            return self.subject_of(&format!("Encounter/{id}"));
        }
        Ok(found)
    }

    /// What specialists wrote about an encounter, or about its patient, oldest first. Reads the database.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn answers(&self, encounter: &str, patient: Option<&str>) -> Result<Vec<Answer>, ClinicError> {
        let sql = "SELECT id, received_at, content FROM answer WHERE subject IN (?1, ?2) ORDER BY received_at, id";
        let rows = self
            .db
            .prepare_cached(sql)?
            .query_map(params![encounter, patient], |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, String>(2)?)))?
            .collect::<Result<Vec<(String, String, String)>, _>>()?;
        rows.into_iter()
            .map(|(reference, received_at, content)| {
                let content: Value = serde_json::from_str(&content)?;
                Ok(Answer { reference, received_at, words: words(&content), content })
            })
            .collect()
    }

    /// Elements that were changed on both sides and that nobody has looked at yet, oldest first. Reads the database.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn open_reviews(&self) -> Result<Vec<Review>, ClinicError> {
        let sql =
            "SELECT id, reference, element, ours, theirs, made_at FROM review WHERE closed_at IS NULL ORDER BY id";
        let json = |row: &Row<'_>, i: usize| -> rusqlite::Result<Value> {
            let text: String = row.get(i)?;
            Ok(serde_json::from_str(&text).unwrap_or(Value::String(text)))
        };
        let review = |row: &Row<'_>| {
            Ok(Review {
                id: row.get(0)?,
                reference: row.get(1)?,
                element: row.get(2)?,
                ours: json(row, 3)?,
                theirs: json(row, 4)?,
                made_at: row.get(5)?,
            })
        };
        Ok(self.db.prepare_cached(sql)?.query_map([], review)?.collect::<Result<_, _>>()?)
    }

    /// Notes that somebody has looked at it. Does I/O.
    ///
    /// # Errors
    /// When there is no such open review, or the database refuses.
    pub fn close_review(&mut self, id: &str) -> Result<(), ClinicError> {
        let work = self.work()?;
        let changed = work
            .tx
            .execute("UPDATE review SET closed_at = ?2 WHERE id = ?1 AND closed_at IS NULL", params![id, work.now])?;
        if changed == 0 {
            return Err(ClinicError::NotFound(Kind::Review));
        }
        work.log_here(Action::Changed, Kind::Review, id)?;
        work.commit()
    }

    /// A value that sync keeps. Reads the database.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn server_value(&self, name: &str) -> Result<Option<String>, ClinicError> {
        let sql = "SELECT value FROM server_value WHERE name = ?1";
        Ok(self.db.prepare_cached(sql)?.query_row([name], |row| row.get(0)).optional()?)
    }

    /// Keeps a value for sync, or forgets it. Does I/O.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn set_server_value(&mut self, name: &str, value: Option<&str>) -> Result<(), ClinicError> {
        match value {
            Some(value) => self.db.execute(
                "INSERT INTO server_value (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2",
                [name, value],
            )?,
            None => self.db.execute("DELETE FROM server_value WHERE name = ?1", [name])?,
        };
        Ok(())
    }
}

/// The kind of record that takes elements over from such a resource: nothing of the others is kept here in a form that the server could
/// change.
fn taking_kind(resource: &Value) -> Option<Kind> {
    match text(&resource["resourceType"]) {
        "Patient" => Some(Kind::Patient),
        "Appointment" => Some(Kind::FollowUp),
        _ => None,
    }
}

fn put_copy(tx: &Transaction<'_>, reference: &str, copy: &ServerCopy) -> Result<(), ClinicError> {
    let json = |value: &Option<Value>| value.as_ref().map(Value::to_string);
    let attempts = (!copy.attempts.is_empty()).then(|| Value::Array(copy.attempts.clone()).to_string());
    tx.prepare_cached(
        "INSERT INTO server_copy (reference, version, digest, ours, full_copy, attempts) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (reference) DO UPDATE SET version = ?2, digest = ?3, ours = ?4, full_copy = ?5, attempts = ?6",
    )?
    .execute(params![reference, copy.version, copy.digest, json(&copy.ours), json(&copy.full), attempts])?;
    Ok(())
}

/// When the server wrote it.
fn written_at(resource: &Value) -> Option<Timestamp> {
    resource["meta"]["lastUpdated"].as_str()?.parse().ok()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Where the resources in which a specialist answers keep their words (FHIR R4).
fn words(resource: &Value) -> String {
    let places = [
        &resource["conclusion"],
        &resource["summary"],
        &resource["payload"][0]["contentString"],
        &resource["code"]["text"],
        &resource["code"]["coding"][0]["display"],
        &resource["description"],
        &resource["note"][0]["text"],
        &resource["businessStatus"]["text"],
        &resource["status"],
    ];
    places.into_iter().find_map(Value::as_str).unwrap_or_default().to_owned()
}
