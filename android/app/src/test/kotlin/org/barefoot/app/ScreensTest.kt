package org.barefoot.app

import android.app.job.JobInfo
import android.app.job.JobParameters
import android.app.job.JobScheduler
import android.view.WindowManager
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertNotEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.Robolectric
import org.robolectric.ParameterizedRobolectricTestRunner
import org.robolectric.ParameterizedRobolectricTestRunner.Parameters
import org.robolectric.Shadows.shadowOf
import org.robolectric.annotation.Config
import org.robolectric.annotation.GraphicsMode
import org.robolectric.shadow.api.Shadow
import java.io.File

/** Goes through all screens over the real core, in both languages, by day and by night, with plain and with large text. */
@RunWith(ParameterizedRobolectricTestRunner::class)
@Config(sdk = [34], application = BarefootApplication::class)
@GraphicsMode(GraphicsMode.Mode.NATIVE)
class ScreensTest(private val name: String, private val qualifiers: String, private val fontScale: Float) {
    private val sample = File(System.getProperty("barefoot.repository"), "docs/sample.jpg")

    private val chinese = name.startsWith("zh")

    private fun pick(zh: String, en: String) = if (chinese) zh else en

    @Test
    fun `photo, result, record, time line`() = with(Screens(qualifiers, fontScale, name)) {
        assertNotEquals(0, activity.window.attributes.flags and WindowManager.LayoutParams.FLAG_SECURE)
        assertShows(text(R.string.unlock_device))
        look("1-unlock")
        tap(R.string.unlock_open)
        look("2-home")

        tap(R.string.home_examine)
        tap(R.string.examine_assess)
        assertShows(text(R.string.examine_need))
        tap(R.string.examine_take)
        photograph(sample)
        assertFalse("the unencrypted photo is gone", CameraFile.file(activity).exists())
        assertShows(text(R.string.examine_remove, 1))
        tap(R.string.examine_more)
        tap(pick("黑色皮损", "black lesion"))
        tap(pick("数年", "for years"))
        type(R.string.examine_text, pick("近期无变化，家在山上", "it has not changed, lives on a hill"))
        tap(R.string.examine_female)
        type(R.string.examine_age, "54")
        type(R.string.examine_site, pick("手背", "back of the hand"))
        look("3-examination")

        tap(R.string.examine_assess)
        assertShows(text(R.string.result_differential))
        assertShows(text(R.string.result_heat_map))
        assertShows(text(R.string.result_not_reviewed))
        look("4-result")

        tap(R.string.result_record_patient)
        tap(R.string.patients_add)
        type(R.string.patient_name, pick("王秀英", "Mary Wang"))
        type(R.string.patient_age, "54")
        tap(R.string.examine_female)
        type(R.string.patient_village, pick("柳树村", "Willow Village"))
        look("5-new-patient")
        tap(R.string.patient_save)
        assertShows(text(R.string.result_recorded))
        tap(R.string.result_open_visit)
        assertShows(pick("王秀英", "Mary Wang"))
        type(R.string.visit_diagnosis_words, pick("色素痣", "melanocytic naevus"))
        tap(R.string.visit_diagnose)
        assertShows(pick("色素痣", "melanocytic naevus"))
        look("6-visit")

        tap(R.string.back)
        tap(R.string.home_patients)
        look("7-patients")
        type(R.string.patients_search, pick("wxy", "wang"))
        tap(pick("王秀英", "Mary Wang"))
        assertShows(pick("手背", "back of the hand"))
        look("8-time-line")
    }

    @Test
    fun `encyclopedia`() = with(Screens(qualifiers, fontScale, name)) {
        tap(R.string.unlock_open)
        tap(R.string.home_encyclopedia)
        assertShows(text(R.string.encyclopedia_hint))
        type(R.string.encyclopedia_search, pick("tixuan", "ringworm"))
        assertShows(pick("体癣", "inea corporis"))
        look("9-search")
        tap(words().first { it.contains(pick("体癣", "inea corporis")) })
        assertShows(text(R.string.result_not_reviewed))
        assertShows(text(R.string.article_look_alikes))
        look("10-article")
    }

