//! The clinic's records as their user keeps them from the command line: patients and their duplicates, lesions, follow-ups, doctors and
//! their PINs, the recovery phrase, backup, export, bad input. Every refusal is one plain sentence in both languages.

mod support;

use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use support::{Home, text};

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/sample.jpg")
}

fn id_of(answer: &Value) -> String {
    answer["id"].as_str().expect("an id").to_owned()
}

fn add(home: &Home, args: &[&str]) -> String {
    id_of(&home.json(&[&["patient", "add"], args].concat()))
}

/// A visit of findings alone.
fn visit(home: &Home, patient: &str) -> String {
    let answer = home.json(&["diagnose", text(&sample()), "--text", "手背黑痣三年", "--patient", patient]);
    answer["encounter_id"].as_str().expect("an id").to_owned()
}

/// Refused with one sentence that says these words, without what was typed, in Chinese and in English.
fn refused(home: &Home, args: &[&str], variables: &[(&str, &str)], zh: &str, en: &str) {
    for (language, words) in [("zh", zh), ("en", en)] {
        let mut command = home.command(args);
        command.args(["--lang", language]).envs(variables.iter().copied());
        let output = command.output().expect("barefoot starts");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{args:?}: {said}");
        assert!(output.stdout.is_empty(), "{args:?}");
        let sentences: Vec<_> = said.lines().filter(|line| line.starts_with("barefoot: ")).collect();
        assert_eq!(sentences.len(), 1, "{args:?}: {said}");
        assert!(sentences[0].contains(words), "{args:?}: {said}");
        assert!(!said.contains("panicked") && !said.contains("王小明"), "{said}");
    }
}

#[test]
fn setting_up_says_what_a_lost_key_and_phrase_would_mean() {
    type Call = (&'static [&'static str], &'static [(&'static str, &'static str)]);
    let commands: [Call; 3] = [
        (&["patient", "add", "王小明"], &[]),
        (&["phrase"], &[]),
        (&["doctor", "add", "李医生"], &[("BAREFOOT_NEW_PIN", "246810")]),
    ];
    for (args, variables) in commands {
        for (language, words) in [("zh", "谁也打不开这些记录"), ("en", "nobody can open these records again")]
        {
            let home = Home::new();
            let first =
                home.command(args).args(["--lang", language]).envs(variables.iter().copied()).output().expect("starts");
            let said = String::from_utf8_lossy(&first.stderr).into_owned();
            assert!(first.status.success(), "{args:?}: {said}");
            assert_eq!(said.matches(words).count(), 1, "{args:?}: {said}");
        }
    }
    // Said at set-up, not at every command.
    let home = Home::new();
    add(&home, &["王小明"]);
    assert!(home.run(&["patient", "search", "wxm"]).stderr.is_empty());
}

#[test]
fn a_patient_is_changed_and_what_is_not_given_stays() {
    let home = Home::new();
    let id = add(&home, &["王小明", "--age", "54", "--sex", "female", "--phone", "13812345678", "--village", "李家村"]);
    let born = home.json(&["patient", "show", &id])["patient"]["birth_date"].clone();
    home.json(&["patient", "edit", &id, "--name", "王晓明", "--phone", ""]);
    let shown = home.json(&["patient", "show", &id])["patient"].clone();
    assert_eq!((&shown["name"], &shown["phone"]), (&json!("王晓明"), &Value::Null));
    assert_eq!((&shown["village"], &shown["sex"]), (&json!("李家村"), &json!("female")));
    assert_eq!((&shown["birth_date"], &shown["birth_estimated"]), (&born, &json!(true)), "an estimate stays one");
    home.json(&["patient", "edit", &id, "--born", "1970-05-01"]);
    let shown = home.json(&["patient", "show", &id])["patient"].clone();
    assert_eq!((&shown["birth_date"], &shown["birth_estimated"]), (&json!("1970-05-01"), &json!(false)));
    assert_eq!(home.json(&["patient", "search", "wangxiaoming"])[0]["id"], id);
    refused(&home, &["patient", "edit", "none", "--name", "x"], &[], "patient search", "patient search");
    refused(&home, &["patient", "edit", &id, "--name", ""], &[], "请填写", "fill it in");
}

