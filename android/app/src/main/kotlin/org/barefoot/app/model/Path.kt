package org.barefoot.app.model

/** The way that the doctor has gone through the screens. */
class Path(start: Model) {
    private val places = ArrayList<Model>().apply { add(start) }
    private var watcher: (() -> Unit)? = null

    /** Where the doctor is. */
    val here: Model get() = places.last()

    /** Whether a step back stays in the app. */
    val canGoBack: Boolean get() = places.size > 1

    /** Calls [watcher] when another place is shown. */
    fun watch(watcher: (() -> Unit)?) {
        this.watcher = watcher
    }

    fun open(place: Model) {
        here.watch(null)
        places.add(place)
        watcher?.invoke()
    }

    fun back() {
        if (!canGoBack) return
        places.removeAt(places.lastIndex).watch(null)
        watcher?.invoke()
    }

    /** Shows [place] instead of the last [count] places: what is done cannot be gone back to. */
    fun replace(count: Int, place: Model) {
        repeat(minOf(count, places.size)) { places.removeAt(places.lastIndex).watch(null) }
        places.add(place)
        watcher?.invoke()
    }

    /** Shows [place] alone. */
    fun restart(place: Model) = replace(places.size, place)
}
