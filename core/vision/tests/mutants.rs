//! Row 6 of the fault battery: malformed pictures. Alone in its process, so that the process's peak of memory is this test's.

mod common;

use barefoot_vision::Picture;
use common::{Dice, FORMATS, encoded, exif, picture, rounds};
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

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
        let small = Picture::decode_small(&mutant, 1).is_ok();
        decoded += usize::from(Picture::decode(&mutant).is_ok() || small);
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
    assert!(peak <= 256.0, "{peak} MB");
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
