//! Rows 7 and 17 of the fault battery: decompression bombs, and nothing left of EXIF and GPS.

mod common;

use barefoot_vision::{PhotoError, Picture};
use common::{FORMATS, Format, encoded, exif, picture};
use image::{RgbImage, imageops};
use std::time::{Duration, Instant};

/// Row 7: small files that promise huge pictures are refused by their header.
#[test]
fn oversize_headers_are_refused_at_once() {
    for (width, height) in [(8193u32, 10u32), (10, 8193), (8192, 8192), (16_000, 16_000), (65_535, 65_535)] {
        for format in FORMATS {
            let mut file = encoded(format, &picture(16, 16, 1), None);
            match format {
                Format::Jpeg => {
                    let at = file.windows(2).position(|w| w == [0xFF, 0xC0]).expect("start of frame");
                    file[at + 5..at + 7].copy_from_slice(&(height as u16).to_be_bytes());
                    file[at + 7..at + 9].copy_from_slice(&(width as u16).to_be_bytes());
                }
                Format::Png => {
                    file[16..20].copy_from_slice(&width.to_be_bytes());
                    file[20..24].copy_from_slice(&height.to_be_bytes());
                    let crc = crc32(&file[12..29]);
                    file[29..33].copy_from_slice(&crc.to_be_bytes());
                }
                // VP8L has 14 bits a side.
                Format::WebP if width > 16_384 => continue,
                Format::WebP => {
                    let at = file.windows(4).position(|w| w == b"VP8L").expect("chunk") + 9;
                    let bits = (width - 1) | (height - 1) << 14;
                    file[at..at + 4].copy_from_slice(&bits.to_le_bytes());
                }
            }
            let start = Instant::now();
            let refused = Picture::decode(&file).expect_err("oversize");
            assert_eq!(refused, PhotoError::TooManyPixels, "{format:?} {width} x {height}");
            assert!(start.elapsed() < Duration::from_millis(500), "{format:?} {width} x {height}");
        }
    }
    assert!(matches!(Picture::decode(&vec![0; (32 << 20) + 1]), Err(PhotoError::FileTooLarge)));
}

/// Row 7: a true bomb, 49 megapixels in 200 KB, stays within the limit of memory.
#[test]
fn a_bomb_within_the_limits_is_decoded_in_bounded_memory() {
    let bomb = encoded(Format::Png, &RgbImage::new(8192, 6000), None);
    assert!(bomb.len() < 1 << 20);
    assert!(Picture::decode(&bomb).is_ok());
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |c, _| if c & 1 == 1 { 0xEDB8_8320 ^ (c >> 1) } else { c >> 1 })
    })
}

/// What a camera stores so that turning it by `orientation` (TIFF 6.0) gives the upright picture.
fn as_held(upright: &RgbImage, orientation: u8) -> RgbImage {
    match orientation {
        2 => imageops::flip_horizontal(upright),
        3 => imageops::rotate180(upright),
        4 => imageops::flip_vertical(upright),
        5 => imageops::flip_horizontal(&imageops::rotate90(upright)),
        6 => imageops::rotate270(upright),
        7 => imageops::flip_horizontal(&imageops::rotate270(upright)),
        8 => imageops::rotate90(upright),
        _ => upright.clone(),
    }
}

/// Row 17: over 200 files of three formats; however the camera was held, the stored picture stands upright and tells nothing of it.
#[test]
fn exif_and_gps_are_gone_and_the_picture_is_upright() {
    let mut files = 0;
    for seed in 0..9 {
        for orientation in 1..=8 {
            for format in FORMATS {
                let what = format!("{format:?}, orientation {orientation}");
                let upright = picture(64 + 8 * seed, 32, seed);
                let file = encoded(format, &as_held(&upright, orientation), Some(&exif(orientation)));
                assert!(
                    holds(&file, b"CANARY-MAKE") && holds(&file, b"GPS-CANARY"),
                    "{what}: the test's own EXIF is there"
                );
                let decoded = Picture::decode(&file).expect("decodes");
                assert_eq!(decoded.rgb().dimensions(), upright.dimensions(), "{what}");
                let far = decoded
                    .rgb()
                    .pixels()
                    .zip(upright.pixels())
                    .filter(|(a, b)| (0..3).any(|c| a[c].abs_diff(b[c]) > 80));
                assert!(far.count() < 200, "{what}: not upright");
                let out = decoded.to_jpeg().expect("encodes");
                for trace in [&b"CANARY"[..], b"Exif", b"GPS", b"II*\0"] {
                    assert!(!holds(&out, trace), "{what}");
                }
                files += 1;
            }
        }
    }
    assert!(files >= 200);
}

fn holds(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}
