-- Schema 2: two records of one person; and what may leave is found without reading all that waits.

-- The record of the same person that counts. Everything else stays where it was written, so that parting them loses nothing.
ALTER TABLE patient ADD COLUMN merged_into TEXT REFERENCES patient (id);
CREATE INDEX patient_merged ON patient (merged_into) WHERE merged_into IS NOT NULL;

-- The one rule about what may leave: the last word about the use is yes. A consent row itself, so also a withdrawal, may leave once the
-- server knows the root, so that it is heard there.
CREATE VIEW may_leave AS
SELECT u.use, o.seq, o.root, o.kind
FROM outbox o, (SELECT 'care' AS use UNION ALL SELECT 'teaching' UNION ALL SELECT 'model_training') u
WHERE o.state = 'waiting'
  AND (COALESCE((SELECT granted FROM consent c WHERE c.subject = o.root AND c.use = u.use ORDER BY c.n DESC LIMIT 1), 0) = 1
       OR (o.kind = 'consent' AND EXISTS (SELECT 1 FROM outbox s WHERE s.root = o.root AND s.state = 'sent')));

-- What that rule lets go, kept up by the triggers below whoever writes. outbox.rs asks the rule itself again before a row is given out.
CREATE TABLE outbox_ready (
    use TEXT NOT NULL,
    seq INTEGER NOT NULL REFERENCES outbox (seq) ON DELETE CASCADE,
    PRIMARY KEY (use, seq)
) WITHOUT ROWID;
CREATE INDEX outbox_ready_by_seq ON outbox_ready (seq);
INSERT INTO outbox_ready SELECT use, seq FROM may_leave;

CREATE TRIGGER outbox_written AFTER INSERT ON outbox BEGIN
    INSERT INTO outbox_ready SELECT use, seq FROM may_leave WHERE seq = NEW.seq;
END;
CREATE TRIGGER outbox_moved AFTER UPDATE OF state, root ON outbox BEGIN
    DELETE FROM outbox_ready WHERE seq = NEW.seq;
    INSERT INTO outbox_ready SELECT use, seq FROM may_leave WHERE seq = NEW.seq;
    -- The server may know the root only now.
    INSERT OR IGNORE INTO outbox_ready SELECT use, seq FROM may_leave WHERE root = NEW.root AND kind = 'consent';
END;
CREATE TRIGGER consent_said AFTER INSERT ON consent BEGIN
    DELETE FROM outbox_ready WHERE use = NEW.use AND seq IN (SELECT seq FROM outbox WHERE root = NEW.subject AND state = 'waiting');
    INSERT INTO outbox_ready SELECT use, seq FROM may_leave WHERE root = NEW.subject AND use = NEW.use;
END;
