//! One sync: text up, answers down, photos up. Knows no sockets and keeps nothing that matters in memory: killed at any moment, the next
//! one goes on from what the store says.

use crate::bundle::{self, Put};
use crate::merge::{Base, Merged, merge, same};
use crate::net::{Lost, Net, Request, Response};
use crate::photos::preview_address;
use crate::records::{Change, Known, PHOTO, Records, Review, Settled, Take};
use crate::{SyncError, sign_in};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

/// Most entries of one transaction.
const MOST_ENTRIES: usize = 50;
/// Most bytes of one transaction, gzipped: 13 s at 20 kB/s.
const MOST_BYTES: usize = 256 * 1024;
/// Patients whose resources are asked about together.
const LOOK_AHEAD: usize = 20;
/// First pause after a failure is at most twice this; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// Longest pause that is not the server's wish.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// Tries at one patient's records while the server answers 500 or conflicts without a reason; then the others go on.
const TRIES: u32 = 3;
/// Name under which the server's time at its first answer is kept.
pub(crate) const FIRST_HEARD: &str = "first-heard";
/// Kinds of resource whose content changes after they were sent; the others are written once.
const CHANGING: [&str; 8] = [
    "Patient",
    "Encounter",
    "Appointment",
    "Consent",
    "Practitioner",
    "Device",
    "BodyStructure",
    // Says where its photo is once that is there.
    "DocumentReference",
];

/// Which pictures a sync sends; a shell chooses by whether the network costs money.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Photos {
    /// Previews, then the photos.
    #[default]
    All,
    /// Previews alone; the photos wait for a cheaper network.
    Previews,
    /// Text alone.
    None,
}

/// Where to and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// Base address of the FHIR R4 server, without a slash at its end.
    pub server: String,
    /// The tus endpoint for photos; without one they go to the FHIR server as `Binary`.
    pub files: Option<String>,
    /// Which pictures to send.
    pub photos: Photos,
    /// How long to go on trying without an answer; zero: the first failure ends the sync.
    pub patience: Duration,
}

/// How far a sync is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Changes sent in this sync.
    pub sent: u64,
    /// Changes that wait and may leave.
    pub waiting: u64,
    /// Bytes of photos sent in this sync.
    pub photo_bytes: u64,
    /// No answer came: it pauses and tries again.
    pub pausing: bool,
}

/// What a sync did. The names are part of the command line (`barefoot sync --json`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Changes that the server has acknowledged.
    pub sent: u64,
    /// Answers and changes of others that were taken in.
    pub received: u64,
    /// Changes that may leave and have not.
    pub waiting: u64,
    /// Changes that stay for lack of consent.
    pub held_back: u64,
    /// Changes that the server refuses; all of them, not this sync's alone.
    pub quarantined: Vec<Quarantined>,
    /// Elements changed on both sides in this sync, to be looked at.
    pub reviews: u64,
    /// Bodies sent and received.
    pub bytes: u64,
}

/// A record that the server refuses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Quarantined {
    /// The record's id.
    pub id: String,
    /// The record's kind.
    pub kind: String,
    /// The server's words.
    pub reason: String,
}

/// A running sync.
pub struct Session<'a, R: Records, N: Net> {
    pub(crate) records: &'a mut R,
    pub(crate) net: &'a mut N,
    pub(crate) options: &'a Options,
    pub(crate) report: Report,
    pub(crate) photo_bytes: u64,
    token: Option<String>,
    knows_server: bool,
    troubles: u32,
    calm_since: Duration,
    /// Roots whose refused records refer to what was not sent yet: tried once more when all has been. `None` from then on.
    deferred: Option<BTreeSet<String>>,
    /// Roots that the server fails at, left for the next sync.
    aside: HashSet<String>,
    /// What the server was seen to have, until it is tried again.
    seen: HashMap<String, Seen>,
    watch: &'a mut dyn FnMut(Progress),
}

pub(crate) type Outcome<T, R> = Result<T, SyncError<<R as Records>::Error>>;

