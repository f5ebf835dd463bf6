//! One assessment: photos and findings in; quality, the image model's answer, a ranked differential, urgency and questions out.

use crate::AppError;
use crate::fusion::{photo_likelihood, raise_by_photo};
use crate::indicators::indicators;
use barefoot_clinic::{Clinic, NewEncounter, NewPhoto, ObservedFinding};
use barefoot_knowledge::{Bilingual, Differential, Encyclopedia, Patient, Question, Ranked, Sex, Triage, Urgency};
use barefoot_trust::Pack;
use barefoot_vision::{ClassProbability, HeatMap, ImageModel, Look, Outcome, Picture, Quality, QualityReason};
use serde::Serialize;
use std::ops::ControlFlow;

/// Diseases of the differential that an assessment keeps.
const RANKED: usize = 10;

/// What the doctor gives.
#[derive(Debug, Clone, Default)]
pub struct AssessmentRequest {
    /// Files as they come from the camera, JPEG, PNG or WebP.
    pub photos: Vec<Vec<u8>>,
    /// Findings in words, Chinese or English.
    pub text: String,
    /// Age in years; outside 0 to 120 it is taken as unknown.
    pub age_years: Option<f32>,
    /// Sex.
    pub sex: Option<Sex>,
    /// Body site in words.
    pub site: Option<String>,
}

impl AssessmentRequest {
    /// Findings and site, as one text.
    #[must_use]
    pub fn words(&self) -> String {
        [Some(self.text.as_str()), self.site.as_deref()].into_iter().flatten().collect::<Vec<_>>().join("。")
    }

    /// The age, where it can be one.
    fn known_age(&self) -> Option<f32> {
        self.age_years.filter(|years| (0.0..=120.0).contains(years))
    }
}

/// The answer, as it is shown and stored.
#[derive(Debug, Clone, Serialize)]
pub struct Assessment {
    /// Of all photos together; `None` without a photo.
    pub quality: Option<QualityAssessment>,
    /// What the photos say; `None` without a photo.
    pub image: Option<ImageAssessment>,
    /// Each photo by itself.
    pub photos: Vec<PhotoAssessment>,
    /// What was understood of the text.
    pub findings: Vec<barefoot_knowledge::FoundFinding>,
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

/// A disease's short card.
#[derive(Debug, Clone, Serialize)]
pub struct Card {
    /// Disease.
    pub slug: String,
    /// Its text.
    #[serde(flatten)]
    pub text: Bilingual,
    /// The dermatologist who signed; empty when none has.
    pub reviewed_by: String,
}

/// Quality of all photos: as good as the best one.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct QualityAssessment {
    /// At least one photo can be used.
    pub ok: bool,
    /// 0 to 1.
    pub score: f32,
    /// What is wrong.
    pub reasons: Vec<QualityReason>,
}

/// What the image model says of all photos together.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ImageAssessment {
    /// Pack and version.
    pub pack: String,
    /// What it dares to say.
    pub outcome: Outcome,
    /// False when the photo does not resemble what the model was trained on; then nothing is named.
    pub in_scope: bool,
    /// Calibrated, with age, sex, site and symptoms where they are known; likeliest first; empty when out of scope or not a usable photo of skin.
    pub classes: Vec<ClassProbability>,
    /// The 90 % set; empty as `classes` is.
    pub set: Vec<String>,
}

/// One photo.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PhotoAssessment {
    /// Its quality.
    pub quality: Quality,
    /// What the model would say of it alone.
    pub outcome: Outcome,
    /// Whether it resembles the training pictures.
    pub in_scope: bool,
}

/// An assessment with what is needed to show and record it.
#[derive(Debug)]
pub struct Assessed {
    /// The answer.
    pub assessment: Assessment,
    pictures: Vec<Picture>,
    heat_maps: Vec<HeatMap>,
    /// The photo that speaks for all.
    best: usize,
}

impl Assessed {
    /// The heat map of the photo that speaks for all, drawn over it, as a PNG file: where the likeliest label of the photo alone was seen.
    ///
    /// # Errors
    /// When there is no photo or the encoder fails.
    pub fn heat_map(&self) -> Result<Vec<u8>, AppError> {
        match (self.heat_maps.get(self.best), self.pictures.get(self.best)) {
            (Some(map), Some(picture)) => Ok(map.over(picture)?),
            _ => Err(AppError::Nothing),
        }
    }
}

