package org.barefoot.app.ui

import android.graphics.Typeface
import android.view.View
import android.widget.LinearLayout
import android.widget.TextView
import org.barefoot.Triage
import org.barefoot.app.MainActivity
import org.barefoot.app.R
import org.barefoot.app.model.Answer
import org.barefoot.app.model.Candidate
import org.barefoot.app.model.Load
import org.barefoot.app.model.Verdict

/** The result: urgency first, then what the photo shows, what it may be and why. */
internal class AnswerPage(private val answer: Answer, private val activity: MainActivity) : Page() {
    override val title: String = activity.getString(R.string.result_title)
    private val separator = activity.getString(R.string.list_separator)
    private lateinit var map: LinearLayout
    private lateinit var foot: LinearLayout

    override fun LinearLayout.fill() {
        level()
        verdict()
        sheet {
            heading(R.string.result_differential)
            val candidates = answer.candidates()
            if (candidates.isEmpty()) body(R.string.result_no_differential)
            candidates.forEachIndexed { at, candidate -> candidate(at + 1, candidate) }
        }
        understood()
        answer.card()?.let { (name, text, reviewer) ->
            sheet {
                heading(context.getString(R.string.result_card, name))
                body(text)
                faint(if (reviewer.isEmpty()) context.getString(R.string.result_not_reviewed) else context.getString(R.string.result_reviewed, reviewer))
            }
        }
        foot = part(16)
        faint(answer.notice(), 16)
        refresh()
    }

    override fun refresh() {
        if (answer.verdict() != Verdict.NoPhoto) refill(map) { heatMap() }
        refill(foot) {
            answer.failure?.let { failure(it) }
            when {
                answer.storing -> waiting()
                answer.visit != null -> {
                    strong(context.getString(R.string.result_recorded)).accessibilityLiveRegion = View.ACCESSIBILITY_LIVE_REGION_POLITE
                    mainButton(R.string.result_open_visit) { answer.openVisit() }
                }
                else -> {
                    heading(R.string.result_record)
                    mainButton(R.string.result_record_patient, 8) { answer.choosePatient() }
                    quietButton(R.string.result_record_anonymous) { answer.store(null) }
                }
            }
        }
    }

    /** The urgency, in a colour and in words. */
    private fun LinearLayout.level() {
        val (words, ground, ink) = level(answer.urgency.level)
        put(context.column(14), 4).apply {
            background = sheetOf(context, ground, ground)
            fun said(text: String, size: Float, bold: Boolean): TextView =
                put(label(context, text, size, ink).apply { if (bold) typeface = Typeface.DEFAULT_BOLD }, 6)
            said(context.getString(words), 20f, true)
            val reasons = answer.urgencyReasons()
            if (reasons.isNotEmpty()) said(context.getString(R.string.result_because), 16f, true)
            reasons.forEach { said("· $it", 16f, false) }
        }
    }

    private fun LinearLayout.verdict() {
        val verdict = answer.verdict()
        if (verdict == Verdict.NoPhoto) return
        sheet {
            heading(R.string.result_photo)
            when (verdict) {
                is Verdict.Named -> strong(context.getString(R.string.result_named, verdict.disease, verdict.share))
                Verdict.CannotTell -> plainly(R.string.result_cannot_tell, R.string.result_cannot_tell_hint)
                Verdict.OutOfScope -> plainly(R.string.result_out_of_scope, R.string.result_out_of_scope_hint)
                Verdict.NotSkin -> plainly(R.string.result_not_skin, R.string.result_not_skin_hint)
                is Verdict.BadPhoto -> {
                    strong(context.getString(R.string.result_bad_photo))
                    verdict.reasons.forEach { body("· $it", 4) }
                }
                Verdict.NoPhoto -> Unit
            }
            val set = answer.set(context.resources.getText(R.string.result_prototype).toString())
            if (set.isNotEmpty()) faint(context.getString(R.string.result_set, set.joinToString(separator)))
            map = part()
        }
    }

    private fun LinearLayout.plainly(words: Int, hint: Int) {
        strong(context.getString(words))
        body(hint, 4)
    }

    private fun LinearLayout.heatMap() {
        when (val map = answer.heatMap) {
            Load.Waiting -> waiting()
            is Load.Failed -> failure(map.words)
            is Load.Here -> map.value?.let {
                faint(R.string.result_heat_map)
                put(picture(context, it, 260, context.getString(R.string.result_heat_map_description)))
            }
        }
    }

    private fun LinearLayout.candidate(place: Int, candidate: Candidate) {
        val detail = listOfNotNull(
            candidate.share,
            candidate.supports.takeIf { it.isNotEmpty() }?.let { context.getString(R.string.result_for, it.joinToString(separator)) },
            candidate.opposes.takeIf { it.isNotEmpty() }?.let { context.getString(R.string.result_against, it.joinToString(separator)) },
        ).joinToString("\n")
        entry(context.getString(R.string.result_line, place, candidate.name), detail) { answer.read(candidate.slug) }
    }

    /** What the aid took from the words, and what it did not: the doctor must see both. */
    private fun LinearLayout.understood() {
        val found = answer.understood()
        if (found.isEmpty() && answer.notUnderstood.isEmpty() && answer.questions.isEmpty()) return
        sheet {
            if (found.isNotEmpty()) {
                heading(R.string.result_understood)
                body(found.joinToString(separator) { answer.words(it, context.resources.getText(R.string.result_absent).toString()) }, 4)
            }
            if (answer.notUnderstood.isNotEmpty()) {
                faint(context.getString(R.string.result_not_understood, answer.notUnderstood.joinToString(separator)))
            }
            if (answer.questions.isNotEmpty()) {
                heading(R.string.result_ask, 12)
                body(answer.questions.joinToString(separator, transform = answer::question), 4)
            }
        }
    }
}

/** A level's words, ground and ink. */
internal fun level(level: Triage): Triple<Int, Int, Int> = when (level) {
    Triage.E -> Triple(R.string.level_e, R.color.level_e, R.color.on_level_e)
    Triage.U -> Triple(R.string.level_u, R.color.level_u, R.color.on_level_u)
    Triage.R -> Triple(R.string.level_r, R.color.level_r, R.color.on_level_r)
    Triage.P -> Triple(R.string.level_p, R.color.level_p, R.color.on_level_p)
}