/// References with what the server has of each.
pub(crate) type Found = Vec<(String, Option<Value>)>;

/// What came back.
pub(crate) enum Heard {
    /// A final answer.
    Answer(Response),
    /// Nothing whole, or the server is busy; the pause is over, ask again. It may have been done.
    Nothing,
    /// The server failed (500): perhaps at this request only.
    Failed,
}

/// A resource to be sent.
struct Parcel {
    reference: String,
    ours: Value,
    known: Known,
}

/// A waiting change with what of it is not on the server yet.
struct Due {
    change: Change,
    /// Of all its resources those that are not there; an earlier change of the same record may carry them.
    missing: Vec<String>,
    parcels: Vec<Parcel>,
    /// Done when its parcels are: a photo is only when its file is there too.
    completes: bool,
}

/// What the server has of a resource whose fate was not known.
enum Seen {
    Absent,
    There { version: String, resource: Value },
}

impl Seen {
    fn is(&self, expected: &Option<String>) -> bool {
        match self {
            Self::Absent => expected.is_none(),
            Self::There { version, .. } => expected.as_ref() == Some(version),
        }
    }
}

impl<'a, R: Records, N: Net> Session<'a, R, N> {
    /// A sync that has not begun. `watch` hears how far it is.
    pub fn new(records: &'a mut R, net: &'a mut N, options: &'a Options, watch: &'a mut dyn FnMut(Progress)) -> Self {
        let calm_since = net.elapsed();
        Self {
            records,
            net,
            options,
            report: Report::default(),
            photo_bytes: 0,
            token: None,
            knows_server: false,
            troubles: 0,
            calm_since,
            deferred: Some(BTreeSet::new()),
            aside: HashSet::new(),
            seen: HashMap::new(),
            watch,
        }
    }

    /// Sends what may leave and fetches what has come. Does I/O, blocks.
    ///
    /// # Errors
    /// When the server is not reached for longer than [`Options::patience`], does not let us in or is none, or the store refuses. What
    /// was settled until then stays settled. One bad record is no error: see [`Report::quarantined`].
    pub fn run(mut self) -> Outcome<Report, R> {
        self.token = self.records.value(sign_in::ACCESS).map_err(SyncError::Records)?;
        let all = self.records.waiting(None).map_err(SyncError::Records)?;
        let mut known = BTreeSet::new();
        let roots: Vec<String> =
            all.into_iter().map(|change| change.root).filter(|root| known.insert(root.clone())).collect();
        for roots in roots.chunks(LOOK_AHEAD) {
            self.look_ahead(roots)?;
            for root in roots {
                self.push(root)?;
            }
        }
        // What referred to a record of another root has it now, or never will.
        for root in std::mem::take(&mut self.deferred).unwrap_or_default() {
            self.push(&root)?;
        }
        self.pull()?;
        self.push_photos()?;
        self.report.waiting = self.records.waiting(None).map_err(SyncError::Records)?.len() as u64;
        self.report.held_back = self.records.held_back().map_err(SyncError::Records)?;
        let refused = self.records.refused().map_err(SyncError::Records)?;
        self.report.quarantined = refused
            .into_iter()
            .map(|(change, reason)| Quarantined { id: change.record, kind: change.kind, reason })
            .collect();
        self.report.bytes = self.net.bytes();
        Ok(self.report)
    }

