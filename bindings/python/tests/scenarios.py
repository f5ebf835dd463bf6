"""Drives tests/scenarios/*.json through the Python bindings. `cargo xtask test python` runs it; docs/bindings.md describes the steps."""

import enum
import json
import sys
import tempfile
from pathlib import Path

import barefoot as b


class Vault(b.KeyVault):
    def __init__(self):
        self.secret = None
        self.broken = False

    def load(self):
        if self.broken:
            raise b.VaultError.Unavailable()
        return self.secret

    def save(self, secret):
        self.secret = secret


class Listener(b.ProgressListener):
    def __init__(self, job, cancel_at):
        self.job, self.cancel_at, self.heard = job, cancel_at, []

    def on_progress(self, done, total):
        self.heard.append({"done": done, "total": total})
        if self.cancel_at is not None and done >= self.cancel_at:
            self.job.cancel()


def shown(value):
    """A result as JSON would hold it; bytes as their length and their first four."""
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, bytes):
        return {"length": len(value), "head": value[:4].hex()}
    if isinstance(value, list):
        return [shown(item) for item in value]
    if hasattr(value, "__dict__"):
        return {key: shown(item) for key, item in vars(value).items()}
    return value


class World:
    def __init__(self, repository, folder):
        self.repository, self.folder = repository, folder
        self.vault, self.clinic, self.assessed, self.heard = Vault(), None, None, []
        self.encyclopedia, self.assessor = b.Encyclopedia.built_in(), b.Assessor.built_in()

    def run(self, job, cancel_at):
        listener = Listener(job, cancel_at)
        try:
            return job.run(listener)
        finally:
            self.heard = listener.heard

    def call(self, name, w):
        c, limit = self.clinic, w.get("limit", 20)
        sex = {"female": b.Sex.FEMALE, "male": b.Sex.MALE}.get(w.get("sex"))
        where = str(self.folder / "clinic")

        def patient():
            keys = ("birth_date", "age_years", "sex", "phone", "village")
            return b.NewPatient(name=w["name"], **{key: w.get(key) for key in keys})

        def assess():
            photos = [(self.repository / photo).read_bytes() for photo in w.get("photos", [])]
            request = b.AssessmentRequest(
                photos=photos, text=w["text"], age_years=w.get("age_years"), sex=sex, site=w.get("site")
            )
            self.assessed = self.run(self.assessor.begin(request), w.get("cancel_at"))
            return self.assessed.assessment()

        def open_clinic():
            how = {
                "device": lambda: b.Unlock.DEVICE(),
                "pin": lambda: b.Unlock.PIN(w["doctor"], w["pin"]),
                "recovery": lambda: b.Unlock.RECOVERY(w["phrase"]),
            }[w["way"]]()
            self.clinic = b.Clinic.open(where, self.vault, how)

        def page():
            language = b.PageLanguage[w["language"].upper()]
            return c.page(w["encounter"], language, self.encyclopedia)

        def sync():
            job = b.Sync(c, self.encyclopedia).begin(b.SyncServer(address=w["address"]))
            if w.get("cancelled"):
                job.cancel()
            return job.run(None)

        calls = {
            "encyclopedia.search": lambda: self.encyclopedia.search(w["query"], limit),
            "encyclopedia.article": lambda: self.encyclopedia.article(w["slug"]),
            "encyclopedia.findings": lambda: self.encyclopedia.findings(),
            "encyclopedia.drawing": lambda: self.encyclopedia.drawing(w["id"]),
            "assessor.triage": lambda: self.assessor.triage(w["complaint"], w.get("age_years"), sex),
            "assessor.lupus_score": lambda: self.assessor.lupus_score(w["text"]),
            "assessor.assess": assess,
            "assessed.heat_map": lambda: self.assessed.heat_map(),
            "assessor.record": lambda: self.assessor.record(c, self.assessed, w.get("patient_id")),
            "job.progress": lambda: self.heard,
            "clinic.sign_in": lambda: b.sign_in(where, self.vault),
            "clinic.open": open_clinic,
            "clinic.lock": lambda: c.lock(),
            "clinic.author": lambda: c.author(),
            "clinic.add_doctor": lambda: c.add_doctor(self.vault, w["name"], w["pin"]),
            "clinic.new_recovery_phrase": lambda: c.new_recovery_phrase(b.PhraseLanguage[w["language"].upper()]),
            "clinic.patients": lambda: c.patients(limit),
            "clinic.find_patients": lambda: c.find_patients(w["query"], limit),
            "clinic.patient": lambda: c.patient(w["id"]),
            "clinic.add_patient": lambda: c.add_patient(patient()),
            "clinic.update_patient": lambda: c.update_patient(w["id"], patient()),
            "clinic.encounters_of": lambda: c.encounters_of(w["patient"], limit),
            "clinic.encounter": lambda: c.encounter(w["id"]),
            "clinic.thumbnail": lambda: c.thumbnail(w["id"]),
            "clinic.add_diagnosis": lambda: c.add_diagnosis(
                w["encounter"], w.get("disease"), w["words"], w["certainty"]
            ),
            "clinic.set_consent": lambda: c.set_consent(w["subject"], b.Use[w["use"].upper()], w["granted"]),
            "clinic.has_consent": lambda: c.has_consent(w["subject"], b.Use[w["use"].upper()]),
            "clinic.page": page,
            "clinic.backup": lambda: self.run(c.begin_backup(str(self.folder / w["file"])), w.get("cancel_at")),
            "sync.run": sync,
            "sync.deliveries": lambda: b.Sync(c, self.encyclopedia).deliveries(),
            "folder.holds": lambda: (self.folder / w["file"]).exists(),
            "vault.break": lambda: setattr(self.vault, "broken", True),
        }
        return shown(calls[name]())


