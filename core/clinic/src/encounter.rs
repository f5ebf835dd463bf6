//! Encounters, and what belongs to one: photos, findings, the aid's assessments; the doctor's diagnoses, treatment notes,
//! follow-up dates and referrals. Rows are added, not rewritten; a later diagnosis counts.

use crate::audit::Action;
use crate::duplicates::RECORDS_OF;
use crate::error::{Field, Problem};
use crate::kind::Kind;
use crate::work::{Work, new_id};
use crate::{Answer, Clinic, ClinicError, Use, consent, input, outbox};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Most bytes of an assessment: a hundred times a usual one.
const LARGEST_ASSESSMENT: usize = 1 << 20;

/// What a visit adds to the record.
#[derive(Debug, Clone, Default)]
pub struct NewEncounter {
    /// The patient; `None` for an anonymous encounter.
    pub patient_id: Option<String>,
    /// The doctor's words.
    pub findings: String,
    /// Findings as codes.
    pub observed: Vec<ObservedFinding>,
    /// Age in years.
    pub age_years: Option<f64>,
    /// `female` or `male`; another code is kept as it is.
    pub sex: Option<String>,
    /// Body site.
    pub site: Option<String>,
    /// The photos, already upright and without metadata.
    pub photos: Vec<NewPhoto>,
    /// What the aid said; `Null` when it was not asked.
    pub assessment: Value,
    /// Uses to which an anonymous patient has said yes. Consent of a known patient is recorded by [`Clinic::set_consent`].
    pub consents: Vec<Use>,
}

/// A finding that was looked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedFinding {
    /// The finding's id in the encyclopedia.
    pub finding: String,
    /// Seen, or looked for and not seen.
    pub present: bool,
}

/// A photo to be stored.
#[derive(Debug, Clone, Default)]
pub struct NewPhoto {
    /// A JPEG file without EXIF.
    pub jpeg: Vec<u8>,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
}

/// One line of the list of encounters.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EncounterSummary {
    /// UUIDv7.
    pub id: String,
    /// The patient; `None` when anonymous.
    pub patient_id: Option<String>,
    /// The name of the patient, or of the record into which that one was merged.
    pub patient_name: Option<String>,
    /// RFC 3339, UTC.
    pub started_at: String,
    /// Age in years.
    pub age_years: Option<f64>,
    /// `female` or `male`, or a code of a newer version.
    pub sex: Option<String>,
    /// Body site.
    pub site: Option<String>,
    /// How many photos.
    pub photos: u32,
}

/// A whole encounter.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Encounter {
    /// The list's line.
    #[serde(flatten)]
    pub summary: EncounterSummary,
    /// The doctor who recorded it.
    pub author: Option<String>,
    /// The doctor's words.
    pub findings: String,
    /// Findings as codes.
    pub observed: Vec<ObservedFinding>,
    /// The photos' rows.
    pub photo_rows: Vec<Photo>,
    /// What the aid said, oldest first.
    pub assessments: Vec<Value>,
    /// What the doctor said, oldest first; the last counts.
    pub diagnoses: Vec<Diagnosis>,
    /// What was done or advised, oldest first.
    pub treatment_notes: Vec<TreatmentNote>,
    /// Dates to come back.
    pub follow_ups: Vec<FollowUp>,
    /// Ways up.
    pub referrals: Vec<Referral>,
    /// What specialists answered, oldest first.
    pub answers: Vec<Answer>,
}

/// A stored photo's row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Photo {
    /// UUIDv7.
    pub id: String,
    /// Its encounter.
    pub encounter_id: String,
    /// The lesion it shows, when that is watched over time.
    pub lesion_id: Option<String>,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Length of the JPEG.
    pub bytes: u64,
    /// SHA-256 of the JPEG, hex.
    pub sha256: String,
    /// SHA-1 of the JPEG, hex: FHIR R4 asks for it.
    pub sha1: String,
    /// RFC 3339, UTC.
    pub taken_at: String,
    /// When the original was removed.
    pub purged_at: Option<String>,
}

