package org.barefoot.app.model

// View models: what the screens show and do, without any of Android, so that they are tested on the JVM. Everything here is called
// and calls back on one thread, the screen's; only what is given to `Work` runs elsewhere.

/** Runs what takes time away from the screen. */
interface Work {
    /** Runs [job] elsewhere and hands what came of it to [done] on the screen's thread. */
    fun <T> run(job: () -> T, done: (Result<T>) -> Unit)

    /** The same for what waits for a network: it keeps nothing else waiting. */
    fun <T> runApart(job: () -> T, done: (Result<T>) -> Unit)
}

/** What is kept beside the records, unencrypted: no patient's data. */
interface Settings {
    /** Address of the clinic's server; empty when there is none. */
    var server: String
}

/** Something that a screen shows and that changes. */
abstract class Model {
    private var watcher: (() -> Unit)? = null

    /** Calls [watcher] after each change; `null` when the screen goes. */
    fun watch(watcher: (() -> Unit)?) {
        this.watcher = watcher
    }

    protected fun changed() {
        watcher?.invoke()
    }
}

/** The two languages of every text. */
enum class Language {
    ZH,
    EN;

    companion object {
        /** Chinese for every Chinese locale, English for all others. */
        fun of(code: String): Language = if (code == "zh") ZH else EN
    }
}

/** What a screen waits for. */
sealed interface Load<out T> {
    data object Waiting : Load<Nothing>

    data class Here<T>(val value: T) : Load<T>

    /** [words] says what to do next. */
    data class Failed(val words: String) : Load<Nothing>
}
