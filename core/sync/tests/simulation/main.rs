//! Rows 4, 5 and 20 of the battery: two phones, a hospital and a bad network, all by one seed. A failing seed prints itself and replays
//! exactly: `SEED=n cargo test -p barefoot-sync --test simulation`.

mod network;
mod phone;
mod server;
mod upload;

use barefoot_sync::{Options, Photos, Report, Session, SyncError};
use network::Network;
use phone::{Killed, PHOTO_KIND, Phone, State, element_text, photo_bytes, preview_bytes};
use serde_json::{Value, json};
use server::{FHIR, FILES, Server};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hasher};
use std::rc::Rc;
use std::time::Duration;

/// Random numbers that a seed repeats (SplitMix64).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }
}

/// Who writes on which phone.
const DOCTORS: [&str; 2] = ["a", "b"];
pub(crate) const ELEMENTS: [&str; 3] = ["name", "gender", "telecom"];

/// Everything that doctors wrote, and over what they wrote it.
#[derive(Default)]
pub(crate) struct Doctors {
    count: u64,
    /// (`Patient/id`, element) to the values and, of each, whether somebody who saw it has written over it.
    edits: BTreeMap<(String, &'static str), BTreeMap<String, bool>>,
}

impl Doctors {
    pub(crate) fn new_value(&mut self, who: &str) -> String {
        self.count += 1;
        format!("{who}-{}", self.count)
    }

    pub(crate) fn wrote(&mut self, reference: &str, element: &'static str, over: Option<String>, value: &str) {
        let values = self.edits.entry((reference.to_owned(), element)).or_default();
        if let Some(seen) = over.and_then(|over| values.get_mut(&over)) {
            *seen = true;
        }
        values.insert(value.to_owned(), false);
    }
}

pub(crate) fn set_element(resource: &mut Value, element: &str, value: &str) {
    match element {
        "name" => resource["name"] = json!([{ "text": value }]),
        "telecom" => resource["telecom"] = json!([{ "system": "phone", "value": value }]),
        other => resource[other] = json!(value),
    }
}

struct World {
    trace: Rc<RefCell<DefaultHasher>>,
    dice: Rc<RefCell<Dice>>,
    server: Rc<RefCell<Server>>,
    doctors: Rc<RefCell<Doctors>>,
    phones: Vec<Phone>,
    made: u64,
    options: Options,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let mut server = Server::new();
        server.honours_if_none_match = dice.below(2) == 0;
        server.has_history = dice.below(3) > 0;
        server.checks_sums = dice.below(2) == 0;
        let files = (dice.below(3) > 0).then(|| FILES.to_owned());
        let options =
            Options { server: FHIR.to_owned(), files, photos: Photos::All, patience: Duration::from_secs(600) };
        let mut world = Self {
            trace: Rc::default(),
            dice: Rc::new(RefCell::new(dice)),
            server: Rc::new(RefCell::new(server)),
            doctors: Rc::default(),
            phones: vec![Phone(Rc::default())],
            made: 0,
            options,
        };
        for _ in 0..1 + world.roll(2) {
            world.add_patient(0);
        }
        // The second phone is a backup of the first, restored elsewhere: the same patients, the same outbox.
        let copy: State = world.phones[0].0.borrow().clone();
        world.phones.push(Phone(Rc::new(RefCell::new(copy))));
        world
    }

    fn roll(&self, sides: u64) -> u64 {
        self.dice.borrow_mut().below(sides)
    }

    fn id(&mut self, kind: &str) -> String {
        self.made += 1;
        format!("{kind}-{}", self.made)
    }

    fn add_patient(&mut self, phone: usize) {
        let id = self.id("p");
        let consents = self.roll(5) > 0;
        let mut state = self.phones[phone].0.borrow_mut();
        let mut elements = BTreeMap::new();
        for element in ELEMENTS {
            let value = self.doctors.borrow_mut().new_value("first");
            self.doctors.borrow_mut().wrote(&format!("Patient/{id}"), element, None, &value);
            elements.insert(element.to_owned(), value);
        }
        state.patients.insert(id.clone(), elements);
        state.consent.insert(id.clone(), consents);
        state.change("patient", &id);
    }

