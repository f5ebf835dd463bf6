//! The way of a text through this crate: extraction -> differential -> urgency -> next questions; and triage for patients.

use crate::KnowledgeError;
use crate::article::{Bilingual, Triage};
use crate::differential::{Belief, Evidence, Model, Patient, Question, Ranked};
use crate::encyclopedia::Encyclopedia;
use crate::extract::{Extraction, Extractor};
use crate::likelihood::Likelihoods;
use crate::urgency::{FOR_DOCTORS, FOR_PATIENTS, Urgency, UrgencyRules, urgency};
use crate::vocabulary::{Finding, Vocabulary};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Diseases that count for the urgency.
const FEARED: usize = 20;

/// The knowledge base as it stands in the encyclopedia file.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct KnowledgeBase {
    pub(crate) findings: Vec<Finding>,
    pub(crate) likelihoods: Vec<Likelihoods>,
    pub(crate) urgency: UrgencyRules,
    pub(crate) triage: BTreeMap<String, Triage>,
    pub(crate) names: BTreeMap<String, (String, String)>,
}

/// The knowledge base, ready to reason.
#[derive(Debug)]
pub(crate) struct Reasoner {
    pub(crate) vocabulary: Vocabulary,
    extractor: Extractor,
    model: Model,
    urgency: UrgencyRules,
    triage: BTreeMap<String, Triage>,
}

impl Reasoner {
    pub(crate) fn new(base: KnowledgeBase) -> Self {
        let vocabulary = Vocabulary::new(base.findings);
        let extractor = Extractor::new(&vocabulary);
        let model = Model::new(&vocabulary, base.likelihoods, &base.names);
        Self { vocabulary, extractor, model, urgency: base.urgency, triage: base.triage }
    }
}

/// What the aid makes of findings.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Differential {
    /// What was understood of the text.
    #[serde(flatten)]
    pub extraction: Extraction,
    /// All diseases, likeliest first.
    pub differential: Vec<Ranked>,
    /// How urgent.
    pub urgency: Urgency,
    /// What to ask next.
    pub ask_next: Vec<Question>,
}

/// Level of [`PatientTriage`]: as [`Triage`], or no skin problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum TriageLevel {
    /// No skin problem in what was said.
    N,
    /// Clinic or self-care.
    P,
    /// Routine.
    R,
    /// Within days to 2 weeks.
    U,
    /// Now.
    E,
}

impl From<Triage> for TriageLevel {
    fn from(level: Triage) -> Self {
        match level {
            Triage::P => Self::P,
            Triage::R => Self::R,
            Triage::U => Self::U,
            Triage::E => Self::E,
        }
    }
}

/// The answer to a patient: where and when, never a diagnosis.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PatientTriage {
    /// The level.
    pub level: TriageLevel,
    /// Where to go.
    #[serde(rename = "where")]
    pub place: Bilingual,
    /// By when.
    pub when: Bilingual,
    /// Why. A red flag's sentence may name what it warns of; what the model merely fears is not named.
    pub reasons: Vec<Bilingual>,
    /// What to watch for.
    pub warn: Vec<Bilingual>,
}

impl Encyclopedia {
    /// What is present or denied in a text. Reads the encyclopedia on first use.
    ///
    /// # Errors
    /// When the encyclopedia is damaged.
    pub fn extract(&self, text: &str) -> Result<Extraction, KnowledgeError> {
        let r = self.reasoner()?;
        Ok(r.extractor.extract(&r.vocabulary, text))
    }

    /// Findings in the doctor's words -> a ranked differential with reasons, urgency and what to ask next. `photo` holds the
    /// log-likelihood of the photo per slug; empty without one. Reads the encyclopedia.
    ///
    /// # Errors
    /// When the encyclopedia is damaged.
    pub fn differential(
        &self,
        text: &str,
        patient: Patient,
        photo: &BTreeMap<String, f32>,
    ) -> Result<Differential, KnowledgeError> {
        const QUESTIONS: usize = 5;
        let r = self.reasoner()?;
        let extraction = r.extractor.extract(&r.vocabulary, text);
        let evidence = Evidence::new(&r.vocabulary, &extraction, patient);
        // With no finding and no photo the prior alone would be ranked: that is no answer.
        if evidence.present.is_empty() && photo.is_empty() {
            let urgency = Urgency { level: Triage::R, reasons: vec![unsure()] };
            return Ok(Differential { extraction, differential: Vec::new(), urgency, ask_next: Vec::new() });
        }
        let differential = r.model.rank(&r.vocabulary, &evidence, &self.text_agreement(text)?, photo);
        let age = evidence.patient.age_years;
        let flags = r.urgency.red_flags(&r.vocabulary, &evidence.present, age);
        let urgency = urgency(flags, &r.feared(&differential), FOR_DOCTORS, may_be);
        let ask_next = r.model.ask_next(&r.vocabulary, &evidence, &differential, QUESTIONS);
        Ok(Differential { extraction, differential, urgency, ask_next })
    }

