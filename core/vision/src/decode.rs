//! Bytes -> an upright RGB picture without EXIF, within limits that protect a 2 GB phone.

use crate::eighth;
use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage};
use std::io::Cursor;
use std::thread;

/// Largest file, bytes (docs/guide/limits.md).
pub const MAX_FILE_BYTES: usize = 32 << 20;
/// Largest side, pixels.
pub const MAX_SIDE: u32 = 8192;
/// Largest area, pixels.
pub const MAX_PIXELS: u64 = 50_000_000;
/// Memory that decoding may take, bytes.
const MAX_DECODE_BYTES: u64 = 192 << 20;
/// JPEG quality of the stored photo: visually lossless for lesions, about a third of a phone's own file.
const STORED_QUALITY: u8 = 90;

/// Why a photo is refused. The texts hold nothing of the photo or its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PhotoError {
    /// Neither JPEG, PNG nor WebP by its content.
    #[error("the file is not a JPEG, PNG or WebP picture")]
    NotAPicture,
    /// Damaged or cut short.
    #[error("the picture is damaged or incomplete: take or copy it again")]
    Damaged,
    /// Over the file limit.
    #[error("the file is larger than 32 MB: send a smaller picture")]
    FileTooLarge,
    /// Over the pixel limits.
    #[error("the picture has more than 8192 pixels a side or 50 megapixels: send a smaller picture")]
    TooManyPixels,
}

impl PhotoError {
    /// The same sentence in Chinese.
    #[must_use]
    pub fn zh(self) -> &'static str {
        match self {
            Self::NotAPicture => "文件不是JPEG、PNG或WebP图片",
            Self::Damaged => "图片损坏或不完整：请重新拍摄或复制",
            Self::FileTooLarge => "文件超过32 MB：请换较小的图片",
            Self::TooManyPixels => "图片边长超过8192像素或超过5000万像素：请换较小的图片",
        }
    }
}

/// An upright 8-bit sRGB picture. It has no EXIF, no location, no thumbnail.
#[derive(Debug, Clone)]
pub struct Picture(RgbImage);

impl Picture {
    /// Decodes JPEG, PNG or WebP, told apart by content, in a thread of its own so that a decoder's panic is only an error. No I/O.
    ///
    /// # Errors
    /// When the bytes are no such picture, damaged, or over a limit; limits are checked before memory is taken.
    pub fn decode(bytes: &[u8]) -> Result<Self, PhotoError> {
        guarded(bytes, u32::MAX)
    }

    /// As [`Picture::decode`], for looking only: a JPEG whose shorter side is at least eight times `least_side` comes at an eighth of its
    /// size, in a fifth of the time and a sixtieth of the memory.
    ///
    /// # Errors
    /// As [`Picture::decode`].
    pub fn decode_small(bytes: &[u8], least_side: u32) -> Result<Self, PhotoError> {
        guarded(bytes, least_side)
    }

    /// A picture from pixels that are already upright.
    #[must_use]
    pub fn from_rgb(rgb: RgbImage) -> Self {
        Self(rgb)
    }

    /// A smooth skin-coloured picture with a dark spot, for benches and tests; the same every time.
    #[must_use]
    pub fn synthetic(width: u32, height: u32) -> Self {
        Self(RgbImage::from_fn(width, height, |x, y| {
            let (u, v) = (f64::from(x) / f64::from(width) - 0.5, f64::from(y) / f64::from(height) - 0.5);
            let spot = (1.0 - 12.0 * (u * u + v * v)).clamp(0.0, 1.0);
            let grain = f64::from((x.wrapping_mul(7919) ^ y.wrapping_mul(104_729)) % 17) - 8.0;
            image::Rgb([205.0, 160.0, 135.0].map(|c| (c - 90.0 * spot + grain) as u8))
        }))
    }

    /// The pixels.
    #[must_use]
    pub fn rgb(&self) -> &RgbImage {
        &self.0
    }

    /// The picture as a JPEG file without any metadata, for the record.
    ///
    /// # Errors
    /// When the encoder fails.
    pub fn to_jpeg(&self) -> Result<Vec<u8>, PhotoError> {
        let mut out = Vec::new();
        JpegEncoder::new_with_quality(&mut out, STORED_QUALITY)
            .encode_image(&self.0)
            .map_err(|_| PhotoError::Damaged)?;
        Ok(out)
    }
}

fn guarded(bytes: &[u8], least_side: u32) -> Result<Picture, PhotoError> {
    if bytes.len() > MAX_FILE_BYTES {
        return Err(PhotoError::FileTooLarge);
    }
    thread::scope(|scope| scope.spawn(|| decode_here(bytes, least_side)).join().unwrap_or(Err(PhotoError::Damaged)))
}

fn decode_here(bytes: &[u8], least_side: u32) -> Result<Picture, PhotoError> {
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|_| PhotoError::NotAPicture)?;
    let format = reader.format().ok_or(PhotoError::NotAPicture)?;
    if !matches!(format, ImageFormat::Jpeg | ImageFormat::Png | ImageFormat::WebP) {
        return Err(PhotoError::NotAPicture);
    }
    reader.limits(limits(MAX_DECODE_BYTES));
    let mut decoder = reader.into_decoder().map_err(refusal)?;
    let (width, height) = decoder.dimensions();
    if width > MAX_SIDE || height > MAX_SIDE || u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(PhotoError::TooManyPixels);
    }
    // The decoders do not all keep to `max_alloc`.
    if decoder.total_bytes() > MAX_DECODE_BYTES {
        return Err(PhotoError::TooManyPixels);
    }
    let orientation = decoder.orientation().map_err(refusal)?;
    let large = width.min(height) / 8 >= least_side;
    let small = (format == ImageFormat::Jpeg && large).then(|| eighth::decode(bytes, (width, height))).flatten();
    let mut picture = match small {
        Some(small) => DynamicImage::from(small),
        // The decoder fills what is missing with grey and says nothing.
        None if format == ImageFormat::Jpeg && !jpeg_is_complete(bytes) => return Err(PhotoError::Damaged),
        None => DynamicImage::from_decoder(decoder).map_err(refusal)?,
    };
    picture.apply_orientation(orientation);
    Ok(Picture(picture.into_rgb8()))
}

