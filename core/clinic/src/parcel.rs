//! Parcels: records that travel from one store to another without a server. What may go out, and how what comes in is taken in.
//!
//! A parcel names every column that it carries; ids, times, codes and texts are checked as if somebody had typed them. What is here is never
//! overwritten: a record that is new is added, and where one differs from ours both are kept, ours in place and theirs as a review. May not
//! live here: how a parcel is sealed and who may have sent it (core/trust).

use crate::audit::Action;
use crate::duplicates::records_of;
use crate::encounter::LARGEST_ASSESSMENT;
use crate::error::Field;
use crate::kind::Kind;
use crate::photo::hashes;
use crate::work::{Work, new_id};
use crate::{Clinic, ClinicError, ExportOf, ObservedFinding, Use, consent, input, outbox, patient};
use jiff::Timestamp;
use rusqlite::types::Value as Cell;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// The format that this version writes and reads.
const FORMAT: u32 = 1;

/// A record by its columns.
type Row = Map<String, Value>;

/// Records of one or more patients. The photos' files travel beside it, in the order of [`Parcel::photos`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Parcel {
    format: u32,
    /// By table, in the order of [`TABLES`].
    records: BTreeMap<String, Vec<Row>>,
    /// Patients, and encounters that were named by themselves.
    about: Vec<(String, String)>,
    /// Photos that stay behind: purged, or damaged.
    #[serde(skip)]
    photos_left_out: u64,
}

/// What became of a parcel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Received {
    /// Records that were new here.
    pub added: u64,
    /// Records that were here already, the same.
    pub known: u64,
    /// Elements that differ from ours: both are kept, see [`Clinic::open_reviews`].
    pub conflicts: u64,
}

/// What a column holds.
#[derive(Clone, Copy)]
enum Holds {
    /// The record's own id.
    Id,
    /// The id of a record that is here or in the parcel.
    Of(Kind),
    /// The same, or nothing.
    MaybeOf(Kind),
    /// An id that need not be here, or nothing.
    MaybeId,
    Time,
    Words(Field),
    Filled(Field),
    MaybeWords(Field),
    Day,
    Count,
    MaybeFlag,
    Flag,
    MaybeAge,
    /// The patient or encounter of a consent or an answer.
    Subject,
    /// A hash in hexadecimal digits.
    Hash(usize),
    Findings,
    Json,
    /// `Type/id` of a resource on a server.
    Reference,
}

use Holds::{
    Count, Day, Filled, Findings, Flag, Hash, Id, Json, MaybeAge, MaybeFlag, MaybeId, MaybeOf, MaybeWords, Of,
    Reference, Subject, Time, Words,
};

/// A kind of record with the columns that travel.
type Table = (Kind, &'static [(&'static str, Holds)]);

