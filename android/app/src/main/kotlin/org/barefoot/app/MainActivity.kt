package org.barefoot.app

import android.app.Activity
import android.content.ActivityNotFoundException
import android.content.Intent
import android.os.Bundle
import android.provider.MediaStore
import android.view.View
import android.view.WindowManager
import org.barefoot.app.model.Examination
import org.barefoot.app.model.Language
import org.barefoot.app.model.Session
import org.barefoot.app.ui.Frame
import org.barefoot.app.ui.page
import java.io.IOException
import java.io.InputStream

/** The one window: shows where the session is, and asks the system for photos. */
class MainActivity : Activity() {
    private lateinit var frame: Frame
    private var session: Session? = null

    /** A photo came back before the session was open: the system had ended the app behind the camera. */
    private var photoWaits = false

    override fun onCreate(state: Bundle?) {
        super.onCreate(state)
        // Patients' records neither in screenshots nor among the recent apps.
        window.setFlags(WindowManager.LayoutParams.FLAG_SECURE, WindowManager.LayoutParams.FLAG_SECURE)
        frame = Frame(this, ::goBack)
        setContentView(frame)
        // A photo that nobody waits for any more.
        if (state == null) CameraFile.file(this).delete()
        frame.showWaiting()
        (application as BarefootApplication).open { result ->
            if (!isDestroyed) result.onSuccess(::begin).onFailure { frame.showFailure(getString(R.string.no_core)) }
        }
    }

    private fun begin(session: Session) {
        this.session = session
        session.language = Language.of(resources.configuration.locales[0].language)
        session.path.watch(::show)
        show()
    }

    private fun show() {
        val session = session ?: return
        val place = session.path.here
        if (photoWaits && session.clinic != null) {
            photoWaits = false
            session.path.open(Examination(session))
            readPhoto(CameraFile.take(this, PHOTO_LIMIT))
            return
        }
        val page = page(place, this)
        place.watch(page::refresh)
        frame.show(page, session.path.canGoBack)
    }

    override fun onDestroy() {
        // The next window watches then.
        if (isFinishing) session?.path?.watch(null)
        super.onDestroy()
    }

    @Deprecated("The platform's newer way needs Android 13")
    override fun onBackPressed() = goBack()

    private fun goBack() {
        val path = session?.path
        if (path != null && path.canGoBack) path.back() else finish()
    }

    /** Asks the system's camera for a photo. */
    internal fun takePhoto() {
        val intent = Intent(MediaStore.ACTION_IMAGE_CAPTURE)
            .putExtra(MediaStore.EXTRA_OUTPUT, CameraFile.uri)
            .addFlags(Intent.FLAG_GRANT_WRITE_URI_PERMISSION or Intent.FLAG_GRANT_READ_URI_PERMISSION)
        // Some cameras ask for the right by the clip alone.
        intent.clipData = android.content.ClipData.newRawUri(null, CameraFile.uri)
        ask(intent, TAKE)
    }

    /** Lets the doctor choose a photo. */
    internal fun pickPhoto() =
        ask(Intent(Intent.ACTION_GET_CONTENT).setType("image/*").addCategory(Intent.CATEGORY_OPENABLE), PICK)

    private fun ask(intent: Intent, request: Int) {
        try {
            startActivityForResult(intent, request)
        } catch (_: ActivityNotFoundException) {
            examination()?.fail(getString(R.string.examine_no_camera))
        }
    }

    override fun onActivityResult(request: Int, result: Int, data: Intent?) {
        when {
            result != RESULT_OK -> CameraFile.file(this).delete()
            request == TAKE && examination() == null -> photoWaits = true
            request == TAKE -> readPhoto(CameraFile.take(this, PHOTO_LIMIT))
            request == PICK -> readPhoto(data?.data?.let { uri ->
                try {
                    contentResolver.openInputStream(uri)?.use { it.readAtMost(PHOTO_LIMIT + 1) }
                } catch (_: IOException) {
                    null
                } catch (_: SecurityException) {
                    null
                }
            })
        }
    }

    private fun readPhoto(photo: ByteArray?) {
        val examination = examination() ?: return
        if (photo == null) examination.fail(getString(R.string.examine_unreadable)) else examination.add(photo)
    }

    private fun examination(): Examination? = session?.path?.here as? Examination

    /** The page that is shown, for tests. */
    internal val shown: View get() = frame

    private companion object {
        const val TAKE = 1
        const val PICK = 2

        /** Bytes; the core refuses larger photos with a sentence of its own, so one byte more is read. */
        const val PHOTO_LIMIT = 32 shl 20
    }
}

/** At most [limit] bytes. Does I/O. */
internal fun InputStream.readAtMost(limit: Int): ByteArray {
    val out = java.io.ByteArrayOutputStream()
    val part = ByteArray(64 * 1024)
    while (out.size() < limit) {
        val count = read(part, 0, minOf(part.size, limit - out.size()))
        if (count < 0) break
        out.write(part, 0, count)
    }
    return out.toByteArray()
}
