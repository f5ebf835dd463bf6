//! Under which folded words a patient is found: name, toneless pinyin with heteronyms, initials, phone, village; each also from
//! any of its later parts on, so that a given name or the last digits of a phone number are enough.
//!
//! May not live here: what is stored as the patient's name, which is never folded.

use pinyin::ToPinyinMulti;
use std::collections::BTreeSet;

/// Most readings of one name: heteronyms multiply.
const MOST_READINGS: usize = 8;
/// Fewest trailing digits of a phone number that are a key of their own.
const FEWEST_DIGITS: usize = 4;

/// Traditional -> Simplified, full width -> half width, lower case; only letters and digits stay.
pub(crate) fn fold(text: &str) -> String {
    fast2s::convert(text).chars().flat_map(fold_char).collect()
}

fn fold_char(c: char) -> impl Iterator<Item = char> {
    let half = match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        _ => c,
    };
    half.to_lowercase().filter(|c| c.is_alphanumeric())
}

/// The words of a query. Each must begin one of a patient's keys.
pub(crate) fn query(text: &str) -> Vec<String> {
    let words =
        text.split(|c: char| c.is_whitespace() || c == ',' || c == '，').map(fold).filter(|word| !word.is_empty());
    words.map(|word| typed_pinyin(&word)).collect()
}

/// The letter ü is typed as v; passports write it yu.
fn typed_pinyin(word: &str) -> String {
    word.replace('ü', "v").replace("lyu", "lv").replace("nyu", "nv")
}

/// All keys of a patient, folded.
pub(crate) fn keys(name: &str, phone: Option<&str>, village: Option<&str>) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    add_name(name, &mut keys);
    if let Some(village) = village {
        add_name(village, &mut keys);
    }
    let digits: String = phone.map(fold).unwrap_or_default();
    let count = digits.chars().count();
    if count > 0 {
        keys.insert(digits.clone());
        // Digits are ASCII after folding; other letters of a phone field are kept out of the tails.
        for skip in 1..count.saturating_sub(FEWEST_DIGITS - 1) {
            keys.insert(digits.chars().skip(skip).collect());
        }
    }
    keys
}

/// The whole name's key by sound, for matching duplicates: its first reading.
pub(crate) fn sound(name: &str) -> String {
    syllables(name).into_iter().map(|readings| readings.into_iter().next().unwrap_or_default()).collect()
}

fn add_name(name: &str, keys: &mut BTreeSet<String>) {
    let parts = parts(name);
    let readings = syllables(name);
    for from in 0..parts.len() {
        keys.insert(parts[from..].concat());
        for (full, initials) in spoken(&readings[from..]) {
            keys.insert(full);
            keys.insert(initials);
        }
    }
}

/// One part per Chinese character, one per word of any other script.
fn parts(name: &str) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    let mut open = false;
    for c in fast2s::convert(name).chars() {
        let folded: String = fold_char(c).collect();
        if folded.is_empty() {
            // An apostrophe does not part O'Brien; white space and dots do.
            open &= matches!(c, '\'' | '’');
        } else if c.to_pinyin_multi().is_some() || !open {
            open = c.to_pinyin_multi().is_none();
            parts.push(folded);
        } else if let Some(last) = parts.last_mut() {
            last.push_str(&folded);
        }
    }
    parts
}

/// The readings of each part; a part that has none reads as itself.
fn syllables(name: &str) -> Vec<Vec<String>> {
    let readings = |part: &String| {
        let mut chars = part.chars();
        let first = chars.next().and_then(|c| c.to_pinyin_multi());
        match first {
            Some(multi) if chars.next().is_none() => {
                let mut seen = Vec::new();
                for reading in multi {
                    let plain = typed_pinyin(reading.plain());
                    if !seen.contains(&plain) {
                        seen.push(plain);
                    }
                }
                seen
            }
            _ => vec![part.clone()],
        }
    };
    parts(name).iter().map(readings).collect()
}

/// Whole readings with their initials, at most [`MOST_READINGS`].
fn spoken(syllables: &[Vec<String>]) -> Vec<(String, String)> {
    let mut spoken = vec![(String::new(), String::new())];
    for readings in syllables {
        spoken = spoken
            .iter()
            .flat_map(|(full, initials)| {
                readings.iter().map(move |reading| {
                    let initial: String = reading.chars().take(1).collect();
                    (format!("{full}{reading}"), format!("{initials}{initial}"))
                })
            })
            .take(MOST_READINGS)
            .collect();
    }
    spoken
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(keys: &BTreeSet<String>, text: &str) -> bool {
        query(text).iter().all(|word| keys.iter().any(|key| key.starts_with(word.as_str())))
    }

    #[test]
    fn a_patient_is_found_by_every_usual_way_of_typing() {
        let keys = keys("王小明", Some("138-1234-5678"), Some("李家村"));
        for text in [
            "王",
            "王小",
            "小明",
            "wang",
            "wangxiaoming",
            "xiaoming",
            "wxm",
            "xm",
            "WXM",
            "ｗｘｍ",
            "13812",
            "5678",
            "李家",
            "ljc",
            "王 李家村",
            "wang 5678",
        ] {
            assert!(found(&keys, text), "{text}");
        }
        for text in ["张", "zhang", "wm", "9999", "王 张家村"] {
            assert!(!found(&keys, text), "{text}");
        }
    }

    #[test]
    fn heteronyms_umlauts_and_traditional_characters_meet() {
        let surname = keys("单雄信", None, None);
        assert!(found(&surname, "shan") && found(&surname, "dan"));
        let lv = keys("吕布", None, None);
        for text in ["lvbu", "lübu", "lyubu", "呂布", "lb"] {
            assert!(found(&lv, text), "{text}");
        }
        assert!(found(&keys("張偉", None, None), "张伟"));
    }

    #[test]
    fn names_of_other_scripts_are_found_by_word() {
        let keys = keys("Mary O'Brien", None, None);
        for text in ["mary", "obrien", "O'Brien", "mo", "mary obrien"] {
            assert!(found(&keys, text), "{text}");
        }
        assert!(found(&super::keys("阿卜杜拉·买买提", None, None), "买买提"));
    }

    #[test]
    fn a_long_name_of_heteronyms_stays_small() {
        assert!(keys(&"行".repeat(200), None, None).len() < 200 * (2 * MOST_READINGS + 1));
    }
}