/// What travels, each after what it depends on.
const TABLES: [Table; 12] = [
    (Kind::Doctor, &[("id", Id), ("name", Filled(Field::Name)), ("created_at", Time)]),
    (
        Kind::Patient,
        &[
            ("id", Id),
            ("name", Filled(Field::Name)),
            ("birth_date", MaybeWords(Field::BirthDate)),
            ("birth_estimated", MaybeFlag),
            ("sex", MaybeWords(Field::Code)),
            ("phone", MaybeWords(Field::Phone)),
            ("village", MaybeWords(Field::Village)),
            ("created_at", Time),
            ("merged_into", MaybeOf(Kind::Patient)),
        ],
    ),
    (
        Kind::Encounter,
        &[
            ("id", Id),
            ("patient_id", MaybeOf(Kind::Patient)),
            ("started_at", Time),
            ("author", MaybeId),
            ("findings", Words(Field::Findings)),
            ("observed", Findings),
            ("age_years", MaybeAge),
            ("sex", MaybeWords(Field::Code)),
            ("site", MaybeWords(Field::Site)),
        ],
    ),
    (
        Kind::Lesion,
        &[
            ("id", Id),
            ("patient_id", Of(Kind::Patient)),
            ("site", Filled(Field::Site)),
            ("label", Words(Field::Words)),
            ("created_at", Time),
        ],
    ),
    (
        Kind::Photo,
        &[
            ("id", Id),
            ("encounter_id", Of(Kind::Encounter)),
            ("lesion_id", MaybeOf(Kind::Lesion)),
            ("position", Count),
            ("width", Count),
            ("height", Count),
            ("bytes", Count),
            ("sha256", Hash(64)),
            ("sha1", Hash(40)),
            ("taken_at", Time),
        ],
    ),
    (Kind::Assessment, &[("id", Id), ("encounter_id", Of(Kind::Encounter)), ("made_at", Time), ("content", Json)]),
    (
        Kind::Diagnosis,
        &[
            ("id", Id),
            ("encounter_id", Of(Kind::Encounter)),
            ("made_at", Time),
            ("author", MaybeId),
            ("disease", MaybeWords(Field::Code)),
            ("words", Words(Field::Words)),
            ("certainty", Filled(Field::Code)),
            ("standing", MaybeWords(Field::Code)),
        ],
    ),
    (
        Kind::TreatmentNote,
        &[
            ("id", Id),
            ("encounter_id", Of(Kind::Encounter)),
            ("made_at", Time),
            ("author", MaybeId),
            ("words", Filled(Field::Words)),
        ],
    ),
    (
        Kind::FollowUp,
        &[
            ("id", Id),
            ("encounter_id", Of(Kind::Encounter)),
            ("made_at", Time),
            ("due_on", Day),
            ("reason", Words(Field::Words)),
            ("status", Filled(Field::Code)),
        ],
    ),
    (
        Kind::Referral,
        &[
            ("id", Id),
            ("encounter_id", Of(Kind::Encounter)),
            ("made_at", Time),
            ("author", MaybeId),
            ("urgency", Filled(Field::Code)),
            ("destination", Filled(Field::Words)),
            ("reason", Words(Field::Words)),
        ],
    ),
    (
        Kind::Consent,
        &[
            ("id", Id),
            ("subject", Subject),
            ("use", Filled(Field::Code)),
            ("granted", Flag),
            ("made_at", Time),
            ("author", MaybeId),
        ],
    ),
    (
        Kind::Answer,
        &[
            ("id", Reference),
            ("version", Words(Field::Code)),
            ("subject", Subject),
            ("received_at", Time),
            ("content", Json),
        ],
    ),
];

impl Parcel {
    /// Ids of the photos whose files travel beside it, in order.
    pub fn photos(&self) -> impl Iterator<Item = &str> {
        self.rows(Kind::Photo).iter().map(|row| text(row, "id"))
    }

    /// Photos that stay behind: purged, or damaged.
    #[must_use]
    pub fn photos_left_out(&self) -> u64 {
        self.photos_left_out
    }

    /// How many records it holds, by table.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<&str, usize> {
        self.records.iter().map(|(table, rows)| (table.as_str(), rows.len())).collect()
    }

    fn rows(&self, kind: Kind) -> &[Row] {
        self.records.get(kind.table()).map_or(&[], Vec::as_slice)
    }

    /// Refuses what could not have been typed here.
    fn check(&self) -> Result<(), ClinicError> {
        if self.format != FORMAT {
            return Err(ClinicError::NewerParcel(self.format));
        }
        let known = |table: &String| TABLES.iter().any(|(kind, _)| kind.table() == table);
        if !self.records.keys().all(known) {
            return Err(ClinicError::ParcelDamaged);
        }
        for (kind, columns) in TABLES {
            for row in self.rows(kind) {
                if row.len() != columns.len() {
                    return Err(ClinicError::ParcelDamaged);
                }
                for (column, holds) in columns {
                    check(row.get(*column).ok_or(ClinicError::ParcelDamaged)?, *holds)?;
                }
                if kind == Kind::Patient {
                    input::patient(&person(row))?;
                }
                // Nobody says yes for somebody whose records are not here, or writes about them.
                let is_here = |of: Kind| self.rows(of).iter().any(|other| other["id"] == row["subject"]);
                if row.contains_key("subject") && !is_here(Kind::Patient) && !is_here(Kind::Encounter) {
                    return Err(ClinicError::ParcelDamaged);
                }
            }
        }
        Ok(())
    }
}

