package org.barefoot.app.model

import org.barefoot.AssessmentJob
import org.barefoot.AssessmentRequest
import org.barefoot.Finding
import org.barefoot.Sex

/** Findings that most visits need, in the order in which a skin is described. All others are written as words. */
enum class Aspect(val findings: List<String>) {
    SEEN(
        listOf(
            "erythema", "papule", "plaque", "nodule", "vesicle", "pustule", "wheal", "purpura", "ulcer", "scale", "crust", "oozing-weeping",
            "colour-black", "colour-hypopigmented",
        ),
    ),
    FELT(listOf("itch", "itch-at-night", "pain", "painless", "burning")),
    ARRANGED(listOf("single-lesion", "grouped", "annular", "linear", "symmetric", "unilateral", "generalised", "sharp-border")),
    COURSE(
        listOf("course-days", "course-weeks", "course-months", "course-years", "course-recurrent", "course-spreading-rapidly", "course-growing"),
    ),
    GENERAL(listOf("fever", "malaise", "lymphadenopathy", "lesion-bleeding")),
}

/** What the doctor sees, asks and photographs, and its assessment. Nothing is stored before the doctor says so. */
class Examination(private val session: Session) : Model() {
    private val pictures = ArrayList<ByteArray>()

    /** Photos as the camera gave them. */
    val photos: List<ByteArray> get() = pictures

    /** The findings that can be tapped; empty until they are read. */
    var findings: Map<Aspect, List<Finding>> = emptyMap()
        private set
    val chosen = LinkedHashSet<Finding>()
    var text: String = ""
    var age: String = ""
    var sex: Sex? = null
    var site: String = ""

    /** All findings are shown, not the first ones alone. */
    var wide: Boolean = false
        private set
    var failure: String? = null
        private set

    /** The assessment that runs. */
    private var job: AssessmentJob? = null
    val working: Boolean get() = job != null

    init {
        session.work.run({ session.encyclopedia.findings().associateBy { it.id } }) { result ->
            result.onSuccess { all -> findings = Aspect.entries.associateWith { aspect -> aspect.findings.mapNotNull(all::get) } }
                .onFailure { failure = session.words(it) }
            changed()
        }
    }

    fun name(finding: Finding): String = session.pick(finding.zh, finding.en)

    fun add(photo: ByteArray) {
        pictures.add(photo)
        failure = null
        changed()
    }

    fun removePhoto(at: Int) {
        pictures.removeAt(at)
        changed()
    }

    fun toggle(finding: Finding) {
        if (!chosen.add(finding)) chosen.remove(finding)
    }

    fun widen() {
        wide = !wide
        changed()
    }

    /** Says that something could not be done. */
    fun fail(words: String) {
        failure = words
        changed()
    }

    /** The tapped findings and the doctor's words as one text. */
    fun words(): String {
        val (comma, stop) = if (session.language == Language.ZH) "，" to "。" else ", " to ". "
        return listOf(chosen.joinToString(comma, transform = ::name), text.trim()).filter { it.isNotEmpty() }.joinToString(stop)
    }

    fun request(): AssessmentRequest = AssessmentRequest(
        photos = photos.toList(),
        text = words(),
        ageYears = age.trim().toFloatOrNull(),
        sex = sex,
        site = site.trim().ifEmpty { null },
    )

    /** Starts the assessment; [needed] is said when there is nothing to assess. */
    fun assess(needed: String) {
        if (working) return
        val request = request()
        if (request.photos.isEmpty() && request.text.isEmpty()) return fail(needed)
        val started = session.assessor.begin(request)
        job = started
        failure = null
        changed()
        session.work.run({ started.run(null) }) { result ->
            // A cancelled job's answer is not wanted any more.
            if (job !== started) return@run
            job = null
            result.onSuccess { session.path.open(Answer(session, it)) }.onFailure { fail(session.words(it)) }
        }
    }

    /** Stops a running assessment; [stopped] is then said. */
    fun cancel(stopped: String) {
        job?.cancel()
        job = null
        fail(stopped)
    }
}
