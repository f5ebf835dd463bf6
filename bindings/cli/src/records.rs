//! `barefoot patient`, `consent`, `doctor`, `phrase`, `backup`, `restore`, `purge`: who the records are about, who may open them, and how
//! they survive.

use crate::cases::{added, list};
use crate::error::CliError;
use crate::home::{Home, secret};
use crate::language::Language;
use crate::output::{Output, column, printable};
use barefoot_app::clinic::{
    Clinic, ClinicError, Consent, Doctor, DoctorAtDoor, FORGOTTEN_BOTH, Kind, NewPatient, Patient, PhraseLanguage,
    Unlock, Use,
};
use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use serde_json::json;
use std::collections::HashSet;
use std::env;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

#[derive(Debug, Subcommand)]
pub(crate) enum PatientCommand {
    /// Add a patient
    Add {
        /// Name, as written
        name: String,
        #[command(flatten)]
        known: Known,
    },
    /// Change what is known of a patient; what is not given stays, an empty text removes
    Edit {
        /// The patient
        id: String,
        /// Name, as written
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        known: Known,
    },
    /// Records that may be of one person: of this patient, or among the newest patients
    Duplicates {
        /// The patient
        id: Option<String>,
        /// How many of the newest patients to look at, when none is named
        #[arg(long, default_value_t = 200)]
        limit: u32,
    },
    /// Say that two records are one person; `patient part` undoes it
    Merge {
        /// The record that no longer counts by itself
        other: String,
        /// The record that counts
        id: String,
    },
    /// Undo a merge: the record counts for itself again
    Part {
        /// The record that was merged into another
        id: String,
    },
    /// Find patients by name, pinyin, initials, phone or village
    Search {
        /// What to look for
        query: String,
        /// How many
        #[arg(long, default_value_t = 20)]
        limit: u32,
    },
    /// A patient with encounters, lesions and consent
    Show {
        /// The patient
        id: String,
    },
}

/// What may be known of a patient beside the name.
#[derive(Debug, Args)]
pub(crate) struct Known {
    /// YYYY-MM-DD, YYYY-MM or YYYY
    #[arg(long, value_name = "DATE")]
    born: Option<String>,
    /// Age in years, where no birth date is known
    #[arg(long, conflicts_with = "born")]
    age: Option<f64>,
    /// Sex
    #[arg(long, value_parser = ["female", "male", "other", "unknown"])]
    sex: Option<String>,
    /// Phone number
    #[arg(long)]
    phone: Option<String>,
    /// Village or address
    #[arg(long)]
    village: Option<String>,
}