fn check(value: &Value, holds: Holds) -> Result<(), ClinicError> {
    let given = value.as_str();
    let sound = match holds {
        MaybeOf(_) | MaybeId | MaybeWords(_) | MaybeFlag | MaybeAge if value.is_null() => true,
        Id | Of(_) | MaybeOf(_) | MaybeId | Subject => given.is_some_and(is_id),
        Reference => given.is_some_and(is_reference),
        Time => given.is_some_and(|text| text.len() <= 40 && text.parse::<Timestamp>().is_ok()),
        Words(field) | MaybeWords(field) => given.map(|text| input::text(field, text)).transpose()?.is_some(),
        Filled(field) => given.map(|text| input::filled(field, text)).transpose()?.is_some(),
        Day => given.map(|text| input::date(Field::Date, text)).transpose()?.is_some(),
        Count => value.as_u64().is_some_and(|count| count <= u64::from(u32::MAX)),
        Flag | MaybeFlag => value.as_u64().is_some_and(|flag| flag <= 1),
        MaybeAge => value.as_f64().map(|years| input::age(Some(years))).transpose()?.is_some(),
        Hash(digits) => given
            .is_some_and(|text| text.len() == digits && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))),
        Findings => given.is_some_and(|text| {
            text.len() <= LARGEST_ASSESSMENT && serde_json::from_str::<Vec<ObservedFinding>>(text).is_ok()
        }),
        Json => {
            given.is_some_and(|text| text.len() <= LARGEST_ASSESSMENT && serde_json::from_str::<Value>(text).is_ok())
        }
    };
    if sound { Ok(()) } else { Err(ClinicError::ParcelDamaged) }
}

/// `Type/id`, each as FHIR has it.
fn is_reference(text: &str) -> bool {
    let id = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'.');
    text.split_once('/').is_some_and(|(resource, rest)| {
        let sound = |part: &str| (1..=64).contains(&part.len());
        sound(resource) && sound(rest) && resource.bytes().all(|c| c.is_ascii_alphabetic()) && rest.bytes().all(id)
    })
}

/// A UUID in the one form that this crate writes; it becomes part of file names.
fn is_id(text: &str) -> bool {
    Uuid::try_parse(text).is_ok_and(|id| id.hyphenated().to_string() == text)
}

fn text<'r>(row: &'r Row, column: &str) -> &'r str {
    row.get(column).and_then(Value::as_str).unwrap_or_default()
}

fn person(row: &Row) -> crate::NewPatient {
    let maybe = |column: &str| row.get(column).and_then(Value::as_str).map(str::to_owned);
    crate::NewPatient {
        name: text(row, "name").to_owned(),
        birth_date: maybe("birth_date"),
        age_years: None,
        sex: maybe("sex"),
        phone: maybe("phone"),
        village: maybe("village"),
    }
}

