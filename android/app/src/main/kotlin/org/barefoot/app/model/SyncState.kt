package org.barefoot.app.model

import org.barefoot.Sync
import org.barefoot.SyncJob

/** What was sent, what waits and what the server has refused. */
class SyncState(private val session: Session) : Model() {
    /** How many records there are of each kind. */
    data class Counts(val sent: Int, val waiting: Int, val heldBack: Int, val refused: List<String>)

    var counts: Load<Counts> = Load.Waiting
        private set

    /** The clinic's server, as typed. */
    var server: String = session.settings.server
    var failure: String? = null
        private set

    /** How much came and went in the last sync. */
    var done: Pair<ULong, ULong>? = null
        private set
    private var job: SyncJob? = null
    val running: Boolean get() = job != null

    init {
        count()
    }

    private fun count() = session.onRecords({ Sync(it, session.encyclopedia).deliveries() }) { result ->
        counts = when (result) {
            is Load.Here -> {
                val states = result.value.groupBy { it.state }
                fun number(state: String) = states[state].orEmpty().size
                val refused = states["quarantined"].orEmpty().mapNotNull { it.reason }
                Load.Here(Counts(number("sent"), number("waiting"), number("held_back"), refused))
            }
            is Load.Failed -> result
            Load.Waiting -> Load.Waiting
        }
        changed()
    }

    /** Keeps the server's address and syncs at once; [needed] is said when there is no address. */
    fun sync(needed: String) {
        val address = server.trim()
        if (running) return
        done = null
        if (address.isEmpty()) {
            failure = needed
            return changed()
        }
        session.settings.server = address
        val started = session.syncJob() ?: return
        job = started
        failure = null
        changed()
        session.work.runApart({ started.run(null) }) { result ->
            if (job !== started) return@runApart
            job = null
            result.onSuccess { done = it.sent to it.received }.onFailure { failure = session.words(it) }
            count()
        }
    }

    /** Stops a running sync; [stopped] is then said. What is sent stays sent. */
    fun cancel(stopped: String) {
        job?.cancel()
        job = null
        failure = stopped
        count()
    }
}
