//! The command line as its user meets it.

mod support;

use serde_json::Value;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use support::{Home, text};

const CANARY: &str = "王小明 canary 手背黑痣三年";

/// The photo that the repository ships.
fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/sample.jpg")
}

#[test]
fn a_photo_gets_an_answer_a_heat_map_and_a_record() {
    let home = Home::new();
    let heat_map = home.path().join("heat.png");
    let photo = sample();
    let answer = home.json(&[
        "diagnose",
        text(&photo),
        "--text",
        CANARY,
        "--age",
        "54",
        "--sex",
        "female",
        "--site",
        "手背",
        "--heatmap",
        text(&heat_map),
    ]);
    assert_eq!(answer["quality"]["ok"], true, "{answer}");
    let outcome = answer["image"]["outcome"].as_str().expect("an outcome");
    assert!(["named", "cannot_tell"].contains(&outcome), "{outcome}");
    let classes = answer["image"]["classes"].as_array().expect("classes");
    let sum: f64 = classes.iter().map(|c| c["p"].as_f64().expect("p")).sum();
    assert!((sum - 1.0).abs() < 1e-3, "{sum}");
    assert!(!answer["image"]["set"].as_array().expect("set").is_empty());
    let first = &answer["differential"][0];
    assert!(
        first["slug"].is_string()
            && first["zh"].is_string()
            && first["en"].is_string()
            && first["p"].is_number()
            && first["because"].is_array()
    );
    assert!(["E", "U", "R", "P"].contains(&answer["urgency"]["level"].as_str().expect("a level")));
    assert!(answer["ask_next"][0]["finding"].is_string());
    assert!(answer["card"]["zh"].as_str().is_some_and(|card| !card.is_empty()));
    let png = image::open(&heat_map).expect("the heat map is a picture");
    assert!(png.width() >= 200);

    let id = answer["encounter_id"].as_str().expect("an id");
    let shown = home.json(&["cases", "show", id]);
    assert_eq!(shown["findings"], CANARY);
    assert_eq!(home.json(&["cases", "verify"])["photos"], 1);
    assert_no_plaintext(&home.data());
}

#[test]
fn both_languages_are_spoken_and_no_save_saves_nothing() {
    let home = Home::new();
    let photo = sample();
    for (language, word) in [("zh", "紧急程度"), ("en", "Urgency")] {
        let output = home.run(&["diagnose", text(&photo), "--no-save", "--lang", language]);
        assert!(output.status.success());
        assert!(String::from_utf8_lossy(&output.stdout).contains(word));
    }
    assert_eq!(home.json(&["cases", "list"]).as_array().map(Vec::len), Some(0));
}

#[test]
fn bad_files_get_one_plain_sentence_and_change_nothing() {
    let home = Home::new();
    home.json(&["diagnose", text(&sample()), "--text", CANARY]);
    let before = home.json(&["cases", "list"]);

    let whole = fs::read(sample()).expect("the sample");
    let bad = [
        ("truncated.jpg", whole[..whole.len() / 2].to_vec()),
        ("huge.png", oversize_png()),
        ("text.jpg", b"this is a letter, not a photo".to_vec()),
        ("empty.jpg", Vec::new()),
    ];
    let mut files: Vec<_> = bad.iter().map(|(name, _)| home.path().join(name)).collect();
    for ((_, bytes), file) in bad.iter().zip(&files) {
        fs::write(file, bytes).expect("write");
    }
    files.push(home.path().join("missing 王小明.jpg"));
    for file in &files {
        for language in ["zh", "en"] {
            let output = home.run(&["diagnose", text(file), "--lang", language]);
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(1), "{}: {said}", file.display());
            assert_eq!(said.trim().lines().count(), 1, "{said}");
            assert!(!said.contains("panicked") && !said.contains("王小明"), "{said}");
            assert!(output.stdout.is_empty());
        }
    }
    assert_eq!(home.json(&["cases", "list"]), before);
    assert_eq!(photo_files(&home.data().join("photos")), 1);
}

#[test]
fn wrong_usage_exits_with_2() {
    let home = Home::new();
    for args in
        [&["diagnose"][..], &["nonsense"], &["diagnose", "x.jpg", "--age", "900"], &["diagnose", "x.jpg", "--sex", "x"]]
    {
        assert_eq!(home.run(args).status.code(), Some(2), "{args:?}");
    }
}