    @Test
    fun `doctors, PIN and recovery phrase`() = with(Screens(qualifiers, fontScale, name)) {
        val doctor = pick("李建国", "Li Jianguo")
        tap(R.string.unlock_open)
        tap(R.string.home_doctors)
        assertShows(text(R.string.doctors_none))
        type(R.string.doctors_name, doctor)
        type(R.string.doctors_pin, "1")
        tap(R.string.doctors_add)
        look("11-doctors-refused")
        type(R.string.doctors_pin, "285714")
        tap(R.string.doctors_add)
        assertShows(pick("谁也打不开", "nobody can open"))
        val phrase = words().mapNotNull { Regex("\\d+\\. (.+)").matchEntire(it)?.groupValues?.get(1) }
        assertEquals(12, phrase.size)
        look("12-phrase")
        tap(R.string.phrase_written)
        assertShows(text(R.string.doctors_some))
        assertShows(text(R.string.phrase_some))
        look("13-doctors")
        tap(R.string.back)
        tap(R.string.home_lock)
        assertShows(text(R.string.unlock_who))
        type(R.string.unlock_pin, "000000")
        tap(R.string.unlock_open)
        look("14-pin-refused")
        assertShows(text(R.string.unlock_who))

        tap(R.string.unlock_forgotten)
        type(R.string.recovery_phrase, "abandon")
        tap(R.string.unlock_open)
        look("15-recovery-refused")
        type(R.string.recovery_phrase, phrase.joinToString(" "))
        tap(R.string.unlock_open)
        tap(doctor)
        type(R.string.doctors_pin, "314159")
        look("16-new-pin")
        tap(R.string.patient_save)
        tap(R.string.back)
        tap(R.string.home_lock)
        type(R.string.unlock_pin, "314159")
        tap(R.string.unlock_open)
        assertShows(text(R.string.home_examine))
    }

    @Test
    fun `sync when the patient agrees and there is a network`() = with(Screens(qualifiers, fontScale, name)) {
        val jobs = activity.getSystemService(JobScheduler::class.java)
        tap(R.string.unlock_open)
        tap(R.string.home_patients)
        tap(R.string.patients_add)
        type(R.string.patient_name, pick("赵六", "Ann Zhao"))
        tap(R.string.patient_save)
        assertShows(text(R.string.consent_no))
        tap(R.string.consent_give)
        assertShows(text(R.string.consent_yes))
        assertTrue("nothing is asked for without a server", jobs.allPendingJobs.isEmpty())
        tap(R.string.back)
        tap(R.string.back)
        tap(R.string.home_sync)
        tap(R.string.sync_now)
        assertShows(text(R.string.sync_need))
        // Port 1 of this machine: nothing listens there.
        type(R.string.sync_server, "http://127.0.0.1:1/fhir")
        tap(R.string.sync_now)
        assertShows(pick("没有应答", "does not answer"))
        look("17-sync")

        tap(R.string.back)
        tap(R.string.home_patients)
        tap(pick("赵六", "Ann Zhao"))
        tap(R.string.consent_withdraw)
        assertEquals(JobInfo.NETWORK_TYPE_ANY, jobs.allPendingJobs.single().networkType)

        val service = Robolectric.buildService(SyncService::class.java).create().get()
        val parameters = Shadow.newInstanceOf(JobParameters::class.java)
        assertTrue("the records are open", service.onStartJob(parameters))
        settle()
        assertTrue(shadowOf(service).isJobFinished && shadowOf(service).isRescheduleNeeded)
        tap(R.string.back)
        tap(R.string.back)
        tap(R.string.home_lock)
        assertFalse("nothing to do while locked", service.onStartJob(parameters))
    }

    companion object {
        @JvmStatic
        @Parameters(name = "{0}")
        fun looks(): List<Array<Any>> = listOf(
            arrayOf("zh", "zh-rCN-w360dp-h740dp-notnight-xhdpi", 1.0f),
            arrayOf("en", "en-rUS-w360dp-h740dp-notnight-xhdpi", 1.0f),
            arrayOf("zh-night-large", "zh-rCN-w320dp-h640dp-night-xhdpi", 1.3f),
            arrayOf("en-night-large", "en-rUS-w320dp-h640dp-night-xhdpi", 1.3f),
            arrayOf("zh-huge", "zh-rCN-w320dp-h640dp-notnight-xhdpi", 2.0f),
            arrayOf("en-huge", "en-rUS-w320dp-h640dp-notnight-xhdpi", 2.0f),
        )
    }
}
