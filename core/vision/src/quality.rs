//! Is the photo good enough to be looked at? Each limit is one constant below, with where it comes from.
//!
//! The limits were set on the 569 pictures of PAD-UFES-20: of these clinical photos about one in a hundred is refused, of the same photos
//! blurred by a Gaussian of 2 pixels at 224 pixels nearly all are. tests/real_photos.rs measures both.

use crate::Picture;
use crate::model::resize;
use image::RgbImage;
use serde::Serialize;

/// Shortest side, pixels, under which a lesion has no detail.
pub const MIN_SIDE: u32 = 120;
/// Variance of the Laplacian of luminance (Pech-Pacheco et al. 2000), at a shorter side of at most [`SHARPNESS_SIDE`] pixels, below which the photo is blurred.
pub const BLUR_LIMIT: f32 = 5.0;
/// Side at which sharpness is measured, so that a 12-megapixel photo and its thumbnail get the same answer.
const SHARPNESS_SIDE: u32 = 224;
/// Mean luminance (0-255) below which the photo is too dark.
pub const DARK_LIMIT: f32 = 40.0;
/// Mean luminance (0-255) above which the photo is too bright.
pub const BRIGHT_LIMIT: f32 = 235.0;
/// Share of pixels burnt out (luminance 250 or more) above which the photo is too bright.
pub const BURNT_LIMIT: f32 = 0.40;
/// Share of pixels with the chroma of human skin below which there is no skin to see.
pub const SKIN_LIMIT: f32 = 0.05;

/// Why a photo is not good enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum QualityReason {
    /// Fewer pixels than `MIN_SIDE` on a side.
    TooSmall,
    /// Sharpness under `BLUR_LIMIT`.
    Blurred,
    /// Under `DARK_LIMIT`.
    TooDark,
    /// Over `BRIGHT_LIMIT` or `BURNT_LIMIT`.
    TooBright,
    /// Under `SKIN_LIMIT`.
    NoSkin,
}

impl QualityReason {
    /// What the doctor reads: Chinese, English. Each says what to do.
    #[must_use]
    pub fn text(self) -> (&'static str, &'static str) {
        match self {
            Self::TooSmall => {
                ("照片太小：请靠近些，用原始大小", "the photo is too small: go closer, use the full size")
            }
            Self::Blurred => {
                ("照片模糊：请对焦后稳住手机再拍", "the photo is blurred: focus, hold still, take it again")
            }
            Self::TooDark => ("照片太暗：请到窗边或开灯再拍", "the photo is too dark: use daylight or a lamp"),
            Self::TooBright => ("照片过曝：请避开直射光再拍", "the photo is too bright: avoid direct light"),
            Self::NoSkin => ("照片里看不到皮肤", "no skin can be seen in the photo"),
        }
    }
}

/// The judgement on one photo.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Quality {
    /// No reason against it.
    pub ok: bool,
    /// 0 (useless) to 1 (good): the worst of the measures, each scaled so that 0.5 is its limit.
    pub score: f32,
    /// What is wrong with it.
    pub reasons: Vec<QualityReason>,
}

/// The raw measures behind [`Quality`], in the units of the limits.
#[derive(Debug, Clone, Copy)]
pub struct Measures {
    /// Pixels of the shorter side.
    pub side: u32,
    /// Variance of the Laplacian.
    pub sharpness: f32,
    /// Mean luminance.
    pub brightness: f32,
    /// Share of burnt-out pixels.
    pub burnt: f32,
    /// Share of skin-coloured pixels.
    pub skin: f32,
}

impl Measures {
    /// Measures a picture.
    #[must_use]
    pub fn of(picture: &Picture) -> Self {
        let (width, height) = picture.rgb().dimensions();
        let side = width.min(height);
        let small = shrink(picture.rgb(), SHARPNESS_SIDE);
        let luminance: Vec<f32> = small.pixels().map(|p| luma(p.0)).collect();
        let count = luminance.len().max(1) as f32;
        let share = |hits: usize| hits as f32 / count;
        Self {
            side,
            sharpness: laplacian_variance(&luminance, small.width() as usize),
            brightness: luminance.iter().sum::<f32>() / count,
            burnt: share(luminance.iter().filter(|&&l| l >= 250.0).count()),
            skin: share(small.pixels().filter(|p| is_skin(p.0)).count()),
        }
    }
}

