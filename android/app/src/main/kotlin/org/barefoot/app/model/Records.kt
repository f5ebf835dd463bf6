package org.barefoot.app.model

import org.barefoot.Answer as SpecialistAnswer
import org.barefoot.Encounter
import org.barefoot.EncounterSummary
import org.barefoot.NewPatient
import org.barefoot.Patient
import org.barefoot.Sex
import org.barefoot.Triage
import org.barefoot.Use

/** The patients, found as one types. [choosing] is the answer that looks for its patient. */
class Patients(private val session: Session, private val choosing: Answer?) : Model() {
    val forAnswer: Boolean get() = choosing != null
    var query: String = ""
        private set
    var found: Load<List<Patient>> = Load.Waiting
        private set
    private var asked = 0

    init {
        look()
    }

    fun search(query: String) {
        this.query = query
        look()
    }

    /** Looks again, as after a patient was added. */
    fun look() {
        val words = query.trim()
        val turn = ++asked
        session.onRecords({ if (words.isEmpty()) it.patients(LIMIT) else it.findPatients(words, LIMIT) }) { result ->
            // A slower answer to an older question must not replace a newer one.
            if (turn == asked) {
                found = result
                changed()
            }
        }
    }

    fun choose(patient: Patient) {
        val answer = choosing
        if (answer == null) {
            session.path.open(PatientRecord(session, patient.id))
        } else {
            session.path.back()
            answer.store(patient.id)
        }
    }

    fun add() = session.path.open(PatientForm(session, this))

    fun visits() = session.path.open(Visits(session))

    private companion object {
        val LIMIT = 50u
    }
}

/** A new patient. */
class PatientForm(private val session: Session, private val list: Patients) : Model() {
    var name: String = ""
    var age: String = ""
    var sex: Sex? = null
    var phone: String = ""
    var village: String = ""
    var failure: String? = null
        private set

    /** Who may be the same person; the doctor looks before a second record of one person is made. */
    var duplicates: List<Patient> = emptyList()
        private set

    fun save() {
        val new = NewPatient(
            name = name.trim(),
            birthDate = null,
            ageYears = age.trim().toDoubleOrNull(),
            sex = sex?.let { if (it == Sex.FEMALE) "female" else "male" },
            phone = phone.trim().ifEmpty { null },
            village = village.trim().ifEmpty { null },
        )
        val warned = duplicates.isNotEmpty()
        failure = null
        session.onRecords({ clinic ->
            val alike = if (warned) emptyList() else clinic.possibleDuplicates(new)
            if (alike.isEmpty()) clinic.patient(clinic.addPatient(new)) to alike else null to alike
        }) { result ->
            when (result) {
                is Load.Failed -> failure = result.words
                is Load.Here -> {
                    val (added, alike) = result.value
                    duplicates = alike
                    if (added != null) done(added)
                }
                Load.Waiting -> Unit
            }
            changed()
        }
    }

    /** It was this patient. */
    fun done(patient: Patient) {
        session.path.back()
        list.look()
        list.choose(patient)
    }
}

/** One patient and all visits, newest first. */
class PatientRecord(private val session: Session, private val id: String) : Model() {
    var patient: Load<Patient> = Load.Waiting
        private set
    var visits: Load<List<EncounterSummary>> = Load.Waiting
        private set

    /** The patient lets the records be sent for their own care: to the clinic's server, to a specialist. */
    var consents: Load<Boolean> = Load.Waiting
        private set

    init {
        session.onRecords({ it.patient(id) }) {
            patient = it
            changed()
        }
        session.onRecords({ it.hasConsent(id, Use.CARE) }) {
            consents = it
            changed()
        }
        session.onRecords({ it.encountersOf(id, LIMIT) }) {
            visits = it
            changed()
        }
    }

    /** Notes what the patient has said. */
    fun consent(granted: Boolean) = session.onRecords({ it.setConsent(id, Use.CARE, granted) }) { result ->
        consents = when (result) {
            is Load.Here -> Load.Here(granted)
            is Load.Failed -> result
            Load.Waiting -> Load.Waiting
        }
        session.recorded()
        changed()
    }

    fun open(visit: EncounterSummary) = session.path.open(Visit(session, visit.id))

    private companion object {
        val LIMIT = 200u
    }
}

/** The visits of all, newest first. */
class Visits(private val session: Session) : Model() {
    var visits: Load<List<EncounterSummary>> = Load.Waiting
        private set

    init {
        session.onRecords({ it.encounters(LIMIT) }) {
            visits = it
            changed()
        }
    }

    fun open(visit: EncounterSummary) = session.path.open(Visit(session, visit.id))

    private companion object {
        val LIMIT = 100u
    }
}

/** One stored visit. */
class Visit(private val session: Session, private val id: String) : Model() {
    var visit: Load<Encounter> = Load.Waiting
        private set

    /** The photos that the record still has, as small JPEG files. */
    var photos: List<ByteArray> = emptyList()
        private set

    /** What specialists wrote back. */
    var answers: List<SpecialistAnswer> = emptyList()
        private set
    private var doctors: Map<String, String> = emptyMap()
    var diagnosis: String = ""
    var failure: String? = null
        private set

    init {
        read()
    }

    private fun read() = session.onRecords({ clinic ->
        val visit = clinic.encounter(id)
        val photos = visit.photos.mapNotNull { runCatching { clinic.thumbnail(it.id) }.getOrNull() }
        Stored(visit, photos, clinic.answers(id, visit.summary.patientId), clinic.doctors().associate { it.id to it.name })
    }) { result ->
        when (result) {
            is Load.Here -> {
                visit = Load.Here(result.value.visit)
                photos = result.value.photos
                answers = result.value.answers
                doctors = result.value.doctors
            }
            is Load.Failed -> visit = result
            Load.Waiting -> Unit
        }
        changed()
    }

    private class Stored(
        val visit: Encounter,
        val photos: List<ByteArray>,
        val answers: List<SpecialistAnswer>,
        val doctors: Map<String, String>,
    )

    /** What the aid said when the visit was stored. */
    fun aid(): Aid? {
        val said = (visit as? Load.Here)?.value?.assessments?.lastOrNull() ?: return null
        val lines = said.differential.take(SHOWN).map { "${session.pick(it.zh, it.en)}  ${Answer.share(it.p)}" }
        return Aid(said.level, said.reasons.map(session::pick), lines)
    }

    /** A doctor's name, where this phone knows it. */
    fun author(id: String?): String? = id?.let(doctors::get)

    /** Adds the doctor's own diagnosis. */
    fun diagnose() {
        val words = diagnosis.trim()
        if (words.isEmpty()) return
        failure = null
        session.onRecords({ it.addDiagnosis(id, null, words, "provisional") }) { result ->
            if (result is Load.Failed) {
                failure = result.words
                changed()
            } else {
                diagnosis = ""
                session.recorded()
                read()
            }
        }
    }

    private companion object {
        /** Diseases that fit one look. */
        const val SHOWN = 5
    }
}

/** What the aid said of a stored visit. */
data class Aid(val level: Triage, val because: List<String>, val lines: List<String>)