/// What the doctor says it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnosis {
    /// UUIDv7.
    pub id: String,
    /// RFC 3339, UTC.
    pub made_at: String,
    /// The doctor.
    pub author: Option<String>,
    /// Slug of the encyclopedia.
    pub disease: Option<String>,
    /// The doctor's words.
    pub words: String,
    /// FHIR's verification status: `provisional`, `differential`, `confirmed`, `refuted`, or a code of a newer version.
    pub certainty: String,
}

/// What the doctor did or advised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TreatmentNote {
    /// UUIDv7.
    pub id: String,
    /// RFC 3339, UTC.
    pub made_at: String,
    /// The doctor.
    pub author: Option<String>,
    /// The doctor's words.
    pub words: String,
}

/// A date to come back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FollowUp {
    /// UUIDv7.
    pub id: String,
    /// The visit that asked for it.
    pub encounter_id: String,
    /// RFC 3339, UTC.
    pub made_at: String,
    /// `YYYY-MM-DD`.
    pub due_on: String,
    /// Why.
    pub reason: String,
    /// `planned`, `done` or `cancelled`, or a code of a newer version.
    pub status: String,
}

/// A way up to another clinic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Referral {
    /// UUIDv7.
    pub id: String,
    /// RFC 3339, UTC.
    pub made_at: String,
    /// The doctor.
    pub author: Option<String>,
    /// `E` same day, `U` within 2 weeks, `R` routine.
    pub urgency: String,
    /// Where to.
    pub destination: String,
    /// Why.
    pub reason: String,
}

impl Clinic {
    /// Records an encounter with its photos and the aid's assessment: all of it, or nothing. When this returns its id, the
    /// record survives a power cut. Does I/O.
    ///
    /// # Errors
    /// When something cannot be stored as it is, or the disk or the database refuses; the store is then as before.
    pub fn record(&mut self, new: &NewEncounter) -> Result<String, ClinicError> {
        let content = check(new)?;
        let id = new_id();
        let photo_key = self.photos.current_key();
        let mut rows = Vec::with_capacity(new.photos.len());
        for photo in &new.photos {
            let photo_id = new_id();
            self.photos.write(&photo_id, &id, &photo.jpeg)?;
            rows.push((photo_id, photo));
        }
        let work = self.work()?;
        if let Some(patient) = &new.patient_id {
            work.require(Kind::Patient, patient)?;
        }
        let root = new.patient_id.as_deref().unwrap_or(&id);
        insert_encounter(&work, &id, root, new)?;
        for (position, (photo_id, photo)) in rows.iter().enumerate() {
            insert_photo(&work, photo_id, &id, position, photo, photo_key)?;
            work.log(Action::Created, Kind::Photo, photo_id, root)?;
        }
        if let Some(content) = content {
            insert_assessment(&work, &id, root, &content)?;
        }
        if new.patient_id.is_none() {
            for purpose in &new.consents {
                consent::record(&work, &id, purpose.code(), true)?;
            }
        }
        work.commit()?;
        self.photos.settle(rows.iter().map(|(photo_id, _)| photo_id.as_str()));
        Ok(id)
    }

    /// Says whose an anonymous encounter was. From then on only that patient's consent counts. Does I/O.
    ///
    /// # Errors
    /// When there is no such anonymous encounter or patient, or the database refuses.
    pub fn assign_patient(&mut self, encounter: &str, patient: &str) -> Result<(), ClinicError> {
        let work = self.work()?;
        work.require(Kind::Patient, patient)?;
        let changed = work.tx.execute(
            "UPDATE encounter SET patient_id = ?2 WHERE id = ?1 AND patient_id IS NULL",
            [encounter, patient],
        )?;
        if changed == 0 {
            return Err(ClinicError::NotFound(Kind::Encounter));
        }
        outbox::re_root(&work.tx, encounter, patient)?;
        work.log(Action::Changed, Kind::Encounter, encounter, patient)?;
        work.commit()
    }

    /// Adds the doctor's diagnosis; the aid never calls this. Does I/O.
    ///
    /// # Errors
    /// When there is no such encounter, a text cannot be stored as it is, or the database refuses.
    pub fn add_diagnosis(
        &mut self,
        encounter: &str,
        disease: Option<&str>,
        words: &str,
        certainty: &str,
    ) -> Result<String, ClinicError> {
        input::optional(Field::Code, disease)?;
        if disease.is_none() {
            input::filled(Field::Words, words)?;
        }
        input::text(Field::Words, words)?;
        input::filled(Field::Code, certainty)?;
        self.add(encounter, Kind::Diagnosis, |work, id| {
            work.tx.execute(
                "INSERT INTO diagnosis (id, encounter_id, made_at, author, disease, words, certainty) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                params![id, encounter, work.now, work.author, disease, words, certainty],
            )
        })
    }

