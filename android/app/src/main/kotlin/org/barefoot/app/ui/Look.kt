package org.barefoot.app.ui

import android.content.Context
import android.content.res.ColorStateList
import android.graphics.Typeface
import android.graphics.drawable.Drawable
import android.graphics.drawable.GradientDrawable
import android.graphics.drawable.RippleDrawable
import android.os.Build
import android.text.Editable
import android.text.InputType
import android.text.Layout
import android.text.TextWatcher
import android.view.Gravity
import android.view.View
import android.view.ViewGroup.LayoutParams.MATCH_PARENT
import android.view.ViewGroup.LayoutParams.WRAP_CONTENT
import android.view.inputmethod.EditorInfo
import android.widget.Button
import android.widget.EditText
import android.widget.LinearLayout
import android.widget.TextView
import org.barefoot.app.R

// The one look of all screens: platform views in a column. Lengths are dp and text is sp, nothing has a fixed height, so that large
// text grows and wraps. What can be tapped is at least 48 dp high (Android's accessibility guidance).

private const val TOUCH_DP = 48
private const val CORNER_DP = 10f

internal fun Context.dp(length: Int): Int = (length * resources.displayMetrics.density + 0.5f).toInt()

internal fun Context.colour(id: Int): Int = getColor(id)

/** An empty column. */
internal fun Context.column(paddingDp: Int = 0): LinearLayout = LinearLayout(this).apply {
    orientation = LinearLayout.VERTICAL
    setPadding(dp(paddingDp), dp(paddingDp), dp(paddingDp), dp(paddingDp))
}

/** Adds a view below the others. */
internal fun <V : View> LinearLayout.put(view: V, gapDp: Int = 8): V {
    val params = LinearLayout.LayoutParams(MATCH_PARENT, WRAP_CONTENT)
    if (childCount > 0) params.topMargin = context.dp(gapDp)
    addView(view, params)
    return view
}

/** A column on a sheet of its own. */
internal fun LinearLayout.sheet(gapDp: Int = 12, fill: LinearLayout.() -> Unit): LinearLayout =
    put(context.column(14).apply { background = sheetOf(context, R.color.sheet, R.color.line) }, gapDp).apply(fill)

/** A column within this one, whose content can be replaced. */
internal fun LinearLayout.part(gapDp: Int = 8): LinearLayout = put(context.column(), gapDp)

internal fun LinearLayout.heading(words: CharSequence, gapDp: Int = 8): TextView = put(
    label(context, words, 19f, R.color.ink).apply {
        typeface = Typeface.DEFAULT_BOLD
        if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.P) isAccessibilityHeading = true
    },
    gapDp,
)

internal fun LinearLayout.heading(id: Int, gapDp: Int = 8): TextView = heading(context.getString(id), gapDp)

internal fun LinearLayout.body(words: CharSequence, gapDp: Int = 8): TextView = put(label(context, words, 17f, R.color.ink), gapDp)

internal fun LinearLayout.body(id: Int, gapDp: Int = 8): TextView = body(context.getString(id), gapDp)

internal fun LinearLayout.strong(words: CharSequence, gapDp: Int = 8): TextView = body(words, gapDp).apply { typeface = Typeface.DEFAULT_BOLD }

internal fun LinearLayout.faint(words: CharSequence, gapDp: Int = 4): TextView = put(label(context, words, 15f, R.color.faint_ink), gapDp)

internal fun LinearLayout.faint(id: Int, gapDp: Int = 4): TextView = faint(context.getString(id), gapDp)

/** What went wrong, said aloud by screen readers at once. */
internal fun LinearLayout.failure(words: CharSequence, gapDp: Int = 8): TextView = body(words, gapDp).apply {
    setTextColor(context.colour(R.color.error_ink))
    accessibilityLiveRegion = View.ACCESSIBILITY_LIVE_REGION_POLITE
}

/** The screen's one main action. */
internal fun LinearLayout.mainButton(id: Int, gapDp: Int = 12, onTap: () -> Unit): Button =
    put(button(context, context.getString(id), R.color.accent, R.color.on_accent, null, onTap), gapDp)

/** Any other action. */
internal fun LinearLayout.quietButton(words: CharSequence, gapDp: Int = 8, onTap: () -> Unit): Button =
    put(button(context, words, R.color.sheet, R.color.accent, R.color.accent, onTap), gapDp)