/// Assesses photos and findings. Holds the model and the encyclopedia; an assessment does no I/O but reading the encyclopedia.
#[derive(Debug)]
pub struct Assessor {
    model: ImageModel,
    encyclopedia: Encyclopedia,
}

impl Assessor {
    /// Builds an assessor from a verified model pack and the encyclopedia.
    ///
    /// # Errors
    /// When the pack is no image model, or names a disease that the encyclopedia lacks.
    pub fn new(pack: &Pack, encyclopedia: Encyclopedia) -> Result<Self, AppError> {
        let model = image_model(pack)?;
        for label in model.labels() {
            encyclopedia.names(&label.slug).map_err(|_| AppError::UnknownSlug)?;
        }
        Ok(Self { model, encyclopedia })
    }

    /// The encyclopedia.
    #[must_use]
    pub fn encyclopedia(&self) -> &Encyclopedia {
        &self.encyclopedia
    }

    /// The image model.
    #[must_use]
    pub fn model(&self) -> &ImageModel {
        &self.model
    }

    /// Assesses photos and findings together.
    ///
    /// # Errors
    /// When there is neither, or a photo cannot be decoded; a poor photo is no error but an answer.
    pub fn assess(&self, request: &AssessmentRequest) -> Result<Assessed, AppError> {
        self.assess_watched(request, &mut |_, _| ControlFlow::Continue(()))
    }

    /// As [`Assessor::assess`]; `watch` is told at the start and after each step how many of how many are done, and may stop the work
    /// there. A photo takes two steps (decoding, the network), the findings one.
    ///
    /// # Errors
    /// As [`Assessor::assess`], and when stopped.
    pub fn assess_watched(
        &self,
        request: &AssessmentRequest,
        watch: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
    ) -> Result<Assessed, AppError> {
        let text = request.words();
        if request.photos.is_empty() && text.trim().is_empty() {
            return Err(AppError::Nothing);
        }
        let total = 2 * request.photos.len() as u64 + 1;
        let mut steps = 0..=total;
        let mut step = || {
            let done = steps.next().unwrap_or(total);
            if watch(done, total).is_break() { Err(AppError::Cancelled) } else { Ok(()) }
        };
        step()?;
        let pictures = request
            .photos
            .iter()
            .map(|bytes| {
                let picture = Picture::decode_small(bytes, self.model.least_side())?;
                step()?;
                Ok(picture)
            })
            .collect::<Result<Vec<_>, AppError>>()?;
        let looks = pictures
            .iter()
            .map(|picture| {
                let quality = Quality::of(picture);
                let (look, map) = self.model.look_with_map(picture, &quality)?;
                step()?;
                Ok(((quality, look), map))
            })
            .collect::<Result<Vec<_>, AppError>>()?;
        let (looks, heat_maps): (Vec<_>, Vec<_>) = looks.into_iter().unzip();
        let patient = Patient { age_years: request.known_age(), sex: request.sex };
        let photo = photo_likelihood(self.model.labels(), &usable(&looks));
        let Differential { extraction, mut differential, urgency, ask_next } =
            self.encyclopedia.differential(&text, patient, &photo)?;
        differential.truncate(RANKED);
        let best_at = (0..looks.len()).max_by(|&a, &b| rank_of(&looks[a]).total_cmp(&rank_of(&looks[b]))).unwrap_or(0);
        let best = looks.get(best_at);
        let known = indicators(&extraction, patient.age_years, patient.sex);
        // The model's own answer uses what is known of the patient; the differential takes the photo alone, since it weighs the findings itself.
        let image = best.map(|(_, look)| self.image_assessment(&self.model.reconsider(look, &known)));
        let urgency = raise_by_photo(urgency, &self.feared(image.as_ref())?);
        let card = differential.first().map(|first| self.card(&first.slug)).transpose()?;
        step()?;
        let assessment = Assessment {
            quality: best.map(|(q, _)| QualityAssessment { ok: q.ok, score: q.score, reasons: q.reasons.clone() }),
            image,
            photos: looks
                .iter()
                .map(|(quality, look)| PhotoAssessment {
                    quality: quality.clone(),
                    outcome: look.outcome,
                    in_scope: look.in_scope,
                })
                .collect(),
            findings: extraction.findings,
            not_understood: extraction.not_understood,
            differential,
            urgency,
            ask_next,
            card,
            notice: notice(),
        };
        Ok(Assessed { assessment, pictures, heat_maps, best: best_at })
    }