    /// Adds a note of what was done or advised. Does I/O.
    ///
    /// # Errors
    /// When there is no such encounter, the text cannot be stored as it is, or the database refuses.
    pub fn add_treatment_note(&mut self, encounter: &str, words: &str) -> Result<String, ClinicError> {
        input::filled(Field::Words, words)?;
        self.add(encounter, Kind::TreatmentNote, |work, id| {
            work.tx.execute(
                "INSERT INTO treatment_note (id, encounter_id, made_at, author, words) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![id, encounter, work.now, work.author, words],
            )
        })
    }

    /// Adds a date to come back, `YYYY-MM-DD`. Does I/O.
    ///
    /// # Errors
    /// When there is no such encounter, the date is none, the text cannot be stored as it is, or the database refuses.
    pub fn add_follow_up(&mut self, encounter: &str, due_on: &str, reason: &str) -> Result<String, ClinicError> {
        input::date(Field::Date, due_on)?;
        input::text(Field::Words, reason)?;
        self.add(encounter, Kind::FollowUp, |work, id| {
            work.tx.execute(
                "INSERT INTO follow_up (id, encounter_id, made_at, due_on, reason, status) VALUES (?1, ?2, ?3, ?4, ?5, 'planned')",
                params![id, encounter, work.now, due_on, reason],
            )
        })
    }

    /// Says what became of a follow-up: `done` or `cancelled`. Does I/O.
    ///
    /// # Errors
    /// When there is none, or the database refuses.
    pub fn close_follow_up(&mut self, id: &str, status: &str) -> Result<(), ClinicError> {
        input::filled(Field::Code, status)?;
        let work = self.work()?;
        let encounter: String = work
            .tx
            .query_row("SELECT encounter_id FROM follow_up WHERE id = ?1", [id], |row| row.get(0))
            .optional()?
            .ok_or(ClinicError::NotFound(Kind::FollowUp))?;
        work.tx.execute("UPDATE follow_up SET status = ?2 WHERE id = ?1", [id, status])?;
        let root = work.root_of(&encounter)?;
        work.log(Action::Changed, Kind::FollowUp, id, &root)?;
        work.commit()
    }

    /// Planned follow-ups that are due by a day (`YYYY-MM-DD`), earliest first. Reads the database.
    ///
    /// # Errors
    /// When the day is none, or the database refuses.
    pub fn follow_ups_due(&self, by: &str, limit: u32) -> Result<Vec<FollowUp>, ClinicError> {
        input::date(Field::Date, by)?;
        let sql = format!(
            "SELECT {FOLLOW_UP} FROM follow_up WHERE status = 'planned' AND due_on <= ?1 ORDER BY due_on LIMIT ?2"
        );
        Ok(self.db.prepare_cached(&sql)?.query_map(params![by, limit], follow_up)?.collect::<Result<_, _>>()?)
    }

    /// Adds a referral; `urgency` is `E`, `U` or `R`. Does I/O.
    ///
    /// # Errors
    /// When there is no such encounter, a text cannot be stored as it is, or the database refuses.
    pub fn add_referral(
        &mut self,
        encounter: &str,
        urgency: &str,
        destination: &str,
        reason: &str,
    ) -> Result<String, ClinicError> {
        input::filled(Field::Code, urgency)?;
        input::filled(Field::Words, destination)?;
        input::text(Field::Words, reason)?;
        self.add(encounter, Kind::Referral, |work, id| {
            work.tx.execute(
                "INSERT INTO referral (id, encounter_id, made_at, author, urgency, destination, reason) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                params![id, encounter, work.now, work.author, urgency, destination, reason],
            )
        })
    }

