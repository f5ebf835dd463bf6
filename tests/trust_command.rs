//! Packs, credentials and sealed cases as their users meet them: authority, doctor, and the doctor in the next village.

mod support;

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use support::{Home, text};

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/sample.jpg")
}

/// The keys of an authority, and its root: keys 0 to 2 sign roots, 3 to 5 packs, 6 credentials.
struct Authority {
    home: Home,
    public: Vec<String>,
}

impl Authority {
    fn new() -> Self {
        let home = Home::new();
        let public = (0..8)
            .map(|n| {
                let file = home.path().join(format!("{n}.key"));
                home.json(&["pack", "keygen", text(&file)])["public_key"].as_str().expect("a key").to_owned()
            })
            .collect();
        Self { home, public }
    }

    fn key(&self, n: usize) -> PathBuf {
        self.home.path().join(format!("{n}.key"))
    }

    /// A root's file, signed by two.
    fn root(&self) -> PathBuf {
        let file = self.home.path().join("root.json");
        let mut args = vec!["pack", "root", text(&file), "--version", "1"];
        for (role, keys) in [("--root", 0..3), ("--packs", 3..6), ("--credentials", 6..7)] {
            for key in &self.public[keys] {
                args.extend([role, key]);
            }
        }
        let (one, two) = (self.key(0), self.key(1));
        assert_eq!(
            self.home.json(&[&args[..], &["--key", text(&one)]].concat())["signed_by"].as_array().map(Vec::len),
            Some(1)
        );
        let signed = self.home.json(&["pack", "root", text(&file), "--key", text(&two)]);
        assert_eq!(signed["signed_by"].as_array().map(Vec::len), Some(2));
        file
    }

    /// A device that trusts this authority. Its first root is accepted by fingerprint only.
    fn device(&self) -> Home {
        let device = Home::new();
        let root = self.root();
        let asked = refusal(&device, &["pack", "trust", text(&root)]);
        let fingerprint = asked.trim().rsplit(' ').next().expect("a fingerprint").to_owned();
        refusal(&device, &["pack", "trust", text(&root), "--fingerprint", &"0".repeat(64)]);
        assert_eq!(device.json(&["pack", "trust", text(&root), "--fingerprint", &fingerprint])["version"], 1);
        device
    }

    /// The clinical pack in another version, signed by these keys, as one file.
    fn pack(&self, version: &str, signers: &[usize]) -> PathBuf {
        let folder = self.home.path().join(format!("{}-{signers:?}", version.replace('.', "-")));
        let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/packs/clinical");
        fs::create_dir_all(&folder).expect("folder");
        for entry in fs::read_dir(own).expect("pack").flatten() {
            fs::copy(entry.path(), folder.join(entry.file_name())).expect("copies");
        }
        let manifest = folder.join("manifest.json");
        let mut content: Value = serde_json::from_slice(&fs::read(&manifest).expect("manifest")).expect("JSON");
        content["version"] = version.into();
        fs::write(&manifest, content.to_string()).expect("writes");
        let file = folder.with_extension("tar");
        for (turn, signer) in signers.iter().enumerate() {
            let key = self.key(*signer);
            let args = ["pack", "sign", text(&folder), "--key", text(&key)];
            let out = ["--out", text(&file)];
            let last = turn + 1 == signers.len();
            self.home.json(&[&args[..], if last { &out } else { &[] }].concat());
        }
        file
    }

    fn issue(&self, name: &str, device: &str) -> (PathBuf, String) {
        let file = self.home.path().join(format!("{name}.token"));
        let key = self.key(6);
        let args = ["credential", "issue", "--name", name, "--device", device, "--days", "30", "--key", text(&key)];
        let issued = self.home.json(&[&args[..], &["--out", text(&file)]].concat());
        (file, issued["jti"].as_str().expect("an id").to_owned())
    }
}

