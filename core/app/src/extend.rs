//! A hospital's own class in a copy of a pack, made from confirmed pictures without training.

use crate::AppError;
use crate::assess::image_model;
use barefoot_knowledge::Encyclopedia;
use barefoot_trust::{FileEntry, Pack};
use barefoot_vision::{ImageModel, Label, ModelError, Picture, Prototype, Quality, Trial};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Why a class cannot be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ExtensionError {
    /// No article to show beside the class.
    #[error("the encyclopedia has no disease with this slug: find it with `barefoot search`")]
    Slug,
    /// One disease, one class.
    #[error("the pack already has a class for this disease or of this label: choose another")]
    Known,
    /// Labels stand in indexes and tables.
    #[error("a label has 1 to 32 letters, digits, hyphens or underscores")]
    Label,
    /// A picture that counts twice makes the class look more certain than it is.
    #[error("this picture is the same as an earlier one: every picture counts once")]
    Twice,
    /// A picture that the product itself would send back.
    #[error("this picture is too poor or shows no skin: leave it out or take it again")]
    Poor,
}

impl ExtensionError {
    /// The same sentence in Chinese.
    #[must_use]
    pub fn zh(self) -> &'static str {
        match self {
            Self::Slug => "百科里没有这个疾病：请用 barefoot search 查找",
            Self::Known => "模型包已有这个疾病或标签的类别：请另选",
            Self::Label => "标签须为1到32个字母、数字、连字符或下划线",
            Self::Twice => "这张照片与前面的一张相同：每张照片只能用一次",
            Self::Poor => "这张照片质量太差或不是皮肤：请去掉或重拍",
        }
    }
}

/// An extension in the making: give it the pictures one by one, then [`Extension::finish`] it.
#[derive(Debug)]
pub struct Extension<'a> {
    pack: &'a Pack,
    model: ImageModel,
    label: Label,
    places: Vec<Vec<f32>>,
    seen: BTreeSet<String>,
}

/// A pack with one class more, ready to be written.
#[derive(Debug)]
pub struct Extended {
    /// The new pack's name.
    pub id: String,
    /// Names and contents of all files, `manifest.json` last.
    pub files: Vec<(String, Vec<u8>)>,
    /// How the class fared on its own pictures.
    pub trial: Trial,
}

impl<'a> Extension<'a> {
    /// Begins a class of `label` for the disease `slug`.
    ///
    /// # Errors
    /// When the pack is no image model, the slug is unknown or taken, or the label will not do.
    pub fn new(
        pack: &'a Pack,
        encyclopedia: &Encyclopedia,
        slug: &str,
        label: &str,
        malignant: bool,
    ) -> Result<Self, AppError> {
        let model = image_model(pack)?;
        encyclopedia.names(slug).map_err(|_| ExtensionError::Slug)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if !(1..=32).contains(&label.len()) || !label.chars().all(plain) || label == "OUT" {
            return Err(ExtensionError::Label.into());
        }
        if model.labels().iter().any(|l| l.slug == slug || l.label == label) {
            return Err(ExtensionError::Known.into());
        }
        let label = Label { label: label.to_owned(), slug: slug.to_owned(), malignant, prototype_of: None };
        Ok(Self { pack, model, label, places: Vec::new(), seen: BTreeSet::new() })
    }

    /// Adds a confirmed picture. No I/O.
    ///
    /// # Errors
    /// When it cannot be decoded, is too poor, or was there already; the extension is then as before.
    pub fn add(&mut self, bytes: &[u8]) -> Result<(), AppError> {
        let picture = Picture::decode_small(bytes, self.model.least_side())?;
        if !Quality::of(&picture).ok {
            return Err(ExtensionError::Poor.into());
        }
        // By its pixels, so that the same picture in another file is found too.
        let hash = FileEntry::of(picture.rgb().as_raw()).sha256;
        if self.seen.contains(&hash) {
            return Err(ExtensionError::Twice.into());
        }
        self.places.push(self.model.place(&picture)?);
        self.seen.insert(hash);
        Ok(())
    }

    /// The extended pack. No I/O.
    ///
    /// # Errors
    /// When there are fewer than ten pictures, or they do not make a class.
    pub fn finish(self) -> Result<Extended, AppError> {
        let (prototype, trial) = self.model.prototype(self.label, &self.places)?;
        let mut manifest: Value = serde_json::from_str(self.pack.manifest_text()).map_err(ModelError::from)?;
        let id = format!("{}-{}", self.pack.manifest().id, prototype.slug);
        let mut files: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
        for name in self.pack.manifest().files.keys() {
            files.insert(name, self.pack.file(name)?.to_vec());
        }
        if let Some(card) = files.get_mut("MODEL_CARD.md") {
            card.extend_from_slice(card_section(&prototype, trial).as_bytes());
        }
        manifest["id"] = json!(id);
        manifest["files"] = json!(files.iter().map(|(n, b)| (*n, FileEntry::of(b))).collect::<BTreeMap<_, _>>());
        let mut prototypes = manifest["prototypes"].as_array().cloned().unwrap_or_default();
        prototypes.push(serde_json::to_value(&prototype).map_err(ModelError::from)?);
        manifest["prototypes"] = Value::Array(prototypes);
        let text = serde_json::to_vec_pretty(&manifest).map_err(ModelError::from)?;
        let mut files: Vec<(String, Vec<u8>)> = files.into_iter().map(|(n, b)| (n.to_owned(), b)).collect();
        files.push(("manifest.json".to_owned(), text));
        Ok(Extended { id, files, trial })
    }
}

fn card_section(prototype: &Prototype, trial: Trial) -> String {
    format!(
        "\n## Added class: {} → `{}` (prototype, not trained)\n\n\
         Made by `barefoot pack extend` from {} confirmed pictures of whoever extended this pack. None of the figures above is about it, and it changes \
         them. Each of these pictures judged by the others: {} of {} are put in the class; it would take {:.1} % of the pack's own training \
         pictures. Pictures of one hospital, camera and ward are alike in more than the disease: these figures flatter. The class enters the \
         90 % set and is never named; it knows no findings.\n",
        prototype.label,
        prototype.slug,
        trial.pictures,
        trial.recognised,
        trial.pictures,
        100.0 * trial.taken
    )
}
