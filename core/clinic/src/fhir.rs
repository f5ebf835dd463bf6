//! Records as FHIR R4 (4.0.1) resources. One record may be several resources; ids are the records' own, so that a repeated PUT changes
//! nothing. The aid's result is an Observation with the model as its device; the doctor's diagnosis is a Condition; they never mix.
//! May not live here: sending, and what a disease's codes are (the caller's `codes` knows).

use crate::database::unhex;
use crate::duplicates::records_of;
use crate::encounter::{PHOTO, photo};
use crate::kind::Kind;
use crate::{AuditEntry, Clinic, ClinicError, Encounter, Lesion, Photo};
use base64ct::{Base64, Encoding};
use rusqlite::OptionalExtension;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

/// Base of the export's addresses; `.invalid` never resolves (RFC 2606).
const BASE: &str = "https://barefoot.invalid/fhir";
const ICD_10: &str = "http://hl7.org/fhir/sid/icd-10";
const ICD_11: &str = "http://id.who.int/icd/release/11/mms";

/// A disease's names and WHO's codes; empty where there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DiseaseCode {
    /// Chinese name.
    pub zh: String,
    /// English name.
    pub en: String,
    /// ICD-10.
    pub icd10: String,
    /// ICD-11.
    pub icd11: String,
}

/// Looks up a disease by its slug.
pub type Codes<'a> = &'a dyn Fn(&str) -> Option<DiseaseCode>;