def at(value, path):
    for part in filter(None, path.split(".")):
        if isinstance(value, list):
            value = value[int(part)] if int(part) < len(value) else None
        else:
            value = value.get(part) if isinstance(value, dict) else None
    return value


def plain(name):
    return name.replace("_", "").lower() if isinstance(name, str) else None


CHECKS = {
    "is": lambda found, wanted: found == wanted and isinstance(found, bool) == isinstance(wanted, bool),
    "variant": lambda found, wanted: plain(found) == plain(wanted),
    "at_least": lambda found, wanted: found is not None and found >= wanted,
    "at_most": lambda found, wanted: found is not None and found <= wanted,
    "length": lambda found, wanted: isinstance(found, (list, str)) and len(found) == wanted,
    "contains": lambda found, wanted: isinstance(found, str) and wanted in found,
    "exists": lambda found, wanted: (found is not None) == wanted,
}


def filled(value, saved):
    if isinstance(value, str) and value.startswith("$"):
        return saved[value[1:]]
    if isinstance(value, list):
        return [filled(item, saved) for item in value]
    if isinstance(value, dict):
        return {key: filled(item, saved) for key, item in value.items()}
    return value


def run(file, repository):
    saved = {}
    with tempfile.TemporaryDirectory() as folder:
        world = World(repository, Path(folder))
        for number, step in enumerate(json.loads(file.read_text("utf-8"))["steps"]):
            place = f"{file.name}, step {number} ({step['call']})"
            try:
                found = world.call(step["call"], filled(step.get("with", {}), saved))
            except (b.BarefootError.Failed, b.BarefootError.Cancelled) as error:
                assert error.code == step.get("fails"), f"{place}: {error.code}: {error.en}"
                assert error.zh and error.en, f"{place}: no sentence"
                assert isinstance(error, b.BarefootError.Cancelled) == (error.code == "job.cancelled"), place
                continue
            assert "fails" not in step, f"{place}: should fail with {step['fails']}, gave {found}"
            for check in filled(step.get("expect", []), saved):
                value = at(found, check["path"])
                for key, wanted in check.items():
                    assert key == "path" or CHECKS[key](value, wanted), f"{place}: {check}, found {value}"
            for name, path in step.get("save", {}).items():
                saved[name] = at(found, path)


def main():
    repository = Path(sys.argv[1])
    files = sorted((repository / "tests/scenarios").glob("*.json"))
    failed = 0
    for file in files:
        try:
            run(file, repository)
        except AssertionError as error:
            failed += 1
            print(f"python: {error}", file=sys.stderr)
    print(f"{len(files) - failed} passed, {failed} failed")
    sys.exit(failed > 0 or len(files) < 8)


main()
