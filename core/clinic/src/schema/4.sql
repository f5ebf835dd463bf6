-- Schema 4: how the doctor stood who wrote a diagnosis (core/trust/src/rules.rs); NULL where nobody asked.

ALTER TABLE diagnosis ADD COLUMN standing TEXT;
