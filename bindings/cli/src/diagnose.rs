//! `barefoot diagnose`: the main job.

use crate::error::CliError;
use crate::home::Home;
use crate::language::Language;
use crate::output::{Output, column, printable, wrap};
use crate::packs;
use barefoot_app::knowledge::{Encyclopedia, FoundFinding, Ranked, Sex, Urgency};
use barefoot_app::vision::{Outcome, QualityReason};
use barefoot_app::{AppError, Assessment, AssessmentRequest, PackOrigin};
use clap::Args;
use serde::Serialize;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Read a little more than the largest photo, so that a larger one is refused as such.
const READ_LIMIT: u64 = (32 << 20) + 1;

#[derive(Debug, Args)]
pub(crate) struct Diagnose {
    /// Photos of one lesion or rash (JPEG, PNG, WebP)
    #[arg(required = true)]
    photos: Vec<PathBuf>,
    #[command(flatten)]
    findings: FindingsArgs,
    /// Model pack, by name or folder
    #[arg(long, default_value = packs::DEFAULT, value_name = "NAME|DIR")]
    pack: String,
    /// Write the photo that speaks for all, with its heat map, here; unencrypted
    #[arg(long, value_name = "OUT.png")]
    heatmap: Option<PathBuf>,
    /// Record the encounter for this patient [default: anonymous]
    #[arg(long, value_name = "ID")]
    patient: Option<String>,
    /// Do not record the encounter
    #[arg(long)]
    no_save: bool,
}

/// What is known beside photos.
#[derive(Debug, Args, Default)]
pub(crate) struct FindingsArgs {
    /// Findings in words, Chinese or English
    #[arg(long, default_value = "", hide_default_value = true, value_name = "FINDINGS")]
    pub(crate) text: String,
    /// Age in years; 0.5 is six months
    #[arg(long, value_name = "YEARS", value_parser = parse_age)]
    pub(crate) age: Option<f32>,
    /// Sex
    #[arg(long, value_parser = parse_sex, value_name = "female|male")]
    pub(crate) sex: Option<Sex>,
    /// Body site in words
    #[arg(long)]
    pub(crate) site: Option<String>,
}

impl FindingsArgs {
    pub(crate) fn request(&self, photos: Vec<Vec<u8>>) -> AssessmentRequest {
        AssessmentRequest {
            photos,
            text: self.text.clone(),
            age_years: self.age,
            sex: self.sex,
            site: self.site.clone(),
        }
    }
}

fn parse_age(text: &str) -> Result<f32, String> {
    let years: f32 = text.parse().map_err(|_| "a number of years".to_owned())?;
    if (0.0..=120.0).contains(&years) { Ok(years) } else { Err("0 to 120 years".to_owned()) }
}

fn parse_sex(text: &str) -> Result<Sex, String> {
    match text.to_ascii_lowercase().as_str() {
        "female" | "f" | "女" => Ok(Sex::Female),
        "male" | "m" | "男" => Ok(Sex::Male),
        _ => Err("female or male".to_owned()),
    }
}

#[derive(Serialize)]
struct Answer<'a> {
    #[serde(flatten)]
    assessment: &'a Assessment,
    encounter_id: Option<String>,
}

impl Diagnose {
    pub(crate) fn run(self, home: &Home, output: Output) -> Result<(), CliError> {
        let photos = self.photos.iter().map(|path| read_photo(path)).collect::<Result<Vec<_>, _>>()?;
        let assessor = packs::assessor(&self.pack, home, output)?;
        let request = self.findings.request(photos);
        let mut clinic = if self.no_save { None } else { Some(home.clinic()?) };
        let assessed = assessor.assess(&request, home.verification(clinic.as_mut())?)?;
        if let Some(path) = &self.heatmap {
            match assessed.heat_map() {
                // The case is recorded all the same.
                Err(locked @ AppError::AssessmentLocked) => output.note(&locked.zh(), &locked.to_string()),
                map => fs::write(path, map?).map_err(|source| CliError::Write { what: "heat map", source })?,
            }
        }
        let encounter_id = match &mut clinic {
            Some(clinic) => Some(assessor.record(clinic, &request, &assessed, self.patient.clone())?),
            None => None,
        };
        let answer = Answer { assessment: &assessed.assessment, encounter_id };
        output.show(&answer, |language| {
            let mut text = describe(&assessed.assessment, assessor.encyclopedia(), language);
            if let Some(id) = &answer.encounter_id {
                text += &format!("{}{id}\n", column(language.pick("已记录", "Recorded"), 12));
            }
            text
        });
        Ok(())
    }
}

fn read_photo(path: &Path) -> Result<Vec<u8>, CliError> {
    let fail = |source| CliError::Read { what: "photo", source };
    let mut bytes = Vec::new();
    fs::File::open(path).map_err(fail)?.take(READ_LIMIT).read_to_end(&mut bytes).map_err(fail)?;
    Ok(bytes)
}

