/** What Kotlin says better than the generator: named ways in, long jobs as functions, one look at an error. */
package org.barefoot

/** What the door of a data folder asks for, before anything is opened. Does I/O; changes nothing. */
@Throws(BarefootException::class)
fun Clinic.Companion.signIn(folder: String, vault: KeyVault): SignIn = org.barefoot.signIn(folder, vault)

/**
 * Assesses photos and findings on the calling thread; takes up to seconds. To be able to stop it, keep the job of [Assessor.begin] and
 * call its `cancel()` from another thread.
 */
@Throws(BarefootException::class)
fun Assessor.assess(request: AssessmentRequest, onProgress: ((done: ULong, total: ULong) -> Unit)? = null): Assessed =
    begin(request).run(onProgress?.let(::Listener))

/** Writes a backup into a new file on the calling thread. Does I/O; takes seconds. */
@Throws(BarefootException::class)
fun Clinic.backUp(file: String, onProgress: ((done: ULong, total: ULong) -> Unit)? = null): BackupReport =
    beginBackup(file).run(onProgress?.let(::Listener))

/** Stays the same over versions and languages. */
val BarefootException.code: String
    get() = when (this) {
        is BarefootException.Failed -> code
        is BarefootException.Cancelled -> code
    }

/** What to do next, in Chinese. */
val BarefootException.zh: String
    get() = when (this) {
        is BarefootException.Failed -> zh
        is BarefootException.Cancelled -> zh
    }

/** What to do next, in English. */
val BarefootException.en: String
    get() = when (this) {
        is BarefootException.Failed -> en
        is BarefootException.Cancelled -> en
    }

private class Listener(private val heard: (ULong, ULong) -> Unit) : ProgressListener {
    override fun onProgress(done: ULong, total: ULong) = heard(done, total)
}