    fn some_patient(&self, phone: usize) -> String {
        let nth = self.roll(self.phones[phone].0.borrow().patients.len() as u64) as usize;
        self.phones[phone].0.borrow().patients.keys().nth(nth).expect("there is one").clone()
    }

    /// A doctor does something on a phone.
    fn act(&mut self, phone: usize) {
        match self.roll(8) {
            0 => self.add_patient(phone),
            1..=3 => {
                let who = self.phones[phone].clone();
                self.doctors.borrow_mut().edit_on_phone(&who, &mut self.dice.borrow_mut(), DOCTORS[phone]);
            }
            4 => {
                let patient = self.some_patient(phone);
                let mut state = self.phones[phone].0.borrow_mut();
                if let Some(granted) = state.consent.get_mut(&patient) {
                    *granted = !*granted;
                }
            }
            _ => {
                let patient = self.some_patient(phone);
                let (encounter, photos) = (self.id("e"), self.roll(3));
                let findings = if self.roll(8) == 0 { "poison" } else { "红斑" };
                let ids: Vec<String> = (0..photos).map(|_| self.id("f")).collect();
                let mut state = self.phones[phone].0.borrow_mut();
                state.encounters.insert(encounter.clone(), (patient, findings.to_owned()));
                state.change("encounter", &encounter);
                for id in ids {
                    let length = 1 + self.dice.borrow_mut().below(150_000) as usize;
                    state.photos.insert(id.clone(), (encounter.clone(), photo_bytes(length as u64, length)));
                    state.change(PHOTO_KIND, &id);
                }
            }
        }
    }

    fn sync(&mut self, phone: usize, faults: u64, kill: bool) -> Result<Report, SyncError<Killed>> {
        let dies_at = self.roll(30) as u32;
        let in_store = kill && self.roll(2) == 0;
        self.phones[phone].0.borrow_mut().kill = in_store.then(|| (dies_at, self.roll(2) == 0));
        let mut network = Network {
            trace: self.trace.clone(),
            doctor: DOCTORS[phone],
            server: self.server.clone(),
            phone: self.phones[phone].clone(),
            doctors: self.doctors.clone(),
            dice: self.dice.clone(),
            faults,
            now: Duration::ZERO,
            bytes: 0,
            late: None,
            kill: (kill && !in_store).then_some(dies_at),
        };
        let mut records = self.phones[phone].clone();
        let result = Session::new(&mut records, &mut network, &self.options, &mut |_| {}).run();
        if let Some(late) = network.late.take() {
            self.server.borrow_mut().handle(&late, late.body.len());
        }
        self.phones[phone].0.borrow_mut().kill = None;
        result
    }

