package org.barefoot.app

import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertNull
import org.junit.Assert.assertThrows
import org.junit.Before
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import java.io.File
import java.io.IOException
import java.security.GeneralSecurityException
import javax.crypto.KeyGenerator
import javax.crypto.SecretKey

/** The sealing of the phone's secret, with a key of Java's own: on a phone the key lies in the Keystore. */
class SealedFileTest {
    @get:Rule
    val folder = TemporaryFolder()
    private lateinit var file: File
    private val secret = ByteArray(32) { it.toByte() }

    @Before
    fun place() {
        file = File(folder.root, "device-key")
    }

    private fun newKey(): SecretKey = KeyGenerator.getInstance("AES").apply { init(256) }.generateKey()

    @Test
    fun `a kept secret comes back and is not in the file`() {
        val key = newKey()
        val vault = SealedFile(file) { key }
        assertNull(vault.load())
        vault.save(secret)
        assertArrayEquals(secret, vault.load())
        assertFalse(String(file.readBytes(), Charsets.ISO_8859_1).contains(String(secret, Charsets.ISO_8859_1)))
    }

    @Test
    fun `a secret is never written over`() {
        val key = newKey()
        SealedFile(file) { key }.save(secret)
        assertThrows(IOException::class.java) { SealedFile(file) { key }.save(ByteArray(32)) }
        assertArrayEquals(secret, SealedFile(file) { key }.load())
    }

    @Test
    fun `another key, a lost key and a changed file are failures, not a missing secret`() {
        val key = newKey()
        SealedFile(file) { key }.save(secret)
        assertThrows(GeneralSecurityException::class.java) { SealedFile(file) { newKey() }.load() }
        assertThrows(GeneralSecurityException::class.java) { SealedFile(file) { null }.load() }
        val bytes = file.readBytes()
        for (at in listOf(0, 12, bytes.lastIndex)) {
            file.writeBytes(bytes.clone().also { it[at] = (it[at].toInt() xor 1).toByte() })
            assertThrows(GeneralSecurityException::class.java) { SealedFile(file) { key }.load() }
        }
        file.writeBytes(bytes.copyOf(5))
        assertThrows(GeneralSecurityException::class.java) { SealedFile(file) { key }.load() }
    }
}
