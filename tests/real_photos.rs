//! Real photos, where they are: `BAREFOOT_DATA` names the folder of `../shared/data`. They never enter the repository.

mod support;

use barefoot_app::vision::{Picture, Quality, QualityReason};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use support::{Home, text};

/// The data folder, or `None` after saying so.
fn data() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = env::var_os("BAREFOOT_DATA").map_or(beside, PathBuf::from);
    if folder.join("padufes20/index.csv").is_file() {
        return Some(folder);
    }
    assert!(env::var_os("BAREFOOT_DATA").is_none(), "BAREFOOT_DATA is set, but padufes20/ is not in it");
    eprintln!("not run: BAREFOOT_DATA is not set and ../shared/data is absent");
    None
}

fn pictures(folder: &Path) -> Vec<PathBuf> {
    let mut todo = vec![folder.to_owned()];
    let mut found = Vec::new();
    while let Some(path) = todo.pop() {
        if path.is_dir() {
            todo.extend(fs::read_dir(&path).expect("lists").map(|entry| entry.expect("entry").path()));
        } else if path.extension().is_some_and(|e| e == "jpg" || e == "png") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The quality limits (core/vision/src/quality.rs) let real photos pass and stop blurred ones.
#[test]
fn few_clinical_photos_are_refused_and_nearly_all_blurred_ones() {
    let Some(data) = data() else { return };
    let all = pictures(&data.join("padufes20/images"));
    let chosen: Vec<_> = all.iter().step_by(3).collect();
    let (mut refused, mut blurred_refused) = (0, 0);
    for photo in &chosen {
        let picture = Picture::decode(&fs::read(photo).expect("reads")).expect("decodes");
        refused += usize::from(!Quality::of(&picture).ok);
        let (width, height) = picture.rgb().dimensions();
        let sigma = 2.0 * width.min(height) as f32 / 224.0;
        let blurred = Picture::from_rgb(image::imageops::blur(picture.rgb(), sigma));
        blurred_refused += usize::from(Quality::of(&blurred).reasons.contains(&QualityReason::Blurred));
    }
    let share = |n: usize| n as f64 / chosen.len() as f64;
    assert!(share(refused) <= 0.03, "{refused} of {} good photos refused", chosen.len());
    assert!(share(blurred_refused) >= 0.95, "{blurred_refused} of {} blurred photos refused", chosen.len());
}

#[test]
fn twenty_lesions_get_plausible_answers() {
    let Some(data) = data() else { return };
    let home = Home::new();
    let all = pictures(&data.join("padufes20/native"));
    let chosen: Vec<_> = all.iter().step_by((all.len() / 20).max(1)).take(20).collect();
    assert_eq!(chosen.len(), 20);
    let mut looked_at = 0;
    for photo in chosen {
        let answer = home.json(&["diagnose", text(photo), "--no-save"]);
        let outcome = answer["image"]["outcome"].as_str().expect("an outcome").to_owned();
        looked_at += usize::from(outcome == "named" || outcome == "cannot_tell");
        assert_ne!(outcome, "not_skin", "{}", photo.display());
    }
    // Some of these photos are blurred; most are not.
    assert!(looked_at >= 17, "{looked_at} of 20");
}

#[test]
fn foot_ulcers_are_mostly_refused_as_out_of_scope() {
    let Some(data) = data() else { return };
    let home = Home::new();
    let all = pictures(&data.join("out_of_scope/foot_ulcer"));
    let chosen: Vec<_> = all.iter().step_by((all.len() / 20).max(1)).take(20).collect();
    let named = chosen
        .iter()
        .filter(|photo| home.json(&["diagnose", text(photo), "--no-save"])["image"]["outcome"] == "named")
        .count();
    assert!(named <= 2, "{named} of {} ulcers were named", chosen.len());
}