    /// Sends what waits of one root, in transactions of at most [`MOST_ENTRIES`]. Halves them when no answer comes or one is refused, down
    /// to the entry that is at fault.
    pub(crate) fn push(&mut self, root: &str) -> Outcome<(), R> {
        let (mut most, mut failures, mut conflicts) = (MOST_ENTRIES, 0, 0);
        while !self.aside.contains(root) {
            let due = self.due(root)?;
            let arrived: Vec<i64> =
                due.iter().filter(|d| d.completes && d.missing.is_empty()).map(|d| d.change.seq).collect();
            if !arrived.is_empty() {
                self.settle(Settled { sent: arrived, ..Settled::default() })?;
            }
            let unsure: Vec<String> = self.unsure(&due).take(most).collect();
            if !unsure.is_empty() {
                if !self.look(&unsure)? {
                    most = (most / 2).max(1);
                } else if unsure.iter().any(|reference| !self.seen.contains_key(reference)) {
                    // The server says neither that it is there nor that it is not.
                    failures += 1;
                    if failures >= TRIES {
                        self.leave_aside(root)?;
                    }
                }
                continue;
            }
            let (puts, mut settled) = self.compose(&due, most);
            if puts.is_empty() && settled.known.is_empty() {
                return Ok(());
            }
            if puts.is_empty() {
                // The server has all of it already.
                self.settle(settled)?;
                continue;
            }
            let mut length = puts.len();
            let mut body = bundle::transaction(&puts);
            while body.len() > MOST_BYTES && length > 1 {
                length /= 2;
                body = bundle::transaction(&puts[..length]);
            }
            if length < puts.len() {
                most = length;
                continue;
            }
            let put = |p: &&Parcel| puts.iter().any(|put| put.reference == p.reference);
            let attempts: Vec<(String, Known)> = due
                .iter()
                .flat_map(|d| &d.parcels)
                .filter(|p| !p.known.attempts.contains(&p.ours))
                .filter(put)
                .map(|p| {
                    let attempts = [p.known.attempts.as_slice(), std::slice::from_ref(&p.ours)].concat();
                    (p.reference.clone(), Known { attempts, ..p.known.clone() })
                })
                .collect();
            if !attempts.is_empty() {
                self.records.attempt(&attempts).map_err(SyncError::Records)?;
            }
            match self.send(bundle::post(&self.options.server, body))? {
                Heard::Nothing => {
                    self.forget(&puts);
                    most = (length / 2).max(1);
                }
                Heard::Failed => {
                    self.forget(&puts);
                    failures += 1;
                    most = (length / 2).max(1);
                    if failures >= TRIES && length == 1 || failures > 2 * TRIES {
                        self.leave_aside(root)?;
                    }
                }
                Heard::Answer(answer) if answer.is_success() => {
                    let Some(entries) = bundle::entries(&answer, length) else {
                        return Err(SyncError::NotFhir(answer.status));
                    };
                    for ((_, known), entry) in settled.known.iter_mut().zip(&entries) {
                        known.version = Some(version_of(entry));
                    }
                    self.forget(&puts);
                    settled.sent = completed(&due, &puts);
                    self.settle(settled)?;
                    (failures, conflicts) = (0, 0);
                    most = (most * 2).min(MOST_ENTRIES);
                }
                Heard::Answer(answer) if matches!(answer.status, 409 | 412) && conflicts < TRIES => {
                    let references: Vec<String> = puts.iter().map(|put| put.reference.clone()).collect();
                    self.forget(&puts);
                    if self.look(&references)? {
                        let is_old =
                            |put: &Put| self.seen.get(&put.reference).is_some_and(|seen| !seen.is(&put.replaces));
                        // A conflict that nothing explains is the record's fault in the end.
                        conflicts = if puts.iter().any(is_old) { 0 } else { conflicts + 1 };
                    }
                }
                Heard::Answer(answer) => {
                    let Some(reason) = bundle::outcome(&answer) else {
                        return Err(SyncError::NotFhir(answer.status));
                    };
                    if length > 1 {
                        most = length / 2;
                        continue;
                    }
                    if self.refers_to_unsent(&puts[0])?
                        && let Some(deferred) = &mut self.deferred
                    {
                        deferred.insert(root.to_owned());
                        return Ok(());
                    }
                    // The record's own change, or the first that brings it along.
                    let bad = &puts[0].reference;
                    let brings = |d: &&Due| d.missing.contains(bad);
                    let own = |d: &&Due| bad.split_once('/').is_some_and(|(_, id)| id.starts_with(&d.change.record));
                    let at_fault = due.iter().filter(brings).find(own).or_else(|| due.iter().find(brings));
                    let refused = at_fault.map(|d| (d.change.seq, reason)).into_iter().collect();
                    self.settle(Settled { refused, ..Settled::default() })?;
                    most = MOST_ENTRIES;
                    conflicts = 0;
                }
            }
        }
        Ok(())
    }

