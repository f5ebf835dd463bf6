//! A hospital adds a class of its own: `barefoot pack extend` from pictures that this test draws.

mod support;

use image::{Rgb, RgbImage};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use support::{Home, text};

/// A red ring with a pale scaly middle on skin, another one for each seed; nothing that a pack was trained on.
fn ring(seed: u32) -> RgbImage {
    // A coarse hash: differs from pixel to pixel and is the same on every machine.
    let noise = |x: u32, y: u32| (x.wrapping_mul(7919) ^ y.wrapping_mul(104_729) ^ seed.wrapping_mul(31_337)) % 23;
    let wobble = |step: u32| f64::from(seed.wrapping_mul(step) % 17) / 17.0;
    let (cx, cy) = (0.4 + 0.2 * wobble(5), 0.4 + 0.2 * wobble(7));
    let radius = 0.2 + 0.08 * wobble(11);
    RgbImage::from_fn(300, 260, |x, y| {
        let (u, v) = (f64::from(x) / 300.0 - cx, f64::from(y) / 260.0 - cy);
        let distance = (u * u + v * v).sqrt() / radius;
        let red = (1.0 - ((distance - 1.0) / 0.22).powi(2)).clamp(0.0, 1.0);
        let scale = f64::from(u8::from(distance < 0.8 && noise(x / 4, y / 4) < 6));
        let grain = f64::from(noise(x, y)) - 11.0;
        let skin = [208.0 + 8.0 * wobble(13), 160.0, 136.0];
        let ring = [196.0, 70.0, 72.0];
        let at = |c: usize| (skin[c] + (ring[c] - skin[c]) * red + 30.0 * scale + grain).clamp(0.0, 255.0) as u8;
        Rgb([at(0), at(1), at(2)])
    })
}

/// A folder of rings, `first` the seed of the first.
fn rings(folder: &Path, first: u32, count: u32) -> PathBuf {
    fs::create_dir_all(folder).expect("folder");
    for seed in first..first + count {
        ring(seed).save(folder.join(format!("{seed:03}.png"))).expect("saves");
    }
    folder.to_owned()
}

fn extend(home: &Home, pictures: &Path, out: &Path, slug: &str) -> std::process::Output {
    let args = ["pack", "extend", "--slug", slug, "--label", "RING", "--pictures", text(pictures), "--out", text(out)];
    home.run(&[&args[..], &["--json", "--lang", "en"]].concat())
}

/// The one sentence of a refusal; nothing was written.
fn refusal(home: &Home, pictures: &Path, slug: &str) -> String {
    let out = home.path().join("refused");
    let output = extend(home, pictures, &out, slug);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(!out.exists());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_class_of_twelve_pictures_is_recognised_marked_and_never_named() {
    let home = Home::new();
    let pictures = rings(&home.path().join("rings"), 0, 12);
    // Where a data folder keeps its packs, so that it can be used by name.
    let pack = home.data().join("packs/clinical-t-corporis");
    let output = extend(&home, &pictures, &pack, "t-corporis");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&answer["pictures"], &answer["prototype"]), (&Value::from(12), &Value::from(true)));
    assert!(answer["recognised"].as_u64().is_some_and(|n| n >= 10), "{answer}");
    assert!(answer["taken"].as_f64().is_some_and(|share| share < 0.02), "{answer}");

    // Marked in the list and in the card; whole by its own manifest.
    let listed = home.json(&["pack", "list"]);
    let mine = listed.as_array().expect("list").iter().find(|p| p["id"] == "clinical-t-corporis").expect("listed");
    assert_eq!(mine["prototypes"][0]["pictures"], 12);
    let lines = home.run(&["pack", "verify", text(&pack), "--lang", "en"]);
    assert!(String::from_utf8_lossy(&lines.stdout).contains("prototype of 12 pictures, not trained"));
    assert!(fs::read_to_string(pack.join("MODEL_CARD.md")).expect("card").contains("prototype, not trained"));

    // Rings that it has not seen.
    for seed in 100..104 {
        let photo = home.path().join("new.png");
        ring(seed).save(&photo).expect("saves");
        let diagnose = ["diagnose", text(&photo), "--no-save", "--pack", "clinical-t-corporis"];
        let image = home.json(&diagnose)["image"].clone();
        assert_eq!(image["outcome"], "cannot_tell", "a prototype is never named: {image}");
        assert_eq!(image["classes"][0]["slug"], "t-corporis", "{image}");
        assert_eq!(image["classes"][0]["prototype"], true);
        assert!(image["classes"].as_array().expect("classes").iter().skip(1).all(|c| c.get("prototype").is_none()));
        assert!(image["set"].as_array().expect("set").contains(&Value::from("t-corporis")), "{image}");
        let words = home.run(&[&diagnose[..], &["--lang", "en"]].concat());
        assert!(String::from_utf8_lossy(&words.stdout).contains("(prototype)"));
    }

    // What the pack knew before is answered as before, up to the sliver that the new class takes.
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/sample.jpg");
    let ask = |pack: &str| home.json(&["diagnose", text(&sample), "--no-save", "--pack", pack])["image"].clone();
    let (before, after) = (ask("clinical"), ask("clinical-t-corporis"));
    assert_eq!((&before["outcome"], &before["set"]), (&after["outcome"], &after["set"]));

    // `evaluate images` knows the new label.
    let index = home.path().join("index.csv");
    let rows: String = (0..12).map(|seed| format!("rings/{seed:03}.png,RING\n")).collect();
    fs::write(&index, format!("file,diagnostic\n{rows}")).expect("index");
    let figures = home.json(&["evaluate", "images", "--pack", text(&pack), "--index", text(&index)]);
    assert!(figures["per_class"]["RING"]["recall"].as_f64().is_some_and(|r| r > 0.9), "{figures}");
    assert_eq!(figures["named_fraction"], 0.0);
}

#[test]
fn what_does_not_make_a_class_is_refused_in_plain_words() {
    let home = Home::new();
    let nine = rings(&home.path().join("nine"), 0, 9);
    assert!(refusal(&home, &nine, "t-corporis").contains("at least 10 confirmed pictures, these are 9"));
    assert!(refusal(&home, &nine, "no-such-disease").contains("no disease with this slug"));
    assert!(refusal(&home, &nine, "melanoma").contains("already has a class"));

    // The same picture under another name and in another format.
    ring(3).save(nine.join("again.bmp.webp")).expect("saves");
    assert!(refusal(&home, &nine, "t-corporis").contains("picture 10 of 10"));
    assert!(refusal(&home, &nine, "t-corporis").contains("same as an earlier one"));

    fs::write(nine.join("again.bmp.webp"), b"not a picture").expect("writes");
    assert!(refusal(&home, &nine, "t-corporis").contains("not a JPEG, PNG or WebP"));
    RgbImage::from_pixel(300, 300, Rgb([20, 40, 200])).save(nine.join("again.png")).expect("saves");
    fs::remove_file(nine.join("again.bmp.webp")).expect("removes");
    assert!(refusal(&home, &nine, "t-corporis").contains("too poor or shows no skin"));

    // A folder that already holds something is left alone.
    let ten = rings(&home.path().join("ten"), 0, 10);
    let output = extend(&home, &ten, &nine, "t-corporis");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("not empty"));
}