impl Clinic {
    /// Packs a patient with all encounters, or one encounter with its patient. The last word of each patient about care must be yes. Reads
    /// the database and the photos.
    ///
    /// # Errors
    /// When there is no such record, or no consent.
    pub fn pack_parcel(&self, of: ExportOf<'_>) -> Result<Parcel, ClinicError> {
        let (patient, encounters) = match of {
            ExportOf::Patient(id) => {
                let patient = self.patient(id)?;
                let counts = patient.merged_into.unwrap_or(patient.id);
                let encounters = self.encounters_of(&counts, u32::MAX)?.into_iter().map(|e| e.id).collect();
                (Some(counts), encounters)
            }
            ExportOf::Encounter(id) => {
                let patient = self.encounter(id)?.summary.patient_id.map(|id| self.patient(&id)).transpose()?;
                (patient.map(|patient| patient.merged_into.unwrap_or(patient.id)), vec![id.to_owned()])
            }
        };
        let subjects = match &patient {
            Some(patient) => records_of(&self.db, patient)?,
            None => encounters.clone(),
        };
        for subject in &subjects {
            if !self.has_consent(subject, Use::Care)? {
                return Err(ClinicError::NoConsent);
            }
        }
        let about = match of {
            ExportOf::Patient(_) => subjects.iter().map(|id| (Kind::Patient, id)).collect::<Vec<_>>(),
            ExportOf::Encounter(_) => encounters.iter().map(|id| (Kind::Encounter, id)).collect(),
        };
        let about = about.into_iter().map(|(kind, id)| (kind.table().to_owned(), id.clone())).collect();
        let mut parcel = Parcel { format: FORMAT, records: BTreeMap::new(), about, photos_left_out: 0 };
        let about_whom: Vec<String> =
            subjects.iter().chain(&encounters).cloned().collect::<BTreeSet<_>>().into_iter().collect();
        let people: &[String] = if patient.is_some() { &subjects } else { &[] };
        let mut authors = BTreeSet::new();
        for (kind, columns) in TABLES.into_iter().rev() {
            let (owners, column) = match kind {
                // Those whom the records name; they come last in this order.
                Kind::Doctor => continue,
                Kind::Patient => (people, "id"),
                Kind::Lesion => (people, "patient_id"),
                Kind::Consent => (subjects.as_slice(), "subject"),
                Kind::Answer => (about_whom.as_slice(), "subject"),
                Kind::Encounter => (encounters.as_slice(), "id"),
                _ => (encounters.as_slice(), "encounter_id"),
            };
            let mut rows = Vec::new();
            for owner in owners {
                rows.extend(select(&self.db, kind, columns, column, owner)?);
            }
            if kind == Kind::Photo {
                let before = rows.len();
                rows.retain(|row| self.photo(text(row, "id")).is_ok());
                parcel.photos_left_out = (before - rows.len()) as u64;
            }
            authors.extend(rows.iter().map(|row| text(row, "author").to_owned()));
            parcel.records.insert(kind.table().to_owned(), rows);
        }
        let (kind, columns) = TABLES[0];
        let mut doctors = Vec::new();
        for author in &authors {
            doctors.extend(select(&self.db, kind, columns, "id", author)?);
        }
        parcel.records.insert(kind.table().to_owned(), doctors);
        // Who counts before those who were merged into that record.
        if let Some(patients) = parcel.records.get_mut(Kind::Patient.table()) {
            patients.sort_by_key(|row| !row["merged_into"].is_null());
        }
        Ok(parcel)
    }

    /// Notes in the audit log that a parcel leaves, and to which key. Call it before anybody gets the file. Does I/O.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn note_parcel(&mut self, parcel: &Parcel, to: &str) -> Result<(), ClinicError> {
        let work = self.work()?;
        for (table, id) in &parcel.about {
            let kind = Kind::from_table(table).ok_or(ClinicError::ParcelDamaged)?;
            work.log_here(Action::Exported(to), kind, id)?;
        }
        work.commit()
    }

    /// Takes a parcel in: all of it, or nothing. Photos' files come from `next_photo` in the parcel's order. `from` is the sender's key, and
    /// stands in the audit log with every record. The same parcel again changes nothing. Does I/O.
    ///
    /// # Errors
    /// When anything of it is not as this crate writes it, or the disk or the database refuses.
    pub fn take_parcel<E: From<ClinicError>>(
        &mut self,
        parcel: &Parcel,
        from: &str,
        mut next_photo: impl FnMut() -> Result<Vec<u8>, E>,
    ) -> Result<Received, E> {
        parcel.check()?;
        let mut written = Vec::new();
        for row in parcel.rows(Kind::Photo) {
            let jpeg = next_photo()?;
            let (sha256, sha1) = hashes(&jpeg);
            let stated = (text(row, "sha256"), text(row, "sha1"), row["bytes"].as_u64());
            if stated != (&sha256, &sha1, Some(jpeg.len() as u64)) {
                return Err(ClinicError::ParcelDamaged.into());
            }
            let id = text(row, "id");
            if self.photo_row(id).is_err() {
                self.photos.write(id, text(row, "encounter_id"), &jpeg)?;
                written.push(id);
            }
        }
        let received = self.insert_parcel(parcel, from)?;
        self.photos.settle(written.into_iter());
        Ok(received)
    }

    fn insert_parcel(&mut self, parcel: &Parcel, from: &str) -> Result<Received, ClinicError> {
        let photo_key = self.photos.current_key();
        let work = self.work()?;
        let mut received = Received::default();
        for (kind, columns) in TABLES {
            let rows = parcel.rows(kind);
            if kind == Kind::Consent {
                take_consents(&work, columns, rows, from, &mut received)?;
                continue;
            }
            for row in rows {
                match select(&work.tx, kind, columns, "id", text(row, "id"))?.pop() {
                    None => {
                        insert(&work, kind, columns, row, from, photo_key)?;
                        received.added += 1;
                    }
                    // The server's own words: one that is here stays.
                    Some(_) if kind == Kind::Answer => received.known += 1,
                    Some(ours) => compare(&work, kind, columns, &ours, row, from, &mut received)?,
                }
            }
        }
        work.commit()?;
        Ok(received)
    }
}