impl PatientCommand {
    pub(crate) fn run(self, home: &Home, output: Output) -> Result<(), CliError> {
        let mut clinic = home.clinic()?;
        match self {
            Self::Add { name, known: Known { born, age, sex, phone, village } } => {
                let new = NewPatient { name, birth_date: born, age_years: age, sex, phone, village };
                let duplicates = clinic.possible_duplicates(&new)?;
                let id = clinic.add_patient(&new)?;
                if !duplicates.is_empty() {
                    output.note("可能与已有患者重复：", "This may be a patient who is already recorded:");
                }
                for duplicate in &duplicates {
                    let line = format!("  {}{:.0} %", patient_line(&duplicate.patient), duplicate.score * 100.0);
                    output.note(&line, &line);
                }
                output.show(&json!({ "id": id, "possible_duplicates": duplicates }), |_| id.clone());
            }
            Self::Edit { id, name, known: Known { born, age, sex, phone, village } } => {
                let old = NewPatient::from(clinic.patient(&id)?);
                let birth_date = if age.is_some() { None } else { born.or(old.birth_date) };
                let filled = |text: &String| !text.is_empty();
                let new = NewPatient {
                    name: name.unwrap_or(old.name),
                    birth_date: birth_date.filter(filled),
                    age_years: age,
                    sex: sex.or(old.sex),
                    phone: phone.or(old.phone).filter(filled),
                    village: village.or(old.village).filter(filled),
                };
                clinic.update_patient(&id, &new)?;
                added(&id, output);
            }
            Self::Duplicates { id, limit } => {
                let pairs = duplicates(&clinic, id, limit)?;
                output.show(&pairs, |language| {
                    if pairs.is_empty() {
                        return language.pick("没有发现可能重复的患者", "no records look like one person").to_owned();
                    }
                    let line = |pair: &Pair| {
                        let because: Vec<_> =
                            pair.duplicate.because.iter().map(|what| reason(what, language)).collect();
                        let (first, second) = (patient_line(&pair.patient), patient_line(&pair.duplicate.patient));
                        format!("{first}\n{second}\n  {:.0} %  {}\n", pair.duplicate.score * 100.0, because.join(", "))
                    };
                    pairs.iter().map(line).collect()
                });
            }
            Self::Merge { other, id } => {
                let ask_again = clinic.merge_patients(&other, &id)?;
                if !ask_again.is_empty() {
                    output.note(
                        "两份记录的知情同意不一致，已按“不同意”处理：请重新询问患者",
                        "The two records said yes and no to one use; the no counts for both: ask the patient again",
                    );
                }
                output.show(&json!({ "id": id, "ask_again": ask_again }), |_| id.clone());
            }
            Self::Part { id } => {
                clinic.part_patients(&id)?;
                added(&id, output);
            }
            Self::Search { query, limit } => {
                let found = clinic.find_patients(&query, limit)?;
                output.show(&found, |language| {
                    if found.is_empty() {
                        return language.pick("没有找到", "nobody found").to_owned();
                    }
                    found.iter().map(|patient| patient_line(patient) + "\n").collect()
                });
            }
            Self::Show { id } => {
                let patient = clinic.patient(&id)?;
                let encounters = clinic.encounters_of(&id, u32::MAX)?;
                if output.json {
                    let lesions = clinic.lesions(&id)?;
                    let consents = clinic.consents(&id)?;
                    let all = json!({ "patient": patient, "encounters": encounters, "lesions": lesions, "consents": consents });
                    output.show(&all, |_| String::new());
                } else {
                    output.show(&(), |_| patient_line(&patient));
                    list(&encounters, output);
                }
            }
        }
        Ok(())
    }
}

/// Two records that may be of one person.
#[derive(Serialize)]
struct Pair {
    patient: Patient,
    #[serde(flatten)]
    duplicate: Duplicate,
}

#[derive(Serialize)]
struct Duplicate {
    #[serde(rename = "duplicate")]
    patient: Patient,
    score: f64,
    because: Vec<&'static str>,
}

fn duplicates(clinic: &Clinic, id: Option<String>, limit: u32) -> Result<Vec<Pair>, CliError> {
    let patients = match id {
        Some(id) => vec![clinic.patient(&id)?],
        None => clinic.patients(limit)?,
    };
    let mut seen = HashSet::new();
    let mut pairs = Vec::new();
    for patient in patients {
        for found in clinic.duplicates_of(&patient.id)? {
            let (a, b) = (&patient.id, &found.patient.id);
            if seen.insert((a.min(b).clone(), a.max(b).clone())) {
                let duplicate = Duplicate { patient: found.patient, score: found.score, because: found.because };
                pairs.push(Pair { patient: patient.clone(), duplicate });
            }
        }
    }
    pairs.sort_by(|a, b| b.duplicate.score.total_cmp(&a.duplicate.score));
    Ok(pairs)
}

