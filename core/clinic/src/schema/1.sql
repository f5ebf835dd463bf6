-- Schema 1. Released: never edited. A change is a next file in this folder and a line in database.rs.
-- Coded columns (sex, use, status ...) are open on purpose: a code that a newer version wrote is kept as it is.
-- All times are RFC 3339 in UTC, all ids UUIDv7 made on the phone.

CREATE TABLE patient (
    n               INTEGER PRIMARY KEY,   -- small key for the search index
    id              TEXT NOT NULL UNIQUE,
    name            TEXT NOT NULL,         -- as written, never folded
    birth_date      TEXT,                  -- YYYY, YYYY-MM or YYYY-MM-DD, as in FHIR
    birth_estimated INTEGER,               -- 1 when the year was reckoned from an age
    sex             TEXT,
    phone           TEXT,
    village         TEXT,
    created_at      TEXT NOT NULL
);

-- Folded words under which a patient is found: see names.rs.
CREATE TABLE patient_key (
    key     TEXT NOT NULL,
    patient INTEGER NOT NULL REFERENCES patient (n),
    PRIMARY KEY (key, patient)
) WITHOUT ROWID;
CREATE INDEX patient_key_by_patient ON patient_key (patient);

CREATE TABLE encounter (
    id         TEXT PRIMARY KEY,
    patient_id TEXT REFERENCES patient (id), -- NULL: anonymous
    started_at TEXT NOT NULL,
    author     TEXT,
    findings   TEXT NOT NULL,              -- the doctor's words
    observed   TEXT NOT NULL,              -- JSON: [{finding, present}]
    age_years  REAL,
    sex        TEXT,
    site       TEXT
) WITHOUT ROWID;
CREATE INDEX encounter_by_patient ON encounter (patient_id, id) WHERE patient_id IS NOT NULL;

CREATE TABLE lesion (
    id         TEXT PRIMARY KEY,
    patient_id TEXT NOT NULL REFERENCES patient (id),
    site       TEXT NOT NULL,
    label      TEXT NOT NULL,
    created_at TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX lesion_by_patient ON lesion (patient_id);

CREATE TABLE photo (
    id           TEXT PRIMARY KEY,
    encounter_id TEXT NOT NULL REFERENCES encounter (id),
    lesion_id    TEXT REFERENCES lesion (id),
    position     INTEGER NOT NULL,
    width        INTEGER NOT NULL,
    height       INTEGER NOT NULL,
    bytes        INTEGER NOT NULL,
    sha256       TEXT NOT NULL,            -- of the re-encoded JPEG
    sha1         TEXT NOT NULL,            -- of the same, as FHIR R4's Attachment.hash demands
    photo_key    INTEGER NOT NULL REFERENCES photo_key (id),
    taken_at     TEXT NOT NULL,
    purged_at    TEXT                      -- the original is gone, the thumbnail stays
) WITHOUT ROWID;
CREATE INDEX photo_by_encounter ON photo (encounter_id, position);
CREATE INDEX photo_by_lesion ON photo (lesion_id, taken_at) WHERE lesion_id IS NOT NULL;

-- What the aid said; the doctor's diagnosis is never written here.
CREATE TABLE assessment (
    id           TEXT PRIMARY KEY,
    encounter_id TEXT NOT NULL REFERENCES encounter (id),
    made_at      TEXT NOT NULL,
    content      TEXT NOT NULL             -- JSON
) WITHOUT ROWID;
CREATE INDEX assessment_by_encounter ON assessment (encounter_id);

-- What the doctor says; the aid never writes here. Rows are added, never changed: a later one counts.
CREATE TABLE diagnosis (
    id           TEXT PRIMARY KEY,
    encounter_id TEXT NOT NULL REFERENCES encounter (id),
    made_at      TEXT NOT NULL,
    author       TEXT,
    disease      TEXT,                     -- slug of the encyclopedia
    words        TEXT NOT NULL,
    certainty    TEXT NOT NULL             -- provisional, differential, confirmed, refuted
) WITHOUT ROWID;
CREATE INDEX diagnosis_by_encounter ON diagnosis (encounter_id);

CREATE TABLE treatment_note (
    id           TEXT PRIMARY KEY,
    encounter_id TEXT NOT NULL REFERENCES encounter (id),
    made_at      TEXT NOT NULL,
    author       TEXT,
    words        TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX treatment_note_by_encounter ON treatment_note (encounter_id);

CREATE TABLE follow_up (
    id           TEXT PRIMARY KEY,
    encounter_id TEXT NOT NULL REFERENCES encounter (id),
    made_at      TEXT NOT NULL,
    due_on       TEXT NOT NULL,            -- YYYY-MM-DD
    reason       TEXT NOT NULL,
    status       TEXT NOT NULL             -- planned, done, cancelled
) WITHOUT ROWID;
CREATE INDEX follow_up_by_encounter ON follow_up (encounter_id);
CREATE INDEX follow_up_due ON follow_up (due_on) WHERE status = 'planned';

CREATE TABLE referral (
    id           TEXT PRIMARY KEY,
    encounter_id TEXT NOT NULL REFERENCES encounter (id),
    made_at      TEXT NOT NULL,
    author       TEXT,
    urgency      TEXT NOT NULL,            -- E, U or R
    destination  TEXT NOT NULL,
    reason       TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX referral_by_encounter ON referral (encounter_id);

-- Rows are added, never changed: the last one of a subject and use counts.
CREATE TABLE consent (
    n         INTEGER PRIMARY KEY AUTOINCREMENT,
    id        TEXT NOT NULL UNIQUE,
    subject   TEXT NOT NULL,               -- patient id, or encounter id when anonymous
    use       TEXT NOT NULL,               -- care, teaching, model_training
    granted   INTEGER NOT NULL,
    made_at   TEXT NOT NULL,
    author    TEXT
);
CREATE INDEX consent_by_subject ON consent (subject, use, n);

CREATE TABLE doctor (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    created_at TEXT NOT NULL
) WITHOUT ROWID;

-- Keys that rotate: see keyring.rs (one per way in) and photo.rs (one per rotation).
CREATE TABLE wrap_key (
    wrap_id TEXT PRIMARY KEY,
    key     BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE photo_key (
    id  INTEGER PRIMARY KEY,
    key BLOB NOT NULL
);

CREATE TABLE audit (
    seq    INTEGER PRIMARY KEY,
    at     TEXT NOT NULL,
    author TEXT,
    action TEXT NOT NULL,
    kind   TEXT NOT NULL,                  -- a table's name
    record TEXT NOT NULL,
    digest TEXT NOT NULL,                  -- of the record as it then was
    hash   TEXT NOT NULL                   -- of this row and the hash before it
);
CREATE INDEX audit_by_record ON audit (kind, record, seq);
CREATE TABLE audit_head (
    one  INTEGER PRIMARY KEY CHECK (one = 1),
    seq  INTEGER NOT NULL,
    hash TEXT NOT NULL
);

CREATE TABLE outbox (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    unit    TEXT NOT NULL,                 -- one local transaction
    root    TEXT NOT NULL,                 -- patient id, or encounter id when anonymous
    kind    TEXT NOT NULL,
    record  TEXT NOT NULL,
    made_at TEXT NOT NULL,
    state   TEXT NOT NULL,                 -- waiting, sent, quarantined
    reason  TEXT
);
CREATE INDEX outbox_waiting ON outbox (seq) WHERE state = 'waiting';
CREATE INDEX outbox_by_record ON outbox (record, seq);
CREATE INDEX outbox_by_root ON outbox (root, state);
