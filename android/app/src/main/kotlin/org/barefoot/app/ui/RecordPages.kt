package org.barefoot.app.ui

import android.content.Context
import android.widget.LinearLayout
import java.time.Instant
import java.time.ZoneId
import java.time.format.DateTimeFormatter
import java.time.format.FormatStyle
import org.barefoot.EncounterSummary
import org.barefoot.Patient
import org.barefoot.Sex
import org.barefoot.app.R
import org.barefoot.app.model.Load
import org.barefoot.app.model.PatientForm
import org.barefoot.app.model.PatientRecord
import org.barefoot.app.model.Patients
import org.barefoot.app.model.Visit
import org.barefoot.app.model.Visits

/** Search and list of patients. */
internal class PatientsPage(private val patients: Patients, private val context: Context) : Page() {
    override val title: String = context.getString(if (patients.forAnswer) R.string.patients_choose else R.string.patients_title)
    private lateinit var list: LinearLayout

    override fun LinearLayout.fill() {
        field(R.string.patients_search, patients.query, WORDS) { patients.search(it) }
        quietButton(R.string.patients_add) { patients.add() }
        list = part(12)
        if (!patients.forAnswer) quietButton(R.string.patients_visits, 20) { patients.visits() }
        refresh()
    }

    override fun refresh() = refill(list) {
        shown(patients.found) { found ->
            if (found.isEmpty()) faint(if (patients.query.isBlank()) R.string.patients_none else R.string.patients_not_found)
            found.forEach { patient -> entry(patient.name, describe(context, patient)) { patients.choose(patient) } }
        }
    }
}

/** A new patient. */
internal class PatientFormPage(private val form: PatientForm, private val context: Context) : Page() {
    override val title: String = context.getString(R.string.patient_new)
    private lateinit var foot: LinearLayout

    override fun LinearLayout.fill() {
        field(R.string.patient_name, form.name, WORDS) { form.name = it }
        field(R.string.patient_age, form.age, NUMBER) { form.age = it }
        choice(Sex.entries, { context.getString(if (it == Sex.FEMALE) R.string.examine_female else R.string.examine_male) }, form.sex) { form.sex = it }
        field(R.string.patient_village, form.village, WORDS) { form.village = it }
        field(R.string.patient_phone, form.phone, PHONE) { form.phone = it }
        foot = part(12)
        refresh()
    }

    override fun refresh() = refill(foot) {
        form.failure?.let { failure(it) }
        if (form.duplicates.isEmpty()) {
            mainButton(R.string.patient_save) { form.save() }
        } else {
            heading(R.string.patient_duplicates)
            form.duplicates.forEach { patient -> entry(patient.name, describe(context, patient)) { form.done(patient) } }
            quietButton(R.string.patient_save_anyway, 16) { form.save() }
        }
    }
}

/** One patient's time line. */
internal class PatientRecordPage(private val record: PatientRecord, private val context: Context) : Page() {
    override val title: String = context.getString(R.string.patients_title)

    override fun LinearLayout.fill() {
        shown(record.patient) { patient ->
            sheet(4) {
                heading(patient.name)
                body(describe(context, patient))
            }
        }
        shown(record.consents) { granted ->
            sheet {
                heading(R.string.consent_title)
                body(if (granted) R.string.consent_yes else R.string.consent_no)
                quietButton(if (granted) R.string.consent_withdraw else R.string.consent_give) { record.consent(!granted) }
            }
        }
        heading(R.string.patient_time_line, 16)
        visits(record.visits, false) { record.open(it) }
    }
}

/** The visits of all. */
internal class VisitsPage(private val visits: Visits, private val context: Context) : Page() {
    override val title: String = context.getString(R.string.patients_visits)

    override fun LinearLayout.fill() = visits(visits.visits, true) { visits.open(it) }
}

/** One stored visit. */
internal class VisitPage(private val visit: Visit, private val context: Context) : Page() {
    override val title: String = context.getString(R.string.visit_title)

    override fun LinearLayout.fill() {
        shown(visit.visit) { encounter ->
            sheet(4) {
                heading(encounter.summary.patientName ?: context.getString(R.string.visit_no_name))
                body(describe(context, encounter.summary))
                visit.photos.forEachIndexed { at, photo -> put(picture(context, photo, 220, context.getString(R.string.examine_photo_n, at + 1))) }
            }
            if (encounter.findings.isNotBlank()) {
                sheet {
                    heading(R.string.visit_words)
                    body(encounter.findings)
                }
            }
            visit.aid()?.let { aid ->
                sheet {
                    heading(R.string.visit_aid)
                    strong(context.getString(level(aid.level).first))
                    aid.because.forEach { body("· $it", 4) }
                    aid.lines.forEachIndexed { at, line -> body(context.getString(R.string.result_line, at + 1, line), 4) }
                }
            }
            sheet {
                heading(R.string.visit_diagnosis)
                if (encounter.diagnoses.isEmpty()) faint(R.string.visit_no_diagnosis)
                encounter.diagnoses.forEach {
                    body(it.words)
                    faint(listOfNotNull(day(context, it.madeAt), visit.author(it.author)).joinToString("  "))
                }
                field(R.string.visit_diagnosis_words, visit.diagnosis, MANY_WORDS) { visit.diagnosis = it }
                visit.failure?.let { failure(it) }
                mainButton(R.string.visit_diagnose, 12) { visit.diagnose() }
            }
            if (visit.answers.isNotEmpty()) {
                sheet {
                    heading(R.string.visit_answers)
                    visit.answers.forEach {
                        body(it.words)
                        faint(day(context, it.receivedAt))
                    }
                }
            }
        }
    }
}

private fun LinearLayout.visits(visits: Load<List<EncounterSummary>>, named: Boolean, open: (EncounterSummary) -> Unit) = shown(visits) { all ->
    if (all.isEmpty()) faint(R.string.patient_no_visits)
    all.forEach { visit ->
        val name = if (named) visit.patientName ?: context.getString(R.string.visit_no_name) else null
        entry(listOfNotNull(day(context, visit.startedAt), name).joinToString("  "), describe(context, visit)) { open(visit) }
    }
}

/** What is loaded, or that it is being loaded, or why it cannot be. */
internal fun <T> LinearLayout.shown(load: Load<T>, show: LinearLayout.(T) -> Unit) {
    when (load) {
        Load.Waiting -> waiting()
        is Load.Failed -> failure(load.words)
        is Load.Here -> show(load.value)
    }
}

private fun describe(context: Context, patient: Patient): String = listOfNotNull(
    sex(context, patient.sex),
    patient.birthDate?.let { context.getString(if (patient.birthEstimated) R.string.patient_born_about else R.string.patient_born, it) },
    patient.village,
    patient.phone,
).joinToString(" · ")

private fun describe(context: Context, visit: EncounterSummary): String = listOfNotNull(
    sex(context, visit.sex),
    visit.ageYears?.let { plural(context, R.plurals.years, it.toInt()) },
    visit.site,
    visit.photos.toInt().takeIf { it > 0 }?.let { plural(context, R.plurals.photos, it) },
).joinToString(" · ")

/** The day of a time in RFC 3339, in the phone's time zone and the screen's language. */
internal fun day(context: Context, time: String): String = DateTimeFormatter.ofLocalizedDate(FormatStyle.MEDIUM)
    .withLocale(context.resources.configuration.locales[0])
    .withZone(ZoneId.systemDefault())
    .format(Instant.parse(time))

private fun sex(context: Context, code: String?): String? = when (code) {
    "female" -> context.getString(R.string.examine_female)
    "male" -> context.getString(R.string.examine_male)
    else -> null
}