internal fun LinearLayout.quietButton(id: Int, gapDp: Int = 8, onTap: () -> Unit): Button = quietButton(context.getString(id), gapDp, onTap)

/** A line that opens something: a title, and what is said of it. */
internal fun LinearLayout.entry(title: CharSequence, detail: CharSequence?, gapDp: Int = 8, onTap: () -> Unit): LinearLayout =
    put(context.column(14), gapDp).apply {
        background = tappable(sheetOf(context, R.color.sheet, R.color.line), context.colour(R.color.line))
        minimumHeight = context.dp(TOUCH_DP)
        gravity = Gravity.CENTER_VERTICAL
        isClickable = true
        isFocusable = true
        setOnClickListener { onTap() }
        strong(title)
        if (!detail.isNullOrBlank()) faint(detail)
    }

/** A text field whose hint stays readable above what is typed. */
internal fun LinearLayout.field(hint: Int, value: String, kind: Int, onChange: (String) -> Unit): EditText {
    val words = faint(hint, 10)
    val field = EditText(context).apply {
        id = View.generateViewId()
        inputType = kind
        textSize = 17f
        setTextColor(context.colour(R.color.ink))
        minimumHeight = context.dp(TOUCH_DP)
        background = sheetOf(context, R.color.sheet, R.color.faint_ink)
        setPadding(context.dp(12), context.dp(10), context.dp(12), context.dp(10))
        setText(value)
        // Typed words must not leave the phone through a keyboard's learning or the system's autofill.
        importantForAutofill = View.IMPORTANT_FOR_AUTOFILL_NO
        imeOptions = imeOptions or EditorInfo.IME_FLAG_NO_PERSONALIZED_LEARNING
        addTextChangedListener(object : TextWatcher {
            override fun beforeTextChanged(text: CharSequence, start: Int, count: Int, after: Int) = Unit
            override fun onTextChanged(text: CharSequence, start: Int, before: Int, count: Int) = Unit
            override fun afterTextChanged(text: Editable) = onChange(text.toString())
        })
    }
    words.labelFor = field.id
    return put(field, 2)
}

internal const val WORDS = InputType.TYPE_CLASS_TEXT
internal const val MANY_WORDS = InputType.TYPE_CLASS_TEXT or InputType.TYPE_TEXT_FLAG_MULTI_LINE
internal const val NUMBER = InputType.TYPE_CLASS_NUMBER or InputType.TYPE_NUMBER_FLAG_DECIMAL
internal const val PHONE = InputType.TYPE_CLASS_PHONE
internal const val ADDRESS = InputType.TYPE_CLASS_TEXT or InputType.TYPE_TEXT_VARIATION_URI
internal const val SECRET = InputType.TYPE_CLASS_NUMBER or InputType.TYPE_NUMBER_VARIATION_PASSWORD

internal fun label(context: Context, words: CharSequence, sizeSp: Float, ink: Int): TextView = TextView(context).apply {
    text = words
    textSize = sizeSp
    setTextColor(context.colour(ink))
    setLineSpacing(0f, 1.15f)
    // Long words of one script in the other's line would else be cut at the edge.
    breakStrategy = Layout.BREAK_STRATEGY_HIGH_QUALITY
}

internal fun button(context: Context, words: CharSequence, ground: Int, ink: Int, edge: Int?, onTap: () -> Unit): Button = Button(context).apply {
    text = words
    textSize = 17f
    isAllCaps = false
    setTextColor(context.colour(ink))
    background = tappable(sheetOf(context, ground, edge ?: ground), context.colour(R.color.line))
    stateListAnimator = null
    minHeight = context.dp(TOUCH_DP)
    minimumHeight = context.dp(TOUCH_DP)
    setPadding(context.dp(14), context.dp(10), context.dp(14), context.dp(10))
    setOnClickListener { onTap() }
}

internal fun sheetOf(context: Context, ground: Int, edge: Int, cornerDp: Float = CORNER_DP): GradientDrawable = GradientDrawable().apply {
    setColor(context.colour(ground))
    setStroke(context.dp(1), context.colour(edge))
    cornerRadius = cornerDp * context.resources.displayMetrics.density
}

internal fun tappable(ground: Drawable, ripple: Int): Drawable = RippleDrawable(ColorStateList.valueOf(ripple), ground, null)
