/** Drives tests/scenarios through the Kotlin bindings. `cargo xtask test kotlin` runs it; docs/bindings.md describes the steps. */
package org.barefoot

import org.json.JSONArray
import org.json.JSONObject
import java.io.File
import java.lang.reflect.Modifier
import java.nio.file.Files
import kotlin.system.exitProcess

private class Vault : KeyVault {
    var broken = false
    private var secret: ByteArray? = null

    override fun load(): ByteArray? = if (broken) throw VaultException.Unavailable() else secret

    override fun save(secret: ByteArray) {
        this.secret = secret
    }
}

private class Heard(private val cancelAt: Long?, private val cancel: () -> Unit) : ProgressListener {
    val steps = mutableListOf<Map<String, Any?>>()

    override fun onProgress(done: ULong, total: ULong) {
        steps += mapOf("done" to done.toLong(), "total" to total.toLong())
        if (cancelAt != null && done.toLong() >= cancelAt) cancel()
    }
}

private class World(private val repository: File, private val folder: File) {
    private val vault = Vault()
    private val encyclopedia = Encyclopedia.builtIn()
    private val assessor = Assessor.builtIn()
    private lateinit var clinic: Clinic
    private lateinit var assessed: Assessed
    private var heard: List<Map<String, Any?>> = emptyList()

    private fun <T> watched(with: JSONObject, cancel: () -> Unit, run: (ProgressListener) -> T): T {
        val listener = Heard(if (with.has("cancel_at")) with.getLong("cancel_at") else null, cancel)
        try {
            return run(listener)
        } finally {
            heard = listener.steps
        }
    }

    fun call(name: String, with: JSONObject): Any? {
        fun text(key: String): String = with.optString(key, "")
        fun some(key: String): String? = if (with.has(key)) with.getString(key) else null
        val limit = with.optInt("limit", 20).toUInt()
        val age = if (with.has("age_years")) with.getDouble("age_years") else null
        val sex = some("sex")?.let { Sex.valueOf(it.uppercase()) }
        val place = File(folder, "clinic").path
        fun patient() = NewPatient(text("name"), some("birth_date"), age, some("sex"), some("phone"), some("village"))
        fun purpose() = Use.valueOf(text("use").uppercase())
        return when (name) {
            "encyclopedia.search" -> encyclopedia.search(text("query"), limit)
            "encyclopedia.article" -> encyclopedia.article(text("slug"))
            "encyclopedia.findings" -> encyclopedia.findings()
            "encyclopedia.drawing" -> encyclopedia.drawing(text("id"))
            "assessor.triage" -> assessor.triage(text("complaint"), age?.toFloat(), sex)
            "assessor.lupus_score" -> assessor.lupusScore(text("text"))
            "assessor.assess" -> {
                val photos = with.optJSONArray("photos")?.map { File(repository, it as String).readBytes() }.orEmpty()
                val job = assessor.begin(AssessmentRequest(photos, text("text"), age?.toFloat(), sex, some("site")))
                assessed = watched(with, job::cancel, job::run)
                assessed.assessment()
            }
            "assessed.heat_map" -> assessed.heatMap()
            "assessor.record" -> assessor.record(clinic, assessed, some("patient_id"))
            "job.progress" -> heard
            "clinic.sign_in" -> Clinic.signIn(place, vault)
            "clinic.open" -> {
                val how = when (text("way")) {
                    "pin" -> Unlock.Pin(text("doctor"), text("pin"))
                    "recovery" -> Unlock.Recovery(text("phrase"))
                    else -> Unlock.Device
                }
                clinic = Clinic.open(place, vault, how)
                null
            }
            "clinic.lock" -> clinic.lock().let { null }
            "clinic.author" -> clinic.author()
            "clinic.add_doctor" -> clinic.addDoctor(vault, text("name"), text("pin"))
            "clinic.new_recovery_phrase" -> clinic.newRecoveryPhrase(PhraseLanguage.valueOf(text("language").uppercase()))
            "clinic.patients" -> clinic.patients(limit)
            "clinic.find_patients" -> clinic.findPatients(text("query"), limit)
            "clinic.patient" -> clinic.patient(text("id"))
            "clinic.add_patient" -> clinic.addPatient(patient())
            "clinic.update_patient" -> clinic.updatePatient(text("id"), patient()).let { null }
            "clinic.encounters_of" -> clinic.encountersOf(text("patient"), limit)
            "clinic.encounter" -> clinic.encounter(text("id"))
            "clinic.thumbnail" -> clinic.thumbnail(text("id"))
            "clinic.add_diagnosis" -> clinic.addDiagnosis(text("encounter"), some("disease"), text("words"), text("certainty"))
            "clinic.set_consent" -> clinic.setConsent(text("subject"), purpose(), with.getBoolean("granted")).let { null }
            "clinic.has_consent" -> clinic.hasConsent(text("subject"), purpose())
            "clinic.page" -> clinic.page(text("encounter"), PageLanguage.valueOf(text("language").uppercase()), encyclopedia)
            "clinic.backup" -> {
                val job = clinic.beginBackup(File(folder, text("file")).path)
                watched(with, job::cancel, job::run)
            }
            "sync.run" -> {
                val job = Sync(clinic, encyclopedia).begin(SyncServer(text("address")))
                if (with.optBoolean("cancelled")) job.cancel()
                job.run(null)
            }
            "sync.deliveries" -> Sync(clinic, encyclopedia).deliveries()
            "folder.holds" -> File(folder, text("file")).exists()
            "vault.break" -> {
                vault.broken = true
                null
            }
            else -> error("no such call: $name")
        }
    }
}

