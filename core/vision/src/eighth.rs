//! A JPEG at an eighth of its size, from the DC coefficients alone (ITU-T T.81): each 8 x 8 block becomes its mean.
//!
//! The network sees 192 pixels of a 4000-pixel photo, so the other 63 coefficients of a block are only skipped, several at a time, and
//! nothing of full size is ever held. What phones write is read here: baseline Huffman files of one scan, grey or YCbCr. Everything
//! else (progressive, arithmetic, CMYK) is left to the full decoder.

use image::RgbImage;

/// Bits of a code that are looked up at once; longer codes are walked.
const LOOK: u32 = 13;
/// Marker codes (T.81, table B.1).
const SOF0: u8 = 0xC0;
const SOF1: u8 = 0xC1;
const DHT: u8 = 0xC4;
const RST0: u8 = 0xD0;
const EOI: u8 = 0xD9;
const SOS: u8 = 0xDA;
const DQT: u8 = 0xDB;
const DRI: u8 = 0xDD;
const APP14: u8 = 0xEE;
/// Coefficients of a block.
const BLOCK: u32 = 64;

/// The picture at an eighth of its size, rounded up; `None` when it is of another kind or damaged, which the full decoder then tells
/// apart. `size` is the full one. Memory is taken only for the small picture.
pub(crate) fn decode(bytes: &[u8], size: (u32, u32)) -> Option<RgbImage> {
    let mut header = Header::default();
    let scan = header.read(bytes)?;
    // The size that was checked against the limits.
    if (header.width, header.height) != (size.0 as usize, size.1 as usize) {
        return None;
    }
    let planes = header.scan(bytes, scan)?;
    Some(header.paint(&planes))
}

/// One colour component.
#[derive(Debug, Default, Clone, Copy)]
struct Component {
    id: u8,
    /// Blocks in a minimum coded unit, across and down.
    across: usize,
    down: usize,
    quantiser: usize,
    dc: usize,
    ac: usize,
}

/// Everything before the scan.
#[derive(Debug, Default)]
struct Header {
    width: usize,
    height: usize,
    components: Vec<Component>,
    /// The DC step of each quantisation table.
    steps: [Option<u16>; 4],
    dc: [Option<Box<Codes>>; 4],
    ac: [Option<Box<Runs>>; 4],
    /// Minimum coded units between restart markers; 0 without.
    restart: usize,
    /// Adobe's colour transform, where it is told.
    adobe: Option<u8>,
}

impl Header {
    /// Reads the segments up to the scan's header; where the scan's bits begin.
    fn read(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 2;
        loop {
            let marker = loop {
                match bytes.get(at..at + 2)? {
                    [0xFF, 0xFF] => at += 1,
                    [0xFF, marker] => break *marker,
                    _ => return None,
                }
            };
            let length = bytes.get(at + 2..at + 4).map(be)?;
            let segment = bytes.get(at + 4..at + 2 + length)?;
            at += 2 + length;
            match marker {
                SOF0 | SOF1 => self.frame(segment)?,
                // Other frames: progressive, lossless, arithmetic.
                0xC2..=0xC3 | 0xC5..=0xCF => return None,
                DHT => self.codes(segment)?,
                DQT => self.quantisers(segment)?,
                DRI => self.restart = segment.get(..2).map(be)?,
                APP14 if segment.starts_with(b"Adobe") => self.adobe = segment.get(11).copied(),
                SOS => {
                    self.scan_header(segment)?;
                    return Some(at);
                }
                _ => {}
            }
        }
    }

    fn frame(&mut self, segment: &[u8]) -> Option<()> {
        let &[precision, h1, h0, w1, w0, count, ref rest @ ..] = segment else { return None };
        (self.height, self.width) = (be(&[h1, h0]), be(&[w1, w0]));
        if precision != 8 || self.width == 0 || self.height == 0 || !matches!(count, 1 | 3) {
            return None;
        }
        self.components = rest
            .chunks_exact(3)
            .map(|c| Component {
                id: c[0],
                across: usize::from(c[1] >> 4),
                down: usize::from(c[1] & 15),
                quantiser: usize::from(c[2] & 3),
                ..Component::default()
            })
            .collect();
        if self.components.len() != usize::from(count) {
            return None;
        }
        if let [grey] = &mut self.components[..] {
            // A scan of one component has one block a unit, whatever its factors say (T.81, A.2.2).
            (grey.across, grey.down) = (1, 1);
        }
        // Factors that are not 1 or 2, or colour finer than light, no camera writes.
        let usual = |c: &Component| matches!((c.across, c.down), (1 | 2, 1 | 2));
        let first = self.components[0];
        let coarser = self.components.iter().all(|c| c.across <= first.across && c.down <= first.down);
        if self.components.iter().all(usual) && coarser { Some(()) } else { None }
    }

