package org.barefoot.app

import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import org.w3c.dom.Element
import java.io.File
import javax.xml.parsers.DocumentBuilderFactory
import kotlin.math.pow

/** Both languages say everything, and every text can be read on its ground. */
class StringsTest {
    private val res = File(System.getProperty("barefoot.repository"), "android/app/src/main/res")

    private fun elements(file: String, tag: String): Map<String, Element> {
        val nodes = DocumentBuilderFactory.newInstance().newDocumentBuilder().parse(File(res, file)).getElementsByTagName(tag)
        return (0 until nodes.length).map { nodes.item(it) as Element }.associateBy { it.getAttribute("name") }
    }

    @Test
    fun `both languages have the same texts with the same blanks`() {
        val blanks = Regex("%\\d*\\$?[sd]")
        for (tag in listOf("string", "plurals")) {
            val english = elements("values/strings.xml", tag)
            val chinese = elements("values-zh/strings.xml", tag)
            assertEquals(english.keys, chinese.keys)
            for ((name, text) in english) {
                fun blanksOf(element: Element) = blanks.findAll(element.textContent).map { it.value }.toSet()
                assertEquals(name, blanksOf(text), blanksOf(chinese.getValue(name)))
            }
        }
    }

    @Test
    fun `chinese texts are chinese`() {
        val han = Regex("\\p{IsHan}")
        for ((name, text) in elements("values-zh/strings.xml", "string")) {
            assertTrue(name, han.containsMatchIn(text.textContent) || text.textContent in setOf("、", "%1\$d. %2\$s"))
        }
    }

    /** WCAG 2.2, success criterion 1.4.3: 4.5 to 1. */
    @Test
    fun `inks can be read on their grounds, by day and by night`() {
        for (folder in listOf("values", "values-night")) {
            val colours = elements("$folder/colors.xml", "color").mapValues { it.value.textContent }
            val pairs = listOf("ground", "sheet").flatMap { ground -> listOf("ink", "faint_ink", "accent", "error_ink").map { it to ground } } +
                listOf("on_accent" to "accent") + listOf("e", "u", "r", "p").map { "on_level_$it" to "level_$it" }
            for ((ink, ground) in pairs) {
                val contrast = contrast(colours.getValue(ink), colours.getValue(ground))
                assertTrue("$folder: $ink on $ground is $contrast", contrast >= 4.5)
            }
        }
    }

    private fun contrast(one: String, other: String): Double {
        val (dark, light) = listOf(luminance(one), luminance(other)).sorted()
        return (light + 0.05) / (dark + 0.05)
    }

    /** Relative luminance, WCAG 2.2. */
    private fun luminance(colour: String): Double {
        val (red, green, blue) = colour.removePrefix("#").chunked(2).map {
            val part = it.toInt(16) / 255.0
            if (part <= 0.04045) part / 12.92 else ((part + 0.055) / 1.055).pow(2.4)
        }
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue
    }
}
