package org.barefoot.app

import android.app.Application
import android.os.Handler
import android.os.Looper
import org.barefoot.Assessor
import org.barefoot.Encyclopedia
import org.barefoot.app.model.Language
import org.barefoot.app.model.Session
import org.barefoot.app.model.Settings
import org.barefoot.app.model.Work
import java.io.File
import java.util.concurrent.Executor
import java.util.concurrent.Executors

/** Holds the session over turns of the phone and changes of language. */
class BarefootApplication : Application() {
    /** Runs the core's calls; tests put in one that waits. */
    var background: Executor = Executors.newSingleThreadExecutor { Thread(it, "core") }

    /** Waits for the network, so that nothing else does. */
    var network: Executor = Executors.newSingleThreadExecutor { Thread(it, "network") }

    /** Seals the phone's secret; tests have no Android Keystore. */
    var sealingKey: (make: Boolean) -> javax.crypto.SecretKey? = ::keystoreKey
    internal var session: Session? = null
        private set

    internal val work = object : Work {
        private val screen = Handler(Looper.getMainLooper())

        override fun <T> run(job: () -> T, done: (Result<T>) -> Unit) = on(background, job, done)

        override fun <T> runApart(job: () -> T, done: (Result<T>) -> Unit) = on(network, job, done)

        private fun <T> on(executor: Executor, job: () -> T, done: (Result<T>) -> Unit) = executor.execute {
            val result = runCatching(job)
            screen.post { done(result) }
        }
    }

    private val settings = object : Settings {
        private val kept by lazy { getSharedPreferences("settings", MODE_PRIVATE) }

        override var server: String
            get() = kept.getString("server", null).orEmpty()
            set(value) = kept.edit().putString("server", value).apply()
    }

    /** Opens the core, once; [done] gets the session on the screen's thread. */
    fun open(done: (Result<Session>) -> Unit) {
        session?.let { return done(Result.success(it)) }
        work.run({
            val vault = KeystoreVault(SealedFile(File(filesDir, "device-key"), sealingKey))
            val encyclopedia = Encyclopedia.builtIn()
            Session(encyclopedia, Assessor.builtIn(), File(filesDir, "clinic"), vault, work, settings, language())
        }) { result ->
            result.onSuccess {
                if (session == null) {
                    session = it
                    it.onRecorded = { if (settings.server.isNotEmpty()) SyncService.schedule(this) }
                }
            }
            done(result.map { session ?: it })
        }
    }

    /** The language that the screen is shown in. */
    internal fun language(): Language = Language.of(resources.configuration.locales[0].language)
}
