//! Assessments.

#[cfg(feature = "embedded")]
use crate::encyclopedia::ENCYCLOPEDIA;
use crate::job::Cancellation;
use crate::{BarefootError, Bilingual, Clinic, ProgressListener};
use barefoot_app::AppError;
pub use barefoot_app::AssessmentRequest;
use barefoot_app::knowledge::{self, Encyclopedia, KnowledgeError};
pub use barefoot_app::knowledge::{
    LupusDomain, LupusItem, LupusScore, PatientTriage, Question, Ranked, Reason, Sex, Triage, TriageLevel, Urgency,
};
use barefoot_app::trust::Pack;
pub use barefoot_app::vision::Outcome;
use serde::Serialize;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// The pack for photos taken with the phone alone.
#[cfg(feature = "embedded")]
static PACK: &[(&str, &[u8])] = &[
    ("manifest.json", include_bytes!("../../../models/packs/clinical/manifest.json")),
    ("network.json", include_bytes!("../../../models/packs/clinical/network.json")),
    ("weights.safetensors", include_bytes!("../../../models/packs/clinical/weights.safetensors")),
    ("MODEL_CARD.md", include_bytes!("../../../models/packs/clinical/MODEL_CARD.md")),
];

/// Assesses photos and findings.
#[derive(uniffi::Object)]
pub struct Assessor(Mutex<barefoot_app::Assessor>);

impl Assessor {
    fn new(
        pack: Result<Pack, barefoot_app::trust::PackError>,
        encyclopedia: Encyclopedia,
    ) -> Result<Arc<Self>, BarefootError> {
        let pack = pack.map_err(AppError::from)?;
        Ok(Arc::new(Self(Mutex::new(barefoot_app::Assessor::new(&pack, encyclopedia)?))))
    }

    fn with<T, E: Into<BarefootError>>(
        &self,
        act: impl FnOnce(&barefoot_app::Assessor) -> Result<T, E>,
    ) -> Result<T, BarefootError> {
        // An assessor only reads: one that panicked is as good as before.
        act(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).map_err(Into::into)
    }
}

#[cfg(feature = "embedded")]
#[uniffi::export]
impl Assessor {
    /// An assessor on the model pack and the encyclopedia that the library carries. Takes tenths of a second. No I/O.
    #[uniffi::constructor]
    pub fn built_in() -> Result<Arc<Self>, BarefootError> {
        Self::new(Pack::from_memory(PACK), Encyclopedia::from_static(ENCYCLOPEDIA)?)
    }
}

#[uniffi::export]
impl Assessor {
    /// An assessor on a model pack (its folder) and an encyclopedia (its file). Every file of the pack is compared with its manifest
    /// first. Does I/O.
    #[uniffi::constructor]
    pub fn open(pack: &str, encyclopedia: &str) -> Result<Arc<Self>, BarefootError> {
        Self::new(Pack::read(Path::new(pack)), Encyclopedia::open(Path::new(encyclopedia))?)
    }

    /// An assessment, to be run. No I/O.
    pub fn begin(self: Arc<Self>, request: AssessmentRequest) -> Arc<AssessmentJob> {
        Arc::new(AssessmentJob { assessor: self, request, cancellation: Cancellation::default() })
    }

    /// A complaint in the patient's words: where to go and by when, never a diagnosis. Reads the encyclopedia.
    pub fn triage(
        &self,
        complaint: &str,
        age_years: Option<f32>,
        sex: Option<Sex>,
    ) -> Result<PatientTriage, BarefootError> {
        self.with(|assessor| assessor.encyclopedia().triage(complaint, knowledge::Patient { age_years, sex }))
    }

    /// The 2019 EULAR/ACR lupus score of what a text says; what it does not say is listed, not assumed. Reads the encyclopedia.
    pub fn lupus_score(&self, text: &str) -> Result<LupusScore, BarefootError> {
        self.with(|assessor| assessor.encyclopedia().lupus_score(text))
    }

    /// Records an assessment as an encounter of a patient, or an anonymous one, and gives its id: all of it, or nothing. Does I/O.
    pub fn record(
        &self,
        clinic: &Clinic,
        assessed: &Assessed,
        patient_id: Option<String>,
    ) -> Result<String, BarefootError> {
        self.with(|assessor| {
            clinic.reach(|clinic| assessor.record(clinic, &assessed.request, &assessed.core, patient_id))
        })
    }
}

/// An assessment that was asked for and not yet begun.
#[derive(uniffi::Object)]
pub struct AssessmentJob {
    assessor: Arc<Assessor>,
    request: AssessmentRequest,
    cancellation: Cancellation,
}

#[uniffi::export]
impl AssessmentJob {
    /// Assesses photos and findings together. A poor photo is no error but an answer. Progress counts steps. Takes up to seconds; reads
    /// the encyclopedia.
    pub fn run(&self, listener: Option<Arc<dyn ProgressListener>>) -> Result<Arc<Assessed>, BarefootError> {
        self.assessor.with(|assessor| {
            let core = assessor.assess_watched(&self.request, &mut self.cancellation.watch(listener))?;
            let shown = Assessment::of(&core.assessment, assessor.encyclopedia())?;
            Ok::<_, AppError>(Arc::new(Assessed { request: self.request.clone(), core, shown }))
        })
    }