/// Kills `diagnose` at moments spread over its whole run: what it has acknowledged is there, whole, and nothing half.
#[test]
fn killed_at_any_moment_the_store_holds_whole_encounters_only() {
    let home = Home::new();
    let photo = sample();
    let args = ["diagnose", text(&photo), "--text", CANARY, "--json"];
    let start = std::time::Instant::now();
    home.json(&args[..4]);
    let whole_run = start.elapsed();
    let mut acknowledged = 1;
    const KILLS: u32 = 40;
    for kill in 0..KILLS {
        let mut child = home.command(&args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("starts");
        thread::sleep(whole_run.mul_f64(f64::from(kill) / f64::from(KILLS) * 1.1));
        // Already ended is fine too.
        let _ = child.kill();
        let mut out = String::new();
        child.stdout.take().expect("piped").read_to_string(&mut out).expect("reads");
        child.wait().expect("waits");
        acknowledged += usize::from(serde_json::from_str::<Value>(&out).is_ok());
    }
    let verified = home.json(&["cases", "verify"]);
    let encounters = verified["encounters"].as_u64().expect("a count") as usize;
    assert!(encounters >= acknowledged, "{encounters} of {acknowledged} acknowledged");
    assert_eq!(verified["photos"].as_u64(), Some(encounters as u64), "every encounter has its one photo");
    assert_eq!(verified["damaged_photos"].as_array().map(Vec::len), Some(0));
    assert_eq!(photo_files(&home.data().join("photos")), encounters, "no half photo is left");
    assert_no_plaintext(&home.data());
}

#[test]
fn a_lost_key_is_said_and_the_records_stay() {
    let home = Home::new();
    home.json(&["diagnose", text(&sample())]);
    let key = home.path().join("key");
    let kept = fs::read(&key).expect("the key");
    fs::remove_file(&key).expect("removes");
    let output = home.run(&["cases", "list", "--lang", "en"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("key is missing"));
    fs::write(&key, kept).expect("puts it back");
    assert_eq!(home.json(&["cases", "list"]).as_array().map(Vec::len), Some(1));
}

#[test]
fn words_alone_are_searched_ranked_and_triaged() {
    let home = Home::new();
    assert_eq!(home.json(&["search", "帶狀皰疹"])["hits"][0]["slug"], "zoster");
    assert_eq!(home.json(&["search", "scabeis"])["hits"][0]["slug"], "scabies");
    assert_eq!(home.json(&["show", "bcc"])["codes"]["icd11"], "2C32");
    let answer =
        home.json(&["differential", "--text", "右侧胸背部簇集水疱伴剧烈疼痛5天，沿肋间神经呈带状分布", "--age", "62"]);
    assert_eq!(answer["differential"][0]["slug"], "zoster", "{answer}");
    let level = |complaint: &str| home.json(&["triage", "--text", complaint])["level"].clone();
    assert_eq!(level("吃了海鲜后全身风团，嘴唇肿，喘不上气"), "E");
    assert_eq!(level("牙疼三天了"), "N");
}

/// Files below the photo folder, whatever their names.
fn photo_files(folder: &Path) -> usize {
    fs::read_dir(folder)
        .expect("photos")
        .map(|entry| entry.expect("entry").path())
        .map(|path| if path.is_dir() { photo_files(&path) } else { 1 })
        .sum()
}

fn assert_no_plaintext(folder: &Path) {
    let mut todo = vec![folder.to_owned()];
    while let Some(path) = todo.pop() {
        if path.is_dir() {
            todo.extend(fs::read_dir(path).expect("lists").map(|entry| entry.expect("entry").path()));
            continue;
        }
        let bytes = fs::read(&path).expect("reads");
        let utf16: Vec<u8> = "canary".encode_utf16().flat_map(u16::to_le_bytes).collect();
        for canary in [CANARY.as_bytes(), b"canary", "王小明".as_bytes(), &utf16, b"JFIF", b"SQLite format"] {
            assert!(!bytes.windows(canary.len()).any(|w| w == canary), "plaintext in {}", path.display());
        }
    }
}

/// A PNG whose header promises 20,000 x 20,000 pixels.
fn oversize_png() -> Vec<u8> {
    let chunk = |kind: &[u8], data: &[u8]| {
        let body = [kind, data].concat();
        let crc = !body.iter().fold(!0u32, |crc, &byte| {
            (0..8).fold(crc ^ u32::from(byte), |c, _| if c & 1 == 1 { 0xEDB8_8320 ^ (c >> 1) } else { c >> 1 })
        });
        [&(data.len() as u32).to_be_bytes()[..], &body, &crc.to_be_bytes()].concat()
    };
    let side = 20_000u32.to_be_bytes();
    let header = [&side[..], &side, &[8, 2, 0, 0, 0]].concat();
    [
        &b"\x89PNG\r\n\x1a\n"[..],
        &chunk(b"IHDR", &header),
        &chunk(b"IDAT", &[0x78, 0x9c, 0x03, 0, 0, 0, 0, 1]),
        &chunk(b"IEND", &[]),
    ]
    .concat()
}
