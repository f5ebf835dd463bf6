-- The encyclopedia: public, read-only. Compiled from core/knowledge/content; never migrated, always rebuilt.
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE disease (
    id      INTEGER PRIMARY KEY,
    slug    TEXT NOT NULL UNIQUE,
    zh      TEXT NOT NULL,
    en      TEXT NOT NULL,
    article TEXT NOT NULL,              -- the whole article as JSON
    look_alikes TEXT NOT NULL,          -- symmetric: own and reversed, as JSON
    drawn   TEXT NOT NULL               -- what is drawn for it, as JSON
);

-- Drawings of lesion shapes and arrangements, by the finding that they show, and figures of the body.
CREATE TABLE drawing (id TEXT PRIMARY KEY, svg TEXT NOT NULL) WITHOUT ROWID;

-- Every way in which a disease is called, folded (see fold.rs), with its pinyin.
CREATE TABLE name (
    disease  INTEGER NOT NULL REFERENCES disease (id),
    kind     TEXT NOT NULL,             -- name, lay, former, abbr, code
    folded   TEXT NOT NULL,
    pinyin   TEXT NOT NULL,             -- variants without tones, separated by a space; empty for Latin names
    initials TEXT NOT NULL              -- first letters of the same variants
);

-- Pairs of Chinese characters and stemmed words (see fold.rs), so that any SQLite can read it: no tokenizer of our own.
CREATE VIRTUAL TABLE article_text USING fts5 (names, names_en, features, body, body_en, content = '', tokenize = 'unicode61');