fn reason(what: &'static str, language: Language) -> &'static str {
    match what {
        "name" => language.pick("同名", "same name"),
        "sound" => language.pick("同音", "same sound"),
        "phone" => language.pick("同一电话", "same phone"),
        "birth_date" => language.pick("同一生日", "same birth date"),
        "birth_year" => language.pick("出生年相近", "born about the same year"),
        "village" => language.pick("同村", "same village"),
        "not_sex" => language.pick("性别不同", "sexes differ"),
        "not_birth_date" => language.pick("出生日期不同", "birth dates differ"),
        other => other,
    }
}

fn patient_line(patient: &Patient) -> String {
    let or_empty = |text: &Option<String>| printable(text.as_deref().unwrap_or(""));
    let born = format!("{}{}", if patient.birth_estimated { "~" } else { "" }, or_empty(&patient.birth_date));
    format!(
        "{}  {}{}{}{}{}",
        patient.id,
        column(&printable(&patient.name), 14),
        column(&born, 12),
        column(&or_empty(&patient.sex), 8),
        column(&or_empty(&patient.phone), 14),
        or_empty(&patient.village)
    )
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ConsentUse {
    Care,
    Teaching,
    ModelTraining,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Answer {
    Yes,
    No,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConsentCommand {
    /// Record a yes or a no to one use; a no after a yes is a withdrawal
    Set {
        /// A patient, or an anonymous encounter
        subject: String,
        /// For what
        #[arg(value_enum)]
        purpose: ConsentUse,
        /// What was said
        #[arg(value_enum)]
        answer: Answer,
    },
    /// Everything that was said
    Show {
        /// A patient, or an anonymous encounter
        subject: String,
    },
}

impl ConsentCommand {
    pub(crate) fn run(self, home: &Home, output: Output) -> Result<(), CliError> {
        let mut clinic = home.clinic()?;
        let subject = match self {
            Self::Set { subject, purpose, answer } => {
                let purpose = match purpose {
                    ConsentUse::Care => Use::Care,
                    ConsentUse::Teaching => Use::Teaching,
                    ConsentUse::ModelTraining => Use::ModelTraining,
                };
                clinic.set_consent(&subject, purpose, answer == Answer::Yes)?;
                subject
            }
            Self::Show { subject } => {
                match clinic.patient(&subject) {
                    Err(ClinicError::NotFound(_)) => drop(clinic.encounter(&subject)?),
                    other => drop(other?),
                }
                subject
            }
        };
        let said = clinic.consents(&subject)?;
        output.show(&said, |language| {
            let line = |c: &Consent| {
                let answer =
                    language.pick(if c.granted { "同意" } else { "不同意" }, if c.granted { "yes" } else { "no" });
                let purpose = match c.purpose.as_str() {
                    "care" => language.pick("诊疗", "care"),
                    "teaching" => language.pick("教学", "teaching"),
                    "model_training" => language.pick("模型训练", "model training"),
                    other => other,
                };
                format!("{}  {}{answer}\n", c.made_at, column(purpose, 16))
            };
            if said.is_empty() {
                language.pick("还没有询问过", "not asked yet").to_owned()
            } else {
                said.iter().map(line).collect()
            }
        });
        Ok(())
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum DoctorCommand {
    /// Add a doctor; the PIN comes from BAREFOOT_NEW_PIN or one line of standard input
    Add {
        /// Name
        name: String,
    },
    /// Who may open the records on this device
    List,
    /// Give a doctor a new PIN, from BAREFOOT_NEW_PIN or one line of standard input
    Pin {
        /// The doctor
        id: String,
    },
    /// Take a doctor's PIN away and change the records' key
    Remove {
        /// The doctor
        id: String,
    },
}

impl DoctorCommand {
    pub(crate) fn run(self, home: &Home, output: Output) -> Result<(), CliError> {
        if matches!(self, Self::List) && !home.signs_in() {
            let at_the_door = home.at_the_door()?;
            if !at_the_door.is_empty() {
                let doctor = |d: DoctorAtDoor| Listed { id: d.id, name: d.name, can_sign_in: true, signed_in: false };
                list_doctors(&at_the_door.into_iter().map(doctor).collect::<Vec<_>>(), output);
                return Ok(());
            }
        }
        let mut clinic = match self {
            Self::Add { .. } => home.open()?.0,
            _ => home.clinic()?,
        };
        let vault = home.vault()?;
        match self {
            Self::Add { name } => {
                let id = clinic.add_doctor(&vault, &name, &new_pin(output)?)?;
                output.note(FORGOTTEN_BOTH.0, FORGOTTEN_BOTH.1);
                if !clinic.has_recovery_phrase() {
                    output.note(
                        "还没有恢复短语：请运行 barefoot phrase",
                        "There is no recovery phrase yet: run `barefoot phrase`",
                    );
                }
                added(&id, output);
            }
            Self::Pin { id } => {
                clinic.set_pin(&vault, &id, &new_pin(output)?)?;
                output.note(FORGOTTEN_BOTH.0, FORGOTTEN_BOTH.1);
                added(&id, output);
            }
            Self::Remove { id } => {
                if !clinic.doctors()?.iter().any(|doctor| doctor.id == id) {
                    return Err(ClinicError::NotFound(Kind::Doctor).into());
                }
                clinic.remove_doctor(&vault, &id)?;
                added(&id, output);
            }
            Self::List => {
                let listed = |d: Doctor| Listed {
                    signed_in: clinic.author() == Some(d.id.as_str()),
                    id: d.id,
                    name: d.name,
                    can_sign_in: d.can_sign_in,
                };
                list_doctors(&clinic.doctors()?.into_iter().map(listed).collect::<Vec<_>>(), output);
            }
        }
        Ok(())
    }
}

#[derive(Serialize)]
struct Listed {
    id: String,
    name: String,
    can_sign_in: bool,
    signed_in: bool,
}

fn list_doctors(doctors: &[Listed], output: Output) {
    output.show(&doctors, |language| {
        let state = |doctor: &Listed| match (doctor.signed_in, doctor.can_sign_in) {
            (true, _) => language.pick("已登录", "signed in"),
            (false, true) => language.pick("可登录", "may sign in"),
            (false, false) => language.pick("已停用", "no PIN"),
        };
        doctors.iter().map(|d| format!("{}  {}{}\n", d.id, column(&printable(&d.name), 14), state(d))).collect()
    });
}

fn new_pin(output: Output) -> Result<String, CliError> {
    secret("BAREFOOT_NEW_PIN", "新PIN码（六个字符以上）：", "New PIN (six characters or more):", output)
}

/// A new recovery phrase, in place of an earlier one
#[derive(Debug, Args)]
pub(crate) struct PhraseCommand {}

impl PhraseCommand {
    pub(crate) fn run(self, home: &Home, output: Output) -> Result<(), CliError> {
        let language = output.language.pick(PhraseLanguage::Chinese, PhraseLanguage::English);
        let phrase = home.open()?.0.new_recovery_phrase(language)?;
        output.note(FORGOTTEN_BOTH.0, FORGOTTEN_BOTH.1);
        output.show(&json!({ "phrase": phrase.as_str() }), |_| phrase.to_string());
        Ok(())
    }
}

#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// The file; it must not exist
    file: PathBuf,
}

impl Backup {
    pub(crate) fn run(self, home: &Home, output: Output) -> Result<(), CliError> {
        let report = home.clinic()?.backup(&self.file)?;
        if !report.phrase_opens_it {
            output.note(
                "注意：没有恢复短语，这份备份只能用本机密钥打开。请运行 barefoot phrase 后再备份一次。",
                "Mind: there is no recovery phrase, so only this device's key opens this backup. Run `barefoot phrase`, then back up again.",
            );
        }
        output.show(&report, |language| {
            let files = language.pick("个照片文件", "photo files");
            format!("{} {files}, {} {}", report.photo_files, report.bytes, language.pick("字节", "bytes"))
        });
        Ok(())
    }
}

#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// The backup
    file: PathBuf,
}

impl Restore {
    /// Into the data folder, which must hold nothing; with `BAREFOOT_PHRASE`, or this device's key.
    pub(crate) fn run(self, home: &Home, output: Output) -> Result<(), CliError> {
        let phrase = env::var("BAREFOOT_PHRASE").ok();
        let how = phrase.as_deref().map_or(Unlock::Device, |phrase| Unlock::Recovery { phrase });
        let found = Clinic::restore(&self.file, &home.folder()?, &home.vault()?, how)?;
        output.show(&found, |language| {
            let summary = language.pick("已恢复 患者 / 就诊 / 照片", "restored patients / encounters / photos");
            format!("{summary}: {} / {} / {}", found.patients, found.encounters, found.photos)
        });
        Ok(())
    }
}

/// Remove originals of photos that the server has; thumbnails stay
#[derive(Debug, Args)]
pub(crate) struct Purge {
    /// Keep originals that are younger
    #[arg(long, default_value_t = 90)]
    days: u32,
}

impl Purge {
    pub(crate) fn run(self, home: &Home, output: Output) -> Result<(), CliError> {
        let before = SystemTime::now() - Duration::from_secs(u64::from(self.days) * 86_400);
        let purged = home.clinic()?.purge_originals(before)?;
        output.show(&purged, |language| {
            let summary =
                language.pick("已清除 / 未上传而保留 / 损坏而保留", "removed / kept: not sent / kept: damaged");
            format!("{summary}: {} / {} / {}", purged.removed, purged.kept_unsent, purged.kept_damaged)
        });
        Ok(())
    }
}
