package org.barefoot.app.model

import org.barefoot.Assessor
import org.barefoot.BarefootException
import org.barefoot.Bilingual
import org.barefoot.Clinic
import org.barefoot.Encyclopedia
import org.barefoot.KeyVault
import org.barefoot.Sync
import org.barefoot.SyncJob
import org.barefoot.SyncServer
import org.barefoot.en
import org.barefoot.zh
import java.io.File

/** What the app holds: the core, the way through the screens, and the open records. */
class Session(
    val encyclopedia: Encyclopedia,
    val assessor: Assessor,
    /** Where the encrypted records lie. */
    val folder: File,
    val vault: KeyVault,
    val work: Work,
    val settings: Settings,
    var language: Language,
) {
    /** The open records; `null` while locked. */
    var clinic: Clinic? = null
        private set

    /** Told when records have changed that may be sent. */
    var onRecorded: () -> Unit = {}

    val path: Path = Path(Door(this))

    /** Goes in with open records. */
    internal fun enter(clinic: Clinic) {
        this.clinic = clinic
        path.restart(Home(this))
        recorded()
    }

    /** Closes the records and goes to the door. */
    fun lock() {
        clinic?.lock()
        clinic = null
        path.restart(Door(this))
    }

    /** A sync of the open records with the clinic's server; `null` while locked or where no server is set. */
    fun syncJob(): SyncJob? {
        val open = clinic ?: return null
        val address = settings.server.ifEmpty { return null }
        return Sync(open, encyclopedia).begin(SyncServer(address))
    }

    /** Records have changed. */
    internal fun recorded() = onRecorded()

    fun pick(text: Bilingual): String = pick(text.zh, text.en)

    fun <T> pick(zh: T, en: T): T = if (language == Language.ZH) zh else en

    /** What to say of a failure. Only the core's own sentences are shown: others may hold anything. */
    fun words(failure: Throwable): String = when (failure) {
        is BarefootException -> pick(failure.zh, failure.en)
        else -> pick("出错了，请再试一次；若仍不行，请重新启动。", "Something went wrong: try again, and if that fails restart the app.")
    }

    /** Runs [job] on the records elsewhere. */
    internal fun <T> onRecords(job: (Clinic) -> T, done: (Load<T>) -> Unit) {
        val open = clinic ?: return
        work.run({ job(open) }) { result -> done(result.fold({ Load.Here(it) }, { Load.Failed(words(it)) })) }
    }
}

/** The start: where to go. */
class Home(private val session: Session) : Model() {
    fun examine() = session.path.open(Examination(session))

    fun patients() = session.path.open(Patients(session, null))

    fun encyclopedia() = session.path.open(Search(session))

    fun doctors() = session.path.open(Doctors(session))

    fun sync() = session.path.open(SyncState(session))

    fun lock() = session.lock()
}
