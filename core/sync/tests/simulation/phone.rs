//! A phone's store in memory. Each call is one transaction, as the trait demands; a kill comes before or after one.

use barefoot_sync::{Answer, Change, Known, PHOTO, Records, Settled, Take, digest};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// The store; several handles, so that the network can look into it and consent can change while a sync runs.
#[derive(Clone)]
pub(crate) struct Phone(pub(crate) Rc<RefCell<State>>);

#[derive(Clone, Default)]
pub(crate) struct State {
    /// Elements of a Patient by id: name, gender, phone.
    pub(crate) patients: BTreeMap<String, BTreeMap<String, String>>,
    /// Encounter id to patient and findings.
    pub(crate) encounters: BTreeMap<String, (String, String)>,
    /// Photo id to encounter and bytes.
    pub(crate) photos: BTreeMap<String, (String, Vec<u8>)>,
    pub(crate) consent: BTreeMap<String, bool>,
    pub(crate) outbox: Vec<Row>,
    pub(crate) known: BTreeMap<String, Known>,
    pub(crate) values: BTreeMap<String, String>,
    /// By reference: version and words.
    pub(crate) answers: BTreeMap<String, (String, Value)>,
    pub(crate) reviews: Vec<(String, String, Value, Value)>,
    /// Calls until the phone is killed, and whether that call is still carried out.
    pub(crate) kill: Option<(u32, bool)>,
}

#[derive(Clone)]
pub(crate) struct Row {
    pub(crate) change: Change,
    pub(crate) state: &'static str,
    pub(crate) reason: String,
}

#[derive(Debug, thiserror::Error)]
#[error("the phone was killed")]
pub(crate) struct Killed;

impl State {
    pub(crate) fn change(&mut self, kind: &str, record: &str) {
        let root = match kind {
            "patient" => record.to_owned(),
            "encounter" => self.encounters[record].0.clone(),
            _ => self.encounters[&self.photos[record].0].0.clone(),
        };
        let seq = self.outbox.len() as i64 + 1;
        let change = Change { seq, root, kind: kind.to_owned(), record: record.to_owned() };
        self.outbox.push(Row { change, state: "waiting", reason: String::new() });
    }

    /// A patient who consents, with one encounter and its photo.
    pub(crate) fn add_case(&mut self, name: &str, photo: &[u8]) {
        let [patient, encounter, file] = ["p", "e", "f"].map(|kind| format!("{kind}{name}"));
        self.patients.insert(patient.clone(), [("name".to_owned(), "王".to_owned())].into());
        self.consent.insert(patient.clone(), true);
        self.encounters.insert(encounter.clone(), (patient.clone(), "红斑".to_owned()));
        self.photos.insert(file.clone(), (encounter.clone(), photo.to_vec()));
        for (kind, id) in [("patient", &patient), ("encounter", &encounter), (PHOTO_KIND, &file)] {
            self.change(kind, id);
        }
    }

    fn patient(&self, id: &str) -> Option<Value> {
        let elements = self.patients.get(id)?;
        let mut out = json!({ "resourceType": "Patient", "id": id });
        for (name, value) in elements {
            match name.as_str() {
                "name" => out["name"] = json!([{ "text": value }]),
                "telecom" => out["telecom"] = json!([{ "system": "phone", "value": value }]),
                other => out[other] = json!(value),
            }
        }
        Some(out)
    }

    fn resources(&self, kind: &str, record: &str) -> Vec<Value> {
        match kind {
            "patient" => self.patient(record).into_iter().collect(),
            "encounter" => {
                let (patient, findings) = &self.encounters[record];
                let device = json!({ "resourceType": "Device", "id": "model-1", "deviceName": [{ "name": "derm" }] });
                let subject = json!({ "reference": format!("Patient/{patient}") });
                let visit = json!({ "resourceType": "Encounter", "id": record, "subject": subject });
                let seen = json!({
                    "resourceType": "Observation", "id": format!("{record}-findings"), "subject": subject, "valueString": findings,
                    "encounter": { "reference": format!("Encounter/{record}") }, "device": { "reference": "Device/model-1" },
                });
                vec![device, visit, seen]
            }
            _ => {
                let (encounter, bytes) = &self.photos[record];
                vec![json!({
                    "resourceType": "DocumentReference", "id": record,
                    "content": [{ "attachment": { "contentType": "image/jpeg", "size": bytes.len() } }],
                    "context": { "encounter": [{ "reference": format!("Encounter/{encounter}") }] },
                })]
            }
        }
    }
}

/// The text of an element as the phone keeps it.
pub(crate) fn element_text(resource: &Value, name: &str) -> Option<String> {
    let value = match name {
        "name" => &resource["name"][0]["text"],
        "telecom" => &resource["telecom"][0]["value"],
        other => &resource[other],
    };
    value.as_str().map(str::to_owned)
}

impl Phone {
    fn read<T>(&self, read: impl FnOnce(&State) -> T) -> Result<T, Killed> {
        Ok(read(&self.0.borrow()))
    }

    fn write(&mut self, write: impl FnOnce(&mut State)) -> Result<(), Killed> {
        let mut state = self.0.borrow_mut();
        match state.kill {
            Some((0, done)) => {
                state.kill = None;
                if done {
                    write(&mut state);
                }
                Err(Killed)
            }
            Some((left, done)) => {
                state.kill = Some((left - 1, done));
                write(&mut state);
                Ok(())
            }
            None => {
                write(&mut state);
                Ok(())
            }
        }
    }
}

impl Records for Phone {
    type Error = Killed;

