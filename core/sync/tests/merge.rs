//! Row 19: histories of two devices and a server. Merging is commutative and idempotent, and no doctor's edit is lost.

use barefoot_sync::{Base, Conflict, merge, same};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const ELEMENTS: [&str; 4] = ["name", "gender", "telecom", "birthDate"];

/// A device's record with what it last agreed on with the server.
#[derive(Debug, Clone)]
struct Device {
    ours: Value,
    base_ours: Value,
    base_full: Value,
    conflicts: Vec<Conflict>,
}

impl Device {
    fn new(server: &Value) -> Self {
        Self { ours: server.clone(), base_ours: server.clone(), base_full: server.clone(), conflicts: Vec::new() }
    }

    /// One exchange: what `core/sync/src/session.rs` does with a merge.
    fn sync(&mut self, server: &mut Value) {
        let base = Base { full: Some(&self.base_full), ours: Some(&self.base_ours), attempts: &[] };
        let merged = merge(base, &self.ours, server);
        for element in &merged.taken {
            match server.get(element) {
                Some(value) => self.ours[element] = value.clone(),
                None => drop(self.ours.as_object_mut().expect("a resource").remove(element)),
            }
        }
        *server = merged.resource;
        self.conflicts.extend(merged.conflicts);
        self.base_full = server.clone();
        self.base_ours = self.ours.clone();
    }
}

fn patient() -> Value {
    json!({ "resourceType": "Patient", "id": "p", "name": "0", "gender": "0", "telecom": "0" })
}

/// An edit: which element, and whether it is emptied instead of given a new value.
fn edits() -> impl Strategy<Value = Vec<(usize, bool)>> {
    prop::collection::vec((0..ELEMENTS.len(), prop::bool::weighted(0.2)), 0..6)
}

fn apply(resource: &mut Value, edits: &[(usize, bool)], who: &str) {
    for (n, (element, removes)) in edits.iter().enumerate() {
        match removes {
            true => drop(resource.as_object_mut().expect("a resource").remove(ELEMENTS[*element])),
            false => resource[ELEMENTS[*element]] = json!(format!("{who}{n}")),
        }
    }
}

/// Per element what is in place or waits for review, whichever is which.
fn kept(server: &Value, devices: &[&Device]) -> BTreeMap<&'static str, BTreeSet<String>> {
    ELEMENTS
        .iter()
        .map(|element| {
            let conflicts = devices.iter().flat_map(|d| &d.conflicts).filter(|c| c.element == *element);
            let values = std::iter::once(&server[*element]).chain(conflicts.map(|conflict| &conflict.ours));
            (*element, values.map(Value::to_string).collect())
        })
        .collect()
}

fn config() -> ProptestConfig {
    let cases = std::env::var("BAREFOOT_BATTERY_MERGES").ok().and_then(|n| n.parse().ok()).unwrap_or(10_000);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_order_in_which_two_devices_sync_does_not_matter(a in edits(), b in edits(), hospital in edits()) {
        let start = patient();
        let outcome = |order: [usize; 2]| {
            let mut server = start.clone();
            let mut devices = [Device::new(&server), Device::new(&server)];
            apply(&mut devices[0].ours, &a, "a");
            apply(&mut devices[1].ours, &b, "b");
            apply(&mut server, &hospital, "h");
            for device in order {
                devices[device].sync(&mut server);
            }
            // Both hear of all.
            devices.iter_mut().for_each(|device| device.sync(&mut server));
            (server, devices)
        };
        let (one, devices_one) = outcome([0, 1]);
        let (other, devices_other) = outcome([1, 0]);
        let [a1, b1] = &devices_one;
        let [a2, b2] = &devices_other;
        prop_assert_eq!(kept(&one, &[a1, b1]), kept(&other, &[a2, b2]));
        prop_assert!(same(&a1.ours, &b1.ours) && same(&a1.ours, &one), "the devices do not agree");
        // Where only one side changed an element there is nothing to review, and both orders give the same value.
        for element in ELEMENTS {
            if kept(&one, &[a1, b1])[element].len() == 1 {
                prop_assert_eq!(&one[element], &other[element]);
            }
        }
    }

    #[test]
    fn merging_again_changes_nothing(a in edits(), b in edits()) {
        let mut server = patient();
        let mut device = Device::new(&server);
        apply(&mut device.ours, &a, "a");
        apply(&mut server, &b, "h");
        device.sync(&mut server);
        let (was, record, conflicts) = (server.clone(), device.ours.clone(), device.conflicts.len());
        device.sync(&mut server);
        prop_assert!(same(&was, &server) && same(&record, &device.ours));
        prop_assert_eq!(conflicts, device.conflicts.len());
    }

    /// A history: who edits what, and when who syncs. A value that nobody who saw it has replaced is in place, on a device, or in review.
    #[test]
    fn no_edit_is_lost(history in prop::collection::vec((0usize..3, 0..ELEMENTS.len(), any::<bool>()), 0..24)) {
        let mut server = patient();
        let mut devices = [Device::new(&server), Device::new(&server)];
        let mut open: BTreeMap<(&str, String), bool> = BTreeMap::new();
        for (n, (who, element, syncs)) in history.into_iter().enumerate() {
            let (element, value) = (ELEMENTS[element], format!("v{n}"));
            let resource = if who == 2 { &mut server } else { &mut devices[who].ours };
            if let Some(seen) = resource[element].as_str() {
                open.insert((element, seen.to_owned()), false);
            }
            resource[element] = json!(value);
            open.insert((element, value), true);
            if syncs && who < 2 {
                devices[who].sync(&mut server);
            }
        }
        for device in [0, 1, 0] {
            devices[device].sync(&mut server);
        }
        let [a, b] = &devices;
        let kept = kept(&server, &[a, b]);
        for ((element, value), _) in open.iter().filter(|(_, open)| **open) {
            prop_assert!(kept[element].contains(&json!(value).to_string()), "{} {} is lost", element, value);
        }
    }
}

/// What the device never knew stays on the server.
#[test]
fn what_others_added_stays() {
    let full = json!({ "resourceType": "Patient", "id": "p", "name": "a", "active": true });
    let ours = json!({ "resourceType": "Patient", "id": "p", "name": "a" });
    let mut edited = ours.clone();
    edited["name"] = json!("b");
    let merged = merge(Base { full: Some(&full), ours: Some(&ours), attempts: &[] }, &edited, &full);
    assert_eq!(merged.resource, json!({ "resourceType": "Patient", "id": "p", "name": "b", "active": true }));
    assert!(merged.taken.is_empty() && merged.conflicts.is_empty());
}

/// What arrived without our hearing of it is no foreign change.
#[test]
fn our_own_lost_attempt_is_no_conflict() {
    let base = json!({ "resourceType": "Patient", "id": "p", "name": "0" });
    let attempt = json!({ "resourceType": "Patient", "id": "p", "name": "1" });
    let ours = json!({ "resourceType": "Patient", "id": "p", "name": "2" });
    let attempts = [attempt.clone()];
    let merged = merge(Base { full: Some(&base), ours: Some(&base), attempts: &attempts }, &ours, &attempt);
    assert!(same(&merged.resource, &ours) && merged.conflicts.is_empty());
}