    /// What of a root's waiting changes is not on the server, without what depends on a refused record.
    fn due(&mut self, root: &str) -> Outcome<Vec<Due>, R> {
        let mut barred: HashSet<String> = HashSet::new();
        for (change, _) in self.records.refused().map_err(SyncError::Records)? {
            for resource in self.records.resources(&change.kind, &change.record).map_err(SyncError::Records)? {
                let reference = bundle::reference(&resource);
                let own = resource["id"].as_str().is_some_and(|id| id.starts_with(&change.record));
                let there = self.known(&reference)?.version.is_some();
                if own && !there {
                    barred.insert(reference);
                }
            }
        }
        let mut due: Vec<Due> = Vec::new();
        let mut planned: HashSet<String> = HashSet::new();
        for change in self.records.waiting(Some(root)).map_err(SyncError::Records)? {
            let mut resources = self.records.resources(&change.kind, &change.record).map_err(SyncError::Records)?;
            let own: HashSet<String> = resources.iter().map(bundle::reference).collect();
            let mut needs = Vec::new();
            resources.iter().for_each(|resource| bundle::references(resource, &mut needs));
            if needs.iter().any(|need| barred.contains(need) && !own.contains(need)) {
                barred.extend(own);
                continue;
            }
            let addressed = self.add_addresses(&mut resources)?;
            let completes = change.kind != PHOTO || addressed;
            let (mut missing, mut parcels) = (Vec::new(), Vec::new());
            for ours in resources {
                let reference = bundle::reference(&ours);
                let known = self.known(&reference)?;
                let there = known.version.is_some() && known.digest == bundle::digest(&ours);
                if there {
                    continue;
                }
                missing.push(reference.clone());
                if planned.insert(reference.clone()) {
                    parcels.push(Parcel { reference, ours, known });
                }
            }
            due.push(Due { change, missing, parcels, completes });
        }
        Ok(due)
    }

    /// Marks photos' DocumentReferences as preliminary until their files are on the server, and then says where; false when one is not.
    /// Previews follow the text at once: where they will be is said from the beginning, which spares sending it again.
    fn add_addresses(&mut self, resources: &mut [Value]) -> Outcome<bool, R> {
        let mut all = true;
        for document in resources.iter_mut().filter(|r| r["resourceType"] == "DocumentReference") {
            let photo = &document["id"].as_str().unwrap_or_default().to_owned();
            let address = self.records.value(&photo_address(photo)).map_err(SyncError::Records)?;
            document["docStatus"] = json!(if address.is_some() { "final" } else { "preliminary" });
            let preview = self.has_preview(photo, address.is_some())?.then(|| preview_address(photo));
            all &= address.is_some();
            if let Some(address) = address {
                document["content"][0]["attachment"]["url"] = json!(address);
            }
            if let (Some(address), Some(contents)) = (preview, document["content"].as_array_mut()) {
                contents.push(json!({
                    "attachment": { "contentType": "image/jpeg", "title": "preview", "url": address },
                }));
            }
        }
        Ok(all)
    }