#[test]
fn duplicates_are_shown_merged_and_parted_again() {
    let home = Home::new();
    let details = ["--sex", "female", "--phone", "13812345678", "--village", "李家村"];
    let first = add(&home, &[&["赵丽"], &details[..]].concat());
    let second = home.json(&[&["patient", "add", "趙麗"], &details[..]].concat());
    assert_eq!(second["possible_duplicates"][0]["patient"]["id"], first, "said when the second is added");
    let second = id_of(&second);
    add(&home, &["张三"]);
    let seen = visit(&home, &first);

    let pairs = home.json(&["patient", "duplicates"]);
    assert_eq!(pairs.as_array().map(Vec::len), Some(1), "each pair once");
    assert_eq!(pairs[0]["because"], json!(["name", "phone", "village"]));
    assert_eq!(home.json(&["patient", "duplicates", &second])[0]["duplicate"]["id"], first);
    for (language, words) in [("zh", "同名, 同一电话, 同村"), ("en", "same name, same phone, same village")] {
        let output = home.run(&["patient", "duplicates", "--lang", language]);
        assert!(String::from_utf8_lossy(&output.stdout).contains(words));
    }

    home.json(&["consent", "set", &first, "care", "yes"]);
    home.json(&["consent", "set", &second, "care", "no"]);
    assert_eq!(home.json(&["patient", "merge", &first, &second])["ask_again"], json!(["care"]));
    let shown = home.json(&["patient", "show", &second]);
    assert_eq!(shown["encounters"][0]["id"], seen, "the other record's visit");
    assert_eq!(home.json(&["patient", "search", "zhaoli"]).as_array().map(Vec::len), Some(1));
    assert_eq!(home.json(&["patient", "duplicates"]), json!([]));
    refused(&home, &["patient", "merge", &first, &second], &[], "先拆分", "part them first");

    home.json(&["patient", "part", &first]);
    assert_eq!(home.json(&["patient", "show", &second])["encounters"], json!([]));
    assert_eq!(home.json(&["patient", "show", &first])["encounters"][0]["id"], seen);
    refused(&home, &["patient", "part", &first], &[], "没有被合并过", "was not merged");
    assert_eq!(home.json(&["cases", "verify"])["patients"], 3);
}

#[test]
fn a_lesion_has_a_time_line_of_its_patients_photos() {
    let home = Home::new();
    let patient = add(&home, &["王小明"]);
    let lesion = id_of(&home.json(&["lesion", "add", &patient, "左手背", "黑痣"]));
    let mut photos = Vec::new();
    for _ in 0..2 {
        let seen = visit(&home, &patient);
        let shown = home.json(&["cases", "show", &seen]);
        photos.push(shown["photo_rows"][0]["id"].as_str().expect("a photo").to_owned());
        home.json(&["lesion", "place", &photos[photos.len() - 1], &lesion]);
    }
    let line = home.json(&["lesion", "timeline", &lesion]);
    let ids: Vec<_> = line.as_array().expect("a list").iter().map(|photo| photo["id"].clone()).collect();
    assert_eq!(ids, photos);
    assert_eq!(home.json(&["lesion", "list", &patient])[0]["label"], "黑痣");
    let other = add(&home, &["张三"]);
    let others = id_of(&home.json(&["lesion", "add", &other, "面部"]));
    refused(&home, &["lesion", "place", &photos[0], &others], &[], "cases show", "cases show");
    refused(&home, &["lesion", "timeline", "none"], &[], "lesion list", "lesion list");
    refused(&home, &["lesion", "list", "none"], &[], "patient search", "patient search");
}

#[test]
fn follow_ups_are_due_until_they_are_closed() {
    let home = Home::new();
    let patient = add(&home, &["王小明"]);
    let seen = visit(&home, &patient);
    let early = id_of(&home.json(&["cases", "follow-up", &seen, "2020-02-29", "复查"]));
    let late = id_of(&home.json(&["cases", "follow-up", &seen, "2999-01-31"]));
    let due = |args: &[&str]| {
        let answer = home.json(&[&["cases", "due"], args].concat());
        answer.as_array().expect("a list").iter().map(id_of).collect::<Vec<_>>()
    };
    assert_eq!(due(&[]), std::slice::from_ref(&early), "by today");
    assert_eq!(due(&["--by", "2999-12-31"]), [early.clone(), late.clone()]);
    home.json(&["cases", "close", &early, "done"]);
    home.json(&["cases", "close", &late, "cancelled"]);
    assert!(due(&["--by", "2999-12-31"]).is_empty());
    assert_eq!(home.json(&["cases", "show", &seen])["follow_ups"][0]["status"], "done");
    refused(&home, &["cases", "due", "--by", "2021-02-29"], &[], "不是日期", "is not a date");
    refused(&home, &["cases", "close", "none", "done"], &[], "cases due", "cases due");
    assert_eq!(home.run(&["cases", "close", &early, "perhaps"]).status.code(), Some(2));
}