    /// Stops at the next step, at once if not begun. From any thread. No I/O.
    pub fn cancel(&self) {
        self.cancellation.cancel();
    }
}

/// An assessment with what is needed to show and record it.
#[derive(uniffi::Object)]
pub struct Assessed {
    request: AssessmentRequest,
    core: barefoot_app::Assessed,
    shown: Assessment,
}

#[uniffi::export]
impl Assessed {
    /// The answer. No I/O.
    pub fn assessment(&self) -> Assessment {
        self.shown.clone()
    }

    /// The heat map of the photo that speaks for all, drawn over it, as a PNG file: where the likeliest label of the photo alone was
    /// seen. Takes tenths of a second. No I/O.
    pub fn heat_map(&self) -> Result<Vec<u8>, BarefootError> {
        Ok(self.core.heat_map()?)
    }
}

/// What the doctor gives. A shell joins the names of tapped findings ([`crate::Finding`]) to the text: they are understood as they are.
#[uniffi::remote(Record)]
pub struct AssessmentRequest {
    /// Files as they come from the camera, JPEG, PNG or WebP.
    #[uniffi(default = [])]
    pub photos: Vec<Vec<u8>>,
    /// Findings in words, Chinese or English.
    #[uniffi(default = "")]
    pub text: String,
    /// Age in years; outside 0 to 120 it is taken as unknown.
    #[uniffi(default = None)]
    pub age_years: Option<f32>,
    /// Sex.
    #[uniffi(default = None)]
    pub sex: Option<Sex>,
    /// Body site in words.
    #[uniffi(default = None)]
    pub site: Option<String>,
}

/// Sex, as the differential uses it.
#[uniffi::remote(Enum)]
pub enum Sex {
    /// Female.
    Female,
    /// Male.
    Male,
}

/// How much hurry.
#[uniffi::remote(Enum)]
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

/// As [`Triage`], or no skin problem.
#[uniffi::remote(Enum)]
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

/// What the image model dares to say.
#[uniffi::remote(Enum)]
pub enum Outcome {
    /// The likeliest label is well enough supported to be named.
    Named,
    /// A skin lesion that the model cannot put a name to.
    CannotTell,
    /// No skin in the picture.
    NotSkin,
    /// Not good enough to look at.
    BadPhoto,
}

/// A line of "because".
#[uniffi::remote(Record)]
pub struct Reason {
    /// Finding, or `photo`, `age`.
    pub finding: String,
    /// Chinese.
    pub zh: String,
    /// English.
    pub en: String,
    /// Speaks for the disease; otherwise against it.
    pub supports: bool,
}

/// One disease of the differential.
#[uniffi::remote(Record)]
pub struct Ranked {
    /// Disease.
    pub slug: String,
    /// Chinese name.
    pub zh: String,
    /// English name.
    pub en: String,
    /// 0 to 1.
    pub p: f32,
    /// Why, strongest first.
    pub because: Vec<Reason>,
}

/// How urgent, and why.
#[uniffi::remote(Record)]
pub struct Urgency {
    /// The level.
    pub level: Triage,
    /// Strongest first.
    pub reasons: Vec<Bilingual>,
}

/// A question worth asking next.
#[uniffi::remote(Record)]
pub struct Question {
    /// Finding.
    pub finding: String,
    /// Chinese.
    pub zh: String,
    /// English.
    pub en: String,
    /// Expected information, bits.
    pub bits: f32,
}

/// The answer to a patient.
#[uniffi::remote(Record)]
pub struct PatientTriage {
    /// The level.
    pub level: TriageLevel,
    /// Where to go.
    pub place: Bilingual,
    /// By when.
    pub when: Bilingual,
    /// Why.
    pub reasons: Vec<Bilingual>,
    /// What to watch for.
    pub warn: Vec<Bilingual>,
}

/// The lupus score of a text.
#[uniffi::remote(Record)]
pub struct LupusScore {
    /// ANA at 1:80 or more is in the text.
    pub entry_met: bool,
    /// Points, one item per domain.
    pub points: u32,
    /// Entry met, at least the threshold, and at least one clinical item.
    pub classifies: bool,
    /// What counted.
    pub items: Vec<LupusItem>,
    /// Domains of which the text says nothing: what to ask or test.
    pub unknown: Vec<LupusDomain>,
}

/// A domain of the score: only its heaviest item counts.
#[uniffi::remote(Record)]
pub struct LupusDomain {
    /// Chinese.
    pub zh: String,
    /// English.
    pub en: String,
    /// Clinical, otherwise immunological.
    pub clinical: bool,
    /// Items.
    pub items: Vec<LupusItem>,
}

/// An item of the score, met by any of `any` together with all of `all`.
#[uniffi::remote(Record)]
pub struct LupusItem {
    /// Chinese.
    pub zh: String,
    /// English.
    pub en: String,
    /// Points.
    pub weight: u32,
    /// Findings, one of which is needed.
    pub any: Vec<String>,
    /// Findings that are all needed.
    pub all: Vec<String>,
}