    /// The next PUTs, and what is settled when they succeed: one `known` per PUT, in the same order. Without PUTs, what is settled at once.
    fn compose(&self, due: &[Due], most: usize) -> (Vec<Put>, Settled) {
        let (mut puts, mut settled, mut at_once) = (Vec::new(), Settled::default(), Settled::default());
        for parcel in due.iter().flat_map(|d| &d.parcels) {
            let known = &parcel.known;
            let (merged, theirs, version) = match (self.seen.get(&parcel.reference), &known.version, &known.full) {
                (Some(Seen::There { version, resource }), ..) => {
                    // Nobody has changed it there: what it is there is what was agreed.
                    let agreed = (known.version.as_ref() == Some(version)).then_some(resource);
                    let base = Base {
                        full: agreed.or(known.full.as_ref()),
                        ours: known.ours.as_ref().or(agreed),
                        attempts: &known.attempts,
                    };
                    (merge(base, &parcel.ours, resource), Some(resource), Some(version.clone()))
                }
                (None, Some(version), Some(full)) => {
                    let base = Base { full: Some(full), ours: known.ours.as_ref(), attempts: &[] };
                    (merge(base, &parcel.ours, full), None, Some(version.clone()))
                }
                (Some(Seen::Absent), ..) => (as_it_is(&parcel.ours), None, None),
                (None, version, None) | (None, version @ None, _) => (as_it_is(&parcel.ours), None, version.clone()),
            };
            let there_already = theirs.is_some_and(|theirs| same(&merged.resource, theirs));
            if puts.len() == most && !there_already {
                break;
            }
            let into = if there_already { &mut at_once } else { &mut settled };
            if let (Some(theirs), false) = (theirs, merged.taken.is_empty()) {
                let digest = bundle::digest(&parcel.ours);
                into.takes.push(Take { resource: theirs.clone(), digest, elements: merged.taken });
            }
            into.reviews.extend(merged.conflicts.into_iter().map(|conflict| Review {
                reference: parcel.reference.clone(),
                element: conflict.element,
                ours: conflict.ours,
                theirs: conflict.theirs,
            }));
            let full = if there_already { theirs.cloned().unwrap_or_default() } else { merged.resource.clone() };
            let arrived = there_already.then(|| version.clone()).flatten();
            into.known.push((parcel.reference.clone(), agreed(&parcel.ours, full, arrived)));
            if !there_already {
                let replaces = version.filter(|version| !version.is_empty());
                puts.push(Put { reference: parcel.reference.clone(), resource: merged.resource, replaces });
            }
        }
        // What is there already is settled first: the PUTs are composed anew after that.
        if at_once.known.is_empty() { (puts, settled) } else { (Vec::new(), at_once) }
    }

