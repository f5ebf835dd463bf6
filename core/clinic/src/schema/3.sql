-- Schema 3: what sync must remember of the server, and what others have written there about our cases.

-- Resources that were sent or tried, by reference (`Type/id`). Not audited: copies of records that are, and versions.
CREATE TABLE server_copy (
    reference TEXT PRIMARY KEY,
    version   TEXT,                        -- there; NULL while it is not known whether it arrived
    digest    TEXT NOT NULL,               -- of our record's words as last agreed
    ours      TEXT,                        -- JSON: those words, for kinds that change
    full_copy TEXT,                        -- JSON: the resource as last seen there, for kinds that change
    attempts  TEXT                         -- JSON: what was tried since
) WITHOUT ROWID;

-- Cursors, upload addresses, tokens.
CREATE TABLE server_value (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

-- What a specialist wrote about a case.
CREATE TABLE answer (
    id          TEXT PRIMARY KEY,          -- `Type/id`
    version     TEXT NOT NULL,
    subject     TEXT NOT NULL,             -- encounter id, or patient id
    received_at TEXT NOT NULL,
    content     TEXT NOT NULL              -- JSON: the FHIR resource
) WITHOUT ROWID;
CREATE INDEX answer_by_subject ON answer (subject);

-- An element changed on both sides: the server's value is in place, ours waits to be looked at.
CREATE TABLE review (
    id        TEXT PRIMARY KEY,
    reference TEXT NOT NULL,               -- `Type/id`
    element   TEXT NOT NULL,
    ours      TEXT NOT NULL,               -- JSON
    theirs    TEXT NOT NULL,               -- JSON
    made_at   TEXT NOT NULL,
    closed_at TEXT
) WITHOUT ROWID;
CREATE INDEX review_open ON review (reference) WHERE closed_at IS NULL;