    fn waiting(&mut self, root: Option<&str>) -> Result<Vec<Change>, Killed> {
        self.read(|state| {
            let may_leave = |change: &Change| state.consent.get(&change.root) == Some(&true);
            let rows = state.outbox.iter().filter(|row| row.state == "waiting" && may_leave(&row.change));
            rows.filter(|row| root.is_none_or(|root| row.change.root == root)).map(|row| row.change.clone()).collect()
        })
    }

    fn held_back(&mut self) -> Result<u64, Killed> {
        self.read(|state| {
            let held = |row: &&Row| row.state == "waiting" && state.consent.get(&row.change.root) != Some(&true);
            state.outbox.iter().filter(held).count() as u64
        })
    }

    fn refused(&mut self) -> Result<Vec<(Change, String)>, Killed> {
        self.read(|state| {
            let refused = state.outbox.iter().filter(|row| row.state == "refused");
            refused.map(|row| (row.change.clone(), row.reason.clone())).collect()
        })
    }

    fn resources(&mut self, kind: &str, record: &str) -> Result<Vec<Value>, Killed> {
        self.read(|state| state.resources(kind, record))
    }

    fn current(&mut self, reference: &str) -> Result<Option<Value>, Killed> {
        self.read(|state| {
            let (kind, id) = reference.split_once('/').expect("a reference");
            match kind {
                "Patient" => state.patient(id),
                "Encounter" if state.encounters.contains_key(id) => Some(state.resources("encounter", id).remove(1)),
                _ => None,
            }
        })
    }

    fn photo(&mut self, id: &str) -> Result<Option<Vec<u8>>, Killed> {
        self.read(|state| state.photos.get(id).map(|(_, bytes)| bytes.clone()))
    }

    fn known(&mut self, reference: &str) -> Result<Option<Known>, Killed> {
        self.read(|state| state.known.get(reference).cloned())
    }

    fn attempt(&mut self, resources: &[(String, Known)]) -> Result<(), Killed> {
        self.write(|state| state.known.extend(resources.iter().cloned()))
    }

    fn preview(&mut self, id: &str) -> Result<Option<Vec<u8>>, Killed> {
        self.read(|state| state.photos.get(id).and_then(|(_, bytes)| preview_bytes(bytes)))
    }

    fn settle(&mut self, settled: &Settled) -> Result<bool, Killed> {
        let edited = |take: &Take| {
            let id = take.resource["id"].as_str().unwrap_or_default();
            self.0.borrow().patient(id).is_some_and(|now| digest(&now) != take.digest)
        };
        if settled.takes.iter().any(edited) {
            return Ok(false);
        }
        self.write(|state| {
            for seq in &settled.sent {
                let sent = state.outbox[*seq as usize - 1].change.clone();
                for row in
                    state.outbox.iter_mut().filter(|row| row.change.record == sent.record && row.change.seq <= *seq)
                {
                    row.state = "sent";
                }
            }
            for (seq, reason) in &settled.refused {
                let row = &mut state.outbox[*seq as usize - 1];
                (row.state, row.reason) = ("refused", reason.clone());
            }
            state.known.extend(settled.known.iter().cloned());
            for take in &settled.takes {
                let id = take.resource["id"].as_str().expect("id").to_owned();
                if let Some(patient) = state.patients.get_mut(&id) {
                    for name in &take.elements {
                        match element_text(&take.resource, name) {
                            Some(value) => drop(patient.insert(name.clone(), value)),
                            None => drop(patient.remove(name)),
                        }
                    }
                    let now = state.patient(&id).expect("there");
                    if let Some(known) = state.known.get_mut(&format!("Patient/{id}")) {
                        known.digest = digest(&now);
                        known.ours = Some(now);
                    }
                }
            }
            let new = settled
                .reviews
                .iter()
                .map(|r| (r.reference.clone(), r.element.clone(), r.ours.clone(), r.theirs.clone()));
            state.reviews.extend(new);
        })?;
        Ok(true)
    }

    fn receive(&mut self, answers: &[Answer]) -> Result<u64, Killed> {
        let mut new = 0;
        self.write(|state| {
            for answer in answers {
                let ours = |reference: &String| {
                    reference.strip_prefix("Encounter/").is_some_and(|id| state.encounters.contains_key(id))
                };
                let reference = crate::server::reference(&answer.resource);
                let version = answer.resource["meta"]["versionId"].as_str().expect("version").to_owned();
                let older = |(old, _): &(String, Value)| old.parse::<u64>().expect("n") < version.parse().expect("n");
                if answer.refers_to.iter().any(ours) && state.answers.get(&reference).is_none_or(older) {
                    state.answers.insert(reference, (version, answer.resource.clone()));
                    new += 1;
                }
            }
        })?;
        Ok(new)
    }

    fn value(&mut self, name: &str) -> Result<Option<String>, Killed> {
        self.read(|state| state.values.get(name).cloned())
    }

    fn set_value(&mut self, name: &str, value: Option<&str>) -> Result<(), Killed> {
        self.write(|state| match value {
            Some(value) => drop(state.values.insert(name.to_owned(), value.to_owned())),
            None => drop(state.values.remove(name)),
        })
    }
}

/// A photo that differs from every other.
pub(crate) fn photo_bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut dice = crate::Dice(seed);
    (0..length.div_ceil(8)).flat_map(|_| dice.next().to_le_bytes()).take(length).collect()
}

/// Of large photos alone, as on a phone.
pub(crate) fn preview_bytes(photo: &[u8]) -> Option<Vec<u8>> {
    (photo.len() > 20_000).then(|| photo[..photo.len() / 20].to_vec())
}

/// A photo's kind, so that this file alone names it.
pub(crate) const PHOTO_KIND: &str = PHOTO;
