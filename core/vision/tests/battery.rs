//! Rows 6, 7 and 17 of the fault battery: malformed pictures, decompression bombs, and nothing left of EXIF and GPS.

use barefoot_vision::{PhotoError, Picture};
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::codecs::webp::WebPEncoder;
use image::{ExtendedColorType, ImageEncoder, RgbImage, imageops};
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How many rounds a test runs: the bar per change, or what `cargo xtask battery` asks for.
fn rounds(name: &str, per_change: usize) -> usize {
    std::env::var(format!("BAREFOOT_BATTERY_{name}")).ok().and_then(|n| n.parse().ok()).unwrap_or(per_change)
}

/// Random numbers that a seed repeats (SplitMix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound.max(1) as u64) as usize
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Jpeg,
    Png,
    WebP,
}

const FORMATS: [Format; 3] = [Format::Jpeg, Format::Png, Format::WebP];

/// A picture with a red top and a blue left edge, so that it can be seen which way is up.
fn picture(width: u32, height: u32, seed: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let red = if y < height / 4 { 240 } else { 20 };
        let blue = if x < width / 4 { 240 } else { 20 };
        image::Rgb([red, 40 + (seed % 100) as u8, blue])
    })
}

fn encoded(format: Format, picture: &RgbImage, exif: Option<&[u8]>) -> Vec<u8> {
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
fn exif(orientation: u8) -> Vec<u8> {
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

/// Row 6: 60,000 mutants, no panic, no more than 2 s or 256 MB each.
#[test]
fn mutants_of_pictures_neither_panic_nor_hang() {
    // Decoding catches panics of decoders; the hook still counts them.
    static PANICS: AtomicUsize = AtomicUsize::new(0);
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        PANICS.fetch_add(1, Ordering::SeqCst);
        before(info);
    }));
    let seeds: Vec<Vec<u8>> = FORMATS
        .into_iter()
        .flat_map(|format| {
            [(16, 16), (64, 48), (120, 40)].map(|(w, h)| encoded(format, &picture(w, h, 7), Some(&exif(6))))
        })
        .collect();
    let mut dice = Dice(6);
    let mut slowest = Duration::ZERO;
    let mut decoded = 0;
    let n = rounds("IMAGE_MUTANTS", 60_000);
    for _ in 0..n {
        let mutant = mutate(&seeds, &mut dice);
        let start = Instant::now();
        decoded += usize::from(Picture::decode(&mutant).is_ok());
        slowest = slowest.max(start.elapsed());
    }
    let peak = peak_mb();
    let _ = writeln!(
        std::io::stderr(),
        "{n} mutants, {decoded} still decode, slowest {} ms, peak {peak:.0} MB",
        slowest.as_millis()
    );
    assert_eq!(PANICS.load(Ordering::SeqCst), 0);
    assert!(slowest < Duration::from_secs(2));
}

fn mutate(seeds: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = seeds[dice.below(seeds.len())].clone();
    for _ in 0..=dice.below(8) {
        let at = dice.below(bytes.len());
        match dice.below(6) {
            0 => bytes[at] ^= 1 << dice.below(8),
            1 => bytes[at] = [0, 0xFF, 0x7F, 0x80][dice.below(4)],
            2 => bytes.truncate(at + 1),
            3 => {
                let end = (at + dice.below(32)).min(bytes.len());
                let part = bytes[at..end].to_vec();
                let to = dice.below(bytes.len());
                bytes.splice(to..to, part);
            }
            // The head is where lengths and sizes are.
            4 => {
                let head = dice.below(bytes.len().min(64));
                bytes[head] = dice.below(256) as u8;
            }
            _ => {
                let other = &seeds[dice.below(seeds.len())];
                let from = dice.below(other.len());
                bytes.truncate(at + 1);
                bytes.extend_from_slice(&other[from..]);
            }
        }
    }
    bytes
}

/// The largest memory this process ever had; 0 where the system does not tell.
fn peak_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kb| kb.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}

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
