//! An article as its author writes it (docs/guide/writing-articles.md): one struct field per key of the file.

use serde::{Deserialize, Serialize};

/// How much hurry a disease is in by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Triage {
    /// Managed in primary care.
    P,
    /// Routine referral.
    R,
    /// Urgent: within 2 weeks.
    U,
    /// Emergency: the same day.
    E,
}

/// A text in both languages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bilingual {
    /// Chinese, simplified.
    pub zh: String,
    /// English.
    pub en: String,
}

/// Codes of WHO's classifications.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Codes {
    /// ICD-10.
    pub icd10: String,
    /// WHO's title of that code.
    pub icd10_title: String,
    /// ICD-11.
    pub icd11: String,
    /// WHO's title of that code.
    pub icd11_title: String,
}

/// All names of a disease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Names {
    /// The Chinese name that is shown.
    pub zh: String,
    /// The English name that is shown.
    pub en: String,
    /// What patients call it.
    pub lay_zh: Vec<String>,
    /// What patients call it.
    pub lay_en: Vec<String>,
    /// Older or alternative medical names.
    pub former_zh: Vec<String>,
    /// Older or alternative medical names.
    pub former_en: Vec<String>,
    /// Abbreviations.
    pub abbr: Vec<String>,
}

/// Another disease that looks alike, and how to tell the two apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LookAlike {
    /// The other disease.
    pub slug: String,
    /// The difference; names both diseases.
    pub zh: String,
    /// The difference; names both diseases.
    pub en: String,
}

/// Where a statement comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// What the text cites in brackets.
    pub key: String,
    /// Author or body, title, publisher or journal.
    pub text: String,
    /// Year of publication.
    pub year: u16,
}

macro_rules! sections {
    ($($key:ident $zh:literal $en:literal,)*) => {
        /// One article.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct Article {
            /// Fixed short name.
            pub slug: String,
            /// Chapter.
            pub group: String,
            /// 1 everyday, 2 must know, 3 reference.
            pub tier: u8,
            /// How much hurry.
            pub triage: Triage,
            /// Remarks of the disease list, such as `child` or `notify`.
            pub flags: Vec<String>,
            /// Written at full depth.
            pub core: bool,
            /// Counts up with each change of content.
            pub version: u32,
            /// The dermatologist who signed; empty until then.
            pub reviewed_by: String,
            /// WHO's codes.
            pub codes: Codes,
            /// All names.
            pub names: Names,
            $(#[doc = $en] pub $key: Bilingual,)*
            /// Look-alikes that this article's author wrote.
            pub look_alikes: Vec<LookAlike>,
            /// Sources.
            pub sources: Vec<Source>,
        }

        impl Article {
            /// The sections in reading order.
            #[must_use]
            pub fn sections(&self) -> Vec<Section<'_>> {
                vec![$(Section { key: stringify!($key), title_zh: $zh, title_en: $en, text: &self.$key },)*]
            }
        }
    };
}

sections! {
    card "要点卡" "In 30 seconds",
    who "哪些人得" "Who gets it",
    cause "病因" "Cause",
    features "看到什么" "What you see",
    examine "问、看、摸" "Ask, look, feel",
    photos "拍哪些照片" "Photos to take",
    tests "检查" "Tests",
    red_flags "危险信号" "Red flags",
    refer_emergency "急诊转诊" "Refer the same day",
    refer_urgent "两周内转诊" "Refer within 2 weeks",
    refer_routine "常规转诊" "Refer routinely",
    refer_back "转回基层" "Back from hospital",
    treatment "基层治疗" "Treatment in the clinic",
    do_not "不要做" "Do not",
    special "儿童、孕妇、哺乳、老人" "Children, pregnancy, breast-feeding, elderly",
    follow_up "随访" "Follow-up",
    prognosis "并发症与预后" "Complications and prognosis",
    prevention "预防与告知患者" "Prevention, and what to tell the patient",
    infection_control "感染控制与报告" "Infection control and notification",
}

/// One section of an article, with its titles.
#[derive(Debug, Clone, Copy)]
pub struct Section<'a> {
    /// The fixed key.
    pub key: &'static str,
    /// Chinese title.
    pub title_zh: &'static str,
    /// English title.
    pub title_en: &'static str,
    /// The text.
    pub text: &'a Bilingual,
}