    fn refers_to_unsent(&mut self, put: &Put) -> Outcome<bool, R> {
        let mut references = Vec::new();
        bundle::references(&put.resource, &mut references);
        for reference in references {
            if self.known(&reference)?.version.is_none() && reference != put.reference {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What the server has of these now; `None` when no answer came.
    pub(crate) fn look_at(&mut self, references: &[String]) -> Outcome<Option<Found>, R> {
        let answer = match self.send(bundle::post(&self.options.server, bundle::reads(references)))? {
            Heard::Answer(answer) => answer,
            Heard::Nothing | Heard::Failed => return Ok(None),
        };
        let entries = if answer.is_success() { bundle::entries(&answer, references.len()) } else { None };
        let Some(entries) = entries else { return Err(SyncError::NotFhir(answer.status)) };
        let found = references.iter().zip(entries).filter_map(|(reference, mut entry)| {
            let status = entry["response"]["status"].as_str().unwrap_or("").to_owned();
            if bundle::succeeded(&entry) {
                Some((reference.clone(), Some(entry["resource"].take())))
            } else {
                // Never there, or deleted there.
                (status.starts_with("404") || status.starts_with("410")).then(|| (reference.clone(), None))
            }
        });
        Ok(Some(found.collect()))
    }

    /// Notes what the server has of these; false when no answer came.
    fn look(&mut self, references: &[String]) -> Outcome<bool, R> {
        let Some(found) = self.look_at(references)? else { return Ok(false) };
        self.seen.extend(found.into_iter().map(|(reference, resource)| match resource {
            Some(resource) => (reference, Seen::There { version: version_in(&resource), resource }),
            None => (reference, Seen::Absent),
        }));
        Ok(true)
    }

    /// What was seen is old once more was tried.
    fn forget(&mut self, puts: &[Put]) {
        puts.iter().for_each(|put| drop(self.seen.remove(&put.reference)));
    }

    /// Resources of which it must be known whether the server has them before they are sent: those that may have arrived without our hearing
    /// of it, and those that change, since a phone restored from a backup may have sent them long ago.
    fn unsure<'d>(&'d self, due: &'d [Due]) -> impl Iterator<Item = String> + 'd {
        due.iter()
            .flat_map(|d| &d.parcels)
            .filter(|p| p.known.version.is_none() && (!p.known.attempts.is_empty() || is_changing(&p.reference)))
            .filter(|p| !self.seen.contains_key(&p.reference))
            .map(|p| p.reference.clone())
    }

    /// Asks about the resources of several roots at once, to spare a round trip for each.
    fn look_ahead(&mut self, roots: &[String]) -> Outcome<(), R> {
        let mut unsure = BTreeSet::new();
        for root in roots {
            let due = self.due(root)?;
            unsure.extend(self.unsure(&due));
        }
        let unsure: Vec<String> = unsure.into_iter().take(MOST_ENTRIES).collect();
        if !unsure.is_empty() {
            self.look(&unsure)?;
        }
        Ok(())
    }

    pub(crate) fn known(&mut self, reference: &str) -> Outcome<Known, R> {
        Ok(self.records.known(reference).map_err(SyncError::Records)?.unwrap_or_default())
    }

    /// Notes what an answer has settled. Where a record was edited meanwhile nothing is: its state is as after a lost answer, which the
    /// caller's next look finds out.
    pub(crate) fn settle(&mut self, settled: Settled) -> Outcome<bool, R> {
        // What was seen is what is agreed now, and gets old from here on: a record that is edited before this sync ends meets the server's
        // newest version, not that one (seed 53588 of the simulation).
        settled.known.iter().for_each(|(reference, _)| drop(self.seen.remove(reference)));
        let noted = self.records.settle(&settled).map_err(SyncError::Records)?;
        if noted {
            self.report.sent += settled.sent.len() as u64;
            self.report.reviews += settled.reviews.len() as u64;
            self.tell()?;
        }
        Ok(noted)
    }

    pub(crate) fn tell(&mut self) -> Outcome<(), R> {
        self.tell_whether(false)
    }

    fn tell_whether(&mut self, pausing: bool) -> Outcome<(), R> {
        let waiting = self.records.waiting(None).map_err(SyncError::Records)?.len() as u64;
        (self.watch)(Progress { sent: self.report.sent, waiting, photo_bytes: self.photo_bytes, pausing });
        Ok(())
    }

    /// Leaves a root for the next sync. When the server fails at several in a row, it is the server.
    pub(crate) fn leave_aside(&mut self, root: &str) -> Outcome<(), R> {
        self.aside.insert(root.to_owned());
        if self.troubles > TRIES * TRIES { Err(SyncError::Unreachable) } else { Ok(()) }
    }

    pub(crate) fn is_aside(&self, root: &str) -> bool {
        self.aside.contains(root)
    }

    /// Notes the server's time at the first answer ever: nobody can have answered us before that.
    fn first_heard(&mut self, answer: &Response) -> Outcome<(), R> {
        if self.knows_server || self.records.value(FIRST_HEARD).map_err(SyncError::Records)?.is_some() {
            self.knows_server = true;
            return Ok(());
        }
        let date = answer.header("date").and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
        if let Some(date) = date {
            self.records.set_value(FIRST_HEARD, Some(&date.timestamp().to_string())).map_err(SyncError::Records)?;
        }
        Ok(())
    }

    /// Sends once. Without a final answer it pauses, by full jitter or as the server wishes, so that the caller can ask again.
    pub(crate) fn send(&mut self, request: Request) -> Outcome<Heard, R> {
        let ours = [Some(&self.options.server), self.options.files.as_ref()].into_iter().flatten();
        let signed = match &self.token {
            // To nobody else, whatever address an answer names.
            Some(token) if ours.map(|address| host(address)).any(|ours| ours == host(&request.url)) => {
                request.header("authorization", format!("Bearer {token}"))
            }
            _ => request,
        };
        let (failed, wish) = match self.net.send(&signed) {
            Err(Lost::Stopped) => return Err(SyncError::Stopped),
            Err(_) => (false, None),
            Ok(answer) => match answer.status {
                401 if self.troubles >= TRIES => return Err(SyncError::SignIn),
                401 => {
                    self.troubles += 1;
                    self.token = sign_in::refresh(self.records, self.net)?;
                    return Ok(Heard::Nothing);
                }
                403 => return Err(SyncError::SignIn),
                408 | 425 | 429 | 502..=599 => (false, retry_after(&answer)),
                500 => (true, None),
                _ => {
                    self.first_heard(&answer)?;
                    self.troubles = 0;
                    self.calm_since = self.net.elapsed();
                    return Ok(Heard::Answer(answer));
                }
            },
        };
        self.troubles += 1;
        let calm = self.net.elapsed().saturating_sub(self.calm_since);
        if !failed && calm >= self.options.patience {
            return Err(SyncError::Unreachable);
        }
        self.tell_whether(true)?;
        // Full jitter: M. Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015.
        let most = (FIRST_PAUSE * 2u32.saturating_pow(self.troubles.min(16))).min(LONGEST_PAUSE);
        let jitter = Duration::from_millis(self.net.random() % (most.as_millis() as u64 + 1));
        self.net.wait(jitter.max(wish.unwrap_or_default())).map_err(|_| SyncError::Stopped)?;
        Ok(if failed { Heard::Failed } else { Heard::Nothing })
    }
}

/// Scheme, host and port of an address.
fn host(address: &str) -> &str {
    let start = address.find("://").map_or(0, |at| at + 3);
    let end = address[start..].find('/').map_or(address.len(), |slash| start + slash);
    &address[..end]
}

/// Under which name the address of a photo's file is kept.
pub(crate) fn photo_address(photo: &str) -> String {
    format!("photo/{photo}")
}

/// What is known after both sides agree.
pub(crate) fn agreed(ours: &Value, full: Value, version: Option<String>) -> Known {
    let changing = ours["resourceType"].as_str().is_some_and(|kind| CHANGING.contains(&kind));
    Known {
        version,
        digest: bundle::digest(ours),
        ours: changing.then(|| ours.clone()),
        full: changing.then_some(full),
        attempts: Vec::new(),
    }
}

/// Whether a resource's content changes after it was sent.
pub(crate) fn is_changing(reference: &str) -> bool {
    reference.split_once('/').is_some_and(|(kind, _)| CHANGING.contains(&kind))
}

pub(crate) fn version_in(resource: &Value) -> String {
    resource["meta"]["versionId"].as_str().map(bundle::version).unwrap_or_default()
}

/// The version in a transaction's answer; empty when the server names none.
fn version_of(entry: &Value) -> String {
    let response = &entry["response"];
    let etag = response["etag"].as_str().map(bundle::version);
    let location = || response["location"].as_str()?.rsplit_once("/_history/").map(|(_, version)| version.to_owned());
    etag.or_else(location).unwrap_or_default()
}

/// Changes that these PUTs complete.
fn completed(due: &[Due], puts: &[Put]) -> Vec<i64> {
    let put: HashSet<&str> = puts.iter().map(|put| put.reference.as_str()).collect();
    due.iter()
        .filter(|d| d.completes && d.missing.iter().all(|reference| put.contains(reference.as_str())))
        .map(|d| d.change.seq)
        .collect()
}

fn as_it_is(ours: &Value) -> Merged {
    Merged { resource: ours.clone(), taken: Vec::new(), conflicts: Vec::new() }
}

/// The pause that a server asks for, in seconds; the form with a date would trust two clocks and is not read.
fn retry_after(answer: &Response) -> Option<Duration> {
    let seconds: u64 = answer.header("retry-after")?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_PAUSE * 2))
}
