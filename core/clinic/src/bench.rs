//! Stores of made-up people, to time the store at the size of a county; and the same on SQLite without encryption, to compare.
//!
//! Each lies in a temporary folder and is gone when dropped, so that no record of a patient can be kept unencrypted this way.

use crate::encounter::{insert_assessment, insert_encounter};
use crate::work::new_id;
use crate::{Clinic, ClinicError, FileVault, NewEncounter, NewPatient, Unlock, database, patient};
use std::path::PathBuf;

/// Common surnames, and characters of common given names.
const SURNAMES: &[&str] = &[
    "王", "李", "张", "刘", "陈", "杨", "黄", "赵", "吴", "周", "徐", "孙", "马", "朱", "胡", "郭", "何", "高", "林",
    "罗", "郑", "梁", "谢", "宋", "唐", "许", "韩", "冯", "邓", "曹", "彭", "曾", "肖", "田", "董", "袁", "潘", "于",
    "蒋", "蔡", "余", "杜", "叶", "程", "苏", "魏", "吕", "丁", "任", "沈",
];
const GIVEN: &[&str] = &[
    "伟", "芳", "娜", "秀", "英", "敏", "静", "丽", "强", "磊", "军", "洋", "勇", "艳", "杰", "娟", "涛", "明", "超",
    "兰", "霞", "平", "刚", "桂", "华", "建", "国", "志", "玉", "梅", "红", "春", "海", "燕", "辉", "文", "波", "云",
    "峰", "鑫", "雪", "琴", "小", "大", "天", "一", "宇", "浩", "然", "子", "涵", "欣", "怡", "梓", "轩",
];
/// Encounters of each made-up patient.
const ENCOUNTERS: u32 = 4;
/// Patients written in one transaction.
const BATCH: u32 = 500;

/// A store of made-up people in a temporary folder.
#[derive(Debug)]
pub struct BenchStore {
    folder: tempfile::TempDir,
    encrypted: bool,
    clinic: Option<Clinic>,
}

impl BenchStore {
    /// Makes and opens an empty one, encrypted as a clinic's or not at all. Does I/O.
    ///
    /// # Errors
    /// When the disk or the database refuses.
    pub fn new(encrypted: bool) -> Result<Self, ClinicError> {
        let mut store = Self { folder: tempfile::tempdir()?, encrypted, clinic: None };
        store.reopen()?;
        Ok(store)
    }

    /// Closes and opens it again; gives back what [`Clinic::open`] would. Does I/O.
    ///
    /// # Errors
    /// When the disk or the database refuses.
    pub fn reopen(&mut self) -> Result<&mut Clinic, ClinicError> {
        drop(self.clinic.take());
        let connect = if self.encrypted { database::open } else { database::open_unencrypted };
        let vault = FileVault::new(self.folder.path().join("key"));
        let clinic = Clinic::open_by(&self.data(), &vault, Unlock::Device, connect)?;
        Ok(self.clinic.insert(clinic))
    }

    /// Adds made-up patients with four encounters each, the same ones every time; tells how many are there. Does I/O.
    ///
    /// # Errors
    /// When the disk or the database refuses.
    pub fn fill(&mut self, patients: u32, mut progress: impl FnMut(u32)) -> Result<(), ClinicError> {
        let clinic = match &mut self.clinic {
            Some(clinic) => clinic,
            None => self.reopen()?,
        };
        let mut dice = Dice(7);
        for first in (0..patients).step_by(BATCH as usize) {
            let work = clinic.work()?;
            for _ in first..patients.min(first + BATCH) {
                let who = patient::insert(&work, &person(&mut dice))?;
                for _ in 0..ENCOUNTERS {
                    let new = NewEncounter {
                        patient_id: Some(who.clone()),
                        findings: "面部红斑，边界清楚，日晒后加重".to_owned(),
                        age_years: Some(54.0),
                        site: Some("face".to_owned()),
                        ..NewEncounter::default()
                    };
                    let id = new_id();
                    insert_encounter(&work, &id, &who, &new)?;
                    insert_assessment(&work, &id, &who, r#"{"differential":[{"slug":"eczema","p":0.4}]}"#)?;
                }
            }
            work.commit()?;
            progress(patients.min(first + BATCH));
        }
        Ok(())
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }
}

fn person(dice: &mut Dice) -> NewPatient {
    let mut name = dice.pick(SURNAMES).to_owned();
    for _ in 0..1 + dice.below(2) {
        name.push_str(dice.pick(GIVEN));
    }
    NewPatient {
        name,
        age_years: Some(dice.below(90) as f64),
        sex: Some(dice.pick(&["female", "male"]).to_owned()),
        phone: Some(format!("1{:010}", 3_000_000_000 + dice.below(6_000_000_000))),
        village: Some(format!("{}家村", dice.pick(SURNAMES))),
        ..NewPatient::default()
    }
}

/// Random numbers that a seed repeats (SplitMix64): the same people in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound.max(1)
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len() as u64) as usize]
    }
}