    fn codes(&mut self, mut segment: &[u8]) -> Option<()> {
        while let Some((&[kind, ref counts @ ..], rest)) = segment.split_first_chunk::<17>() {
            let total = counts.iter().map(|&n| usize::from(n)).sum();
            let symbols = rest.get(..total)?;
            let (class, slot) = (kind >> 4, usize::from(kind & 3));
            let codes = Codes::new(counts, symbols)?;
            match class {
                0 => self.dc[slot] = Some(Box::new(codes)),
                1 => self.ac[slot] = Some(Box::new(Runs::new(codes))),
                _ => return None,
            }
            segment = &rest[total..];
        }
        Some(())
    }

    fn quantisers(&mut self, mut segment: &[u8]) -> Option<()> {
        while let Some((&kind, rest)) = segment.split_first() {
            let wide = usize::from(kind >> 4 != 0);
            let size = BLOCK as usize * (1 + wide);
            let table = rest.get(..size)?;
            self.steps[usize::from(kind & 3)] = Some(be(&table[..=wide]) as u16);
            segment = &rest[size..];
        }
        Some(())
    }

    fn scan_header(&mut self, segment: &[u8]) -> Option<()> {
        let (&count, rest) = segment.split_first()?;
        if usize::from(count) != self.components.len() {
            // Each colour in a scan of its own; or a scan before the frame.
            return None;
        }
        for (component, told) in self.components.iter_mut().zip(rest.chunks_exact(2)) {
            if component.id != told[0] {
                return None;
            }
            (component.dc, component.ac) = (usize::from(told[1] >> 4 & 3), usize::from(told[1] & 3));
        }
        let rgb = match (self.adobe, &self.components[..]) {
            (Some(transform), [_, _, _]) => transform == 0,
            (None, [r, g, b]) => [r.id, g.id, b.id] == *b"RGB",
            _ => false,
        };
        if rgb { None } else { Some(()) }
    }

    /// Units across and down.
    fn units(&self) -> (usize, usize) {
        let first = self.components[0];
        (self.width.div_ceil(8 * first.across), self.height.div_ceil(8 * first.down))
    }

    /// Reads the scan; the blocks' means of each component, 0 to 255.
    fn scan(&self, bytes: &[u8], start: usize) -> Option<Vec<Plane>> {
        let (across, down) = self.units();
        let tables = |c: &Component| {
            let (dc, ac, step) = (self.dc[c.dc].as_deref()?, self.ac[c.ac].as_deref()?, self.steps[c.quantiser]?);
            Some((dc, ac, i32::from(step)))
        };
        let tables = self.components.iter().map(tables).collect::<Option<Vec<_>>>()?;
        let mut planes: Vec<Plane> =
            self.components.iter().map(|c| Plane::new(across * c.across, down * c.down)).collect();
        let mut bits = Bits { bytes, at: start, held: 0, count: 0 };
        let mut last = [0i32; 3];
        for unit in 0..across * down {
            if self.restart > 0 && unit > 0 && unit % self.restart == 0 {
                bits.restart((unit / self.restart - 1) as u8 % 8)?;
                last = [0; 3];
            }
            let (row, column) = (unit / across, unit % across);
            for (((component, plane), last), &(dc, ac, step)) in
                self.components.iter().zip(&mut planes).zip(&mut last).zip(&tables)
            {
                for y in 0..component.down {
                    for x in 0..component.across {
                        *last = last.wrapping_add(dc.difference(&mut bits)?);
                        ac.skip(&mut bits)?;
                        // The DC coefficient is eight times the block's mean, less 128.
                        let mean = (last.wrapping_mul(step).wrapping_add(4) >> 3).saturating_add(128).clamp(0, 255);
                        plane.values[(row * component.down + y) * plane.width + column * component.across + x] =
                            mean as u8;
                    }
                }
            }
            if bits.overdrawn() {
                return None;
            }
        }
        bits.end()?;
        Some(planes)
    }

