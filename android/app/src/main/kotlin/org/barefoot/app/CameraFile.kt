package org.barefoot.app

import android.content.ContentProvider
import android.content.ContentValues
import android.content.Context
import android.net.Uri
import android.os.ParcelFileDescriptor
import java.io.File
import java.io.FileNotFoundException

/**
 * The one file into which the system's camera app writes a photo. The camera gets a right to this file alone, for this photo alone; the
 * file is removed as soon as it was read, because it is not encrypted.
 */
class CameraFile : ContentProvider() {
    override fun onCreate(): Boolean = true

    override fun openFile(uri: Uri, mode: String): ParcelFileDescriptor {
        val context = context ?: throw FileNotFoundException("the provider has no context")
        return ParcelFileDescriptor.open(file(context), ParcelFileDescriptor.parseMode(mode))
    }

    override fun getType(uri: Uri): String = "image/jpeg"

    override fun query(uri: Uri, columns: Array<String>?, where: String?, values: Array<String>?, order: String?) = null

    override fun insert(uri: Uri, values: ContentValues?): Uri? = null

    override fun update(uri: Uri, values: ContentValues?, where: String?, arguments: Array<String>?): Int = 0

    override fun delete(uri: Uri, where: String?, arguments: Array<String>?): Int = 0

    companion object {
        /** Where the camera writes to. */
        val uri: Uri = Uri.parse("content://org.barefoot.app.camera/photo.jpg")

        internal fun file(context: Context): File = File(context.cacheDir, "camera.jpg")

        /** What the camera wrote, at most [limit] bytes and one; `null` when it wrote nothing. Does I/O; the file is gone afterwards. */
        internal fun take(context: Context, limit: Int): ByteArray? {
            val file = file(context)
            return try {
                if (file.length() > 0) file.inputStream().use { it.readAtMost(limit + 1) } else null
            } finally {
                file.delete()
            }
        }
    }
}
