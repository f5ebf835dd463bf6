package org.barefoot.app.model

import org.barefoot.Assessed
import org.barefoot.Assessment
import org.barefoot.FoundFinding
import org.barefoot.Outcome
import org.barefoot.Question
import org.barefoot.Ranked
import org.barefoot.Urgency
import kotlin.math.roundToInt

/** What the photos say, as it is put to the doctor. */
sealed interface Verdict {
    data object NoPhoto : Verdict

    /** [share] is a whole percentage as text. */
    data class Named(val disease: String, val share: String) : Verdict

    /** The photo fits several diseases. */
    data object CannotTell : Verdict

    /** The photo resembles nothing that the model knows. */
    data object OutOfScope : Verdict

    data object NotSkin : Verdict

    /** Each reason says what to do. */
    data class BadPhoto(val reasons: List<String>) : Verdict
}

/** One disease of the list. */
data class Candidate(val slug: String, val name: String, val share: String, val supports: List<String>, val opposes: List<String>)

/** The aid's answer. The doctor decides whether it is stored, and for whom. */
class Answer(private val session: Session, private val assessed: Assessed) : Model() {
    private val assessment: Assessment = assessed.assessment()

    val urgency: Urgency get() = assessment.urgency

    /** Why it is that urgent. */
    fun urgencyReasons(): List<String> = assessment.urgency.reasons.map(session::pick)

    fun verdict(): Verdict {
        val image = assessment.image ?: return Verdict.NoPhoto
        val top = image.classes.firstOrNull()
        return when (image.outcome) {
            Outcome.NOT_SKIN -> Verdict.NotSkin
            Outcome.BAD_PHOTO -> Verdict.BadPhoto(assessment.quality?.reasons.orEmpty().map(session::pick))
            Outcome.CANNOT_TELL -> if (image.inScope) Verdict.CannotTell else Verdict.OutOfScope
            Outcome.NAMED -> if (top == null) Verdict.CannotTell else Verdict.Named(session.pick(top.zh, top.en), share(top.p))
        }
    }

    /** The diseases of which one is it in nine of ten photos; [prototype] marks one that a hospital has added without training. */
    fun set(prototype: String): List<String> = assessment.image?.set.orEmpty().map {
        val name = session.pick(it.zh, it.en)
        if (it.prototype) prototype.format(name) else name
    }

    fun candidates(): List<Candidate> = assessment.differential.take(SHOWN).map { it.candidate() }

    private fun Ranked.candidate() = Candidate(
        slug,
        session.pick(zh, en),
        share(p),
        because.filter { it.supports }.map { session.pick(it.zh, it.en) },
        because.filterNot { it.supports }.map { session.pick(it.zh, it.en) },
    )

    /** What was understood of the words. "No itch" is one phrase: what it denies is not shown beside it. */
    fun understood(): List<FoundFinding> {
        val found = assessment.findings
        return found.filter { finding -> finding.present || found.none { it.present && it.start == finding.start && it.end == finding.end } }
    }

    /** A finding's words; [absent] is the phrase for one that was looked for and is not there. */
    fun words(finding: FoundFinding, absent: String): String = if (finding.present) finding.text else absent.format(finding.text)

    val notUnderstood: List<String> get() = assessment.notUnderstood

    val questions: List<Question> get() = assessment.askNext

    fun question(question: Question): String = session.pick(question.zh, question.en)

    /** The leading disease's short card, with who reviewed it (empty: nobody yet). */
    fun card(): Triple<String, String, String>? {
        val card = assessment.card ?: return null
        val first = assessment.differential.firstOrNull() ?: return null
        return Triple(session.pick(first.zh, first.en), session.pick(card.text).trim(), card.reviewedBy)
    }

    fun notice(): String = session.pick(assessment.notice)

    /** The heat map as a PNG file, or `null` when no photo was looked at. */
    var heatMap: Load<ByteArray?> = Load.Waiting
        private set

    /** The stored visit's id. */
    var visit: String? = null
        private set
    var storing: Boolean = false
        private set
    var failure: String? = null
        private set

    init {
        if (assessment.image == null) {
            heatMap = Load.Here(null)
        } else {
            session.work.run({ assessed.heatMap() }) { result ->
                heatMap = result.fold({ Load.Here(it) }, { Load.Failed(session.words(it)) })
                changed()
            }
        }
    }

    fun read(slug: String) = session.path.open(Reading(session, slug))

    /** Looks for the patient whose visit it is. */
    fun choosePatient() = session.path.open(Patients(session, this))

    /** Stores the visit; `null` stores it without a name. */
    fun store(patient: String?) {
        if (storing || visit != null) return
        storing = true
        failure = null
        changed()
        session.onRecords({ session.assessor.record(it, assessed, patient) }) { result ->
            storing = false
            when (result) {
                is Load.Here -> {
                    visit = result.value
                    session.recorded()
                }
                is Load.Failed -> failure = result.words
                Load.Waiting -> Unit
            }
            changed()
        }
    }

    /** Opens what was stored; the examination is over. */
    fun openVisit() {
        val id = visit ?: return
        session.path.restart(Home(session))
        session.path.open(Visit(session, id))
    }

    companion object {
        /** Diseases that fit one look. */
        private const val SHOWN = 5

        /** A share of 1 as whole per cent, never broken over two lines; what rounds to nothing is not nothing. */
        fun share(p: Float): String = if (p < 0.01f) "<1\u00a0%" else "${(p * 100).roundToInt()}\u00a0%"
    }
}