#[test]
fn wrong_pins_slow_down_and_a_lost_keystore_is_survived_with_the_phrase() {
    let home = Home::new();
    let patient = add(&home, &["王小明"]);
    let with = |args: &[&str], variables: &[(&str, &str)]| {
        let output = home.command(args).arg("--json").envs(variables.iter().copied()).output().expect("starts");
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<Value>(&output.stdout).expect("JSON")
    };
    let phrase = with(&["phrase", "--lang", "zh"], &[])["phrase"].as_str().expect("words").to_owned();
    let li = id_of(&with(&["doctor", "add", "李医生"], &[("BAREFOOT_NEW_PIN", "246810")]));
    let as_li = [("BAREFOOT_DOCTOR", "李医生"), ("BAREFOOT_PIN", "246810")];
    id_of(&with(&["doctor", "add", "赵医生"], &[&as_li[..], &[("BAREFOOT_NEW_PIN", "135791")]].concat()));
    let as_zhao = ["patient", "show", &patient, "--doctor", "赵医生"];
    with(&as_zhao, &[("BAREFOOT_PIN", "135791")]);

    refused(&home, &["cases", "list"], &[], "PIN码登录", "sign in with a doctor's PIN");
    refused(&home, &["cases", "list", "--doctor", "王医生"], &[], "doctor list", "doctor list");
    refused(
        &home,
        &["doctor", "pin", &li],
        &[&as_li[..], &[("BAREFOOT_NEW_PIN", "111111")]].concat(),
        "容易被猜到",
        "easy to guess",
    );
    // Two languages, so two tries each time.
    for _ in 0..2 {
        refused(&home, &as_zhao, &[("BAREFOOT_PIN", "000001")], "PIN码错误，请重试", "the PIN is wrong");
    }
    let fifth = home.command(&as_zhao).env("BAREFOOT_PIN", "000001").output().expect("starts");
    assert_eq!(fifth.status.code(), Some(1));
    // Now even the right one waits; nobody else does, and nothing is gone.
    refused(&home, &as_zhao, &[("BAREFOOT_PIN", "135791")], "不会删除任何数据", "nothing is erased");
    assert_eq!(with(&["patient", "show", &patient], &as_li)["patient"]["name"], "王小明");

    fs::remove_file(home.path().join("key")).expect("the keystore is wiped");
    refused(&home, &["cases", "list"], &as_li, "恢复短语", "use the recovery phrase");
    let wrong = phrase.split(' ').rev().collect::<Vec<_>>().join(" ");
    refused(&home, &["cases", "list"], &[("BAREFOOT_PHRASE", &wrong)], "核对每个词", "check the words");
    let by_phrase = [("BAREFOOT_PHRASE", phrase.as_str())];
    assert_eq!(with(&["patient", "show", &patient], &by_phrase)["patient"]["name"], "王小明");
    with(&["doctor", "pin", &li], &[&by_phrase[..], &[("BAREFOOT_NEW_PIN", "975312")]].concat());
    let listed = with(&["doctor", "list"], &[("BAREFOOT_DOCTOR", "李医生"), ("BAREFOOT_PIN", "975312")]);
    let states: Vec<_> =
        listed.as_array().expect("a list").iter().map(|doctor| doctor["can_sign_in"].clone()).collect();
    assert_eq!(states, [json!(true), json!(false)], "the other asks for a new PIN");
}

#[test]
fn a_backup_comes_back_on_another_device_and_never_over_records() {
    let home = Home::new();
    let patient = add(&home, &["王小明"]);
    let seen = visit(&home, &patient);
    let phrase = home.json(&["phrase", "--lang", "en"])["phrase"].as_str().expect("words").to_owned();
    let file = home.path().join("backup");
    assert_eq!(home.json(&["backup", text(&file)])["phrase_opens_it"], true);
    refused(&home, &["backup", text(&file)], &[], "换一个名字", "choose another name");
    let nowhere = home.path().join("王小明").join("backup");
    refused(&home, &["backup", text(&nowhere)], &[], "检查文件夹", "check the folder");
    refused(&home, &["restore", text(&file)], &[("BAREFOOT_PHRASE", &phrase)], "绝不覆盖", "never overwrites");

    let other = Home::new();
    refused(
        &other,
        &["restore", text(&file)],
        &[("BAREFOOT_PHRASE", "one two three")],
        "核对每个词",
        "check the words",
    );
    let restored = other.command(&["restore", text(&file), "--json"]).env("BAREFOOT_PHRASE", &phrase).output();
    assert!(restored.expect("starts").status.success());
    assert_eq!(other.json(&["cases", "show", &seen]), home.json(&["cases", "show", &seen]));
    assert_eq!(other.json(&["cases", "verify"]), home.json(&["cases", "verify"]));
    let mut bad = fs::read(&file).expect("the backup");
    let middle = bad.len() / 2;
    bad[middle] ^= 1;
    fs::write(&file, bad).expect("writes");
    let third = Home::new();
    refused(
        &third,
        &["restore", text(&file)],
        &[("BAREFOOT_PHRASE", &phrase)],
        "未恢复任何内容",
        "nothing was restored",
    );
    assert!(!third.data().exists());
}

