//! One encounter as an HTML page that prints on one or two sheets: no scripts, no links, photos inside. Every text from the record is
//! escaped. The page is plaintext: who saves it has left the encrypted store.

use crate::{Clinic, ClinicError, Codes};
use base64ct::{Base64, Encoding};
use std::fmt::Write;

/// The language of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageLanguage {
    /// Simplified Chinese.
    Chinese,
    /// English.
    English,
}

impl PageLanguage {
    fn pick(self, zh: &'static str, en: &'static str) -> &'static str {
        match self {
            Self::Chinese => zh,
            Self::English => en,
        }
    }
}

const STYLE: &str = "body{font:11pt/1.5 sans-serif;max-width:48em;margin:2em auto;padding:0 1em}h1{font-size:1.4em}h2{font-size:1.1em;\
border-bottom:1px solid #999}img{max-width:14em;margin:.3em;vertical-align:top}.aid{background:#eee;padding:.5em;\
-webkit-print-color-adjust:exact}p{white-space:pre-wrap;unicode-bidi:plaintext}@page{margin:15mm}";

impl Clinic {
    /// An encounter as a printable HTML page with thumbnails of its photos. Reads the database and the photos.
    ///
    /// # Errors
    /// When there is no such encounter.
    pub fn page(&self, encounter: &str, language: PageLanguage, codes: Codes<'_>) -> Result<String, ClinicError> {
        let visit = self.encounter(encounter)?;
        let t = |zh, en| language.pick(zh, en);
        let name = |slug: &str| match codes(slug) {
            Some(code) if language == PageLanguage::Chinese => code.zh,
            Some(code) => code.en,
            None => slug.to_owned(),
        };
        let mut page = Page(String::new());
        let lang = t("zh-CN", "en");
        let title = t("皮肤就诊记录", "Skin encounter");
        page.raw(&format!("<!DOCTYPE html><html lang=\"{lang}\"><head><meta charset=\"utf-8\"><title>{title}</title><style>{STYLE}</style></head><body><h1>{title}</h1>"));
        let summary = &visit.summary;
        if let Some(patient) = summary.patient_id.as_deref().map(|id| self.patient(id)).transpose()? {
            page.line(t("患者", "Patient"), &patient.name);
            page.some(t("出生", "Born"), patient.birth_date.as_deref());
            page.some(t("村庄", "Village"), patient.village.as_deref());
            page.some(t("电话", "Phone"), patient.phone.as_deref());
        }
        page.line(t("时间", "Time"), &summary.started_at);
        page.some(t("年龄", "Age"), summary.age_years.map(|age| age.to_string()).as_deref());
        page.some(t("性别", "Sex"), summary.sex.as_deref());
        page.some(t("部位", "Site"), summary.site.as_deref());
        page.section(t("所见", "Findings"));
        page.paragraph(&visit.findings);
        for photo in &visit.photo_rows {
            // A damaged photo must not keep the page from being printed.
            match self.thumbnail(&photo.id) {
                Ok(jpeg) => {
                    page.raw(&format!("<img alt=\"\" src=\"data:image/jpeg;base64,{}\">", Base64::encode_string(&jpeg)))
                }
                Err(_) => page.paragraph(t("（照片无法显示）", "(a photo cannot be shown)")),
            }
        }
        if !visit.diagnoses.is_empty() {
            page.section(t("医生的诊断", "The doctor's diagnosis"));
        }
        for diagnosis in &visit.diagnoses {
            let named = diagnosis.disease.as_deref().map(name).unwrap_or_default();
            let mark = diagnosis.unverified().map_or("", |_| t("，医生未经验证", ", doctor unverified"));
            page.paragraph(format!("{named} {}（{}{mark}）", diagnosis.words, diagnosis.certainty).trim());
        }
        page.list(t("治疗", "Treatment"), visit.treatment_notes.iter().map(|note| note.words.clone()));
        page.list(
            t("随访", "Follow-up"),
            visit.follow_ups.iter().map(|f| format!("{} {} ({})", f.due_on, f.reason, f.status)),
        );
        page.list(
            t("转诊", "Referral"),
            visit.referrals.iter().map(|r| format!("[{}] {} {}", r.urgency, r.destination, r.reason)),
        );
        if !visit.assessments.is_empty() {
            page.raw("<div class=\"aid\">");
            page.section(t("辅助工具的意见（不是诊断）", "What the aid said (not a diagnosis)"));
            for assessment in &visit.assessments {
                for ranked in assessment["differential"].as_array().into_iter().flatten().take(5) {
                    let percent = ranked["p"].as_f64().unwrap_or(0.0) * 100.0;
                    page.paragraph(&format!("{} {percent:.0} %", name(ranked["slug"].as_str().unwrap_or(""))));
                }
            }
            page.paragraph(t(
                "研究和教学辅助，不是注册医疗器械；由医生作出诊断。",
                "A research and teaching aid, not a registered medical device; the doctor makes the diagnosis.",
            ));
            page.raw("</div>");
        }
        page.raw("</body></html>\n");
        Ok(page.0)
    }
}

struct Page(String);

impl Page {
    fn raw(&mut self, html: &str) {
        self.0.push_str(html);
    }

    fn line(&mut self, label: &str, value: &str) {
        // Writing to a String cannot fail.
        let _ = write!(self.0, "<div><b>{}</b> <bdi>{}</bdi></div>", escape(label), escape(value));
    }

    fn some(&mut self, label: &str, value: Option<&str>) {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            self.line(label, value);
        }
    }

    fn section(&mut self, title: &str) {
        let _ = write!(self.0, "<h2>{}</h2>", escape(title));
    }

    fn paragraph(&mut self, text: &str) {
        if !text.is_empty() {
            let _ = write!(self.0, "<p>{}</p>", escape(text));
        }
    }

    fn list(&mut self, title: &str, lines: impl ExactSizeIterator<Item = String>) {
        if lines.len() > 0 {
            self.section(title);
        }
        lines.for_each(|line| self.paragraph(&line));
    }
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}