/// The one plain sentence of a refusal, in English; there is one in Chinese too.
fn refusal(home: &Home, args: &[&str]) -> String {
    let say = |language: &str| {
        let output = home.run(&[args, &["--lang", language]].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{args:?}: {said}");
        assert_eq!(said.trim().lines().count(), 1, "{said}");
        assert!(output.stdout.is_empty());
        said
    };
    let zh = say("zh");
    assert!(zh.chars().any(|c| ('\u{4e00}'..'\u{9fff}').contains(&c)), "{zh}");
    say("en")
}

fn diagnose(home: &Home) -> Value {
    let photo = sample();
    home.json(&["diagnose", text(&photo), "--text", "手背黑痣三年", "--age", "54"])
}

#[test]
fn a_signed_pack_is_installed_and_no_attack_takes_its_place() {
    let authority = Authority::new();
    let device = authority.device();
    assert_eq!(diagnose(&device)["image"]["origin"], "built_in");
    let good = authority.pack("9.1.0", &[3, 4]);
    assert_eq!(device.json(&["pack", "verify", text(&good)])[0]["origin"], "signed");
    assert_eq!(device.json(&["pack", "install", text(&good)])["version"], "9.1.0");
    let used = |device: &Home| {
        let image = diagnose(device)["image"].clone();
        assert_eq!(image["origin"], "signed");
        image["pack"].as_str().expect("a pack").to_owned()
    };
    assert!(used(&device).contains("9.1.0"));

    let mut tampered = fs::read(authority.pack("9.2.0", &[4, 5])).expect("pack");
    let half = authority.home.path().join("half.tar");
    fs::write(&half, &tampered[..tampered.len() / 2]).expect("writes");
    let middle = tampered.len() / 2;
    tampered[middle] ^= 1;
    let changed = authority.home.path().join("changed.tar");
    fs::write(&changed, &tampered).expect("writes");
    let attacks = [
        (half, "fetch"),
        (changed, "not the one that its manifest describes"),
        (authority.pack("9.0.0", &[3, 4]), "older"),
        (authority.pack("9.3.0", &[3]), "enough of the keys"),
        (authority.pack("9.4.0", &[0, 1]), "enough of the keys"),
        (sample(), "pack"),
    ];
    for (file, why) in &attacks {
        let said = refusal(&device, &["pack", "install", text(file)]);
        assert!(said.contains(why), "{said}");
        assert!(used(&device).contains("9.1.0"), "the old pack still works");
    }
    // A device that trusts nobody installs nothing.
    assert!(refusal(&Home::new(), &["pack", "install", text(&good)]).contains("pack trust"));

    // A folder of the same name in the data folder hides neither a signed nor a built-in pack; one of another name is usable and marked.
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/packs/clinical");
    for name in ["clinical", "ours"] {
        let local = device.data().join("packs").join(name);
        fs::create_dir_all(&local).expect("folder");
        for entry in fs::read_dir(&own).expect("pack").flatten() {
            fs::copy(entry.path(), local.join(entry.file_name())).expect("copies");
        }
    }
    assert!(used(&device).contains("9.1.0"));
    let listed = device.json(&["pack", "list"]);
    let origins: Vec<&str> = listed.as_array().expect("list").iter().filter_map(|p| p["origin"].as_str()).collect();
    assert_eq!(origins.iter().filter(|o| **o == "signed").count(), 1, "{listed}");
    assert_eq!(origins.iter().filter(|o| **o == "local").count(), 1, "{listed}");
    let photo = sample();
    let lines = device.run(&["diagnose", text(&photo), "--no-save", "--pack", "ours", "--lang", "en"]);
    assert!(String::from_utf8_lossy(&lines.stdout).contains("unsigned"));

    // The newest rots on the disk: the program's own is used, and that is said.
    for entry in fs::read_dir(device.data().join("signed-packs/clinical")).expect("shelf").flatten() {
        fs::write(entry.path().join("weights.safetensors"), b"rot").expect("writes");
    }
    let output = device.run(&["diagnose", text(&photo), "--no-save", "--json", "--lang", "en"]);
    assert!(output.status.success() && String::from_utf8_lossy(&output.stderr).contains("used instead"));
    let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(answer["image"]["origin"], "built_in");
}

#[test]
fn a_pack_past_its_date_works_and_says_so() {
    let authority = Authority::new();
    let device = authority.device();
    let file = authority.pack("9.1.0", &[3, 4]);
    let folder = file.with_extension("");
    let (one, two) = (authority.key(3), authority.key(4));
    fs::remove_file(folder.join("signature.json")).expect("removes");
    let keys = ["--key", text(&one), "--key", text(&two)];
    authority.home.json(&[&["pack", "sign", text(&folder), "--expires", "2020-01-01"][..], &keys].concat());
    device.json(&["pack", "install", text(&folder)]);
    let photo = sample();
    let output = device.run(&["diagnose", text(&photo), "--no-save", "--json", "--lang", "en"]);
    assert!(output.status.success() && String::from_utf8_lossy(&output.stderr).contains("fetch a newer one"));
    let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(answer["image"]["origin"], "signed");
}

/// Locked: the case is recorded, its quality and urgency are shown, and nothing else.
fn is_locked(device: &Home, standing: &str) {
    let heat_map = device.path().join("locked.png");
    let photo = sample();
    let answer = device.json(&["diagnose", text(&photo), "--text", "手背黑痣三年", "--heatmap", text(&heat_map)]);
    assert_eq!(answer["verification"]["standing"], standing, "{answer}");
    assert_eq!(answer["verification"]["assessment"], "locked");
    assert_eq!((&answer["image"], &answer["card"]), (&Value::Null, &Value::Null));
    assert_eq!(answer["differential"].as_array().map(Vec::len), Some(0));
    assert_eq!(answer["quality"]["ok"], true);
    assert!(answer["urgency"]["level"].is_string() && !heat_map.exists());
    let id = answer["encounter_id"].as_str().expect("recorded");
    let shown = device.json(&["cases", "show", id]);
    assert_eq!(
        (shown["photos"].as_u64(), &shown["assessments"][0]["verification"]["standing"]),
        (Some(1), &standing.into())
    );
    // The doctor's own diagnosis is the doctor's: written, with its mark.
    device.json(&["cases", "diagnosis", id, "--disease", "bcc"]);
    assert_eq!(device.json(&["cases", "show", id])["diagnoses"][0]["standing"], standing);
    let lines = device.run(&["cases", "show", id, "--lang", "en"]);
    assert!(String::from_utf8_lossy(&lines.stdout).contains("doctor unverified"));
    // Reading and learning go on.
    assert!(
        !device.json(&["differential", "--text", "右侧胸背部簇集水疱伴剧烈疼痛5天"])["differential"]
            .as_array()
            .expect("list")
            .is_empty()
    );
    assert_eq!(device.json(&["show", "bcc"])["codes"]["icd11"], "2C32");
}

#[test]
fn a_doctor_is_verified_revoked_and_never_kept_from_recording_a_case() {
    let authority = Authority::new();
    let fresh = Home::new();
    let verification = diagnose(&fresh)["verification"].clone();
    assert_eq!((&verification["standing"], &verification["assessment"]), (&"no_authority".into(), &"labelled".into()));
    let device = authority.device();
    assert_eq!(diagnose(&device)["verification"]["standing"], "unverified_in_grace");
    let shown = device.json(&["credential", "show"]);
    let key = shown["device"].as_str().expect("a key");
    let (token, id) = authority.issue("王医生", key);
    let (foreign, _) = authority.issue("李医生", &authority.public[7]);
    assert!(refusal(&device, &["credential", "install", text(&foreign)]).contains("another device"));
    assert!(
        refusal(&device, &["credential", "verify", text(&token), "--device", &authority.public[7]])
            .contains("another device")
    );
    assert!(refusal(&fresh, &["credential", "install", text(&token)]).contains("pack trust"));
    assert_eq!(device.json(&["credential", "verify", text(&token)])["jti"], id.as_str());
    assert_eq!(device.json(&["credential", "install", text(&token)])["sub"], "王医生");
    let answer = diagnose(&device);
    assert_eq!(answer["verification"]["standing"], "verified");
    assert_eq!(answer["verification"]["doctor"], "王医生");
    let lines = device.run(&["diagnose", text(&sample()), "--no-save", "--lang", "zh"]);
    assert!(String::from_utf8_lossy(&lines.stdout).contains("已验证"));

    let (list, key) = (authority.home.path().join("revoked.json"), authority.key(6));
    let other = "0".repeat(32);
    authority.home.json(&["credential", "revoke", &other, "--list", text(&list), "--key", text(&key)]);
    device.json(&["credential", "install", text(&list)]);
    assert_eq!(diagnose(&device)["verification"]["standing"], "verified");
    let old = fs::read(&list).expect("list");
    authority.home.json(&["credential", "revoke", &id, "--list", text(&list), "--key", text(&key)]);
    assert_eq!(device.json(&["credential", "install", text(&list)])["revocations"], 2);
    is_locked(&device, "revoked");
    assert!(refusal(&device, &["credential", "install", text(&token)]).contains("revoked"));
    fs::write(&list, old).expect("writes");
    assert!(refusal(&device, &["credential", "install", text(&list)]).contains("older"));
    is_locked(&device, "revoked");
}

#[test]
fn after_the_grace_period_an_unverified_doctor_records_and_learns() {
    let authority = Authority::new();
    let device = authority.device();
    // As if the root had been accepted 31 days ago.
    let state = device.data().join("trust.json");
    let mut content: Value = serde_json::from_slice(&fs::read(&state).expect("state")).expect("JSON");
    let then = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(24 * 31);
    content["root_accepted_at"] = then.to_string().into();
    fs::write(&state, content.to_string()).expect("writes");
    is_locked(&device, "unverified");
    // A state that cannot be read verifies nobody, and keeps nobody from a patient.
    fs::write(&state, b"{").expect("writes");
    is_locked(&device, "unverified");
    assert!(refusal(&device, &["credential", "show"]).contains("trust.json"));
}

#[test]
fn a_case_travels_sealed_from_one_phone_to_another() {
    let (a, b, c) = (Home::new(), Home::new(), Home::new());
    let show = |home: &Home, key: &str| home.json(&["credential", "show"])[key].as_str().expect("a key").to_owned();
    let patient = a.json(&["patient", "add", "王小明"])["id"].as_str().expect("an id").to_owned();
    let photo = sample();
    let recorded = a.json(&["diagnose", text(&photo), "--text", "手背黑痣三年", "--patient", &patient]);
    let encounter = recorded["encounter_id"].as_str().expect("an id").to_owned();
    let file = a.path().join("case.sealed");
    let sealing = show(&b, "sealing");
    let export = ["cases", "export", "--sealed-to", &sealing, &patient, text(&file)];
    assert!(refusal(&a, &export).contains("consent"));
    a.json(&["consent", "set", &patient, "care", "yes"]);
    let carried = a.json(&export);
    assert_eq!((&carried["encounters"], &carried["photos"]), (&1.into(), &1.into()));
    assert!(refusal(&a, &export).contains("already exists"));
    c.json(&["credential", "show"]);
    assert!(refusal(&c, &["cases", "import", text(&file)]).contains("another device"));
    let stranger = refusal(&b, &["cases", "import", text(&file)]);
    let sender = show(&a, "device");
    assert!(stranger.contains(&sender), "{stranger}");
    let bytes = fs::read(&file).expect("file");
    let half = b.path().join("half");
    fs::write(&half, &bytes[..bytes.len() / 2]).expect("writes");
    assert!(refusal(&b, &["cases", "import", text(&half), "--from", &sender]).contains("damaged"));
    assert_eq!(b.json(&["cases", "list"]).as_array().map(Vec::len), Some(0));
    let arrived = b.json(&["cases", "import", text(&file), "--from", &sender]);
    assert!(arrived["added"].as_u64().is_some_and(|n| n >= 5), "{arrived}");
    assert_eq!(b.json(&["cases", "import", text(&file)])["added"], 0);
    assert_eq!(a.json(&["cases", "show", &encounter]), b.json(&["cases", "show", &encounter]));
    assert_eq!(b.json(&["cases", "verify"])["photos"], 1);
}
