package org.barefoot.app.ui

import android.content.Context
import android.view.Gravity
import android.view.ViewGroup
import android.widget.CheckBox
import android.widget.CompoundButton
import android.widget.LinearLayout
import org.barefoot.app.R

/** Lays its children in lines, as words in a text; the platform has no such layout. */
internal class Flow(context: Context) : ViewGroup(context) {
    private val gap = context.dp(8)

    override fun onMeasure(widthSpec: Int, heightSpec: Int) {
        val width = MeasureSpec.getSize(widthSpec)
        setMeasuredDimension(width, resolveSize(arrange(width, false), heightSpec))
    }

    override fun onLayout(changed: Boolean, left: Int, top: Int, right: Int, bottom: Int) {
        arrange(right - left, true)
    }

    /** Gives the height in pixels. */
    private fun arrange(width: Int, place: Boolean): Int {
        var x = 0
        var y = 0
        var lineHeight = 0
        for (at in 0 until childCount) {
            val child = getChildAt(at)
            child.measure(
                MeasureSpec.makeMeasureSpec(width, MeasureSpec.AT_MOST),
                MeasureSpec.makeMeasureSpec(0, MeasureSpec.UNSPECIFIED),
            )
            if (x > 0 && x + child.measuredWidth > width) {
                x = 0
                y += lineHeight + gap
                lineHeight = 0
            }
            if (place) child.layout(x, y, x + child.measuredWidth, y + child.measuredHeight)
            x += child.measuredWidth + gap
            lineHeight = maxOf(lineHeight, child.measuredHeight)
        }
        return y + lineHeight
    }
}

/** Words that can be switched on and off, each announced as a check box. */
internal fun <T> LinearLayout.chips(choices: List<T>, words: (T) -> String, chosen: (T) -> Boolean, onTap: (T) -> Unit): Flow =
    put(Flow(context)).apply {
        choices.forEach { choice -> addView(chip(context, words(choice), chosen(choice)) { onTap(choice) }) }
    }

/** Words of which at most one is on; a second tap takes it off. */
internal fun <T : Any> LinearLayout.choice(choices: List<T>, words: (T) -> String, chosen: T?, onChoose: (T?) -> Unit): Flow {
    var current = chosen
    val flow = put(Flow(context))
    choices.forEach { choice ->
        flow.addView(chip(context, words(choice), choice == chosen) {
            current = if (current == choice) null else choice
            choices.forEachIndexed { at, other -> (flow.getChildAt(at) as CompoundButton).isChecked = other == current }
            onChoose(current)
        })
    }
    return flow
}

private fun chip(context: Context, words: String, on: Boolean, onTap: () -> Unit): CompoundButton = Chip(context).apply {
    text = words
    textSize = 16f
    buttonDrawable = null
    minHeight = context.dp(48)
    minWidth = context.dp(64)
    gravity = Gravity.CENTER
    setPadding(context.dp(14), context.dp(8), context.dp(14), context.dp(8))
    isChecked = on
    setOnClickListener { onTap() }
}

/** A check box that looks like a word in a frame. */
private class Chip(context: Context) : CheckBox(context) {
    override fun setChecked(checked: Boolean) {
        super.setChecked(checked)
        val ground = if (checked) R.color.accent else R.color.sheet
        val edge = if (checked) R.color.accent else R.color.faint_ink
        background = tappable(sheetOf(context, ground, edge, 24f), context.colour(R.color.line))
        setTextColor(context.colour(if (checked) R.color.on_accent else R.color.ink))
    }
}
