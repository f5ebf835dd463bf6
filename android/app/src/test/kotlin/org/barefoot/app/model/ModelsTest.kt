package org.barefoot.app.model

import org.barefoot.Assessor
import org.barefoot.Encyclopedia
import org.barefoot.KeyVault
import org.barefoot.Sex
import org.barefoot.Triage
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertNotNull
import org.junit.Assert.assertNull
import org.junit.Assert.assertSame
import org.junit.Assert.assertTrue
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import java.io.File

/** The view models over the real core, without Android. */
class ModelsTest {
    @get:Rule
    val folder = TemporaryFolder()
    private val vault = object : KeyVault {
        private var secret: ByteArray? = null

        override fun load(): ByteArray? = secret

        override fun save(secret: ByteArray) {
            this.secret = secret
        }
    }

    /** Runs where it is asked to: no test waits for a clock. */
    private val work = object : Work {
        override fun <T> run(job: () -> T, done: (Result<T>) -> Unit) = done(runCatching(job))

        override fun <T> runApart(job: () -> T, done: (Result<T>) -> Unit) = run(job, done)
    }
    private val settings = object : Settings {
        override var server = ""
    }

    private fun session(language: Language = Language.ZH) =
        Session(core.first, core.second, File(folder.root, "clinic"), vault, work, settings, language)

    private fun opened(language: Language = Language.ZH) = session(language).also { (it.path.here as Door).open("") }

    private inline fun <reified M : Model> Session.here(): M {
        assertTrue("at ${path.here.javaClass.simpleName}", path.here is M)
        return path.here as M
    }

    private fun <T> Load<T>.value(): T {
        assertTrue("$this", this is Load.Here)
        return (this as Load.Here).value
    }

    @Test
    fun `the phone's key opens until a doctor has a PIN`() {
        val session = opened()
        session.here<Home>().doctors()
        val doctors = session.here<Doctors>()
        assertTrue(doctors.all.value().isEmpty())
        doctors.name = "李建国"
        doctors.pin = "1"
        doctors.add()
        assertNotNull("a PIN that anybody guesses is refused", doctors.failure)
        doctors.pin = "285714"
        doctors.add()
        assertNull(doctors.failure)
        assertEquals(listOf("李建国"), doctors.all.value().map { it.name })
        val phrase = session.here<Phrase>()
        val words = phrase.words.value()
        assertEquals(12, words.size)
        assertTrue(phrase.warning, phrase.warning.contains("谁也打不开"))
        phrase.written()

        session.lock()
        assertNull(session.clinic)
        val door = session.here<Door>()
        assertEquals(listOf("李建国"), door.doctors?.map { it.name })
        door.open("needed")
        assertEquals("needed", door.failure)
        door.pin = "111111"
        door.open("needed")
        assertNotNull(door.failure)
        assertEquals("a refused PIN is not kept", "", door.pin)
        assertSame(door, session.path.here)
        door.pin = "285714"
        door.open("needed")
        session.here<Home>()

        session.lock()
        session.here<Door>().recover()
        val recovery = session.here<Recovery>()
        recovery.phrase = words.drop(1).joinToString(" ")
        recovery.open()
        assertNotNull(recovery.failure)
        recovery.phrase = words.joinToString(" ")
        recovery.open()
        session.here<Doctors>()
    }

    @Test
    fun `every finding that can be tapped is understood as itself, in both languages`() {
        for (language in Language.entries) {
            val session = opened(language)
            session.here<Home>().examine()
            val examination = session.here<Examination>()
            for (aspect in Aspect.entries) {
                val findings = examination.findings.getValue(aspect)
                assertEquals(aspect.findings, findings.map { it.id })
                for (finding in findings) {
                    examination.toggle(finding)
                    examination.assess("needed")
                    val understood = session.here<Answer>().understood().filter { it.present }.map { it.id }
                    assertTrue("$language ${examination.words()}: $understood", finding.id in understood)
                    session.path.back()
                    examination.toggle(finding)
                }
            }
            session.lock()
        }
    }

