//! From the bytes of a photo to calibrated probabilities, or an honest refusal.
//!
//! Lives here: decoding, quality, the image model with its calibration, "cannot tell", the heat map.
//! May not live here: findings typed by the doctor, articles, storage, packs' signatures.
//!
//! The way of a photo: [`Picture::decode_small`] -> [`Quality::of`] -> [`ImageModel::look`] -> [`HeatMap::over`].

mod conformal_set;
mod decode;
mod eighth;
mod heat_map;
mod model;
mod prototype;
mod quality;

pub use conformal_set::ConformalSet;
pub use decode::{PhotoError, Picture};
pub use heat_map::HeatMap;
pub use model::{ClassProbability, ImageModel, Label, Look, ModelError, Outcome, age_indicator};
pub use prototype::{LEAST_PICTURES, Prototype, PrototypeError, Trial};
pub use quality::{Quality, QualityReason};
