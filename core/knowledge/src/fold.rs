//! One folding for names, articles and queries, so that what is typed meets what is written:
//! Traditional -> Simplified, full width -> half width, lower case, no accents, British and American spelling alike.

use pinyin::{ToPinyin, ToPinyinMulti};

/// Folds character by character, each with its position in `text`: Simplified, half width, lower case, no accents, American spelling
/// (haem- -> hem-, oedema -> edema, tumour -> tumor: letters are only left out, and alike on both sides). Punctuation stays.
pub(crate) fn normalise(text: &str) -> Vec<(char, usize)> {
    let simplified: Vec<char> = fast2s::convert(text).chars().collect();
    let mut out: Vec<(char, usize)> = Vec::with_capacity(simplified.len());
    for (at, c) in simplified.into_iter().enumerate() {
        let c = half_width(c);
        // Lower case of one character may be several ("İ"): the first is enough to search by.
        out.push((without_accent(c.to_lowercase().next().unwrap_or(c)), at));
    }
    let letter = |i: usize| out.get(i).map_or(' ', |(c, _)| *c);
    let spare = |i: usize| match letter(i) {
        'a' | 'o' => letter(i + 1) == 'e',
        // But not in "hour" and "four".
        'u' => {
            let word_begins = |at: usize| at == 0 || !letter(at - 1).is_alphanumeric();
            let hour_or_four = i > 1 && matches!(letter(i - 2), 'h' | 'f') && word_begins(i - 2);
            i > 0 && letter(i - 1) == 'o' && letter(i + 1) == 'r' && !hour_or_four
        }
        _ => false,
    };
    let kept: Vec<bool> = (0..out.len()).map(|i| !spare(i)).collect();
    let mut keep = kept.into_iter();
    out.retain(|_| keep.next().unwrap_or(true));
    out
}

/// Folds a text for search; keeps single spaces between Latin words, drops other white space and punctuation.
pub(crate) fn fold(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (c, _) in normalise(text) {
        if c.is_alphanumeric() || (c == '.' && out.ends_with(|p: char| p.is_ascii_digit())) {
            // The point: ICD codes, L93.0
            out.push(c);
        } else if !out.ends_with(' ') && !out.is_empty() {
            out.push(' ');
        }
    }
    inn(&drop_spaces_beside_han(out.trim_matches([' ', '.'])))
}

/// United States adopted names -> international nonproprietary names (WHO INN), which the articles use.
fn inn(folded: &str) -> String {
    const NAMES: [(&str, &str); 8] = [
        ("epinephrine", "adrenaline"),
        ("acetaminophen", "paracetamol"),
        ("acyclovir", "aciclovir"),
        ("valacyclovir", "valaciclovir"),
        ("cephalexin", "cefalexin"),
        ("cyclosporine", "ciclosporin"),
        ("rifampin", "rifampicin"),
        ("albuterol", "salbutamol"),
    ];
    let name = |word: &str| NAMES.iter().find(|(usan, _)| *usan == word).map(|(_, inn)| *inn);
    if !folded.split(' ').any(|word| name(word).is_some()) {
        return folded.to_owned();
    }
    folded.split(' ').map(|word| name(word).unwrap_or(word)).collect::<Vec<_>>().join(" ")
}

fn half_width(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        '\u{3000}' => ' ',
        '’' | '‘' => '\'',
        _ => c,
    }
}

fn without_accent(c: char) -> char {
    match c {
        'à'..='å' => 'a',
        'ç' => 'c',
        'è'..='ë' => 'e',
        'ì'..='ï' => 'i',
        'ñ' => 'n',
        'ò'..='ö' => 'o',
        'ù'..='ü' => 'u',
        _ => c,
    }
}

fn drop_spaces_beside_han(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let han = |i: usize| chars.get(i).is_some_and(|c| is_han(*c));
    chars
        .iter()
        .enumerate()
        .filter(|(i, c)| **c != ' ' || !(i.checked_sub(1).is_some_and(han) || han(i + 1)))
        .map(|(_, c)| *c)
        .collect()
}

/// A Chinese character.
pub(crate) fn is_han(c: char) -> bool {
    ('\u{3400}'..='\u{9fff}').contains(&c)
}