/// The rows of one owner, by the columns that travel, in the order of writing.
fn select(
    db: &Connection,
    kind: Kind,
    columns: &[(&str, Holds)],
    by: &str,
    owner: &str,
) -> Result<Vec<Row>, ClinicError> {
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let order = if kind == Kind::Consent { "n" } else { "id" };
    let sql = format!("SELECT {} FROM {} WHERE {by} = ?1 ORDER BY {order}", names.join(", "), kind.table());
    let row = |row: &rusqlite::Row<'_>| {
        let cell = |(i, name): (usize, &&str)| {
            let value = match row.get(i)? {
                Cell::Null => Value::Null,
                Cell::Integer(number) => json!(number),
                Cell::Real(number) => json!(number),
                Cell::Text(text) => Value::String(text),
                Cell::Blob(_) => Value::Null,
            };
            Ok(((*name).to_owned(), value))
        };
        names.iter().enumerate().map(cell).collect::<rusqlite::Result<Row>>()
    };
    Ok(db.prepare_cached(&sql)?.query_map([owner], row)?.collect::<Result<_, _>>()?)
}

/// Adds a record that is new here.
fn insert(
    work: &Work<'_>,
    kind: Kind,
    columns: &[(&str, Holds)],
    row: &Row,
    from: &str,
    photo_key: i64,
) -> Result<(), ClinicError> {
    for (column, holds) in columns {
        if let (Of(parent) | MaybeOf(parent), Some(id)) = (holds, row[*column].as_str()) {
            // A parcel without what its records hang on is not whole.
            work.require(*parent, id).map_err(|_| ClinicError::ParcelDamaged)?;
        }
    }
    let mut names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let mut cells: Vec<Cell> = names.iter().map(|name| cell(&row[*name])).collect();
    if kind == Kind::Photo {
        names.push("photo_key");
        cells.push(Cell::Integer(photo_key));
    }
    let places: Vec<String> = (1..=names.len()).map(|n| format!("?{n}")).collect();
    let sql = format!("INSERT INTO {} ({}) VALUES ({})", kind.table(), names.join(", "), places.join(", "));
    work.tx.prepare_cached(&sql)?.execute(params_from_iter(cells))?;
    let id = text(row, "id");
    let root = match kind {
        Kind::Doctor | Kind::Answer => return work.log_here(Action::Imported(from), kind, id),
        Kind::Patient => {
            patient::write_keys(&work.tx, work.tx.last_insert_rowid(), &person(row))?;
            id.to_owned()
        }
        Kind::Lesion => text(row, "patient_id").to_owned(),
        Kind::Consent => text(row, "subject").to_owned(),
        Kind::Encounter => work.root_of(id)?,
        _ => work.root_of(text(row, "encounter_id"))?,
    };
    work.log(Action::Imported(from), kind, id, &root)
}

fn cell(value: &Value) -> Cell {
    match value {
        Value::String(text) => Cell::Text(text.clone()),
        Value::Number(number) => match number.as_i64() {
            Some(number) => Cell::Integer(number),
            None => number.as_f64().map_or(Cell::Null, Cell::Real),
        },
        _ => Cell::Null,
    }
}

