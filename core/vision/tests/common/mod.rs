//! What the tests of damaged and telling pictures share.
#![allow(dead_code, reason = "each test binary uses a part")]

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::codecs::webp::WebPEncoder;
use image::{ExtendedColorType, ImageEncoder, RgbImage};

/// How many rounds a test runs: the bar per change, or what `cargo xtask battery` asks for.
pub fn rounds(name: &str, per_change: usize) -> usize {
    std::env::var(format!("BAREFOOT_BATTERY_{name}")).ok().and_then(|n| n.parse().ok()).unwrap_or(per_change)
}

/// Random numbers that a seed repeats (SplitMix64).
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound.max(1) as u64) as usize
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Jpeg,
    Png,
    WebP,
}

pub const FORMATS: [Format; 3] = [Format::Jpeg, Format::Png, Format::WebP];

/// A picture with a red top and a blue left edge, so that it can be seen which way is up.
pub fn picture(width: u32, height: u32, seed: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let red = if y < height / 4 { 240 } else { 20 };
        let blue = if x < width / 4 { 240 } else { 20 };
        image::Rgb([red, 40 + (seed % 100) as u8, blue])
    })
}

pub fn encoded(format: Format, picture: &RgbImage, exif: Option<&[u8]>) -> Vec<u8> {
    let (w, h) = picture.dimensions();
    let mut out = Vec::new();
    let color = ExtendedColorType::Rgb8;
    let done = match format {
        Format::Jpeg => with_exif(JpegEncoder::new_with_quality(&mut out, 95), exif).write_image(picture, w, h, color),
        Format::Png => with_exif(PngEncoder::new(&mut out), exif).write_image(picture, w, h, color),
        Format::WebP => with_exif(WebPEncoder::new_lossless(&mut out), exif).write_image(picture, w, h, color),
    };
    done.expect("encodes");
    out
}

fn with_exif<E: ImageEncoder>(mut encoder: E, exif: Option<&[u8]>) -> E {
    if let Some(exif) = exif {
        encoder.set_exif_metadata(exif.to_vec()).expect("the format holds EXIF");
    }
    encoder
}

/// TIFF 6.0 with an orientation, a camera's name and a GPS directory in readable words.
pub fn exif(orientation: u8) -> Vec<u8> {
    const AFTER_DIRECTORY: u32 = 8 + 2 + 3 * 12 + 4;
    let mut tiff = b"II*\0\x08\0\0\0\x03\0".to_vec();
    for (tag, kind, count, value) in [
        (0x010Fu16, 2u16, 12u32, AFTER_DIRECTORY),
        (0x0112, 3, 1, u32::from(orientation)),
        (0x8825, 4, 1, AFTER_DIRECTORY + 12),
    ] {
        tiff.extend_from_slice(&tag.to_le_bytes());
        tiff.extend_from_slice(&kind.to_le_bytes());
        tiff.extend_from_slice(&count.to_le_bytes());
        tiff.extend_from_slice(&value.to_le_bytes());
    }
    tiff.extend_from_slice(&[0; 4]);
    tiff.extend_from_slice(b"CANARY-MAKE\0");
    // One entry: GPSProcessingMethod-like text right behind the directory.
    tiff.extend_from_slice(b"\x01\0\x1b\0\x02\0\x0b\0\0\0");
    tiff.extend_from_slice(&(AFTER_DIRECTORY + 12 + 18).to_le_bytes());
    tiff.extend_from_slice(&[0; 4]);
    tiff.extend_from_slice(b"GPS-CANARY\0");
    tiff
}
