package org.barefoot.app.ui

import android.content.Context
import android.graphics.Typeface
import android.os.Build
import android.view.Gravity
import android.view.View
import android.view.ViewGroup.LayoutParams.MATCH_PARENT
import android.view.ViewGroup.LayoutParams.WRAP_CONTENT
import android.widget.LinearLayout
import android.widget.ProgressBar
import android.widget.ScrollView
import org.barefoot.app.R

/** What one place looks like. */
internal abstract class Page {
    abstract val title: String
    lateinit var column: LinearLayout
        private set

    /** Builds everything. */
    protected abstract fun LinearLayout.fill()

    fun build(column: LinearLayout) {
        this.column = column
        column.fill()
    }

    /** Shows what has changed; where something is being typed, without building the field anew. */
    open fun refresh() {
        column.removeAllViews()
        column.fill()
    }
}

/** The window: a way back, a title, and below it a page that scrolls. */
internal class Frame(context: Context, private val onBack: () -> Unit) : LinearLayout(context) {
    private val header = LinearLayout(context)
    private val scroll = ScrollView(context)

    init {
        orientation = VERTICAL
        fitsSystemWindows = true
        setBackgroundColor(context.colour(R.color.ground))
        header.gravity = Gravity.CENTER_VERTICAL
        header.setPadding(context.dp(16), context.dp(10), context.dp(16), context.dp(10))
        addView(header, LayoutParams(MATCH_PARENT, WRAP_CONTENT))
        scroll.isFillViewport = true
        addView(scroll, LayoutParams(MATCH_PARENT, 0, 1f))
    }

    fun show(page: Page, canGoBack: Boolean) {
        header(page.title, canGoBack)
        page.build(newColumn())
    }

    /** While the core is being opened. */
    fun showWaiting() {
        header(context.getString(R.string.app_name), false)
        newColumn().waiting()
    }

    /** When there is nothing that could be shown. */
    fun showFailure(words: String) {
        header(context.getString(R.string.app_name), false)
        newColumn().failure(words)
    }

    private fun header(title: String, canGoBack: Boolean) {
        header.removeAllViews()
        if (canGoBack) {
            val back = button(context, context.getString(R.string.back), R.color.ground, R.color.accent, R.color.line, onBack)
            header.addView(back, LayoutParams(WRAP_CONTENT, WRAP_CONTENT).apply { marginEnd = context.dp(12) })
        }
        val words = label(context, title, 22f, R.color.ink).apply {
            typeface = Typeface.DEFAULT_BOLD
            if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.P) isAccessibilityHeading = true
        }
        header.addView(words, LayoutParams(0, WRAP_CONTENT, 1f))
    }

    private fun newColumn(): LinearLayout {
        val column = context.column()
        column.setPadding(context.dp(16), context.dp(4), context.dp(16), context.dp(24))
        scroll.removeAllViews()
        scroll.addView(column, LayoutParams(MATCH_PARENT, WRAP_CONTENT))
        scroll.scrollTo(0, 0)
        return column
    }
}

/** Something is being done. */
internal fun LinearLayout.waiting(words: Int = R.string.busy) {
    val bar = ProgressBar(context)
    addView(bar, LinearLayout.LayoutParams(context.dp(48), context.dp(48)).apply { gravity = Gravity.CENTER_HORIZONTAL })
    body(words).apply {
        gravity = Gravity.CENTER_HORIZONTAL
        accessibilityLiveRegion = View.ACCESSIBILITY_LIVE_REGION_POLITE
    }
}