/// The answer, as it is shown and stored.
#[derive(Debug, Clone, Serialize, uniffi::Record)]
pub struct Assessment {
    /// Of all photos together; nothing without a photo.
    pub quality: Option<QualityAssessment>,
    /// What the photos say; nothing without a photo.
    pub image: Option<ImageAssessment>,
    /// What was understood of the text.
    pub findings: Vec<FoundFinding>,
    /// Clauses in which nothing was understood.
    pub not_understood: Vec<String>,
    /// Likeliest first.
    pub differential: Vec<Ranked>,
    /// How urgent.
    pub urgency: Urgency,
    /// What to ask next.
    pub ask_next: Vec<Question>,
    /// The leading disease's short card.
    pub card: Option<Card>,
    /// What a reader must know of any answer.
    pub notice: Bilingual,
}

/// Quality of all photos: as good as the best one.
#[derive(Debug, Clone, Serialize, uniffi::Record)]
pub struct QualityAssessment {
    /// At least one photo can be used.
    pub ok: bool,
    /// 0 to 1.
    pub score: f32,
    /// What is wrong, and what to do.
    pub reasons: Vec<Bilingual>,
}

/// What the image model says of all photos together.
#[derive(Debug, Clone, Serialize, uniffi::Record)]
pub struct ImageAssessment {
    /// Pack and version.
    pub pack: String,
    /// What it dares to say.
    pub outcome: Outcome,
    /// False when the photo does not resemble what the model was trained on; then nothing is named.
    pub in_scope: bool,
    /// Likeliest first; empty when out of scope or not a usable photo of skin.
    pub classes: Vec<ClassProbability>,
    /// The 90 % set; empty as `classes` is.
    pub set: Vec<ClassProbability>,
}

/// A label of the image model.
#[derive(Debug, Clone, Serialize, uniffi::Record)]
pub struct ClassProbability {
    /// Disease.
    pub slug: String,
    /// Chinese name.
    pub zh: String,
    /// English name.
    pub en: String,
    /// 0 to 1.
    pub p: f32,
    /// Added by a hospital from confirmed pictures, not trained: to be marked wherever it is shown.
    pub prototype: bool,
}

/// A finding in a text.
#[derive(Debug, Clone, Serialize, uniffi::Record)]
pub struct FoundFinding {
    /// Finding.
    pub id: String,
    /// False when the text denies it.
    pub present: bool,
    /// Where it starts, in characters (Unicode scalars) of the text.
    pub start: u32,
    /// Where it ends.
    pub end: u32,
    /// The words of the text.
    pub text: String,
}

/// A disease's short card.
#[derive(Debug, Clone, Serialize, uniffi::Record)]
pub struct Card {
    /// Disease.
    pub slug: String,
    /// Its text.
    pub text: Bilingual,
    /// The dermatologist who signed; empty when none has.
    pub reviewed_by: String,
}

impl Assessment {
    fn of(a: &barefoot_app::Assessment, encyclopedia: &Encyclopedia) -> Result<Self, KnowledgeError> {
        let sentence = |(zh, en): (&str, &str)| Bilingual { zh: zh.to_owned(), en: en.to_owned() };
        Ok(Self {
            quality: a.quality.as_ref().map(|q| QualityAssessment {
                ok: q.ok,
                score: q.score,
                reasons: q.reasons.iter().map(|reason| sentence(reason.text())).collect(),
            }),
            image: a.image.as_ref().map(|image| ImageAssessment::of(image, encyclopedia)).transpose()?,
            findings: a.findings.iter().map(FoundFinding::from).collect(),
            not_understood: a.not_understood.clone(),
            differential: a.differential.clone(),
            urgency: a.urgency.clone(),
            ask_next: a.ask_next.clone(),
            card: a.card.clone().map(|c| Card { slug: c.slug, text: c.text, reviewed_by: c.reviewed_by }),
            notice: a.notice.clone(),
        })
    }
}

impl ImageAssessment {
    fn of(image: &barefoot_app::ImageAssessment, encyclopedia: &Encyclopedia) -> Result<Self, KnowledgeError> {
        let named = image.classes.iter().map(|class| {
            let (zh, en) = encyclopedia.names(&class.slug)?;
            Ok(ClassProbability { slug: class.slug.clone(), zh, en, p: class.p, prototype: class.prototype })
        });
        let classes = named.collect::<Result<Vec<_>, KnowledgeError>>()?;
        let set = image.set.iter().filter_map(|slug| classes.iter().find(|c| c.slug == *slug).cloned()).collect();
        Ok(Self { pack: image.pack.clone(), outcome: image.outcome, in_scope: image.in_scope, classes, set })
    }
}

impl From<&knowledge::FoundFinding> for FoundFinding {
    fn from(f: &knowledge::FoundFinding) -> Self {
        // A text that is read has at most 20,000 characters.
        let at = |position: usize| u32::try_from(position).unwrap_or(u32::MAX);
        Self { id: f.id.clone(), present: f.present, start: at(f.span.0), end: at(f.span.1), text: f.text.clone() }
    }
}
