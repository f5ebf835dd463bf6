package org.barefoot.app.ui

import android.content.Context
import android.graphics.Bitmap
import android.graphics.BitmapFactory
import android.view.View
import android.widget.HorizontalScrollView
import android.widget.ImageView
import android.widget.LinearLayout
import org.barefoot.Sex
import org.barefoot.app.MainActivity
import org.barefoot.app.R
import org.barefoot.app.model.Aspect
import org.barefoot.app.model.Examination

/** Photo, findings, patient. */
internal class ExaminationPage(private val examination: Examination, private val activity: MainActivity) : Page() {
    override val title: String = activity.getString(R.string.examine_title)
    private lateinit var photos: LinearLayout
    private lateinit var chips: LinearLayout
    private lateinit var foot: LinearLayout

    override fun LinearLayout.fill() {
        sheet(4) {
            heading(R.string.examine_photo)
            photos = part()
        }
        sheet {
            heading(R.string.examine_findings)
            chips = part()
            field(R.string.examine_text, examination.text, MANY_WORDS) { examination.text = it }.apply {
                minLines = 2
                gravity = android.view.Gravity.TOP
            }
        }
        sheet {
            heading(R.string.examine_person)
            choice(Sex.entries, { context.getString(if (it == Sex.FEMALE) R.string.examine_female else R.string.examine_male) }, examination.sex) {
                examination.sex = it
            }
            field(R.string.examine_age, examination.age, NUMBER) { examination.age = it }
            field(R.string.examine_site, examination.site, WORDS) { examination.site = it }
        }
        foot = part(12)
        refresh()
    }

    override fun refresh() {
        refill(photos) {
            if (examination.photos.isEmpty()) faint(R.string.examine_photo_hint) else strip()
            quietButton(R.string.examine_take) { activity.takePhoto() }
            quietButton(R.string.examine_pick) { activity.pickPhoto() }
        }
        refill(chips) {
            val aspects = if (examination.wide) Aspect.entries else Aspect.entries.take(2)
            aspects.forEach { aspect ->
                faint(aspect.title(), 12)
                chips(examination.findings[aspect].orEmpty(), examination::name, { it in examination.chosen }) { examination.toggle(it) }
            }
            quietButton(if (examination.wide) R.string.examine_fewer else R.string.examine_more) { examination.widen() }
        }
        refill(foot) {
            examination.failure?.let { failure(it) }
            if (examination.working) {
                waiting(R.string.examine_working)
                quietButton(R.string.cancel) { examination.cancel(context.getString(R.string.examine_cancelled)) }
            } else {
                mainButton(R.string.examine_assess) { examination.assess(context.getString(R.string.examine_need)) }
            }
        }
    }

    /** The photos side by side, each with a way to remove it. */
    private fun LinearLayout.strip() {
        val row = LinearLayout(context)
        examination.photos.forEachIndexed { at, photo ->
            val one = context.column()
            one.put(picture(context, photo, 160, context.getString(R.string.examine_photo_n, at + 1)))
            one.quietButton(context.getString(R.string.examine_remove, at + 1), 4) { examination.removePhoto(at) }
            row.addView(one, LinearLayout.LayoutParams(context.dp(160), LinearLayout.LayoutParams.WRAP_CONTENT).apply { marginEnd = context.dp(10) })
        }
        put(HorizontalScrollView(context)).addView(row)
    }
}

private fun Aspect.title(): Int = when (this) {
    Aspect.SEEN -> R.string.aspect_seen
    Aspect.FELT -> R.string.aspect_felt
    Aspect.ARRANGED -> R.string.aspect_arranged
    Aspect.COURSE -> R.string.aspect_course
    Aspect.GENERAL -> R.string.aspect_general
}

internal fun refill(part: LinearLayout, fill: LinearLayout.() -> Unit) {
    part.removeAllViews()
    part.fill()
}

/** A picture from a file's bytes, at most [heightDp] high; `null` keeps its own height at full width. */
internal fun picture(context: Context, bytes: ByteArray, heightDp: Int?, description: String): View = ImageView(context).apply {
    setImageBitmap(small(bytes, context.dp(heightDp ?: 400)))
    adjustViewBounds = true
    if (heightDp != null) maxHeight = context.dp(heightDp)
    scaleType = ImageView.ScaleType.FIT_CENTER
    contentDescription = description
}

/** The picture with about [pixels] on its shorter side at least: phones' photos do not fit a small phone's memory whole. */
private fun small(bytes: ByteArray, pixels: Int): Bitmap? {
    val size = BitmapFactory.Options().apply { inJustDecodeBounds = true }
    BitmapFactory.decodeByteArray(bytes, 0, bytes.size, size)
    val options = BitmapFactory.Options().apply {
        inSampleSize = maxOf(1, Integer.highestOneBit(maxOf(1, minOf(size.outWidth, size.outHeight) / pixels)))
    }
    return BitmapFactory.decodeByteArray(bytes, 0, bytes.size, options)
}
