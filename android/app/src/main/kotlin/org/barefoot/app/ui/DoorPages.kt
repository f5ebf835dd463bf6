package org.barefoot.app.ui

import android.content.Context
import android.widget.LinearLayout
import org.barefoot.app.R
import org.barefoot.app.model.Doctors
import org.barefoot.app.model.Door
import org.barefoot.app.model.Home
import org.barefoot.app.model.Load
import org.barefoot.app.model.NewPin
import org.barefoot.app.model.Phrase
import org.barefoot.app.model.Recovery

/** Unlock. */
internal class DoorPage(private val door: Door, private val context: Context) : Page() {
    override val title: String = context.getString(R.string.unlock_title)

    override fun LinearLayout.fill() {
        val doctors = door.doctors
        door.failure?.let { failure(it) }
        when {
            door.opening -> waiting()
            doctors == null -> if (door.failure == null) waiting() else mainButton(R.string.retry) { door.ask() }
            doctors.isEmpty() -> {
                body(R.string.unlock_device)
                mainButton(R.string.unlock_open) { open() }
            }
            else -> {
                heading(R.string.unlock_who)
                choice(doctors, { it.name }, door.doctor) { door.choose(it) }
                doctors.filter { it.waitSeconds > 0uL }.forEach {
                    faint("${it.name}: " + plural(context, R.plurals.unlock_wait, it.waitSeconds.toInt()))
                }
                field(R.string.unlock_pin, door.pin, SECRET) { door.pin = it }
                mainButton(R.string.unlock_open) { open() }
                if (door.hasPhrase) quietButton(R.string.unlock_forgotten, 20) { door.recover() }
            }
        }
        faint(R.string.notice, 24)
    }

    private fun open() = door.open(context.getString(R.string.unlock_choose))
}

/** The twelve words instead of a PIN. */
internal class RecoveryPage(private val recovery: Recovery, context: Context) : Page() {
    override val title: String = context.getString(R.string.recovery_title)
    private lateinit var foot: LinearLayout

    override fun LinearLayout.fill() {
        body(R.string.recovery_hint)
        field(R.string.recovery_phrase, recovery.phrase, MANY_WORDS) { recovery.phrase = it }.apply { minLines = 3 }
        foot = part(12)
        refresh()
    }

    override fun refresh() = refill(foot) {
        recovery.failure?.let { failure(it) }
        if (recovery.opening) waiting() else mainButton(R.string.unlock_open) { recovery.open() }
    }
}

/** The start. */
internal class HomePage(private val home: Home, private val context: Context) : Page() {
    override val title: String = context.getString(R.string.app_name)

    override fun LinearLayout.fill() {
        fun way(title: Int, hint: Int, go: () -> Unit) = entry(context.getString(title), context.getString(hint), 12, go)
        mainButton(R.string.home_examine, 4) { home.examine() }
        faint(R.string.home_examine_hint)
        way(R.string.home_patients, R.string.home_patients_hint) { home.patients() }
        way(R.string.home_encyclopedia, R.string.home_encyclopedia_hint) { home.encyclopedia() }
        way(R.string.home_sync, R.string.home_sync_hint) { home.sync() }
        way(R.string.home_doctors, R.string.home_doctors_hint) { home.doctors() }
        quietButton(R.string.home_lock, 20) { home.lock() }
        faint(R.string.notice, 20)
    }
}

/** Who may open the records. */
internal class DoctorsPage(private val doctors: Doctors, private val context: Context) : Page() {
    override val title: String = context.getString(R.string.home_doctors)

    override fun LinearLayout.fill() {
        doctors.added?.let { body(context.getString(R.string.doctors_added, it)) }
        when (val all = doctors.all) {
            Load.Waiting -> waiting()
            is Load.Failed -> failure(all.words)
            is Load.Here -> if (all.value.isEmpty()) {
                body(R.string.doctors_none)
            } else {
                heading(R.string.doctors_some)
                all.value.forEach { doctor -> entry(doctor.name, context.getString(R.string.doctors_change)) { doctors.change(doctor) } }
            }
        }
        sheet(16) {
            heading(R.string.doctors_new)
            field(R.string.doctors_name, doctors.name, WORDS) { doctors.name = it }
            field(R.string.doctors_pin, doctors.pin, SECRET) { doctors.pin = it }
            doctors.failure?.let { failure(it) }
            mainButton(R.string.doctors_add, 12) { doctors.add() }
        }
        sheet {
            heading(R.string.phrase_title)
            body(if (doctors.hasPhrase) R.string.phrase_some else R.string.phrase_none)
            quietButton(R.string.phrase_new) { doctors.newPhrase() }
        }
    }
}

/** A doctor's new PIN. */
internal class NewPinPage(private val new: NewPin, context: Context) : Page() {
    override val title: String = context.getString(R.string.doctors_change)
    private lateinit var foot: LinearLayout

    override fun LinearLayout.fill() {
        heading(new.doctor.name)
        field(R.string.doctors_pin, new.pin, SECRET) { new.pin = it }
        foot = part(12)
        refresh()
    }

    override fun refresh() = refill(foot) {
        new.failure?.let { failure(it) }
        mainButton(R.string.patient_save) { new.save() }
    }
}

/** The recovery phrase, once. */
internal class PhrasePage(private val phrase: Phrase, private val context: Context) : Page() {
    override val title: String = context.getString(R.string.phrase_title)

    override fun LinearLayout.fill() = shown(phrase.words) { words ->
        body(R.string.phrase_write)
        sheet {
            words.chunked(2).forEachIndexed { row, pair ->
                val line = LinearLayout(context)
                pair.forEachIndexed { column, word ->
                    val number = 2 * row + column + 1
                    val one = label(context, context.getString(R.string.phrase_word, number, word), 19f, R.color.ink)
                    line.addView(one, LinearLayout.LayoutParams(0, LinearLayout.LayoutParams.WRAP_CONTENT, 1f))
                }
                put(line)
            }
        }
        failure(phrase.warning)
        mainButton(R.string.phrase_written, 16) { phrase.written() }
    }
}

internal fun plural(context: Context, id: Int, count: Int): String = context.resources.getQuantityString(id, count, count)