    fn paint(&self, planes: &[Plane]) -> RgbImage {
        let (width, height) = (self.width.div_ceil(8), self.height.div_ceil(8));
        let mut pixels = Vec::with_capacity(3 * width * height);
        let [light, colours @ ..] = planes else { return RgbImage::new(0, 0) };
        let mut rows: Vec<Vec<u8>> = Vec::new();
        for y in 0..height {
            let light = &light.values[y * light.width..][..width];
            rows.clear();
            for (plane, component) in colours.iter().zip(&self.components[1..]) {
                let (across, down) =
                    (self.components[0].across / component.across, self.components[0].down / component.down);
                rows.push(plane.row(y, down, across, width));
            }
            match &rows[..] {
                [blue, red] => {
                    pixels.extend(light.iter().zip(blue).zip(red).flat_map(|((&y, &cb), &cr)| rgb(y, cb, cr)))
                }
                _ => pixels.extend(light.iter().flat_map(|&y| [y; 3])),
            }
        }
        RgbImage::from_raw(width as u32, height as u32, pixels).unwrap_or_default()
    }
}

/// One component's means.
#[derive(Debug)]
struct Plane {
    width: usize,
    values: Vec<u8>,
}

impl Plane {
    fn new(width: usize, height: usize) -> Self {
        Self { width, values: vec![0; width * height] }
    }

    /// Row `y` of the picture from a plane that is `down` and `across` times coarser: between two means in proportion 3 : 1, as
    /// libjpeg's "fancy" upsampling does.
    fn row(&self, y: usize, down: usize, across: usize, width: usize) -> Vec<u8> {
        let rows = self.values.len() / self.width;
        let (near, far) = neighbours(y, down, rows);
        let line = |at: usize| &self.values[at * self.width..][..self.width];
        let (near, far) = (line(near), line(far));
        let mixed: Vec<u16> = near.iter().zip(far).map(|(&n, &f)| 3 * u16::from(n) + u16::from(f)).collect();
        // Factors are 1 or 2, and constants spare a division for every pixel.
        if across == 1 { spread::<1>(&mixed, width) } else { spread::<2>(&mixed, width) }
    }
}

/// Pixels from sums of four, `TIMES` of them a cell.
fn spread<const TIMES: usize>(mixed: &[u16], width: usize) -> Vec<u8> {
    let pixel = |x| {
        let (near, far) = neighbours(x, TIMES, mixed.len());
        ((3 * mixed[near] + mixed[far] + 8) >> 4) as u8
    };
    (0..width).map(pixel).collect()
}

/// The cell that holds `at` of a grid `times` coarser, and the one beside it that is nearest.
#[inline]
fn neighbours(at: usize, times: usize, cells: usize) -> (usize, usize) {
    let near = at / times;
    let far = match (times, at % times) {
        (1, _) => near,
        (_, 0) => near.saturating_sub(1),
        _ => (near + 1).min(cells - 1),
    };
    (near, far)
}

/// JFIF's colours (ITU-T T.871), in 16-bit fixed point.
fn rgb(y: u8, cb: u8, cr: u8) -> [u8; 3] {
    let (y, cb, cr) = ((i32::from(y) << 16) + (1 << 15), i32::from(cb) - 128, i32::from(cr) - 128);
    let channels = [y + 91_881 * cr, y - 22_554 * cb - 46_802 * cr, y + 116_130 * cb];
    channels.map(|c| (c >> 16).clamp(0, 255) as u8)
}

fn be(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |sum, &byte| sum << 8 | usize::from(byte))
}

/// The scan's bits; the stuffed zeros are taken out.
#[derive(Debug)]
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The next bits, from the top.
    held: u64,
    /// How many of them are real; under zero when more were taken than there were.
    count: i32,
}

