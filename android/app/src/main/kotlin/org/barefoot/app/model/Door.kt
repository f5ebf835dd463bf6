package org.barefoot.app.model

import org.barefoot.Clinic
import org.barefoot.Doctor
import org.barefoot.DoctorAtDoor
import org.barefoot.PhraseLanguage
import org.barefoot.Unlock
import org.barefoot.forgottenBoth
import org.barefoot.signIn

/** The door of the encrypted records: the phone's key, or a doctor's PIN once one is set. */
class Door(private val session: Session) : Model() {
    /** Who may come in; empty while the phone's key alone opens. `null` until that is known. */
    var doctors: List<DoctorAtDoor>? = null
        private set

    /** The twelve words of a recovery phrase open too. */
    var hasPhrase: Boolean = false
        private set
    var doctor: DoctorAtDoor? = null
        private set
    var pin: String = ""
    var opening: Boolean = false
        private set
    var failure: String? = null
        private set

    init {
        ask()
    }

    /** Asks who may come in. */
    fun ask() {
        session.work.run({ Clinic.signIn(session.folder.path, session.vault) }) { result ->
            result.onSuccess { door ->
                doctors = if (door.pinNeeded) door.doctors else emptyList()
                hasPhrase = door.hasPhrase
                doctor = doctors?.singleOrNull()
            }.onFailure { failure = session.words(it) }
            changed()
        }
    }

    fun choose(doctor: DoctorAtDoor?) {
        this.doctor = doctor
    }

    /** Tries to open. [needed] is said when no doctor is chosen or no PIN is typed. */
    fun open(needed: String) {
        val way = if (doctors.isNullOrEmpty()) {
            Unlock.Device
        } else {
            val who = doctor
            if (who == null || pin.isEmpty()) {
                failure = needed
                changed()
                return
            }
            Unlock.Pin(who.id, pin)
        }
        opening = true
        failure = null
        changed()
        session.work.run({ Clinic.open(session.folder.path, session.vault, way) }) { result ->
            opening = false
            pin = ""
            result.onSuccess { session.enter(it) }.onFailure {
                failure = session.words(it)
                // How long to wait for the next try may have changed.
                ask()
            }
        }
    }

    /** The PIN is forgotten. */
    fun recover() = session.path.open(Recovery(session))
}

/** The way in with the twelve words; from there a doctor gets a new PIN. */
class Recovery(private val session: Session) : Model() {
    var phrase: String = ""
    var opening: Boolean = false
        private set
    var failure: String? = null
        private set

    fun open() {
        if (opening) return
        opening = true
        failure = null
        changed()
        val way = Unlock.Recovery(phrase)
        session.work.run({ Clinic.open(session.folder.path, session.vault, way) }) { result ->
            opening = false
            result.onSuccess {
                phrase = ""
                session.enter(it)
                session.path.open(Doctors(session))
            }.onFailure {
                failure = session.words(it)
                changed()
            }
        }
    }
}

/** Who may open the records, and adding somebody. */
class Doctors(private val session: Session) : Model() {
    var all: Load<List<Doctor>> = Load.Waiting
        private set

    /** Twelve words open the records when a PIN is forgotten. */
    var hasPhrase: Boolean = false
        private set
    var name: String = ""
    var pin: String = ""
    var added: String? = null
        private set
    var failure: String? = null
        private set

    init {
        list()
    }

    /** Reads the list again. */
    internal fun list() = session.onRecords({ clinic ->
        clinic.doctors().filter { it.canSignIn } to clinic.hasRecoveryPhrase()
    }) { result ->
        all = when (result) {
            is Load.Here -> {
                hasPhrase = result.value.second
                Load.Here(result.value.first)
            }
            is Load.Failed -> result
            Load.Waiting -> Load.Waiting
        }
        changed()
    }

    /** Adds a doctor. With the first PIN comes the recovery phrase. */
    fun add() {
        failure = null
        added = null
        val newName = name
        val newPin = pin
        session.onRecords({ clinic ->
            clinic.addDoctor(session.vault, newName, newPin)
            clinic.hasRecoveryPhrase()
        }) { result ->
            when (result) {
                is Load.Failed -> failure = result.words
                is Load.Here -> {
                    added = newName
                    name = ""
                    pin = ""
                    list()
                    if (!result.value) newPhrase()
                }
                Load.Waiting -> Unit
            }
            changed()
        }
    }

    /** Makes a recovery phrase, in place of an earlier one, and shows it. */
    fun newPhrase() = session.path.open(Phrase(session, this))

    /** Gives a doctor another PIN. */
    fun change(doctor: Doctor) = session.path.open(NewPin(session, doctor))
}

/** A doctor's new PIN. */
class NewPin(private val session: Session, val doctor: Doctor) : Model() {
    var pin: String = ""
    var failure: String? = null
        private set

    fun save() {
        failure = null
        val newPin = pin
        session.onRecords({ it.setPin(session.vault, doctor.id, newPin) }) { result ->
            if (result is Load.Failed) {
                failure = result.words
                changed()
            } else {
                pin = ""
                session.path.back()
            }
        }
    }
}

/** A new recovery phrase: shown here once, and kept nowhere. */
class Phrase(private val session: Session, private val doctors: Doctors) : Model() {
    var words: Load<List<String>> = Load.Waiting
        private set

    /** What must be said with it. */
    val warning: String = session.pick(forgottenBoth())

    init {
        val language = session.pick(PhraseLanguage.CHINESE, PhraseLanguage.ENGLISH)
        session.onRecords({ it.newRecoveryPhrase(language) }) { result ->
            words = when (result) {
                is Load.Here -> Load.Here(result.value.split(' ').filter(String::isNotEmpty))
                is Load.Failed -> result
                Load.Waiting -> Load.Waiting
            }
            changed()
        }
    }

    /** The words are on paper. */
    fun written() {
        session.path.back()
        doctors.list()
    }
}