/// Toneless pinyin of a folded Chinese name: every reading of characters with several, at most 8 variants, each as syllables.
/// Other letters and digits stand for themselves. Empty for a name without Chinese characters.
pub(crate) fn pinyin_variants(folded: &str) -> Vec<Vec<String>> {
    if !folded.chars().any(is_han) {
        return Vec::new();
    }
    let mut variants = vec![Vec::new()];
    for c in folded.chars().filter(|c| *c != ' ') {
        let mut readings: Vec<String> = match c.to_pinyin_multi() {
            Some(multi) => multi.into_iter().map(|p| p.plain().replace('ü', "v")).collect(),
            None => vec![c.to_pinyin().map_or_else(|| c.to_string(), |p| p.plain().to_owned())],
        };
        readings.dedup();
        let mut unique: Vec<String> = Vec::new();
        for reading in readings {
            if !unique.contains(&reading) {
                unique.push(reading);
            }
        }
        // All readings while there is room, then only the commonest.
        let keep = (8 / variants.len()).max(1);
        unique.truncate(keep);
        variants = variants
            .iter()
            .flat_map(|head| unique.iter().map(|reading| [&head[..], std::slice::from_ref(reading)].concat()))
            .collect();
    }
    variants
}

/// Search tokens of a folded text: overlapping pairs of Chinese characters (single ones where alone), and words.
pub(crate) fn tokens(folded: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut run: Vec<char> = Vec::new();
    let mut word = String::new();
    let flush_run = |run: &mut Vec<char>, out: &mut Vec<String>| {
        if run.len() == 1 {
            out.push(run[0].to_string());
        }
        out.extend(run.windows(2).map(|pair| pair.iter().collect::<String>()));
        run.clear();
    };
    for c in folded.chars() {
        if is_han(c) {
            if !word.is_empty() {
                out.push(stem(&std::mem::take(&mut word)));
            }
            run.push(c);
        } else {
            flush_run(&mut run, &mut out);
            if c.is_alphanumeric() {
                word.push(c);
            } else if !word.is_empty() {
                out.push(stem(&std::mem::take(&mut word)));
            }
        }
    }
    flush_run(&mut run, &mut out);
    if !word.is_empty() {
        out.push(stem(&word));
    }
    out
}

/// Plural and -ing/-ed endings off, so that "blisters" meets "blister". Deliberately weak: medical words are not ordinary English.
pub(crate) fn stem(word: &str) -> String {
    if word.len() > 4 {
        if let Some(root) = word.strip_suffix("ies") {
            return format!("{root}y");
        }
        for ending in ["ing", "es", "ed", "s"] {
            if let Some(root) = word.strip_suffix(ending)
                && root.len() >= 4
                && !(ending == "s" && root.ends_with(['s', 'u', 'i']))
            {
                return root.trim_end_matches('e').to_owned();
            }
        }
    }
    word.trim_end_matches('e').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_scripts_widths_accents_and_spellings() {
        assert_eq!(fold("帶狀皰疹"), "带状疱疹");
        assert_eq!(fold("ＳＬＥ"), "sle");
        assert_eq!(fold("Behçet disease"), fold("behcet  Disease"));
        assert_eq!(fold("haemangioma"), fold("hemangioma"));
        assert_eq!(fold("oedema, tumour"), fold("edema tumor"));
        assert_eq!(fold("L93.0"), "l93.0");
        assert_eq!(fold("红斑 狼疮"), "红斑狼疮");
    }

    #[test]
    fn pinyin_has_every_reading() {
        let joined: Vec<String> = pinyin_variants("痤疮").iter().map(|v| v.concat()).collect();
        assert!(joined.contains(&"cuochuang".to_owned()), "{joined:?}");
        assert!(pinyin_variants("eczema").is_empty());
    }

    #[test]
    fn tokens_are_pairs_and_stemmed_words() {
        assert_eq!(tokens("红斑狼疮 blisters"), ["红斑", "斑狼", "狼疮", "blister"]);
        assert_eq!(tokens("痒"), ["痒"]);
    }
}