impl Bits<'_> {
    /// Holds at least 48 bits, made of zeros after a marker. Not asked first whether it must: that branch could not be foretold.
    #[inline]
    fn fill(&mut self) {
        if let (0.., Some(next)) = (self.count, self.bytes[self.at..].first_chunk::<8>()) {
            let word = u64::from_be_bytes(*next);
            // No byte is 0xFF: no byte of the inverse is zero.
            let inverse = !word;
            if inverse.wrapping_sub(0x0101_0101_0101_0101) & !inverse & 0x8080_8080_8080_8080 == 0 {
                self.held |= word >> self.count;
                let taken = (63 - self.count) >> 3;
                self.at += taken as usize;
                self.count += taken << 3;
                return;
            }
        }
        self.fill_slowly();
    }

    #[cold]
    fn fill_slowly(&mut self) {
        while (0..=48).contains(&self.count) {
            let Some(&byte) = self.bytes.get(self.at) else { return };
            if byte == 0xFF {
                if self.bytes.get(self.at + 1) != Some(&0) {
                    return;
                }
                self.at += 1;
            }
            self.at += 1;
            self.held |= u64::from(byte) << (56 - self.count);
            self.count += 8;
        }
    }

    #[inline]
    fn drop(&mut self, bits: u32) {
        self.held <<= bits;
        self.count -= bits as i32;
    }

    #[inline]
    fn overdrawn(&self) -> bool {
        self.count < 0
    }

    /// Passes the restart marker of this number.
    fn restart(&mut self, number: u8) -> Option<()> {
        let marker = self.marker()?;
        if marker == RST0 + number { Some(()) } else { None }
    }

    /// Checks that the picture ends here; where further scans follow, the full decoder may know why.
    fn end(&mut self) -> Option<()> {
        match self.marker()? {
            EOI => Some(()),
            _ => None,
        }
    }

    /// The marker after the last whole byte of bits.
    fn marker(&mut self) -> Option<u8> {
        if self.count >= 8 {
            return None;
        }
        (self.held, self.count) = (0, 0);
        loop {
            match self.bytes.get(self.at..self.at + 2)? {
                [0xFF, 0xFF] => self.at += 1,
                [0xFF, marker] => {
                    self.at += 2;
                    return Some(*marker);
                }
                _ => return None,
            }
        }
    }
}

/// A canonical Huffman code (T.81, annex C).
#[derive(Debug)]
struct Codes {
    /// By the next [`LOOK`] bits: length << 8 | symbol; 0 for a longer code.
    look: Box<[u16; 1 << LOOK]>,
    /// By length: the first code that is longer, in 16 bits, and what to add to a code for its symbol's place.
    longer: [(u32, i32); 17],
    symbols: Vec<u8>,
}

impl Codes {
    /// `None` where there are more codes than their lengths allow.
    fn new(counts: &[u8], symbols: &[u8]) -> Option<Self> {
        let mut look = Box::new([0u16; 1 << LOOK]);
        let mut longer = [(0u32, 0i32); 17];
        let (mut code, mut place) = (0u32, 0usize);
        for (length, &count) in (1u32..).zip(counts) {
            longer[length as usize].1 = place as i32 - code as i32;
            for _ in 0..count {
                if code >> length != 0 {
                    return None;
                }
                if length <= LOOK {
                    let first = (code << (LOOK - length)) as usize;
                    look[first..first + (1 << (LOOK - length))].fill((length as u16) << 8 | u16::from(symbols[place]));
                }
                code += 1;
                place += 1;
            }
            longer[length as usize].0 = code << (16 - length);
            code <<= 1;
        }
        Some(Self { look, longer, symbols: symbols.to_vec() })
    }

    /// The next symbol. At least 16 bits are held.
    #[inline]
    fn next(&self, bits: &mut Bits) -> Option<u8> {
        let found = self.look[(bits.held >> (64 - LOOK)) as usize];
        if found != 0 {
            bits.drop(u32::from(found >> 8));
            return Some(found as u8);
        }
        let code = (bits.held >> 48) as u32;
        let length = (LOOK + 1..=16).find(|&n| code < self.longer[n as usize].0)?;
        bits.drop(length);
        let place = (code >> (16 - length)) as i32 + self.longer[length as usize].1;
        self.symbols.get(place as usize).copied()
    }