    /// Records an assessment as an encounter of a patient, or an anonymous one: all of it, or nothing. Does I/O.
    ///
    /// # Errors
    /// When the store refuses; it is then as before.
    pub fn record(
        &self,
        clinic: &mut Clinic,
        request: &AssessmentRequest,
        assessed: &Assessed,
        patient_id: Option<String>,
    ) -> Result<String, AppError> {
        let observed = assessed
            .assessment
            .findings
            .iter()
            .map(|f| ObservedFinding { finding: f.id.clone(), present: f.present })
            .collect();
        let photos = request
            .photos
            .iter()
            .map(|bytes| {
                // The assessment looked at a small one.
                let picture = Picture::decode(bytes)?;
                let (width, height) = picture.rgb().dimensions();
                Ok(NewPhoto { jpeg: picture.to_jpeg()?, width, height })
            })
            .collect::<Result<_, AppError>>()?;
        let new = NewEncounter {
            patient_id,
            observed,
            findings: request.text.clone(),
            age_years: request.known_age().map(f64::from),
            sex: request.sex.map(|sex| match sex {
                Sex::Female => "female".to_owned(),
                Sex::Male => "male".to_owned(),
            }),
            site: request.site.clone(),
            photos,
            assessment: serde_json::to_value(&assessed.assessment).map_err(barefoot_clinic::ClinicError::from)?,
            ..NewEncounter::default()
        };
        Ok(clinic.record(&new)?)
    }

    fn image_assessment(&self, look: &Look) -> ImageAssessment {
        let usable = look.in_scope && matches!(look.outcome, Outcome::Named | Outcome::CannotTell);
        let slug = |i: usize| self.model.labels()[i].slug.clone();
        let prototype = |i: usize| self.model.labels()[i].prototype_of.is_some();
        let mut classes: Vec<ClassProbability> = look
            .probabilities
            .iter()
            .enumerate()
            .map(|(i, &p)| ClassProbability { slug: slug(i), p, prototype: prototype(i) })
            .collect();
        classes.sort_by(|a, b| b.p.total_cmp(&a.p));
        ImageAssessment {
            pack: self.model.pack(),
            outcome: look.outcome,
            in_scope: look.in_scope,
            classes: if usable { classes } else { Vec::new() },
            set: if usable { look.set.iter().map(|&i| slug(i)).collect() } else { Vec::new() },
        }
    }

    /// The image model's diseases with their own urgency and names.
    fn feared(&self, image: Option<&ImageAssessment>) -> Result<Vec<(f32, Triage, Bilingual)>, AppError> {
        let classes = image.map_or(&[][..], |image| &image.classes);
        classes
            .iter()
            .map(|class| {
                let article = self.encyclopedia.article(&class.slug)?;
                Ok((class.p, article.triage, Bilingual { zh: article.names.zh, en: article.names.en }))
            })
            .collect()
    }

    fn card(&self, slug: &str) -> Result<Card, AppError> {
        let article = self.encyclopedia.article(slug)?;
        Ok(Card { slug: article.slug, text: article.card, reviewed_by: article.reviewed_by })
    }
}

/// The image model of a verified pack.
pub(crate) fn image_model(pack: &Pack) -> Result<ImageModel, AppError> {
    if pack.manifest().kind != "image-model" {
        return Err(AppError::OtherPack);
    }
    let network = String::from_utf8_lossy(pack.file("network.json")?);
    Ok(ImageModel::from_pack(pack.manifest_text(), &network, pack.file("weights.safetensors")?)?)
}

/// The probabilities of the photos that may speak in the differential: every good one in scope, so that a sure naevus does not hide a
/// less sure melanoma in the next photo.
fn usable(looks: &[(Quality, Look)]) -> Vec<&[f32]> {
    looks
        .iter()
        .filter(|(quality, look)| quality.ok && look.in_scope)
        .map(|(_, look)| look.probabilities.as_slice())
        .collect()
}

/// The photo that speaks for all: good before poor, in scope before strange, sure before unsure.
fn rank_of((quality, look): &(Quality, Look)) -> f32 {
    let top = look.probabilities.iter().copied().fold(0.0, f32::max);
    4.0 * f32::from(u8::from(quality.ok)) + 2.0 * f32::from(u8::from(look.in_scope)) + top
}

fn notice() -> Bilingual {
    Bilingual {
        zh: "研究和教学辅助，不是注册医疗器械；由医生作出诊断。条目尚未经皮肤科医师审阅。".to_owned(),
        en: "A research and teaching aid, not a registered medical device; the doctor makes the diagnosis. Articles are not yet reviewed by a dermatologist.".to_owned(),
    }
}