    @Test
    fun `a photo with findings becomes a stored visit of a patient`() {
        val session = opened()
        session.here<Home>().examine()
        val examination = session.here<Examination>()
        examination.assess("needed")
        assertEquals("needed", examination.failure)
        examination.add(sample)
        examination.text = "手背黑痣三年，近期无变化"
        examination.age = "54"
        examination.sex = Sex.FEMALE
        examination.assess("needed")
        val answer = session.here<Answer>()
        assertTrue(answer.verdict() != Verdict.NoPhoto)
        val map = answer.heatMap.value()
        assertEquals("a PNG file", "\u0089PNG", String(map!!.copyOf(4), Charsets.ISO_8859_1))
        assertTrue(answer.candidates().isNotEmpty())
        assertTrue(answer.candidates().first().supports.isNotEmpty())

        answer.choosePatient()
        session.here<Patients>().add()
        val form = session.here<PatientForm>()
        form.save()
        assertNotNull("a patient needs a name", form.failure)
        form.name = "王秀英"
        form.age = "54"
        form.save()
        assertNull(form.failure)
        assertSame(answer, session.path.here)
        assertNotNull(answer.visit)

        answer.openVisit()
        val visit = session.here<Visit>()
        val stored = visit.visit.value()
        assertEquals("王秀英", stored.summary.patientName)
        assertEquals(1, visit.photos.size)
        assertEquals(answer.urgency.level, visit.aid()?.level)
        assertEquals(answer.candidates().size, visit.aid()?.lines?.size)
        assertTrue("the aid never diagnoses", stored.diagnoses.isEmpty())
        visit.diagnosis = "色素痣"
        visit.diagnose()
        assertEquals(listOf("色素痣"), visit.visit.value().diagnoses.map { it.words })

        session.path.back()
        session.here<Home>().patients()
        val patients = session.here<Patients>()
        patients.search("wxy")
        patients.choose(patients.found.value().single())
        assertEquals(1, session.here<PatientRecord>().visits.value().size)
    }

    @Test
    fun `a second record of one person is made only when the doctor says so`() {
        val session = opened()
        repeat(2) { turn ->
            session.here<Home>().patients()
            session.here<Patients>().add()
            val form = session.here<PatientForm>()
            form.name = "王秀英"
            form.age = "54"
            form.village = "柳树村"
            form.save()
            if (turn == 1) {
                assertEquals(listOf("王秀英"), form.duplicates.map { it.name })
                assertSame(form, session.path.here)
                form.save()
            }
            session.here<PatientRecord>()
            session.path.back()
            session.path.back()
        }
        session.here<Home>().patients()
        assertEquals(2, session.here<Patients>().found.value().size)
    }

    @Test
    fun `danger is said first and with its reasons`() {
        val session = opened(Language.EN)
        session.here<Home>().examine()
        val examination = session.here<Examination>()
        examination.text = "purple spots that do not fade when pressed, high fever, drowsy"
        examination.age = "4"
        examination.assess("needed")
        val answer = session.here<Answer>()
        assertEquals(Triage.E, answer.urgency.level)
        assertTrue(answer.urgencyReasons().isNotEmpty())
        assertEquals(Verdict.NoPhoto, answer.verdict())
    }

    @Test
    fun `a file that is no photo is refused in the reader's language`() {
        for ((language, word) in listOf(Language.ZH to "图片", Language.EN to "picture")) {
            val session = opened(language)
            session.here<Home>().examine()
            val examination = session.here<Examination>()
            examination.add("no picture".toByteArray())
            examination.assess("needed")
            assertSame(examination, session.path.here)
            assertTrue(examination.failure, examination.failure.orEmpty().contains(word))
            assertFalse(examination.working)
            session.lock()
        }
    }

    @Test
    fun `the encyclopedia answers to names, pinyin and typing that goes on`() {
        val session = opened()
        session.here<Home>().encyclopedia()
        val search = session.here<Search>()
        search.search("yxb")
        assertTrue(search.hits.value().any { it.zh == "银屑病" || it.zh.contains("银屑病") })
        search.search("")
        assertTrue(search.hits.value().isEmpty())
        search.search("体癣")
        search.open(search.hits.value().first())
        val reading = session.here<Reading>()
        val article = reading.article.value()
        assertTrue(reading.title(article), reading.title(article).startsWith("体癣"))
        assertTrue(reading.sections(article).all { it.first.isNotBlank() && it.second.isNotBlank() })
    }

    @Test
    fun `shares are whole per cent, and never nothing`() {
        assertEquals("<1\u00a0%", Answer.share(0.004f))
        assertEquals("1\u00a0%", Answer.share(0.01f))
        assertEquals("62\u00a0%", Answer.share(0.62f))
        assertEquals("100\u00a0%", Answer.share(1f))
    }

    private companion object {
        val core by lazy { Encyclopedia.builtIn() to Assessor.builtIn() }
        val sample by lazy { File(System.getProperty("barefoot.repository"), "docs/sample.jpg").readBytes() }
    }
}