    /// What the next block's DC coefficient adds to the last one's.
    #[inline]
    fn difference(&self, bits: &mut Bits) -> Option<i32> {
        bits.fill();
        let size = u32::from(self.next(bits)?);
        if size > 11 {
            return None;
        }
        if size == 0 {
            return Some(0);
        }
        let value = (bits.held >> (64 - size)) as i32;
        bits.drop(size);
        Some(if value >> (size - 1) == 0 { value - (1 << size) + 1 } else { value })
    }
}

/// The code of the other coefficients, made for skipping them.
#[derive(Debug)]
struct Runs {
    /// By the next [`LOOK`] bits: all symbols whose codes lie within them.
    look: Box<[Run; 1 << LOOK]>,
    codes: Codes,
}

/// Some symbols in a row, in one word: coefficients passed << 8 | [`END`] | bits, values included; 0 when not even one code is whole.
#[derive(Debug, Default, Clone, Copy)]
struct Run(u16);

/// The last symbol ends the block.
const END: u16 = 0x80;

impl Run {
    fn new(passed: u8, end: bool, bits: u8) -> Self {
        Self((u16::from(passed) << 8) | (u16::from(end) * END) | u16::from(bits))
    }

    #[inline]
    fn passed(self) -> u32 {
        u32::from(self.0 >> 8)
    }

    #[inline]
    fn bits(self) -> u32 {
        u32::from(self.0 & (END - 1))
    }

    #[inline]
    fn ends(self) -> bool {
        self.0 & END != 0
    }
}

/// What one symbol says: coefficients passed, bits of its value, whether it ends the block.
#[inline]
fn meaning(symbol: u8) -> (u8, u8, bool) {
    match (symbol >> 4, symbol & 15) {
        (15, 0) => (16, 0, false),
        (_, 0) => (0, 0, true),
        (zeros, size) => (zeros + 1, size, false),
    }
}

impl Runs {
    fn new(codes: Codes) -> Self {
        let mut look = Box::new([Run::default(); 1 << LOOK]);
        for (index, run) in look.iter_mut().enumerate() {
            while run.bits() < LOOK && !run.ends() {
                // Bits beyond the index are unknown: a code counts only if it ends before them.
                let found = codes.look[(index << run.bits()) & ((1 << LOOK) - 1)];
                let length = (found >> 8) as u8;
                if found == 0 || run.bits() + u32::from(length) > LOOK {
                    break;
                }
                let (passed, size, end) = meaning(found as u8);
                *run = Run::new(run.passed() as u8 + passed, end, run.bits() as u8 + length + size);
            }
        }
        Self { look, codes }
    }