fn limits(alloc: u64) -> Limits {
    let mut limits = Limits::no_limits();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(alloc);
    limits
}

fn refusal(error: image::ImageError) -> PhotoError {
    match error {
        image::ImageError::Limits(_) => PhotoError::TooManyPixels,
        _ => PhotoError::Damaged,
    }
}

/// Walks the markers (ITU-T T.81, annex B) to the end-of-image marker of the main picture; what phones append after it is ignored.
fn jpeg_is_complete(bytes: &[u8]) -> bool {
    const START_OF_SCAN: u8 = 0xDA;
    const END_OF_IMAGE: u8 = 0xD9;
    let mut at = 2;
    let mut in_scan = false;
    while let Some(&byte) = bytes.get(at) {
        if byte != 0xFF {
            if !in_scan {
                return false;
            }
            at += 1;
            continue;
        }
        match bytes.get(at + 1) {
            // A fill byte; in a scan also a stuffed zero or a restart marker.
            Some(0xFF) => at += 1,
            Some(0x00 | 0xD0..=0xD7) => at += 2,
            Some(&END_OF_IMAGE) => return true,
            Some(&marker) => {
                let Some(length) = bytes.get(at + 2..at + 4) else { return false };
                in_scan = marker == START_OF_SCAN;
                at += 2 + usize::from(u16::from_be_bytes([length[0], length[1]]));
            }
            None => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jpeg(width: u32, height: u32) -> Vec<u8> {
        let rgb = RgbImage::from_fn(width, height, |x, y| image::Rgb([(x * 7) as u8, (y * 5) as u8, 90]));
        Picture(rgb).to_jpeg().expect("encodes")
    }

    #[test]
    fn a_whole_jpeg_decodes_and_every_truncation_is_refused() {
        let whole = jpeg(64, 48);
        assert_eq!(Picture::decode(&whole).expect("decodes").rgb().dimensions(), (64, 48));
        for length in 0..whole.len() - 1 {
            assert!(Picture::decode(&whole[..length]).is_err(), "{length} of {} bytes", whole.len());
        }
    }

    #[test]
    fn bytes_appended_after_the_picture_do_no_harm() {
        let mut bytes = jpeg(16, 16);
        bytes.extend_from_slice(b"MotionPhoto_Data");
        assert!(Picture::decode(&bytes).is_ok());
    }

    #[test]
    fn text_is_not_a_picture() {
        assert_eq!(Picture::decode(b"not a photo at all").expect_err("text"), PhotoError::NotAPicture);
        assert_eq!(Picture::decode(b"").expect_err("empty"), PhotoError::NotAPicture);
    }

    /// A PNG header that promises 20,000 x 20,000 pixels is refused before memory is taken.
    #[test]
    fn an_oversize_header_is_refused() {
        let mut png = vec![0x89, b'P', b'N', b'G', 0x0D, 0x0A, 0x1A, 0x0A];
        let mut ihdr = b"IHDR".to_vec();
        ihdr.extend_from_slice(&20_000u32.to_be_bytes());
        ihdr.extend_from_slice(&20_000u32.to_be_bytes());
        ihdr.extend_from_slice(&[8, 2, 0, 0, 0]);
        png.extend_from_slice(&13u32.to_be_bytes());
        png.extend_from_slice(&ihdr);
        png.extend_from_slice(&crc32(&ihdr).to_be_bytes());
        png.extend_from_slice(&[0, 0, 0, 0]);
        png.extend_from_slice(b"IDAT");
        png.extend_from_slice(&crc32(b"IDAT").to_be_bytes());
        assert_eq!(Picture::decode(&png).expect_err("oversize"), PhotoError::TooManyPixels);
    }

    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0u32, |crc, &byte| {
            (0..8).fold(crc ^ u32::from(byte), |c, _| if c & 1 == 1 { 0xEDB8_8320 ^ (c >> 1) } else { c >> 1 })
        })
    }

    #[test]
    fn exif_orientation_is_applied_and_exif_is_gone() {
        // Orientation 6: the camera was turned; the stored picture must be rotated clockwise.
        let plain = jpeg(40, 20);
        let exif: &[u8] = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0GPS-SECRET";
        let mut turned = plain[..2].to_vec();
        turned.extend_from_slice(&[0xFF, 0xE1]);
        turned.extend_from_slice(&u16::try_from(exif.len() + 2).expect("short").to_be_bytes());
        turned.extend_from_slice(exif);
        turned.extend_from_slice(&plain[2..]);
        let picture = Picture::decode(&turned).expect("decodes");
        assert_eq!(picture.rgb().dimensions(), (20, 40));
        let stored = picture.to_jpeg().expect("encodes");
        assert!(!stored.windows(4).any(|w| w == b"Exif" || w == b"GPS-"));
    }
}
