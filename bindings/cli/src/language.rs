//! Chinese or English.

use barefoot_app::knowledge::Bilingual;
use std::env;

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Language {
    Zh,
    En,
}

impl Language {
    /// POSIX order: LC_ALL, LC_MESSAGES, LANG.
    pub(crate) fn from_locale() -> Self {
        let locale = ["LC_ALL", "LC_MESSAGES", "LANG"]
            .into_iter()
            .filter_map(|name| env::var(name).ok())
            .find(|v| !v.is_empty());
        if locale.is_some_and(|l| l.starts_with("zh")) { Self::Zh } else { Self::En }
    }

    pub(crate) fn pick<T>(self, zh: T, en: T) -> T {
        match self {
            Self::Zh => zh,
            Self::En => en,
        }
    }

    pub(crate) fn of(self, text: &Bilingual) -> &str {
        self.pick(&text.zh, &text.en)
    }
}