/// The assessment for people.
fn describe(a: &Assessment, encyclopedia: &Encyclopedia, language: Language) -> String {
    let label = |zh: &'static str, en: &'static str| column(language.pick(zh, en), 12);
    let name = |slug: &str| match encyclopedia.names(slug) {
        Ok((zh, en)) => language.pick(zh, en),
        Err(_) => slug.to_owned(),
    };
    let added = |slug: &str| a.image.iter().flat_map(|i| &i.classes).any(|c| c.slug == slug && c.prototype);
    let marked = |slug: &str| match added(slug) {
        true => format!("{}{}", name(slug), language.pick("（原型类）", " (prototype)")),
        false => name(slug),
    };
    let mut out = String::new();
    let verification = language.pick(&a.verification.zh, &a.verification.en);
    out += &format!("{}{}\n", label("医生", "Doctor"), printable(verification));
    if let Some(quality) = &a.quality {
        let verdict =
            language.pick(if quality.ok { "合格" } else { "不合格" }, if quality.ok { "good" } else { "poor" });
        let reasons: String = quality.reasons.iter().map(|r| format!("; {}", reason_text(*r, language))).collect();
        out += &format!("{}{verdict} ({:.2}){reasons}\n", label("照片质量", "Quality"), quality.score);
    }
    if let Some(image) = &a.image {
        let top = image.classes.first();
        let said = match (image.outcome, top) {
            (Outcome::Named, Some(top)) => format!("{} {:.0} %", name(&top.slug), top.p * 100.0),
            (Outcome::CannotTell, Some(_)) => language.pick("看不准", "cannot tell from the photo").to_owned(),
            (Outcome::CannotTell, None) => {
                language.pick("不在模型认识的范围内，不作判断", "cannot tell: outside what the model knows").to_owned()
            }
            (Outcome::NotSkin, _) => language.pick("不是皮肤照片", "not a photo of skin").to_owned(),
            (Outcome::BadPhoto | Outcome::Named, _) => {
                language.pick("照片不能用", "the photo cannot be used").to_owned()
            }
        };
        let unsigned = match image.origin {
            PackOrigin::Local => language.pick("，无签名", ", unsigned"),
            PackOrigin::Signed | PackOrigin::BuiltIn => "",
        };
        out += &format!("{}{said}   [{}{unsigned}]\n", label("照片", "Photo"), image.pack);
        if !image.set.is_empty() {
            let set: Vec<String> = image.set.iter().map(|slug| marked(slug)).collect();
            out += &format!("{}{}\n", label("90 %集合", "90 % set"), set.join(language.pick("、", ", ")));
        }
    }
    out += &findings_text(&a.findings, &a.not_understood, language);
    out += &differential_text(&a.differential, 5, language);
    out += &urgency_text(&a.urgency, language);
    if !a.ask_next.is_empty() {
        let questions: Vec<&str> = a.ask_next.iter().map(|q| language.pick(q.zh.as_str(), q.en.as_str())).collect();
        out += &format!("{}{}\n", label("接着问", "Ask next"), questions.join(language.pick("、", ", ")));
    }
    if let Some(card) = &a.card {
        out += &format!("{}{}\n", label("要点卡", "Card"), name(&card.slug));
        out += &wrap(language.of(&card.text), "            ", 76);
    }
    out += &wrap(language.of(&a.notice), "", 88);
    out
}

fn reason_text(reason: QualityReason, language: Language) -> &'static str {
    let (zh, en) = reason.text();
    language.pick(zh, en)
}

/// What was understood and what was not.
pub(crate) fn findings_text(found: &[FoundFinding], missed: &[String], language: Language) -> String {
    let mut out = String::new();
    if !found.is_empty() {
        // "No itch" is one phrase: what it denies need not be shown beside it.
        let stated = |f: &&FoundFinding| f.present || !found.iter().any(|g| g.present && g.span == f.span);
        let shown = found.iter().filter(stated);
        let words: Vec<String> = shown.map(|f| format!("{}{}", if f.present { "+" } else { "-" }, f.text)).collect();
        out += &format!("{}{}\n", column(language.pick("看懂", "Understood"), 12), words.join("  "));
    }
    if !missed.is_empty() {
        out += &format!("{}{}\n", column(language.pick("没看懂", "Not read"), 12), missed.join(" | "));
    }
    out
}

/// The ranked list.
pub(crate) fn differential_text(ranked: &[Ranked], most: usize, language: Language) -> String {
    let mut out = String::new();
    for (at, disease) in ranked.iter().take(most).enumerate() {
        let head = if at == 0 { language.pick("鉴别诊断", "Differential") } else { "" };
        let because: Vec<String> = disease
            .because
            .iter()
            .map(|r| format!("{}{}", if r.supports { "+" } else { "-" }, language.pick(&r.zh, &r.en)))
            .collect();
        let name = language.pick(&disease.zh, &disease.en);
        out +=
            &format!("{}{}. {} {:.0} %  {}\n", column(head, 13), at + 1, name, disease.p * 100.0, because.join("  "));
    }
    out
}

/// The level and its reasons.
pub(crate) fn urgency_text(urgency: &Urgency, language: Language) -> String {
    use barefoot_app::knowledge::Triage;
    let level = match urgency.level {
        Triage::E => language.pick("E 当日急诊", "E  same day, emergency"),
        Triage::U => language.pick("U 两周内转诊", "U  refer within 2 weeks"),
        Triage::R => language.pick("R 常规转诊", "R  refer routinely"),
        Triage::P => language.pick("P 基层处理", "P  managed in primary care"),
    };
    let reasons: Vec<&str> = urgency.reasons.iter().map(|r| language.of(r)).collect();
    let tail = if reasons.is_empty() { String::new() } else { format!(": {}", reasons.join("; ")) };
    format!("{}{level}{tail}\n", column(language.pick("紧急程度", "Urgency"), 12))
}
