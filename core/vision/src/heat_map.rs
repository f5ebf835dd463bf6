//! The heat map: where in the photo the likeliest label was seen. It shows what the network used, not where the disease is.

use crate::model::resize;
use crate::{PhotoError, Picture};
use image::{ImageFormat, Rgb, RgbImage};
use std::io::Cursor;

/// Longest side of the drawn map, pixels.
const MAX_SIDE: u32 = 800;

/// A coarse grid of activations over the part of the photo that the network saw.
#[derive(Debug, Clone)]
pub struct HeatMap {
    /// Row by row, scaled to 0-1.
    heat: Vec<f32>,
    columns: usize,
    rows: usize,
    /// x, y, width, height of the part that the network saw, in pixels of the photo.
    seen: (u32, u32, u32, u32),
}

impl HeatMap {
    pub(crate) fn new(mut heat: Vec<f32>, columns: usize, rows: usize, seen: (u32, u32, u32, u32)) -> Self {
        let (low, high) = heat.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(l, h), &v| (l.min(v), h.max(v)));
        let span = (high - low).max(f32::EPSILON);
        heat.iter_mut().for_each(|v| *v = (*v - low) / span);
        Self { heat, columns, rows, seen }
    }

    /// The map drawn over its photo, as a PNG file.
    ///
    /// # Errors
    /// When the encoder fails.
    pub fn over(&self, picture: &Picture) -> Result<Vec<u8>, PhotoError> {
        let (width, height) = picture.rgb().dimensions();
        let scale = (f64::from(MAX_SIDE) / f64::from(width.max(height))).min(1.0);
        let scaled = |length: u32| ((f64::from(length) * scale) as u32).max(1);
        let mut drawn: RgbImage = resize(picture.rgb(), scaled(width), scaled(height));
        let (left, top, seen_width, seen_height) = self.seen;
        for (x, y, pixel) in drawn.enumerate_pixels_mut() {
            let u = (f64::from(x) / scale - f64::from(left)) / f64::from(seen_width);
            let v = (f64::from(y) / scale - f64::from(top)) / f64::from(seen_height);
            if (0.0..1.0).contains(&u) && (0.0..1.0).contains(&v) {
                let heat = self.at(u as f32, v as f32);
                *pixel = blend(*pixel, heat);
            }
        }
        let mut png = Cursor::new(Vec::new());
        drawn.write_to(&mut png, ImageFormat::Png).map_err(|_| PhotoError::Damaged)?;
        Ok(png.into_inner())
    }

    /// Bilinear between the cells' centres.
    fn at(&self, u: f32, v: f32) -> f32 {
        let axis = |t: f32, cells: usize| {
            let t = (t * cells as f32 - 0.5).clamp(0.0, (cells - 1) as f32);
            let low = t as usize;
            (low, (low + 1).min(cells - 1), t - low as f32)
        };
        let (x0, x1, fx) = axis(u, self.columns);
        let (y0, y1, fy) = axis(v, self.rows);
        let cell = |x: usize, y: usize| self.heat[y * self.columns + x];
        let upper = cell(x0, y0) * (1.0 - fx) + cell(x1, y0) * fx;
        let lower = cell(x0, y1) * (1.0 - fx) + cell(x1, y1) * fx;
        upper * (1.0 - fy) + lower * fy
    }
}

/// Blue (cold) through yellow to red (hot); the colder, the more of the photo shines through.
fn blend(pixel: Rgb<u8>, heat: f32) -> Rgb<u8> {
    let colour = [heat * 2.0, (1.0 - (heat - 0.5).abs() * 2.0) * 0.9, 1.0 - heat * 2.0].map(|c| c.clamp(0.0, 1.0));
    let alpha = 0.15 + 0.4 * heat;
    let mut out = [0u8; 3];
    for ((out, photo), colour) in out.iter_mut().zip(pixel.0).zip(colour) {
        *out = (f32::from(photo) * (1.0 - alpha) + colour * 255.0 * alpha) as u8;
    }
    Rgb(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hot_cell_is_red_in_the_drawing_and_unseen_borders_stay() {
        let picture = Picture::from_rgb(RgbImage::from_pixel(200, 100, Rgb([120, 120, 120])));
        let map = HeatMap::new(vec![0.0, 0.0, 0.0, 5.0], 2, 2, (50, 0, 100, 100));
        let png = map.over(&picture).expect("encodes");
        let drawn = image::load_from_memory(&png).expect("png").into_rgb8();
        assert_eq!(drawn.get_pixel(10, 50).0, [120, 120, 120]);
        let (cold, hot) = (drawn.get_pixel(60, 10).0, drawn.get_pixel(140, 90).0);
        assert!(hot[0] > cold[0] && hot[2] < cold[2], "{hot:?} {cold:?}");
    }
}
