//! The one place that prints. Text for people or one JSON document goes to stdout, everything else to stderr.

use crate::error::CliError;
use crate::language::Language;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::io::{IsTerminal, Write};

#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    pub(crate) json: bool,
    pub(crate) language: Language,
}

impl Output {
    /// Prints `value` as JSON, or `text` for people.
    pub(crate) fn show(self, value: &impl Serialize, text: impl FnOnce(Language) -> String) {
        let shown = if self.json {
            serde_json::to_string_pretty(value)
                .unwrap_or_else(|error| format!("{{\"error\": {:?}}}", error.to_string()))
        } else {
            text(self.language)
        };
        // A closed pipe (`barefoot ... | head`) is no failure.
        let _ = writeln!(std::io::stdout().lock(), "{}", shown.trim_end());
    }

    pub(crate) fn error(self, error: &CliError) {
        let _ = writeln!(std::io::stderr().lock(), "barefoot: {}", self.language.pick(error.zh(), error.to_string()));
    }

    pub(crate) fn note(self, zh: &str, en: &str) {
        let _ = writeln!(std::io::stderr().lock(), "{}", self.language.pick(zh, en));
    }

    /// A bar on a terminal, nothing elsewhere.
    pub(crate) fn progress(self, length: u64) -> ProgressBar {
        if !std::io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let style = ProgressStyle::with_template("{wide_bar} {pos}/{len}{msg} {eta}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        ProgressBar::new(length).with_style(style)
    }
}

/// A text from the record, without what would steer a terminal: control characters, bidirectional overrides. JSON output keeps them.
pub(crate) fn printable(text: &str) -> String {
    let steers =
        |c: char| (c.is_control() && c != '\n') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if steers(c) { '\u{fffd}' } else { c }).collect()
}

/// `label` padded to a column, Chinese characters counted double as terminals draw them.
pub(crate) fn column(label: &str, width: usize) -> String {
    let drawn: usize = label.chars().map(|c| if c > '\u{2e7f}' { 2 } else { 1 }).sum();
    format!("{label}{}", " ".repeat(width.saturating_sub(drawn).max(1)))
}

/// Breaks a text into lines of at most `width` columns: English at spaces, Chinese anywhere but before closing punctuation.
pub(crate) fn wrap(text: &str, indent: &str, width: usize) -> String {
    const NEVER_FIRST: &str = "，。；：、！？）》」』”’…";
    let mut out = String::new();
    for line in text.trim().lines() {
        let mut used = 0;
        out.push_str(indent);
        let mut word = String::new();
        let mut word_width = 0;
        let mut put = |word: &mut String, word_width: &mut usize, out: &mut String| {
            if used + *word_width > width && used > 0 {
                while out.ends_with(' ') {
                    out.pop();
                }
                out.push('\n');
                out.push_str(indent);
                used = 0;
                *word = word.trim_start().to_owned();
            }
            out.push_str(word);
            used += *word_width;
            word.clear();
            *word_width = 0;
        };
        for c in line.chars() {
            let wide = c > '\u{2e7f}';
            let breaks = (wide && !NEVER_FIRST.contains(c))
                || word.ends_with(' ')
                || word.chars().last().is_some_and(|l| l > '\u{2e7f}' && !NEVER_FIRST.contains(c));
            if breaks && !word.is_empty() {
                put(&mut word, &mut word_width, &mut out);
            }
            word.push(c);
            word_width += if wide { 2 } else { 1 };
        }
        put(&mut word, &mut word_width, &mut out);
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_chinese_double() {
        assert_eq!(column("照片", 8), "照片    ");
        assert_eq!(column("photo", 8), "photo   ");
    }

    #[test]
    fn wrapping_keeps_words_and_punctuation_together() {
        let lines = wrap("one two three four", "  ", 9);
        assert_eq!(lines, "  one two\n  three\n  four\n");
        for line in wrap("面部红斑，边界清楚，日晒后加重。", "", 10).lines() {
            assert!(!line.starts_with(['，', '。']), "{line}");
        }
    }
}