impl Quality {
    /// Judges a picture. No I/O.
    #[must_use]
    pub fn of(picture: &Picture) -> Self {
        let m = Measures::of(picture);
        let checks = [
            (QualityReason::TooSmall, m.side < MIN_SIDE, m.side as f32 / (2.0 * MIN_SIDE as f32)),
            (QualityReason::Blurred, m.sharpness < BLUR_LIMIT, m.sharpness / (2.0 * BLUR_LIMIT)),
            (QualityReason::TooDark, m.brightness < DARK_LIMIT, m.brightness / (2.0 * DARK_LIMIT)),
            (
                QualityReason::TooBright,
                m.brightness > BRIGHT_LIMIT || m.burnt > BURNT_LIMIT,
                1.0 - (m.burnt / (2.0 * BURNT_LIMIT)).max((m.brightness - BRIGHT_LIMIT + 20.0) / 40.0),
            ),
            (QualityReason::NoSkin, m.skin < SKIN_LIMIT, m.skin / (2.0 * SKIN_LIMIT)),
        ];
        let reasons: Vec<_> = checks.iter().filter(|c| c.1).map(|c| c.0).collect();
        let score = checks.iter().map(|c| c.2).fold(1.0f32, f32::min).max(0.0);
        Self { ok: reasons.is_empty(), score, reasons }
    }
}

fn luma([r, g, b]: [u8; 3]) -> f32 {
    // ITU-R BT.601
    0.299 * f32::from(r) + 0.587 * f32::from(g) + 0.114 * f32::from(b)
}

/// Skin chroma in YCbCr (Chai & Ngan 1999: Cb 77-127, Cr 133-173), which varies little between light and dark skin;
/// Cr is widened to 200 for inflamed skin.
fn is_skin([r, g, b]: [u8; 3]) -> bool {
    let (r, g, b) = (f32::from(r), f32::from(g), f32::from(b));
    let cb = 128.0 - 0.168_736 * r - 0.331_264 * g + 0.5 * b;
    let cr = 128.0 + 0.5 * r - 0.418_688 * g - 0.081_312 * b;
    (77.0..=130.0).contains(&cb) && (133.0..=200.0).contains(&cr)
}

fn shrink(rgb: &RgbImage, side: u32) -> RgbImage {
    let (width, height) = rgb.dimensions();
    let shorter = width.min(height);
    if shorter <= side {
        return rgb.clone();
    }
    let scaled = |length: u32| (u64::from(length) * u64::from(side) / u64::from(shorter)).max(1) as u32;
    resize(rgb, scaled(width), scaled(height))
}

fn laplacian_variance(luminance: &[f32], width: usize) -> f32 {
    let height = luminance.len() / width.max(1);
    if width < 3 || height < 3 {
        return 0.0;
    }
    let (mut sum, mut squares, mut count) = (0.0f64, 0.0f64, 0u32);
    for y in 1..height - 1 {
        for x in 1..width - 1 {
            let at = y * width + x;
            let value = luminance[at - 1] + luminance[at + 1] + luminance[at - width] + luminance[at + width]
                - 4.0 * luminance[at];
            sum += f64::from(value);
            squares += f64::from(value) * f64::from(value);
            count += 1;
        }
    }
    let mean = sum / f64::from(count);
    (squares / f64::from(count) - mean * mean) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    fn skin(noise: impl Fn(u32, u32) -> i32) -> Picture {
        Picture::from_rgb(RgbImage::from_fn(256, 256, |x, y| {
            let n = noise(x, y);
            Rgb([200, 150, 120].map(|c: i32| (c + n).clamp(0, 255) as u8))
        }))
    }

    fn textured(x: u32, y: u32) -> i32 {
        ((x * 7919 + y * 104_729) % 23) as i32 - 11
    }

    #[test]
    fn textured_skin_is_good_and_flat_skin_is_blurred() {
        assert!(Quality::of(&skin(textured)).ok);
        assert_eq!(Quality::of(&skin(|_, _| 0)).reasons, [QualityReason::Blurred]);
    }

    #[test]
    fn darkness_glare_size_and_absence_of_skin_are_named() {
        let dark = skin(|x, y| textured(x, y) - 150);
        assert!(Quality::of(&dark).reasons.contains(&QualityReason::TooDark));
        let bright = skin(|x, y| textured(x, y) + 140);
        assert!(Quality::of(&bright).reasons.contains(&QualityReason::TooBright));
        let small = Picture::from_rgb(image::imageops::crop_imm(skin(textured).rgb(), 0, 0, 90, 90).to_image());
        assert!(Quality::of(&small).reasons.contains(&QualityReason::TooSmall));
        let grass = Picture::from_rgb(RgbImage::from_fn(256, 256, |x, y| Rgb([40, (120 + textured(x, y)) as u8, 30])));
        assert!(Quality::of(&grass).reasons.contains(&QualityReason::NoSkin));
    }
}