    /// Passes the rest of a block.
    #[inline]
    fn skip(&self, bits: &mut Bits) -> Option<()> {
        // The DC coefficient is the first.
        let mut at = 1u32;
        loop {
            bits.fill();
            // Two lookups a filling: a run has at most `LOOK` bits and a value's 10.
            for _ in 0..2 {
                let run = self.look[(bits.held >> (64 - LOOK)) as usize];
                let next = at + run.passed();
                if run.bits() == 0 || next >= BLOCK {
                    // A long code, or the block may be full before the run ends: one symbol.
                    bits.fill();
                    let (passed, size, end) = meaning(self.codes.next(bits)?);
                    bits.drop(u32::from(size));
                    at += u32::from(passed);
                    match at {
                        _ if end => return Some(()),
                        BLOCK => return Some(()),
                        0..BLOCK => break,
                        _ => return None,
                    }
                }
                bits.drop(run.bits());
                if run.ends() {
                    return Some(());
                }
                at = next;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::decode;
    use image::RgbImage;
    use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
    use proptest::prelude::*;

    fn picture(width: u16, height: u16, grain: u32) -> RgbImage {
        RgbImage::from_fn(width.into(), height.into(), |x, y| {
            let noise = (x.wrapping_mul(7919) ^ y.wrapping_mul(104_729)) % (grain + 1);
            image::Rgb([60 + x / 4 + noise, 200 - y / 4, 90 + (x + y) / 8].map(|c| c.min(255) as u8))
        })
    }

    #[derive(Debug, Clone, Copy)]
    struct Kind {
        sampling: SamplingFactor,
        grey: bool,
        restart: u16,
        quality: u8,
    }

    fn encoded(rgb: &RgbImage, kind: Kind) -> Vec<u8> {
        let mut out = Vec::new();
        let mut encoder = Encoder::new(&mut out, kind.quality);
        encoder.set_sampling_factor(kind.sampling);
        if kind.restart > 0 {
            encoder.set_restart_interval(kind.restart);
        }
        let (width, height) = (rgb.width() as u16, rgb.height() as u16);
        let grey = image::DynamicImage::from(rgb.clone()).into_luma8();
        let (pixels, colour) =
            if kind.grey { (grey.as_raw(), ColorType::Luma) } else { (rgb.as_raw(), ColorType::Rgb) };
        encoder.encode(pixels, width, height, colour).expect("encodes");
        out
    }

    fn kinds() -> impl Strategy<Value = Kind> {
        let sampling = prop_oneof![
            Just(SamplingFactor::F_1_1),
            Just(SamplingFactor::F_2_1),
            Just(SamplingFactor::F_1_2),
            Just(SamplingFactor::F_2_2)
        ];
        (sampling, any::<bool>(), 0u16..5, 30u8..=100).prop_map(|(sampling, grey, restart, quality)| Kind {
            sampling,
            grey,
            restart,
            quality,
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        /// Every block is the mean of what the full decoder makes of it.
        #[test]
        fn an_eighth_is_the_mean_of_the_full_picture(
            kind in kinds(), width in 1u16..150, height in 1u16..150, grain in 0u32..40,
        ) {
            let file = encoded(&picture(width, height, grain), kind);
            let full = image::load_from_memory(&file).expect("decodes").into_rgb8();
            let small = decode(&file, full.dimensions()).expect("is read");
            prop_assert_eq!(small.dimensions(), (full.width().div_ceil(8), full.height().div_ceil(8)));
            // Blocks at the edge are padded by the encoder.
            for (x, y, pixel) in small.enumerate_pixels().filter(|(x, y, _)| 8 * x + 8 <= full.width() && 8 * y + 8 <= full.height()) {
                for channel in 0..3 {
                    let sum: u32 = (0..64).map(|at| u32::from(full.get_pixel(8 * x + at % 8, 8 * y + at / 8).0[channel])).sum();
                    let (mean, got) = (sum as f32 / 64.0, f32::from(pixel.0[channel]));
                    // Rounding of coarse quantisers; and where colour is coarser than light, its detail inside of a block is lost.
                    let exact = kind.grey || matches!(kind.sampling, SamplingFactor::F_1_1);
                    let most = if exact { 6.0 } else { 16.0 };
                    prop_assert!((mean - got).abs() <= most, "{} for {} at {}, {}", got, mean, x, y);
                }
            }
        }

        /// A picture that is cut short is never taken for whole.
        #[test]
        fn a_cut_picture_is_not_read(kind in kinds(), cut in 0.0f64..1.0) {
            let file = encoded(&picture(70, 50, 30), kind);
            let cut = (cut * (file.len() - 1) as f64) as usize;
            prop_assert!(decode(&file[..cut], (70, 50)).is_none());
        }
    }

    #[test]
    fn other_kinds_are_left_to_the_full_decoder() {
        let rgb = picture(64, 64, 20);
        let mut progressive = Vec::new();
        let mut encoder = Encoder::new(&mut progressive, 90);
        encoder.set_progressive(true);
        encoder.encode(rgb.as_raw(), 64, 64, ColorType::Rgb).expect("encodes");
        assert!(decode(&progressive, (64, 64)).is_none());
        let mut cmyk = Vec::new();
        Encoder::new(&mut cmyk, 90).encode(&[90; 4 * 64 * 64], 64, 64, ColorType::Cmyk).expect("encodes");
        assert!(decode(&cmyk, (64, 64)).is_none());
        let kind = Kind { sampling: SamplingFactor::F_1_1, grey: false, restart: 0, quality: 90 };
        assert!(decode(&encoded(&rgb, kind), (65, 64)).is_none(), "another size than was checked");
    }
}