    /// A complaint in the patient's words -> where to go and by when. Reads the encyclopedia.
    ///
    /// # Errors
    /// When the encyclopedia is damaged.
    pub fn triage(&self, complaint: &str, patient: Patient) -> Result<PatientTriage, KnowledgeError> {
        let r = self.reasoner()?;
        let extraction = r.extractor.extract(&r.vocabulary, complaint);
        let evidence = Evidence::new(&r.vocabulary, &extraction, patient);
        let age = evidence.patient.age_years;
        let flags = r.urgency.red_flags(&r.vocabulary, &evidence.present, age);
        let skin = r.urgency.concerns_skin(&r.vocabulary, &evidence.present, &crate::fold::fold(complaint));
        let (level, reasons) = if flags.is_none() && !skin {
            (TriageLevel::N, Vec::new())
        } else {
            let differential =
                r.model.rank(&r.vocabulary, &evidence, &self.text_agreement(complaint)?, &BTreeMap::new());
            // A red flag may name what it warns of; what the model merely fears is not told to a patient by name.
            let neutral = |_: &Bilingual| Bilingual {
                zh: "需要医生当面判断的情况".into(),
                en: "a condition that a doctor should see".into(),
            };
            let judged = urgency(flags, &r.feared(&differential), FOR_PATIENTS, neutral);
            let judged = r.urgency.raise_for_frailty(&r.vocabulary, &evidence.present, age, judged);
            (judged.level.into(), judged.reasons)
        };
        let advice = r.urgency.advice.get(&format!("{level:?}")).cloned().ok_or(KnowledgeError::Content(1))?;
        Ok(PatientTriage { level, place: advice.place, when: advice.when, reasons, warn: advice.warn })
    }

    /// The diseases that a search query's findings point to, likeliest first, and whether the whole query was understood; `None`
    /// when it names no finding. A drug alone is none: it is a trigger in the vocabulary, but who types it looks for its use.
    pub(crate) fn rank_query(
        &self,
        query: &str,
        agreement: &BTreeMap<String, f32>,
    ) -> Result<Option<(Vec<Ranked>, bool)>, KnowledgeError> {
        const LEADERS: usize = 10;
        let r = self.reasoner()?;
        let extraction = r.extractor.extract(&r.vocabulary, query);
        let evidence = Evidence::new(&r.vocabulary, &extraction, Patient::default());
        if evidence.present.iter().all(|&at| r.vocabulary.findings()[at].category == "trigger") {
            return Ok(None);
        }
        let mut ranked = r.model.rank(&r.vocabulary, &evidence, agreement, &BTreeMap::new());
        ranked.truncate(LEADERS);
        Ok(Some((ranked, extraction.not_understood.is_empty())))
    }

    /// What the aid believes of a disease: its file, and each of its findings.
    ///
    /// # Errors
    /// When there is no such disease.
    pub fn beliefs(&self, slug: &str) -> Result<(Likelihoods, Vec<Belief>), KnowledgeError> {
        let r = self.reasoner()?;
        r.model.beliefs(&r.vocabulary, slug).ok_or(KnowledgeError::NoArticle)
    }

    /// The vocabulary of findings, for a shell that shows them as chips.
    ///
    /// # Errors
    /// When the encyclopedia is damaged.
    pub fn vocabulary(&self) -> Result<&[Finding], KnowledgeError> {
        Ok(self.reasoner()?.vocabulary.findings())
    }
}

fn may_be(name: &Bilingual) -> Bilingual {
    Bilingual { zh: format!("可能为{}", name.zh), en: format!("may be {}", name.en) }
}

fn unsure() -> Bilingual {
    Bilingual {
        zh: "照片和文字不足以判断：请补充所见，拿不准就转诊".to_owned(),
        en: "photo and words are not enough to tell: add findings, refer when in doubt".to_owned(),
    }
}

impl Reasoner {
    fn feared(&self, differential: &[Ranked]) -> Vec<(f32, Triage, Bilingual)> {
        differential
            .iter()
            .take(FEARED)
            .filter_map(|d| {
                let name = Bilingual { zh: d.zh.clone(), en: d.en.clone() };
                self.triage.get(&d.slug).map(|level| (d.p, *level, name))
            })
            .collect()
    }
}