    /// Encounters, newest first. Reads the database.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn encounters(&self, limit: u32) -> Result<Vec<EncounterSummary>, ClinicError> {
        let sql = format!("{SUMMARY} ORDER BY e.id DESC LIMIT ?1");
        Ok(self.db.prepare_cached(&sql)?.query_map([limit], summary)?.collect::<Result<_, _>>()?)
    }

    /// A patient's encounters, those of records merged into this one too, newest first. Reads the database.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn encounters_of(&self, patient: &str, limit: u32) -> Result<Vec<EncounterSummary>, ClinicError> {
        let sql = format!("{SUMMARY} WHERE e.patient_id IN ({RECORDS_OF}) ORDER BY e.id DESC LIMIT ?2");
        Ok(self.db.prepare_cached(&sql)?.query_map(params![patient, limit], summary)?.collect::<Result<_, _>>()?)
    }

    /// One encounter. Reads the database.
    ///
    /// # Errors
    /// When there is none.
    pub fn encounter(&self, id: &str) -> Result<Encounter, ClinicError> {
        let db = &self.db;
        let summary = db
            .prepare_cached(&format!("{SUMMARY} WHERE e.id = ?1"))?
            .query_row([id], summary)
            .optional()?
            .ok_or(ClinicError::NotFound(Kind::Encounter))?;
        let (author, findings, observed): (_, _, String) = db
            .prepare_cached("SELECT author, findings, observed FROM encounter WHERE id = ?1")?
            .query_row([id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        let assessments: Vec<String> = of_encounter(db, "content", Kind::Assessment, id, |row| row.get(0))?;
        let answers = self.answers(id, summary.patient_id.as_deref())?;
        Ok(Encounter {
            answers,
            summary,
            author,
            findings,
            observed: serde_json::from_str(&observed)?,
            photo_rows: of_encounter(db, PHOTO, Kind::Photo, id, photo)?,
            assessments: assessments.iter().map(|content| serde_json::from_str(content)).collect::<Result<_, _>>()?,
            diagnoses: of_encounter(
                db,
                "id, made_at, author, disease, words, certainty",
                Kind::Diagnosis,
                id,
                |row| {
                    Ok(Diagnosis {
                        id: row.get(0)?,
                        made_at: row.get(1)?,
                        author: row.get(2)?,
                        disease: row.get(3)?,
                        words: row.get(4)?,
                        certainty: row.get(5)?,
                    })
                },
            )?,
            treatment_notes: of_encounter(db, "id, made_at, author, words", Kind::TreatmentNote, id, |row| {
                Ok(TreatmentNote { id: row.get(0)?, made_at: row.get(1)?, author: row.get(2)?, words: row.get(3)? })
            })?,
            follow_ups: of_encounter(db, FOLLOW_UP, Kind::FollowUp, id, follow_up)?,
            referrals: of_encounter(
                db,
                "id, made_at, author, urgency, destination, reason",
                Kind::Referral,
                id,
                |row| {
                    Ok(Referral {
                        id: row.get(0)?,
                        made_at: row.get(1)?,
                        author: row.get(2)?,
                        urgency: row.get(3)?,
                        destination: row.get(4)?,
                        reason: row.get(5)?,
                    })
                },
            )?,
        })
    }

    fn add(
        &mut self,
        encounter: &str,
        kind: Kind,
        insert: impl FnOnce(&Work<'_>, &str) -> rusqlite::Result<usize>,
    ) -> Result<String, ClinicError> {
        let id = new_id();
        let work = self.work()?;
        let root = work.root_of(encounter)?;
        insert(&work, &id)?;
        work.log(Action::Created, kind, &id, &root)?;
        work.commit()?;
        Ok(id)
    }
}

pub(crate) const PHOTO: &str = "id, encounter_id, lesion_id, width, height, bytes, sha256, sha1, taken_at, purged_at";
const FOLLOW_UP: &str = "id, encounter_id, made_at, due_on, reason, status";
const SUMMARY: &str = "SELECT e.id, e.patient_id, p.name, e.started_at, e.age_years, e.sex, e.site,
    (SELECT count(*) FROM photo WHERE encounter_id = e.id) FROM encounter e
    LEFT JOIN patient o ON o.id = e.patient_id LEFT JOIN patient p ON p.id = COALESCE(o.merged_into, o.id)";

pub(crate) fn photo(row: &Row<'_>) -> rusqlite::Result<Photo> {
    Ok(Photo {
        id: row.get(0)?,
        encounter_id: row.get(1)?,
        lesion_id: row.get(2)?,
        width: row.get(3)?,
        height: row.get(4)?,
        bytes: row.get(5)?,
        sha256: row.get(6)?,
        sha1: row.get(7)?,
        taken_at: row.get(8)?,
        purged_at: row.get(9)?,
    })
}

fn follow_up(row: &Row<'_>) -> rusqlite::Result<FollowUp> {
    Ok(FollowUp {
        id: row.get(0)?,
        encounter_id: row.get(1)?,
        made_at: row.get(2)?,
        due_on: row.get(3)?,
        reason: row.get(4)?,
        status: row.get(5)?,
    })
}

fn summary(row: &Row<'_>) -> rusqlite::Result<EncounterSummary> {
    Ok(EncounterSummary {
        id: row.get(0)?,
        patient_id: row.get(1)?,
        patient_name: row.get(2)?,
        started_at: row.get(3)?,
        age_years: row.get(4)?,
        sex: row.get(5)?,
        site: row.get(6)?,
        photos: row.get(7)?,
    })
}

/// What belongs to an encounter, in the order of writing.
fn of_encounter<T>(
    db: &Connection,
    columns: &str,
    kind: Kind,
    encounter: &str,
    read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, ClinicError> {
    let sql = format!("SELECT {columns} FROM {} WHERE encounter_id = ?1 ORDER BY id", kind.table());
    Ok(db.prepare_cached(&sql)?.query_map([encounter], read)?.collect::<Result<_, _>>()?)
}

pub(crate) fn insert_encounter(work: &Work<'_>, id: &str, root: &str, new: &NewEncounter) -> Result<(), ClinicError> {
    work.tx
        .prepare_cached(
            "INSERT INTO encounter (id, patient_id, started_at, author, findings, observed, age_years, sex, site)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            id,
            new.patient_id,
            work.now,
            work.author,
            new.findings,
            serde_json::to_string(&new.observed)?,
            new.age_years,
            new.sex,
            new.site
        ])?;
    work.log(Action::Created, Kind::Encounter, id, root)
}

pub(crate) fn insert_assessment(
    work: &Work<'_>,
    encounter: &str,
    root: &str,
    content: &str,
) -> Result<(), ClinicError> {
    let id = new_id();
    work.tx
        .prepare_cached("INSERT INTO assessment (id, encounter_id, made_at, content) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![id, encounter, work.now, content])?;
    work.log(Action::Created, Kind::Assessment, &id, root)
}

fn insert_photo(
    work: &Work<'_>,
    id: &str,
    encounter: &str,
    position: usize,
    photo: &NewPhoto,
    key: i64,
) -> Result<(), ClinicError> {
    let (sha256, sha1) = crate::photo::hashes(&photo.jpeg);
    work.tx
        .prepare_cached(
            "INSERT INTO photo (id, encounter_id, position, width, height, bytes, sha256, sha1, photo_key, taken_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?
        .execute(params![
            id,
            encounter,
            position,
            photo.width,
            photo.height,
            photo.jpeg.len(),
            sha256,
            sha1,
            key,
            work.now
        ])?;
    Ok(())
}

/// Refuses what cannot be stored as it is; the assessment as text.
fn check(new: &NewEncounter) -> Result<Option<String>, ClinicError> {
    input::text(Field::Findings, &new.findings)?;
    input::optional(Field::Site, new.site.as_deref())?;
    input::optional(Field::Code, new.sex.as_deref())?;
    input::age(new.age_years)?;
    for observed in &new.observed {
        input::filled(Field::Code, &observed.finding)?;
    }
    if new.photos.iter().any(|photo| photo.jpeg.is_empty()) {
        return Err(ClinicError::Input { field: Field::Photo, problem: Problem::Empty });
    }
    if new.assessment.is_null() {
        return Ok(None);
    }
    let content = serde_json::to_string(&new.assessment)?;
    if content.len() > LARGEST_ASSESSMENT {
        return Err(ClinicError::Input {
            field: Field::Assessment,
            problem: Problem::TooLong { limit: LARGEST_ASSESSMENT },
        });
    }
    Ok(Some(content))
}
