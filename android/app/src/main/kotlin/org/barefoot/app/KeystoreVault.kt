package org.barefoot.app

import android.security.keystore.KeyGenParameterSpec
import android.security.keystore.KeyProperties
import org.barefoot.KeyVault
import java.io.File
import java.io.IOException
import java.security.GeneralSecurityException
import java.security.KeyStore
import javax.crypto.Cipher
import javax.crypto.KeyGenerator
import javax.crypto.SecretKey
import javax.crypto.spec.GCMParameterSpec

/**
 * Seals the phone's secret with a key that never leaves the phone's secure hardware (AES-256-GCM). The sealed secret is a file; without
 * this phone's Keystore it is worthless.
 *
 * [key] gives the sealing key and makes it when `make` is true; `null` when there is none.
 */
class SealedFile(private val file: File, private val key: (make: Boolean) -> SecretKey?) {
    /** The secret; `null` when none was kept. Does I/O. Throws when it cannot be unsealed, which is not the same as having none. */
    fun load(): ByteArray? {
        if (!file.exists()) return null
        val sealed = file.readBytes()
        val key = key(false) ?: throw GeneralSecurityException("the Keystore has lost the key")
        if (sealed.size <= NONCE) throw GeneralSecurityException("the sealed secret is cut short")
        val cipher = Cipher.getInstance(CIPHER)
        cipher.init(Cipher.DECRYPT_MODE, key, GCMParameterSpec(TAG_BITS, sealed, 0, NONCE))
        return cipher.doFinal(sealed, NONCE, sealed.size - NONCE)
    }

    /** Keeps a new secret: whole or not at all, and never over another one. Does I/O. */
    fun save(secret: ByteArray) {
        if (file.exists()) throw IOException("a sealed secret is already there")
        val cipher = Cipher.getInstance(CIPHER)
        // The Keystore chooses the nonce itself.
        cipher.init(Cipher.ENCRYPT_MODE, checkNotNull(key(true)) { "a key was asked for" })
        val draft = File(file.path + ".new")
        draft.outputStream().use {
            it.write(cipher.iv + cipher.doFinal(secret))
            it.fd.sync()
        }
        if (!draft.renameTo(file)) throw IOException("the sealed secret cannot be kept")
    }

    private companion object {
        const val CIPHER = "AES/GCM/NoPadding"
        const val NONCE = 12
        const val TAG_BITS = 128
    }
}

/** The core's vault on a phone. */
class KeystoreVault(private val file: SealedFile) : KeyVault {
    override fun load(): ByteArray? = file.load()

    override fun save(secret: ByteArray) = file.save(secret)
}

/** The sealing key in Android's Keystore. */
internal fun keystoreKey(make: Boolean): SecretKey? {
    val store = KeyStore.getInstance(KEYSTORE).apply { load(null) }
    (store.getKey(ALIAS, null) as SecretKey?)?.let { return it }
    if (!make) return null
    val generator = KeyGenerator.getInstance(KeyProperties.KEY_ALGORITHM_AES, KEYSTORE)
    generator.init(
        KeyGenParameterSpec.Builder(ALIAS, KeyProperties.PURPOSE_ENCRYPT or KeyProperties.PURPOSE_DECRYPT)
            .setBlockModes(KeyProperties.BLOCK_MODE_GCM)
            .setEncryptionPaddings(KeyProperties.ENCRYPTION_PADDING_NONE)
            .setKeySize(256)
            .build(),
    )
    return generator.generateKey()
}

private const val KEYSTORE = "AndroidKeyStore"
private const val ALIAS = "barefoot"