/// What an export is about.
#[derive(Debug, Clone, Copy)]
pub enum ExportOf<'a> {
    /// A patient with all encounters.
    Patient(&'a str),
    /// One encounter, with its patient where it has one.
    Encounter(&'a str),
}

impl Clinic {
    /// A Bundle of type `collection` with everything about a patient or an encounter, and the audit log's lines about it. Photos are
    /// described, not contained. Reads the database.
    ///
    /// # Errors
    /// When there is no such record.
    pub fn fhir_bundle(&self, of: ExportOf<'_>, codes: Codes<'_>) -> Result<Value, ClinicError> {
        let mut records: Vec<(Kind, String)> = Vec::new();
        let encounters = match of {
            ExportOf::Patient(patient) => {
                self.patient(patient)?;
                self.encounters_of(patient, u32::MAX)?.into_iter().map(|e| (e.id, Some(patient.to_owned()))).collect()
            }
            ExportOf::Encounter(id) => vec![(id.to_owned(), self.encounter(id)?.summary.patient_id)],
        };
        let patient = match of {
            ExportOf::Patient(patient) => Some(patient.to_owned()),
            ExportOf::Encounter(_) => encounters.first().and_then(|(_, patient)| patient.clone()),
        };
        if let Some(patient) = &patient {
            records.extend(self.lesions(patient)?.into_iter().map(|lesion| (Kind::Lesion, lesion.id)));
            for record in records_of(&self.db, patient)? {
                records.extend(self.consents(&record)?.into_iter().map(|consent| (Kind::Consent, consent.id)));
                records.push((Kind::Patient, record));
            }
        }
        for (id, _) in &encounters {
            records.push((Kind::Encounter, id.clone()));
            records.extend(self.belonging_to(id)?);
            records.extend(self.consents(id)?.into_iter().map(|consent| (Kind::Consent, consent.id)));
        }
        let mut seen = BTreeSet::new();
        let mut entries = Vec::new();
        let mut put = |resource: Value| {
            let address = format!("{}/{}", text(&resource["resourceType"]), text(&resource["id"]));
            if seen.insert(address.clone()) {
                entries.push(json!({ "fullUrl": format!("{BASE}/{address}"), "resource": resource }));
            }
        };
        let mut authors = BTreeSet::new();
        for (kind, id) in &records {
            self.fhir_resources(*kind, id, codes)?.into_iter().for_each(&mut put);
            for line in self.history(*kind, id)? {
                authors.extend(line.author.clone());
                put(audit_event(&line));
            }
        }
        for author in authors {
            self.fhir_resources(Kind::Doctor, &author, codes)?.into_iter().for_each(&mut put);
        }
        Ok(
            json!({ "resourceType": "Bundle", "type": "collection", "timestamp": jiff::Timestamp::now().to_string(), "entry": entries }),
        )
    }

    /// Everything that was written about an encounter, by kind. Reads the database.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn belonging_to(&self, encounter: &str) -> Result<Vec<(Kind, String)>, ClinicError> {
        let mut records = Vec::new();
        for kind in
            [Kind::Photo, Kind::Assessment, Kind::Diagnosis, Kind::TreatmentNote, Kind::FollowUp, Kind::Referral]
        {
            let sql = format!("SELECT id FROM {} WHERE encounter_id = ?1 ORDER BY id", kind.table());
            let ids = self
                .db
                .prepare_cached(&sql)?
                .query_map([encounter], |row| row.get(0))?
                .collect::<Result<Vec<String>, _>>()?;
            records.extend(ids.into_iter().map(|id| (kind, id)));
        }
        Ok(records)
    }

    /// The resources that stand for one record, as sync sends them. Reads the database.
    ///
    /// # Errors
    /// When there is no such record.
    pub fn fhir_resources(&self, kind: Kind, id: &str, codes: Codes<'_>) -> Result<Vec<Value>, ClinicError> {
        match kind {
            Kind::Patient => Ok(vec![self.fhir_patient(id)?]),
            Kind::Doctor => {
                let name: Option<String> =
                    self.db.query_row("SELECT name FROM doctor WHERE id = ?1", [id], |row| row.get(0)).optional()?;
                let name = name.ok_or(ClinicError::NotFound(kind))?;
                Ok(vec![json!({ "resourceType": "Practitioner", "id": id, "name": [{ "text": name }] })])
            }
            Kind::Lesion => {
                let sql = "SELECT id, patient_id, site, label, created_at FROM lesion WHERE id = ?1";
                let lesion = self.db.query_row(sql, [id], |row| {
                    Ok(Lesion {
                        id: row.get(0)?,
                        patient_id: row.get(1)?,
                        site: row.get(2)?,
                        label: row.get(3)?,
                        created_at: row.get(4)?,
                    })
                });
                Ok(vec![body_structure(&lesion.optional()?.ok_or(ClinicError::NotFound(kind))?)])
            }
            Kind::Consent => Ok(vec![self.fhir_consent(id)?]),
            Kind::Encounter => {
                let encounter = self.encounter(id)?;
                Ok(std::iter::once(visit(&encounter)).chain(findings(&encounter)).collect())
            }
            Kind::Photo => {
                let sql = format!("SELECT {PHOTO} FROM photo WHERE id = ?1");
                let row = self.db.query_row(&sql, [id], photo).optional()?.ok_or(ClinicError::NotFound(kind))?;
                let encounter = self.encounter(&row.encounter_id)?;
                Ok(vec![document(&row, &encounter)])
            }
            Kind::Assessment => self.fhir_assessment(id, codes),
            // Others wrote it, or it concerns this phone only.
            Kind::Answer | Kind::Review => Ok(Vec::new()),
            Kind::Diagnosis | Kind::TreatmentNote | Kind::FollowUp | Kind::Referral => {
                self.fhir_of_doctor(kind, id, codes)
            }
        }
    }

    fn fhir_patient(&self, id: &str) -> Result<Value, ClinicError> {
        let patient = self.patient(id)?;
        let mut out = json!({ "resourceType": "Patient", "id": id, "name": [{ "text": patient.name }] });
        if let Some(counts) = &patient.merged_into {
            out["active"] = json!(false);
            out["link"] = json!([{ "other": { "reference": format!("Patient/{counts}") }, "type": "replaced-by" }]);
        }
        if let Some(sex) = &patient.sex {
            let known = ["male", "female", "other", "unknown"].contains(&sex.as_str());
            out["gender"] = json!(if known { sex } else { "other" });
        }
        if let Some(date) = &patient.birth_date {
            out["birthDate"] = json!(date);
        }
        if patient.birth_estimated {
            out["_birthDate"] = json!({ "extension": [{ "url": format!("{BASE}/StructureDefinition/estimated"), "valueBoolean": true }] });
        }
        if let Some(phone) = patient.phone.filter(|phone| !phone.trim().is_empty()) {
            out["telecom"] = json!([{ "system": "phone", "value": phone }]);
        }
        if let Some(village) = patient.village.filter(|village| !village.trim().is_empty()) {
            out["address"] = json!([{ "text": village }]);
        }
        Ok(out)
    }

    /// One Consent per subject with one provision per use, as it stands now.
    fn fhir_consent(&self, id: &str) -> Result<Value, ClinicError> {
        let subject: Option<String> =
            self.db.query_row("SELECT subject FROM consent WHERE id = ?1", [id], |row| row.get(0)).optional()?;
        let subject = subject.ok_or(ClinicError::NotFound(Kind::Consent))?;
        let said = self.consents(&subject)?;
        let mut uses: Vec<&str> = Vec::new();
        for consent in &said {
            if !uses.contains(&consent.purpose.as_str()) {
                uses.push(&consent.purpose);
            }
        }
        let last = |purpose: &&str| said.iter().rev().find(|consent| consent.purpose == **purpose);
        let provisions: Vec<Value> = uses
            .iter()
            .filter_map(last)
            .map(|consent| {
                let purpose = json!([{ "system": format!("{BASE}/CodeSystem/use"), "code": consent.purpose }]);
                let from = json!({ "start": consent.made_at });
                json!({ "type": if consent.granted { "permit" } else { "deny" }, "purpose": purpose, "period": from })
            })
            .collect();
        let any = uses.iter().filter_map(last).any(|consent| consent.granted);
        let mut out = json!({
            "resourceType": "Consent",
            "id": format!("consent-{subject}"),
            "status": if any { "active" } else { "inactive" },
            "scope": coded("http://terminology.hl7.org/CodeSystem/consentscope", "patient-privacy"),
            "category": [coded("http://loinc.org", "59284-0")],
            "dateTime": said.last().map(|consent| consent.made_at.clone()),
            "policyRule": { "text": "asked per use by the doctor" },
            "provision": { "type": "deny", "provision": provisions },
        });
        let known = self.db.prepare_cached("SELECT 1 FROM patient WHERE id = ?1")?.exists([&subject])?;
        if known {
            out["patient"] = json!({ "reference": format!("Patient/{subject}") });
        }
        Ok(out)
    }

    fn fhir_assessment(&self, id: &str, codes: Codes<'_>) -> Result<Vec<Value>, ClinicError> {
        let row = self
            .db
            .prepare_cached("SELECT encounter_id, made_at, content FROM assessment WHERE id = ?1")?
            .query_row([id], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?)))
            .optional()?;
        let (encounter, made_at, content) = row.ok_or(ClinicError::NotFound(Kind::Assessment))?;
        let encounter = self.encounter(&encounter)?;
        let content: Value = serde_json::from_str(&content)?;
        let pack = content["image"]["pack"].as_str().unwrap_or("findings only");
        let device_id = format!("model-{}", &crate::database::hex(&Sha256::digest(pack))[..32]);
        let device = json!({
            "resourceType": "Device", "id": device_id, "deviceName": [{ "name": pack, "type": "model-name" }],
            "type": { "text": "skin-disease aid" },
        });
        let photos: Vec<Value> = encounter
            .photo_rows
            .iter()
            .map(|p| json!({ "reference": format!("DocumentReference/{}", p.id) }))
            .collect();
        let components: Vec<Value> = content["differential"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|ranked| {
                let value = json!({ "value": ranked["p"].as_f64()?, "unit": "1", "system": "http://unitsofmeasure.org", "code": "1" });
                Some(json!({ "code": disease(ranked["slug"].as_str()?, "", codes), "valueQuantity": value }))
            })
            .collect();
        let label = json!({ "security": [{ "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "AIAST" }] });
        let mut result = about(&encounter, "Observation", id);
        result.insert("meta".to_owned(), label.clone());
        result.insert("status".to_owned(), json!("final"));
        result.insert("code".to_owned(), json!({ "text": "ranked differential by the aid, not a diagnosis" }));
        result.insert("effectiveDateTime".to_owned(), json!(made_at));
        result.insert("device".to_owned(), json!({ "reference": format!("Device/{device_id}") }));
        insert_list(&mut result, "derivedFrom", photos);
        insert_list(&mut result, "component", components);
        if !result.contains_key("component") {
            result
                .insert("valueString".to_owned(), json!(content["image"]["outcome"].as_str().unwrap_or("cannot_tell")));
        }
        let mut triage = about(&encounter, "RiskAssessment", &format!("{id}-triage"));
        subject_or_anonymous(&mut triage);
        triage.insert("meta".to_owned(), label);
        triage.insert("status".to_owned(), json!("final"));
        triage.insert("occurrenceDateTime".to_owned(), json!(made_at));
        triage.insert("basis".to_owned(), json!([{ "reference": format!("Observation/{id}") }]));
        let level = content["urgency"]["level"].as_str().unwrap_or("R");
        triage.insert(
            "prediction".to_owned(),
            json!([{ "qualitativeRisk": coded(&format!("{BASE}/CodeSystem/urgency"), level) }]),
        );
        let provenance = json!({
            "resourceType": "Provenance", "id": format!("{id}-provenance"), "recorded": made_at,
            "target": [{ "reference": format!("Observation/{id}") }, { "reference": format!("RiskAssessment/{id}-triage") }],
            "agent": [{ "who": { "reference": format!("Device/{device_id}") } }],
        });
        Ok(vec![device, Value::Object(result), Value::Object(triage), provenance])
    }

    fn fhir_of_doctor(&self, kind: Kind, id: &str, codes: Codes<'_>) -> Result<Vec<Value>, ClinicError> {
        let sql = format!("SELECT encounter_id FROM {} WHERE id = ?1", kind.table());
        let encounter: Option<String> = self.db.prepare_cached(&sql)?.query_row([id], |row| row.get(0)).optional()?;
        let encounter = self.encounter(&encounter.ok_or(ClinicError::NotFound(kind))?)?;
        let mut resources = Vec::new();
        resources.extend(encounter.diagnoses.iter().filter(|d| d.id == id).map(|diagnosis| {
            let mut out = about(&encounter, "Condition", id);
            subject_or_anonymous(&mut out);
            let known = ["provisional", "differential", "confirmed", "refuted"].contains(&diagnosis.certainty.as_str());
            let certainty = if known { diagnosis.certainty.as_str() } else { "unconfirmed" };
            let mut status = coded("http://terminology.hl7.org/CodeSystem/condition-ver-status", certainty);
            status["text"] = json!(diagnosis.certainty);
            out.insert("verificationStatus".to_owned(), status);
            let clinical = if certainty == "refuted" { "inactive" } else { "active" };
            out.insert(
                "clinicalStatus".to_owned(),
                coded("http://terminology.hl7.org/CodeSystem/condition-clinical", clinical),
            );
            out.insert("code".to_owned(), disease(diagnosis.disease.as_deref().unwrap_or(""), &diagnosis.words, codes));
            out.insert("recordedDate".to_owned(), json!(diagnosis.made_at));
            signed(&mut out, "recorder", diagnosis.author.as_deref());
            Value::Object(out)
        }));
        resources.extend(encounter.treatment_notes.iter().filter(|n| n.id == id).map(|note| {
            let mut out = about(&encounter, "CarePlan", id);
            subject_or_anonymous(&mut out);
            out.insert("status".to_owned(), json!("active"));
            out.insert("intent".to_owned(), json!("plan"));
            out.insert("created".to_owned(), json!(note.made_at));
            out.insert("description".to_owned(), json!(note.words));
            signed(&mut out, "author", note.author.as_deref());
            Value::Object(out)
        }));
        resources.extend(encounter.follow_ups.iter().filter(|f| f.id == id).map(|visit| {
            let mut out = about(&encounter, "Appointment", id);
            out.remove("encounter");
            let subject = out.remove("subject").unwrap_or_else(|| json!({ "display": "anonymous" }));
            let status = match visit.status.as_str() {
                "done" => "fulfilled",
                "cancelled" => "cancelled",
                _ => "proposed",
            };
            out.insert("status".to_owned(), json!(status));
            out.insert("start".to_owned(), json!(format!("{}T00:00:00Z", visit.due_on)));
            out.insert("end".to_owned(), json!(format!("{}T23:59:59Z", visit.due_on)));
            out.insert("participant".to_owned(), json!([{ "actor": subject, "status": "needs-action" }]));
            if !visit.reason.trim().is_empty() {
                out.insert("description".to_owned(), json!(visit.reason));
            }
            Value::Object(out)
        }));
        for referral in encounter.referrals.iter().filter(|r| r.id == id) {
            let mut out = about(&encounter, "ServiceRequest", id);
            subject_or_anonymous(&mut out);
            let subject = out.get("subject").cloned();
            let priority = match referral.urgency.as_str() {
                "E" => "stat",
                "U" => "urgent",
                _ => "routine",
            };
            out.insert("status".to_owned(), json!("active"));
            out.insert("intent".to_owned(), json!("order"));
            out.insert("priority".to_owned(), json!(priority));
            out.insert("code".to_owned(), json!({ "text": "referral" }));
            out.insert("authoredOn".to_owned(), json!(referral.made_at));
            out.insert("performer".to_owned(), json!([{ "display": referral.destination }]));
            if !referral.reason.trim().is_empty() {
                out.insert("reasonCode".to_owned(), json!([{ "text": referral.reason }]));
            }
            signed(&mut out, "requester", referral.author.as_deref());
            resources.push(Value::Object(out));
            resources.push(json!({
                "resourceType": "Task", "id": format!("{id}-task"), "status": "requested", "intent": "order", "priority": priority,
                "focus": { "reference": format!("ServiceRequest/{id}") }, "for": subject, "authoredOn": referral.made_at,
            }));
        }
        Ok(resources)
    }
}

fn visit(encounter: &Encounter) -> Value {
    let mut out = about(encounter, "Encounter", &encounter.summary.id);
    out.remove("encounter");
    out.insert("status".to_owned(), json!("finished"));
    out.insert(
        "class".to_owned(),
        json!({ "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB" }),
    );
    out.insert("period".to_owned(), json!({ "start": encounter.summary.started_at }));
    if let Some(author) = &encounter.author {
        out.insert(
            "participant".to_owned(),
            json!([{ "individual": { "reference": format!("Practitioner/{author}") } }]),
        );
    }
    Value::Object(out)
}

fn findings(encounter: &Encounter) -> Vec<Value> {
    let observation = |id: String, code: Value, value: (&str, Value)| {
        let mut out = about(encounter, "Observation", &id);
        out.insert("status".to_owned(), json!("final"));
        out.insert("code".to_owned(), code);
        out.insert("effectiveDateTime".to_owned(), json!(encounter.summary.started_at));
        if let Some(site) = encounter.summary.site.as_ref().filter(|site| !site.trim().is_empty()) {
            out.insert("bodySite".to_owned(), json!({ "text": site }));
        }
        out.insert(value.0.to_owned(), value.1);
        signed_list(&mut out, "performer", encounter.author.as_deref());
        Value::Object(out)
    };
    let id = &encounter.summary.id;
    let mut out = Vec::new();
    if !encounter.findings.trim().is_empty() {
        out.push(observation(
            format!("{id}-findings"),
            json!({ "text": "findings in words" }),
            ("valueString", json!(encounter.findings)),
        ));
    }
    for (i, observed) in encounter.observed.iter().enumerate() {
        let code = coded(&format!("{BASE}/CodeSystem/finding"), &observed.finding);
        out.push(observation(format!("{id}-finding-{i}"), code, ("valueBoolean", json!(observed.present))));
    }
    out
}

fn document(photo: &Photo, encounter: &Encounter) -> Value {
    let sha1 = unhex(&photo.sha1).map(|bytes| Base64::encode_string(&bytes));
    let mut out = about(encounter, "DocumentReference", &photo.id);
    out.remove("encounter");
    out.insert("status".to_owned(), json!("current"));
    out.insert("type".to_owned(), json!({ "text": "photo of skin" }));
    out.insert("date".to_owned(), json!(photo.taken_at));
    let attachment = json!({
        "contentType": "image/jpeg", "size": photo.bytes, "hash": sha1, "creation": photo.taken_at,
        "extension": [{ "url": format!("{BASE}/StructureDefinition/sha256"), "valueString": photo.sha256 }],
    });
    out.insert("content".to_owned(), json!([{ "attachment": attachment }]));
    let mut context = json!({ "encounter": [{ "reference": format!("Encounter/{}", photo.encounter_id) }] });
    if let Some(lesion) = &photo.lesion_id {
        context["related"] = json!([{ "reference": format!("BodyStructure/{lesion}") }]);
    }
    out.insert("context".to_owned(), context);
    Value::Object(out)
}

fn body_structure(lesion: &Lesion) -> Value {
    let mut out = json!({
        "resourceType": "BodyStructure", "id": lesion.id, "active": true, "location": { "text": lesion.site },
        "patient": { "reference": format!("Patient/{}", lesion.patient_id) },
    });
    if !lesion.label.trim().is_empty() {
        out["description"] = json!(lesion.label);
    }
    out
}

fn audit_event(line: &AuditEntry) -> Value {
    let action = match line.action.as_str() {
        "created" => "C",
        "purged" => "D",
        _ => "U",
    };
    let who = match &line.author {
        Some(author) => json!({ "reference": format!("Practitioner/{author}") }),
        None => json!({ "display": "nobody signed in" }),
    };
    json!({
        "resourceType": "AuditEvent", "id": format!("audit-{}", line.seq),
        "type": { "system": "http://terminology.hl7.org/CodeSystem/audit-event-type", "code": "rest" },
        "action": action, "recorded": line.at, "agent": [{ "requestor": true, "who": who }],
        "source": { "observer": { "display": "Barefoot" } },
        "entity": [{ "what": { "display": format!("{}/{}", line.kind, line.record) }, "description": format!("SHA-256 {}", line.digest) }],
    })
}

/// A resource with its subject and encounter.
fn about(encounter: &Encounter, resource: &str, id: &str) -> Map<String, Value> {
    let mut out = Map::new();
    out.insert("resourceType".to_owned(), json!(resource));
    out.insert("id".to_owned(), json!(id));
    if let Some(patient) = &encounter.summary.patient_id {
        out.insert("subject".to_owned(), json!({ "reference": format!("Patient/{patient}") }));
    }
    out.insert("encounter".to_owned(), json!({ "reference": format!("Encounter/{}", encounter.summary.id) }));
    out
}

/// R4 demands a subject of these; an anonymous patient has a name only.
fn subject_or_anonymous(out: &mut Map<String, Value>) {
    out.entry("subject").or_insert_with(|| json!({ "display": "anonymous" }));
}

fn signed(out: &mut Map<String, Value>, role: &str, author: Option<&str>) {
    if let Some(author) = author {
        out.insert(role.to_owned(), json!({ "reference": format!("Practitioner/{author}") }));
    }
}

fn signed_list(out: &mut Map<String, Value>, role: &str, author: Option<&str>) {
    if let Some(author) = author {
        out.insert(role.to_owned(), json!([{ "reference": format!("Practitioner/{author}") }]));
    }
}

fn insert_list(out: &mut Map<String, Value>, name: &str, list: Vec<Value>) {
    if !list.is_empty() {
        out.insert(name.to_owned(), Value::Array(list));
    }
}

fn coded(system: &str, code: &str) -> Value {
    json!({ "coding": [{ "system": system, "code": code }] })
}

/// A disease by slug, with WHO's codes, and the doctor's words where there are any.
fn disease(slug: &str, words: &str, codes: Codes<'_>) -> Value {
    let mut coding = Vec::new();
    let mut shown = words.to_owned();
    if !slug.is_empty() {
        coding.push(json!({ "system": format!("{BASE}/CodeSystem/disease"), "code": slug }));
    }
    if let Some(code) = codes(slug) {
        for (system, code, name) in [(ICD_11, &code.icd11, &code.en), (ICD_10, &code.icd10, &code.en)] {
            if !code.is_empty() {
                coding.push(json!({ "system": system, "code": code, "display": name }));
            }
        }
        if shown.trim().is_empty() {
            shown = format!("{} {}", code.zh, code.en);
        }
    }
    let mut out = json!({});
    if !coding.is_empty() {
        out["coding"] = Value::Array(coding);
    }
    if !shown.trim().is_empty() || slug.is_empty() {
        out["text"] = json!(if shown.trim().is_empty() { "not named" } else { &shown });
    }
    out
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