    fn check(&self) {
        let server = self.server.borrow();
        let mut expected: BTreeSet<String> = BTreeSet::new();
        let mut reviewed: BTreeSet<(String, String, String)> = BTreeSet::new();
        for phone in &self.phones {
            let state = phone.0.borrow();
            let refused: BTreeSet<&str> = state
                .outbox
                .iter()
                .filter(|row| row.state == "refused")
                .map(|row| row.change.record.as_str())
                .collect();
            for id in &refused {
                assert_eq!(state.encounters[*id].1, "poison", "refused without reason");
            }
            for row in &state.outbox {
                let consent = state.consent[&row.change.root];
                let (record, kind) = (&row.change.record, row.change.kind.as_str());
                let poisoned = match kind {
                    "encounter" => state.encounters[record].1 == "poison",
                    PHOTO_KIND => state.encounters[&state.photos[record].0].1 == "poison",
                    _ => false,
                };
                match row.state {
                    // A photo of a poisoned case may go with it or wait for it: its Encounter itself is sound.
                    "waiting" => assert!(!consent || (poisoned && kind == PHOTO_KIND), "{record} still waits"),
                    "refused" => assert_eq!(row.reason, "this server takes no poison"),
                    _ => assert!(!poisoned || kind == PHOTO_KIND, "{record} passes for sent"),
                }
                if row.state == "sent" {
                    expected.insert(match kind {
                        "patient" => format!("Patient/{record}"),
                        "encounter" => format!("Encounter/{record}"),
                        _ => format!("DocumentReference/{record}"),
                    });
                }
            }
            for (id, (_, bytes)) in &state.photos {
                if state.outbox.iter().any(|row| row.change.record == *id && row.state == "sent") {
                    let document = server.latest(&format!("DocumentReference/{id}")).expect("sent, so there");
                    assert_eq!(document["docStatus"], "final", "{id}");
                    let url = document["content"][0]["attachment"]["url"].as_str().expect("an address");
                    let stored = match url.rsplit_once("/files/") {
                        Some((_, upload)) => &server.uploads[upload].bytes,
                        None => &server.binaries[url],
                    };
                    assert!(stored == bytes, "a photo is not what was sent");
                    if let Some(url) = document["content"][1]["attachment"]["url"].as_str() {
                        assert_eq!(server.binaries.get(url), preview_bytes(bytes).as_ref(), "another preview");
                    }
                }
            }
            for (id, elements) in &state.patients {
                let Some(there) = server.latest(&format!("Patient/{id}")) else { continue };
                let all_sent = state.outbox.iter().all(|row| row.change.record != *id || row.state == "sent");
                for (name, value) in elements.iter().filter(|_| all_sent) {
                    assert_eq!(element_text(there, name).as_ref(), Some(value), "{id} {name}");
                }
            }
            for (reference, versions) in &server.resources {
                let case = versions[0]["encounter"]["reference"].as_str().and_then(|r| r.strip_prefix("Encounter/"));
                if reference.starts_with("DiagnosticReport/")
                    && case.is_some_and(|id| state.encounters.contains_key(id))
                {
                    let (_, received) = &state.answers[reference];
                    assert_eq!(received, versions.last().expect("one"), "an old answer");
                }
            }
            let reviews = state.reviews.iter().filter_map(|(reference, element, ours, _)| {
                let wrapped = json!({ element: ours });
                Some((reference.clone(), element.clone(), element_text(&wrapped, element)?))
            });
            reviewed.extend(reviews);
        }
        for reference in &expected {
            assert!(server.resources.contains_key(reference), "{reference} is lost");
        }
        // Each value that nobody has knowingly written over is in place, or waits for review, or has not left its phone.
        for ((reference, element), values) in &self.doctors.borrow().edits {
            for (value, _) in values.iter().filter(|(_, superseded)| !**superseded) {
                let in_place = server.latest(reference).and_then(|r| element_text(r, element)).as_ref() == Some(value);
                let review = reviewed.contains(&(reference.clone(), (*element).to_owned(), value.clone()));
                let on_phone = self.phones.iter().any(|phone| {
                    let state = phone.0.borrow();
                    state.patients.get(&reference["Patient/".len()..]).and_then(|p| p.get(*element)) == Some(value)
                });
                assert!(in_place || review || on_phone, "{value} of {reference} {element} is lost");
            }
        }
    }
}

/// Runs a seed; a sum over all that went over the network.
fn run(seed: u64) -> u64 {
    let mut world = World::new(seed);
    for _ in 0..3 + world.roll(4) {
        let phone = world.roll(2) as usize;
        for _ in 0..world.roll(4) {
            world.act(phone);
        }
        let (faults, kill) = (30 + world.roll(300), world.roll(3) == 0);
        // Whatever it says, nothing may be lost.
        let _ = world.sync(phone, faults, kill);
    }
    // The network heals; the phones take turns until both have heard of all.
    for _ in 0..3 {
        for phone in 0..2 {
            let report = world.sync(phone, 0, false).expect("a good network");
            assert!(report.waiting == 0 || !report.quarantined.is_empty(), "something waits");
        }
    }
    world.check();
    world.trace.borrow().finish()
}

/// How many seeds: the bar per change, or what `cargo xtask battery` asks for.
fn seeds(name: &str, per_change: u64) -> std::ops::Range<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|n| n.parse::<u64>().ok());
    match number("SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number(&format!("BAREFOOT_BATTERY_{name}")).unwrap_or(per_change),
    }
}

#[test]
fn whatever_the_network_does_nothing_is_lost_doubled_or_sent_without_consent() {
    let seeds = seeds("SYNC_SEEDS", 1000);
    for seed in seeds {
        let result = std::panic::catch_unwind(|| run(seed));
        assert!(result.is_ok(), "replay it with SEED={seed} cargo test -p barefoot-sync --test simulation");
    }
}

#[test]
fn a_seed_replays_exactly() {
    for seed in 0..20 {
        assert_eq!(run(seed), run(seed), "seed {seed}");
    }
}
