package org.barefoot.app

import android.graphics.Bitmap
import android.graphics.Canvas
import android.os.Looper
import android.view.View
import android.view.ViewGroup
import android.widget.EditText
import android.widget.ImageView
import android.widget.TextView
import org.junit.Assert.assertFalse
import org.junit.Assert.assertTrue
import org.robolectric.Robolectric
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf
import org.robolectric.android.controller.ActivityController
import java.io.File
import java.util.concurrent.Executor
import javax.crypto.KeyGenerator

/** The app as somebody holds it: looks, taps, types, and takes pictures of whole pages. */
internal class Screens(qualifiers: String, fontScale: Float, private val name: String) {
    private val app: BarefootApplication
    private val controller: ActivityController<MainActivity>

    init {
        RuntimeEnvironment.setQualifiers(qualifiers)
        RuntimeEnvironment.setFontScale(fontScale)
        app = RuntimeEnvironment.getApplication() as BarefootApplication
        // The core's calls run where they are asked for: no test waits for a clock.
        app.background = Executor { it.run() }
        app.network = app.background
        val key = KeyGenerator.getInstance("AES").apply { init(256) }.generateKey()
        app.sealingKey = { key }
        controller = Robolectric.buildActivity(MainActivity::class.java).setup()
        settle()
    }

    val activity: MainActivity get() = controller.get()

    fun text(id: Int, vararg blanks: Any): String = activity.getString(id, *blanks)

    fun settle() = shadowOf(Looper.getMainLooper()).idle()

    fun views(): List<View> = all(activity.shown)

    private fun all(view: View): List<View> =
        listOf(view) + ((view as? ViewGroup)?.let { group -> (0 until group.childCount).flatMap { all(group.getChildAt(it)) } }.orEmpty())

    fun words(): List<String> = views().filterIsInstance<TextView>().map { it.text.toString() }

    fun shows(words: String): Boolean = words().any { it.contains(words) }

    fun assertShows(words: String) = assertTrue("“$words” in ${words()}", shows(words))

    /** Taps what bears these words: the view itself, or the line around it. */
    fun tap(words: String) {
        val view = views().filterIsInstance<TextView>().firstOrNull { it.text.toString() == words }
            ?: throw AssertionError("nothing says “$words” in ${words()}")
        var target: View? = view
        while (target != null && !target.hasOnClickListeners()) target = target.parent as? View
        assertTrue("“$words” can be tapped", target?.performClick() == true)
        settle()
    }

    fun tap(id: Int) = tap(text(id))

    /** Types into the field under this label. */
    fun type(label: Int, words: String) {
        val views = views()
        val at = views.indexOfFirst { it is TextView && it.text.toString() == text(label) }
        assertTrue(text(label), at >= 0)
        (views.drop(at).first { it is EditText } as EditText).setText(words)
        settle()
    }

    /** The camera's answer to the photo that the app has asked for. */
    fun photograph(photo: File) {
        val asked = shadowOf(activity).nextStartedActivityForResult
        activity.contentResolver.openOutputStream(CameraFile.uri, "w")!!.use { it.write(photo.readBytes()) }
        shadowOf(activity).receiveResult(asked.intent, android.app.Activity.RESULT_OK, null)
        settle()
    }

    /** Draws the whole page, however long, and looks for what is cut, unnamed or too small to tap. */
    fun look(page: String) {
        val root = activity.shown
        val width = activity.resources.displayMetrics.widthPixels
        root.measure(
            View.MeasureSpec.makeMeasureSpec(width, View.MeasureSpec.EXACTLY),
            View.MeasureSpec.makeMeasureSpec(0, View.MeasureSpec.UNSPECIFIED),
        )
        val height = maxOf(root.measuredHeight, activity.resources.displayMetrics.heightPixels)
        root.measure(
            View.MeasureSpec.makeMeasureSpec(width, View.MeasureSpec.EXACTLY),
            View.MeasureSpec.makeMeasureSpec(height, View.MeasureSpec.EXACTLY),
        )
        root.layout(0, 0, width, height)
        val bitmap = Bitmap.createBitmap(width, height, Bitmap.Config.ARGB_8888)
        root.draw(Canvas(bitmap))
        val file = File(System.getProperty("barefoot.pictures"), "$page-$name.png")
        file.outputStream().use { bitmap.compress(Bitmap.CompressFormat.PNG, 100, it) }
        bitmap.recycle()
        views().filter { it.isShown }.forEach { check(page, it, width) }
    }

    private fun check(page: String, view: View, width: Int) {
        val place = IntArray(2).also(view::getLocationInWindow)
        val where = "$page-$name: ${(view as? TextView)?.text ?: view.javaClass.simpleName}"
        var inRow = view.parent
        while (inRow is ViewGroup && inRow !is android.widget.HorizontalScrollView) inRow = inRow.parent
        if (inRow !is ViewGroup) assertTrue("$where leaves the screen", place[0] >= 0 && place[0] + view.width <= width)
        if (view is TextView && view.text.isNotEmpty()) {
            val layout = view.layout
            assertTrue("$where is cut", layout.height + view.compoundPaddingTop + view.compoundPaddingBottom <= view.height)
            val lines = 0 until layout.lineCount
            // A field of one line scrolls under the finger.
            if (view !is EditText) assertTrue("$where is cut at the side", lines.all { layout.getLineMax(it) <= view.width - view.compoundPaddingLeft - view.compoundPaddingRight + 1 })
            assertFalse("$where is shortened", lines.any { layout.getEllipsisCount(it) > 0 })
        }
        if (view.hasOnClickListeners()) {
            val least = (48 * activity.resources.displayMetrics.density).toInt()
            assertTrue("$where is too small to tap", view.height >= least && view.width >= least)
        }
        if (view is ImageView) assertFalse("$where has no description", view.contentDescription.isNullOrBlank())
    }
}
