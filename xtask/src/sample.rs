//! A drawn photo of a pigmented spot on skin, so that the repository ships a photo that is free of anyone's rights and of any patient.

use image::{Rgb, RgbImage};
use std::path::Path;

const WIDTH: u32 = 900;
const HEIGHT: u32 = 900;

/// Draws the sample and writes it as JPEG or PNG, by the file's ending.
pub(crate) fn render(file: &Path) -> Result<(), Box<dyn std::error::Error>> {
    RgbImage::from_fn(WIDTH, HEIGHT, pixel).save(file)?;
    Ok(())
}

fn pixel(x: u32, y: u32) -> Rgb<u8> {
    let (u, v) = (f64::from(x) / f64::from(WIDTH), f64::from(y) / f64::from(HEIGHT));
    // Skin: a warm tone, mottling, fine furrows that cross, a little light from the upper left.
    let mottle = fractal(u * 6.0, v * 6.0, 1, 4) - 0.5;
    let furrow = furrows(u, v, 0.9) + furrows(u, v, 2.3);
    let grain = noise(u * 420.0, v * 420.0, 9) - 0.5;
    let light = 1.06 - 0.14 * (u * 0.6 + v * 0.4) + 0.05 * mottle - 0.035 * furrow + 0.05 * grain;
    let skin = [214.0 + 10.0 * mottle, 163.0 - 12.0 * mottle, 138.0 - 12.0 * mottle];
    // The spot: an oval with a wavering, soft border, darker and uneven in the middle.
    let (dx, dy) = ((u - 0.5) / 0.19, (v - 0.51) / 0.15);
    let angle = dy.atan2(dx);
    let waver = 0.10 * (fractal(angle.cos() * 2.0 + 7.0, angle.sin() * 2.0 + 7.0, 3, 3) - 0.5);
    let distance = (dx * dx + dy * dy).sqrt() + waver;
    let inside = smooth((1.08 - distance) / 0.22);
    let depth = 0.75 + 0.5 * (fractal(u * 26.0, v * 26.0, 5, 3) - 0.5) - 0.18 * distance;
    let brown = [112.0, 70.0, 50.0];
    let mut colour = [0u8; 3];
    for (at, out) in colour.iter_mut().enumerate() {
        let mixed = skin[at] + (brown[at] - skin[at]) * (inside * depth).clamp(0.0, 1.0);
        *out = (mixed * light * (1.0 - 0.45 * hairs(u, v))).clamp(0.0, 255.0) as u8;
    }
    Rgb(colour)
}

/// Skin lines: ridged noise stretched along one direction.
fn furrows(u: f64, v: f64, angle: f64) -> f64 {
    let (s, c) = angle.sin_cos();
    let (along, across) = (u * c + v * s, v * c - u * s);
    let wave = fractal(along * 14.0, across * 55.0, 11, 2);
    1.0 - (wave - 0.5).abs() * 4.0
}

/// A few thin dark hairs.
fn hairs(u: f64, v: f64) -> f64 {
    const HAIRS: [(f64, f64, f64); 5] =
        [(0.12, 0.5, 0.35), (0.31, -0.7, 0.9), (0.62, 0.4, 0.1), (0.8, -0.5, 0.95), (0.9, 0.8, -0.1)];
    HAIRS
        .iter()
        .map(|(start, slope, bend)| {
            let line = start + slope * (v - 0.2) * 0.35 + bend * (v - 0.5) * (v - 0.5) * 0.3;
            smooth(1.0 - (u - line).abs() / 0.0016)
        })
        .fold(0.0, f64::max)
}

fn smooth(t: f64) -> f64 {
    let t = t.clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

fn fractal(x: f64, y: f64, seed: u32, octaves: u32) -> f64 {
    let (mut sum, mut weight, mut total) = (0.0, 1.0, 0.0);
    for octave in 0..octaves {
        let scale = f64::from(1 << octave);
        sum += weight * noise(x * scale, y * scale, seed + octave);
        total += weight;
        weight *= 0.5;
    }
    sum / total
}

/// Value noise, 0 to 1.
fn noise(x: f64, y: f64, seed: u32) -> f64 {
    let (x0, y0) = (x.floor(), y.floor());
    let (fx, fy) = (smooth(x - x0), smooth(y - y0));
    let at = |dx: i64, dy: i64| lattice(x0 as i64 + dx, y0 as i64 + dy, seed);
    let upper = at(0, 0) + (at(1, 0) - at(0, 0)) * fx;
    let lower = at(0, 1) + (at(1, 1) - at(0, 1)) * fx;
    upper + (lower - upper) * fy
}

fn lattice(x: i64, y: i64, seed: u32) -> f64 {
    let mut h = (x as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15)
        ^ (y as u64).wrapping_mul(0xC2B2_AE3D_27D4_EB4F)
        ^ u64::from(seed) << 32;
    h = (h ^ (h >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    h = (h ^ (h >> 32)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((h ^ (h >> 31)) >> 11) as f64 / (1u64 << 53) as f64
}