#[test]
fn a_case_is_exported_as_fhir_and_as_a_page_to_print() {
    let home = Home::new();
    let patient = add(&home, &["王小明<b>", "--age", "54"]);
    let seen = visit(&home, &patient);
    home.json(&["cases", "diagnosis", &seen, "--disease", "bcc", "--words", "待排"]);
    home.json(&["cases", "note", &seen, "防晒"]);
    home.json(&["cases", "refer", &seen, "U", "县医院皮肤科"]);
    let bundle = home.path().join("bundle.json");
    home.json(&["cases", "export", &patient, text(&bundle)]);
    let bundle: Value = serde_json::from_slice(&fs::read(&bundle).expect("a file")).expect("JSON");
    let conditions = bundle["entry"].as_array().expect("entries").iter().map(|entry| &entry["resource"]);
    let conditions: Vec<_> = conditions.filter(|resource| resource["resourceType"] == "Condition").collect();
    assert_eq!(conditions.len(), 1, "the doctor's diagnosis alone");
    assert!(conditions[0]["code"].to_string().contains("2C32"), "with WHO's code");
    for (language, words) in [("zh", "医生的诊断"), ("en", "The doctor&#39;s diagnosis")] {
        let page = home.path().join(language);
        home.json(&["cases", "export", &seen, text(&page), "--format", "html", "--lang", language]);
        let page = fs::read_to_string(page).expect("a page");
        assert!(page.contains(words) && page.contains("王小明&lt;b&gt;") && page.contains("data:image/jpeg;base64,"));
    }
    refused(&home, &["cases", "export", "none", text(&home.path().join("x"))], &[], "patient search", "patient search");
}

#[test]
fn only_originals_that_a_server_has_are_purged() {
    let home = Home::new();
    let patient = add(&home, &["王小明"]);
    visit(&home, &patient);
    let purged = home.json(&["purge", "--days", "0"]);
    assert_eq!((&purged["removed"], &purged["kept_unsent"]), (&json!(0), &json!(1)));
    assert_eq!(home.json(&["cases", "verify"])["photos"], 1);
}

#[test]
fn bad_input_is_refused_or_kept_as_it_is_and_never_cut() {
    let home = Home::new();
    add(&home, &["first"]);
    let born = |date| ["patient", "add", "王小明", "--born", date];
    refused(&home, &born("2999-01-01"), &[], "在今天之后", "lies in the future");
    refused(&home, &born("1970-02-30"), &[], "不是日期", "is not a date");
    refused(&home, &born("1700-01-01"), &[], "不可能", "is not possible");
    refused(&home, &["patient", "add", " "], &[], "请填写", "fill it in");
    // As long as one argument may be; tests of core/clinic give 5 MB.
    let long = "王".repeat(40_000);
    refused(&home, &["patient", "add", &long], &[], "请缩短", "shorten it");
    refused(&home, &["patient", "search", &long], &[], "请缩短", "shorten it");
    let id = add(&home, &["x", "--sex", "other"]);
    refused(&home, &["lesion", "add", &id, &long], &[], "请缩短", "shorten it");
    for name in ["👩‍⚕️ 李", "\u{202e}gnaW\u{202c}", "𠮷野", "a\u{7}\u{1b}[31mb", "O'Brien; DROP TABLE patient"]
    {
        let id = add(&home, &[name]);
        assert_eq!(home.json(&["patient", "show", &id])["patient"]["name"], name, "kept as it is");
        let shown = home.run(&["patient", "show", &id]).stdout;
        let shown = String::from_utf8(shown).expect("UTF-8");
        assert!(!shown.contains(['\u{202e}', '\u{7}', '\u{1b}']), "and does not steer the terminal");
    }
    assert!(home.json(&["cases", "verify"])["database_ok"].as_bool().expect("a word"));
}