/// Keeps both where a record differs from ours: ours in place, theirs as a review. Whose an anonymous encounter was, and which lesion a
/// photo shows, may be added where nothing was said here.
fn compare(
    work: &Work<'_>,
    kind: Kind,
    columns: &[(&str, Holds)],
    ours: &Row,
    theirs: &Row,
    from: &str,
    received: &mut Received,
) -> Result<(), ClinicError> {
    let id = text(theirs, "id");
    received.known += 1;
    for (column, holds) in columns {
        let (our, their) = (&ours[*column], &theirs[*column]);
        if our == their || (their.is_null() && matches!(holds, MaybeOf(_))) {
            continue;
        }
        let said_first = our.is_null() && matches!((kind, holds), (Kind::Encounter | Kind::Photo, MaybeOf(_)));
        if let (true, Some(parent), MaybeOf(parent_kind)) = (said_first, their.as_str(), holds) {
            work.require(*parent_kind, parent).map_err(|_| ClinicError::ParcelDamaged)?;
            let sql = format!("UPDATE {} SET {column} = ?2 WHERE id = ?1", kind.table());
            work.tx.prepare_cached(&sql)?.execute([id, parent])?;
            if kind == Kind::Encounter {
                outbox::re_root(&work.tx, id, parent)?;
            }
            let encounter = if kind == Kind::Encounter { id } else { text(theirs, "encounter_id") };
            work.log(Action::Imported(from), kind, id, &work.root_of(encounter)?)?;
            received.added += 1;
            continue;
        }
        let reference = format!("{}/{id}", resource(kind));
        let (element, their) = (element(column), their.to_string());
        let sql = "SELECT 1 FROM review WHERE reference = ?1 AND element = ?2 AND ours = ?3";
        if work.tx.prepare_cached(sql)?.exists(params![reference, element, their])? {
            continue;
        }
        let review = new_id();
        work.tx
            .prepare_cached(
                "INSERT INTO review (id, reference, element, ours, theirs, made_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![review, reference, element, their, our.to_string(), work.now])?;
        work.log_here(Action::Imported(from), Kind::Review, &review)?;
        received.conflicts += 1;
    }
    Ok(())
}

/// Adds what was said about consent. Where each side has said something that the other does not know, a no on either side counts until
/// somebody asks again, whatever the clocks say (as in a merge of two patients).
fn take_consents(
    work: &Work<'_>,
    columns: &[(&str, Holds)],
    rows: &[Row],
    from: &str,
    received: &mut Received,
) -> Result<(), ClinicError> {
    let mut by_use: BTreeMap<(&str, &str), Vec<&Row>> = BTreeMap::new();
    for row in rows {
        by_use.entry((text(row, "subject"), text(row, "use"))).or_default().push(row);
    }
    for ((subject, purpose), said) in by_use {
        let sql = "SELECT id, granted FROM consent WHERE subject = ?1 AND use = ?2 ORDER BY n DESC LIMIT 1";
        let our_last: Option<(String, bool)> = work
            .tx
            .prepare_cached(sql)?
            .query_row([subject, purpose], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let mut new = false;
        for row in &said {
            let id = text(row, "id");
            if work.tx.prepare_cached("SELECT 1 FROM consent WHERE id = ?1")?.exists([id])? {
                received.known += 1;
                continue;
            }
            insert(work, Kind::Consent, columns, row, from, 0)?;
            received.added += 1;
            new = true;
        }
        let their_last = said.last().is_some_and(|row| row["granted"] == 1);
        let they_knew = |id: &str| said.iter().any(|row| text(row, "id") == id);
        if let Some((id, false)) = our_last
            && new
            && their_last
            && !they_knew(&id)
        {
            consent::record(work, subject, purpose, false)?;
        }
    }
    Ok(())
}

/// The resource under whose name sync speaks of such a record.
fn resource(kind: Kind) -> &'static str {
    match kind {
        Kind::Patient => "Patient",
        Kind::Encounter => "Encounter",
        Kind::Lesion => "BodyStructure",
        Kind::Photo => "DocumentReference",
        Kind::Assessment => "Observation",
        Kind::Diagnosis => "Condition",
        Kind::TreatmentNote => "CarePlan",
        Kind::FollowUp => "Appointment",
        Kind::Referral => "ServiceRequest",
        Kind::Consent => "Consent",
        Kind::Doctor => "Practitioner",
        Kind::Answer | Kind::Review => kind.table(),
    }
}

/// FHIR's name of an element that people change; the column's name of any other.
fn element(column: &str) -> &str {
    match column {
        "birth_date" => "birthDate",
        "sex" => "gender",
        "phone" => "telecom",
        "village" => "address",
        "due_on" => "start",
        other => other,
    }
}
