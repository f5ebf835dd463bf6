//! The store at the size of a county: 50,000 patients and 200,000 encounters. Run by `cargo xtask battery store`, in release; prints the
//! figures that docs/clinic.md shows, beside the same queries on SQLite without encryption.

mod common;

use barefoot_clinic::{Clinic, NewEncounter, NewPatient, Use};
use common::{Dice, Folder, encounter, jpeg, rounds};
use rusqlite::{Connection, params};
use std::io::Write;
use std::time::Instant;

const SURNAMES: &str =
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈";
const GIVEN: &str =
    "伟芳娜秀英敏静丽强磊军洋勇艳杰娟涛明超兰霞平刚桂华建国志玉梅红春海燕辉文波云峰鑫雪琴小大天一宇浩然子涵欣怡梓轩";

fn pick(dice: &mut Dice, from: &str) -> char {
    let chars: Vec<char> = from.chars().collect();
    chars[dice.below(chars.len() as u64) as usize]
}

fn person(dice: &mut Dice) -> NewPatient {
    let mut name = String::from(pick(dice, SURNAMES));
    for _ in 0..1 + dice.below(2) {
        name.push(pick(dice, GIVEN));
    }
    NewPatient {
        name,
        age_years: Some(dice.below(90) as f64),
        sex: Some(if dice.below(2) == 0 { "female" } else { "male" }.to_owned()),
        phone: Some(format!("1{:010}", 3_000_000_000 + dice.below(6_000_000_000))),
        village: Some(format!("{}家村", pick(dice, SURNAMES))),
        ..NewPatient::default()
    }
}

fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Median and p95 in ms.
fn timed(label: &str, n: usize, mut work: impl FnMut(usize)) -> f64 {
    let mut times: Vec<f64> = (0..n)
        .map(|i| {
            let start = Instant::now();
            work(i);
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    let p95 = times[n * 95 / 100];
    say(&format!("{label:<44} median {:>8.2} ms   p95 {p95:>8.2} ms   n {n}", times[n / 2]));
    p95
}

fn resident_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kb| kb.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}

/// Queries as a doctor types them: names, pinyin, initials, phone numbers, their beginnings and ends.
fn queries(clinic: &Clinic, n: usize) -> Vec<String> {
    let people = clinic.patients(n as u32).expect("lists");
    let mut dice = Dice(5);
    people
        .iter()
        .enumerate()
        .map(|(i, person)| {
            let phone = person.phone.clone().unwrap_or_default();
            match i % 8 {
                0 => person.name.clone(),
                1 => person.name.chars().take(1).collect(),
                2 => ["wang", "li", "zhangw", "liux", "chenm"][dice.below(5) as usize].to_owned(),
                3 => ["wxm", "lw", "zy", "l", "w"][dice.below(5) as usize].to_owned(),
                4 => phone[..5].to_owned(),
                5 => phone[phone.len() - 4..].to_owned(),
                6 => format!(
                    "{} {}",
                    person.name.chars().take(1).collect::<String>(),
                    person.village.clone().unwrap_or_default()
                ),
                _ => format!("w {}", &phone[phone.len() - 4..]),
            }
        })
        .collect()
}

#[test]
#[ignore = "minutes in release: cargo xtask battery store"]
fn figures_at_full_size() {
    let _turn = fault_vfs::turn();
    let (patients, per_patient) = (rounds("PATIENTS", 50_000), 4);
    let folder = Folder::new();
    let mut clinic = folder.open();
    let mut dice = Dice(7);
    let start = Instant::now();
    for i in 0..patients {
        let who = clinic.add_patient(&person(&mut dice)).expect("adds");
        for _ in 0..per_patient {
            let new = NewEncounter {
                patient_id: Some(who.clone()),
                photos: Vec::new(),
                ..encounter("面部红斑，边界清楚，日晒后加重")
            };
            clinic.record(&new).expect("records");
        }
        if i % 10_000 == 9_999 {
            say(&format!("{} patients, {:.0} s", i + 1, start.elapsed().as_secs_f64()));
        }
    }
    // Filled without waiting for the disk; measured with every sync.
    fault_vfs::sync_for_real(true);
    let typed = queries(&clinic, 800);
    let someone = clinic.patients(1).expect("lists")[0].id.clone();
    drop(clinic);
    let open = timed("open", 20, |_| drop(folder.open()));
    let mut clinic = folder.open();
    let picture: Vec<u8> = jpeg().into_iter().cycle().take(300_000).collect();
    let save = timed("save: encounter with a 300 KB photo, synced", 200, |_| {
        let mut new = NewEncounter { patient_id: Some(someone.clone()), ..encounter("x") };
        new.photos[0].jpeg.clone_from(&picture);
        clinic.record(&new).expect("records");
    });
    let list = timed("list: 50 newest encounters", 300, |_| drop(clinic.encounters(50).expect("lists")));
    let of_patient =
        timed("list: a patient's encounters", 300, |_| drop(clinic.encounters_of(&someone, 50).expect("lists")));
    let search =
        timed("search: 20 patients", typed.len(), |i| drop(clinic.find_patients(&typed[i], 20).expect("finds")));
    let one = timed("read one encounter", 300, |_| drop(clinic.encounters(1).map(|e| clinic.encounter(&e[0].id))));
    timed("outbox: 50 changes, nobody has consented", 5, |_| {
        drop(clinic.pending_changes(Use::Care, 50).expect("reads"))
    });
    let memory = resident_mb();
    say(&format!("memory {memory:.0} MB"));
    plain_sqlite(&clinic, &typed);
    if patients >= 50_000 {
        assert!(
            save <= 50.0
                && list <= 20.0
                && of_patient <= 20.0
                && search <= 20.0
                && one <= 20.0
                && open <= 100.0
                && memory <= 60.0
        );
    }
}

/// The search's own query and the list on the same rows without encryption.
fn plain_sqlite(clinic: &Clinic, typed: &[String]) {
    let folder = Folder::new();
    let db = Connection::open(folder.path().join("plain.db")).expect("opens");
    db.execute_batch(
        "PRAGMA journal_mode = WAL; CREATE TABLE patient (n INTEGER PRIMARY KEY, id TEXT, name TEXT, phone TEXT, village TEXT);
         CREATE TABLE encounter (id TEXT PRIMARY KEY, patient_id TEXT, started_at TEXT, site TEXT) WITHOUT ROWID;
         CREATE TABLE patient_key (key TEXT NOT NULL, patient INTEGER NOT NULL, PRIMARY KEY (key, patient)) WITHOUT ROWID; BEGIN",
    )
    .expect("schema");
    for (n, person) in clinic.patients(u32::MAX).expect("lists").iter().enumerate() {
        db.prepare_cached("INSERT INTO patient VALUES (?1, ?2, ?3, ?4, ?5)")
            .expect("prepares")
            .execute(params![n as i64, person.id, person.name, person.phone, person.village])
            .expect("inserts");
        let name: Vec<char> = person.name.chars().collect();
        let phone = person.phone.clone().unwrap_or_default();
        let keys =
            (0..name.len()).map(|i| name[i..].iter().collect::<String>()).chain((0..8).map(|i| phone[i..].to_owned()));
        for key in keys {
            db.prepare_cached("INSERT OR IGNORE INTO patient_key VALUES (?1, ?2)")
                .expect("prepares")
                .execute(params![key, n as i64])
                .expect("inserts");
        }
    }
    for e in clinic.encounters(u32::MAX).expect("lists") {
        db.prepare_cached("INSERT INTO encounter VALUES (?1, ?2, ?3, ?4)")
            .expect("prepares")
            .execute(params![e.id, e.patient_id, e.started_at, e.site])
            .expect("inserts");
    }
    db.execute_batch("COMMIT").expect("commits");
    timed("plain SQLite: 50 newest encounters", 300, |_| {
        let mut list = db.prepare_cached("SELECT * FROM encounter ORDER BY id DESC LIMIT 50").expect("prepares");
        let mut rows = list.query([]).expect("queries");
        while rows.next().expect("row").is_some() {}
    });
    timed("plain SQLite: search by key", typed.len(), |i| {
        let word = typed[i].split(' ').next().unwrap_or_default();
        let sql = "SELECT DISTINCT p.* FROM patient_key k JOIN patient p ON p.n = k.patient WHERE k.key >= ?1 AND k.key < ?2 LIMIT 20";
        let mut search = db.prepare_cached(sql).expect("prepares");
        let mut rows = search.query(params![word, format!("{word}\u{10ffff}")]).expect("queries");
        while rows.next().expect("row").is_some() {}
    });
    timed("plain SQLite: LIKE '%word%' without an index", 100, |i| {
        let mut search =
            db.prepare_cached("SELECT * FROM patient WHERE name LIKE ?1 OR phone LIKE ?1 LIMIT 20").expect("prepares");
        let mut rows = search.query([format!("%{}%", typed[i])]).expect("queries");
        while rows.next().expect("row").is_some() {}
    });
}
