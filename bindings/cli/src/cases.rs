//! `barefoot cases`: the recorded encounters, what the doctor adds to them, and their export.

use crate::error::CliError;
use crate::home::Home;
use crate::output::{Output, column, printable, wrap};
use crate::packs;
use barefoot_app::clinic::{ClinicError, Encounter, EncounterSummary, ExportOf, FollowUp, Kind, PageLanguage};
use barefoot_app::disease_code;
use clap::{Subcommand, ValueEnum};
use serde_json::json;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

#[derive(Debug, Subcommand)]
pub(crate) enum Cases {
    /// Newest first
    List {
        /// How many
        #[arg(long, default_value_t = 20)]
        limit: u32,
    },
    /// One encounter
    Show {
        /// Its id
        id: String,
    },
    /// Write a patient or an encounter to a new, unencrypted file
    Export {
        /// Id of a patient or an encounter
        id: String,
        /// The file; it must not exist
        file: PathBuf,
        /// FHIR R4 Bundle, or a page to print (encounters only)
        #[arg(long, value_enum, default_value_t = Format::Fhir)]
        format: Format,
    },
    /// Add the doctor's diagnosis
    Diagnosis {
        /// The encounter
        id: String,
        /// Slug of the encyclopedia
        #[arg(long, required_unless_present = "words")]
        disease: Option<String>,
        /// In words
        #[arg(long, default_value = "")]
        words: String,
        /// How sure
        #[arg(long, value_parser = ["provisional", "differential", "confirmed", "refuted"], default_value = "provisional")]
        certainty: String,
    },
    /// Add a note of what was done or advised
    Note {
        /// The encounter
        id: String,
        /// The note
        text: String,
    },
    /// Add a date to come back
    FollowUp {
        /// The encounter
        id: String,
        /// YYYY-MM-DD
        date: String,
        /// Why
        #[arg(default_value = "")]
        reason: String,
    },
    /// Dates to come back that are planned by a day
    Due {
        /// YYYY-MM-DD [default: today]
        #[arg(long, value_name = "DATE")]
        by: Option<String>,
        /// How many
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// Say what became of a date to come back
    Close {
        /// The follow-up; `barefoot cases due` and `cases show` name them
        id: String,
        /// What became of it
        #[arg(value_parser = ["done", "cancelled"])]
        status: String,
    },
    /// Add a referral
    Refer {
        /// The encounter
        id: String,
        /// E same day, U within 2 weeks, R routine
        #[arg(value_parser = ["E", "U", "R"])]
        urgency: String,
        /// Where to
        destination: String,
        /// Why
        #[arg(default_value = "")]
        reason: String,
    },
    /// Say whose an anonymous encounter was
    Assign {
        /// The encounter
        id: String,
        /// The patient
        patient: String,
    },
    /// Read everything back and compare
    Verify,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Fhir,
    Html,
}

impl Cases {
    pub(crate) fn run(self, home: &Home, output: Output) -> Result<(), CliError> {
        let mut clinic = home.clinic()?;
        match self {
            Self::List { limit } => list(&clinic.encounters(limit)?, output),
            Self::Show { id } => show(&clinic.encounter(&id)?, output),
            Self::Export { id, file, format } => {
                let encyclopedia = packs::encyclopedia()?;
                let codes = |slug: &str| disease_code(&encyclopedia, slug);
                let content = match format {
                    Format::Html => {
                        clinic.page(&id, output.language.pick(PageLanguage::Chinese, PageLanguage::English), &codes)?
                    }
                    Format::Fhir => {
                        let bundle = match clinic.fhir_bundle(ExportOf::Encounter(&id), &codes) {
                            Err(ClinicError::NotFound(Kind::Encounter)) => {
                                clinic.fhir_bundle(ExportOf::Patient(&id), &codes)?
                            }
                            other => other?,
                        };
                        serde_json::to_string_pretty(&bundle).map_err(ClinicError::from)?
                    }
                };
                write_new(&file, &content)?;
                output.note("导出的文件没有加密，请妥善保管。", "The exported file is not encrypted: keep it safe.");
                output.show(&json!({ "bytes": content.len() }), |language| {
                    format!("{} {}", content.len(), language.pick("字节", "bytes"))
                });
            }
            Self::Diagnosis { id, disease, words, certainty } => {
                added(&clinic.add_diagnosis(&id, disease.as_deref(), &words, &certainty)?, output);
            }
            Self::Note { id, text } => added(&clinic.add_treatment_note(&id, &text)?, output),
            Self::FollowUp { id, date, reason } => added(&clinic.add_follow_up(&id, &date, &reason)?, output),
            Self::Due { by, limit } => {
                let by = by.unwrap_or_else(|| jiff::ZonedDateTime::now().date().to_string());
                let due = clinic.follow_ups_due(&by, limit)?;
                output.show(&due, |language| {
                    if due.is_empty() {
                        return language.pick("没有到期的随访", "nobody is due").to_owned();
                    }
                    let line = |f: &FollowUp| {
                        format!("{}  {}  {}  {}\n", f.due_on, f.id, f.encounter_id, printable(&f.reason))
                    };
                    due.iter().map(line).collect()
                });
            }
            Self::Close { id, status } => {
                clinic.close_follow_up(&id, &status)?;
                added(&id, output);
            }
            Self::Refer { id, urgency, destination, reason } => {
                added(&clinic.add_referral(&id, &urgency, &destination, &reason)?, output)
            }
            Self::Assign { id, patient } => {
                clinic.assign_patient(&id, &patient)?;
                added(&id, output);
            }
            Self::Verify => {
                let found = clinic.verify()?;
                output.show(&found, |language| {
                    let summary = language.pick(
                        "患者 / 就诊 / 照片 / 损坏 / 日志异常",
                        "patients / encounters / photos / damaged / altered past the log",
                    );
                    let altered = found.audit.altered.len() + usize::from(found.audit.broken_at.is_some());
                    format!(
                        "{summary}: {} / {} / {} / {} / {altered}\n",
                        found.patients,
                        found.encounters,
                        found.photos,
                        found.damaged_photos.len()
                    )
                });
                if !found.ok() {
                    return Err(CliError::Damaged((found.damaged_photos.len() + found.audit.altered.len()).max(1)));
                }
            }
        }
        Ok(())
    }
}

/// Says under which id something was recorded.
pub(crate) fn added(id: &str, output: Output) {
    output.show(&json!({ "id": id }), |_| id.to_owned());
}

/// Never over another file.
fn write_new(file: &Path, content: &str) -> Result<(), CliError> {
    let failed = |source| CliError::Write { what: "export", source };
    let mut out = File::create_new(file).map_err(failed)?;
    out.write_all(content.as_bytes()).and_then(|()| out.sync_all()).map_err(failed)
}

pub(crate) fn list(encounters: &[EncounterSummary], output: Output) {
    output.show(&encounters, |language| {
        if encounters.is_empty() {
            return language.pick("还没有记录", "no encounters yet").to_owned();
        }
        let line = |e: &EncounterSummary| {
            let age = e.age_years.map_or_else(String::new, |a| format!("{a}"));
            let photos = format!("{} {}", e.photos, language.pick("张照片", "photo(s)"));
            let time = e.started_at.get(..16).unwrap_or(&e.started_at);
            let name = printable(e.patient_name.as_deref().unwrap_or(language.pick("匿名", "anonymous")));
            let sex = printable(e.sex.as_deref().unwrap_or(""));
            format!("{}  {time}  {}{}{}{photos}\n", e.id, column(&name, 14), column(&age, 6), column(&sex, 8))
        };
        encounters.iter().map(line).collect()
    });
}

fn show(encounter: &Encounter, output: Output) {
    output.show(encounter, |language| {
        let key = language.pick("zh", "en");
        let mut text = format!("{}  {}\n", encounter.summary.id, encounter.summary.started_at);
        if let Some(name) = &encounter.summary.patient_name {
            text += &format!("{}\n", printable(name));
        }
        text += &wrap(&printable(&encounter.findings), "", 88);
        let mut line = |zh: &str, en: &str, value: String| {
            text += &format!("{}{}\n", column(language.pick(zh, en), 14), printable(&value))
        };
        for assessment in &encounter.assessments {
            let names = assessment["differential"].as_array().into_iter().flatten().take(3);
            let ranked: Vec<String> = names
                .map(|d| format!("{} {:.0} %", d[key].as_str().unwrap_or(""), d["p"].as_f64().unwrap_or(0.0) * 100.0))
                .collect();
            line("辅助意见", "The aid said", ranked.join(", "));
        }
        for photo in &encounter.photo_rows {
            line("照片", "Photo", photo.id.clone());
        }
        for d in &encounter.diagnoses {
            line(
                "诊断",
                "Diagnosis",
                format!("{} {} ({})", d.disease.as_deref().unwrap_or(""), d.words, d.certainty).trim().to_owned(),
            );
        }
        for note in &encounter.treatment_notes {
            line("治疗", "Treatment", note.words.clone());
        }
        for visit in &encounter.follow_ups {
            line("随访", "Follow-up", format!("{} {} ({})  {}", visit.due_on, visit.reason, visit.status, visit.id));
        }
        for referral in &encounter.referrals {
            line("转诊", "Referral", format!("[{}] {} {}", referral.urgency, referral.destination, referral.reason));
        }
        for answer in &encounter.answers {
            line("专家意见", "Specialist", answer.words.clone());
        }
        text
    });
}