/** A result as JSON would hold it; bytes as their length and their first four. */
private fun shown(value: Any?): Any? = when (value) {
    null, is String, is Boolean, is Number -> value
    is Enum<*> -> value.name
    is ByteArray -> mapOf("length" to value.size, "head" to value.take(4).joinToString("") { "%02x".format(it) })
    is List<*> -> value.map(::shown)
    is Map<*, *> -> value
    else -> value.javaClass.declaredFields.filterNot { Modifier.isStatic(it.modifiers) }.associate { field ->
        field.isAccessible = true
        field.name.replace(Regex("([a-z])([A-Z])")) { it.groupValues[1] + "_" + it.groupValues[2].lowercase() } to shown(field.get(value))
    }
}

private fun at(value: Any?, path: String): Any? = path.split('.').filter(String::isNotEmpty).fold(value) { found, part ->
    when (found) {
        is List<*> -> found.getOrNull(part.toInt())
        is Map<*, *> -> found[part]
        else -> null
    }
}

private fun plain(name: Any?): String? = (name as? String)?.replace("_", "")?.lowercase()

private fun holds(check: JSONObject, found: Any?): Boolean = check.keySet().minus("path").all { key ->
    val wanted = check.get(key)
    val number = (found as? Number)?.toDouble()
    when (key) {
        "is" -> if (number != null && wanted is Number) number == wanted.toDouble() else found == wanted
        "variant" -> plain(found) == plain(wanted)
        "at_least" -> number != null && number >= (wanted as Number).toDouble()
        "at_most" -> number != null && number <= (wanted as Number).toDouble()
        "length" -> when (found) {
            is List<*> -> found.size
            is String -> found.length
            else -> -1
        } == wanted
        "contains" -> found is String && (wanted as String) in found
        "exists" -> (found != null) == wanted
        else -> error("no such check: $key")
    }
}

private fun filled(value: Any?, saved: Map<String, Any?>): Any? = when (value) {
    is String -> if (value.startsWith("$")) saved.getValue(value.drop(1)) else value
    is JSONArray -> JSONArray(value.map { filled(it, saved) })
    is JSONObject -> JSONObject().also { out -> value.keySet().forEach { out.put(it, filled(value.get(it), saved)) } }
    else -> value
}

private fun run(file: File, repository: File) {
    val folder = Files.createTempDirectory("barefoot").toFile()
    try {
        val world = World(repository, folder)
        val saved = mutableMapOf<String, Any?>()
        JSONObject(file.readText()).getJSONArray("steps").forEachIndexed { number, any ->
            val step = any as JSONObject
            val place = "${file.name}, step $number (${step.getString("call")})"
            val fails = if (step.has("fails")) step.getString("fails") else null
            val found = try {
                shown(world.call(step.getString("call"), filled(step.optJSONObject("with", JSONObject()), saved) as JSONObject))
            } catch (failure: BarefootException) {
                check(failure.code == fails) { "$place: ${failure.code}: ${failure.en}" }
                check(failure.zh.isNotEmpty() && failure.en.isNotEmpty()) { "$place: no sentence" }
                check((failure is BarefootException.Cancelled) == (fails == "job.cancelled")) { place }
                return@forEachIndexed
            }
            check(fails == null) { "$place: should fail with $fails, gave $found" }
            step.optJSONArray("expect")?.forEach { written ->
                val wanted = filled(written, saved) as JSONObject
                val value = at(found, wanted.getString("path"))
                check(holds(wanted, value)) { "$place: $wanted, found $value" }
            }
            step.optJSONObject("save")?.let { save -> save.keySet().forEach { saved[it] = at(found, save.getString(it)) } }
        }
    } finally {
        folder.deleteRecursively()
    }
}

/** Median milliseconds from a call in Kotlin to the result of a search, after a warm-up. Said, never judged: machines differ. */
private fun searchTime(): Double {
    val encyclopedia = Encyclopedia.builtIn()
    val times = (0 until 300).map {
        val start = System.nanoTime()
        encyclopedia.search("yinxiebing", 10u)
        System.nanoTime() - start
    }
    return times.drop(100).sorted()[100] / 1e6
}

fun main(arguments: Array<String>) {
    val repository = File(arguments[0])
    val files = File(repository, "tests/scenarios").listFiles { file -> file.extension == "json" }.orEmpty().sorted()
    var failed = 0
    for (file in files) {
        try {
            run(file, repository)
        } catch (failure: IllegalStateException) {
            failed += 1
            System.err.println("kotlin: ${failure.message}")
        }
    }
    println("a search from Kotlin takes %.2f ms".format(searchTime()))
    println("${files.size - failed} passed, $failed failed")
    exitProcess(if (failed > 0 || files.size < 8) 1 else 0)
}
