//! The rules of docs/guide/writing-articles.md that a program can check.

use crate::compile::Content;
use crate::drawings;
use crate::vocabulary::{self, Vocabulary};
use crate::{Article, Bilingual};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;

/// Least depth of an article: Chinese characters, English words, look-alikes, sources.
const CORE_DEPTH: (usize, usize, usize, usize) = (600, 400, 3, 2);
const REFERENCE_DEPTH: (usize, usize, usize, usize) = (250, 160, 2, 1);
/// Longest card: Chinese characters, English words.
const CARD_LENGTH: (usize, usize) = (160, 110);
/// Sections whose numbers are doses.
const DOSE_SECTIONS: [&str; 2] = ["treatment", "special"];

/// A broken rule: where, and what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// The disease or file.
    pub place: String,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

/// Checks all content. An empty answer means that it may be compiled.
#[must_use]
pub fn check(content: &Content) -> Vec<Complaint> {
    let slugs: HashSet<&str> = content.articles.iter().map(|a| a.slug.as_str()).collect();
    let look_alikes = content.look_alikes();
    let mut complaints = Vec::new();
    for article in &content.articles {
        let mut say = |what: String| complaints.push(Complaint { place: article.slug.clone(), what });
        check_article(article, &slugs, look_alikes[&article.slug].len(), &mut say);
    }
    check_knowledge_base(content, &slugs, &mut complaints);
    complaints
}

fn check_knowledge_base(content: &Content, slugs: &HashSet<&str>, complaints: &mut Vec<Complaint>) {
    let vocabulary = Vocabulary::new(content.findings.clone());
    let found = vocabulary::complaints(&content.findings)
        .into_iter()
        .chain(content.urgency.complaints(&vocabulary))
        .chain(drawings::complaints(&content.drawings, &content.findings));
    complaints.extend(found.map(|(place, what)| Complaint { place, what }));
    let lupus = &content.lupus_score;
    let lupus_findings =
        lupus.domains.iter().flat_map(|d| &d.items).flat_map(|i| i.any.iter().chain(&i.all)).chain([&lupus.entry]);
    for id in lupus_findings.filter(|id| vocabulary.get(id).is_none()) {
        complaints.push(Complaint { place: "lupus score".to_owned(), what: format!("names the unknown finding {id}") });
    }
    for reaction in &content.drug_eruptions.reactions {
        if !slugs.contains(reaction.slug.as_str()) || reaction.from_days > reaction.to_days {
            let what = format!("{} is no disease, or ends before it begins", reaction.slug);
            complaints.push(Complaint { place: "drug eruptions".to_owned(), what });
        }
    }
    let sources: BTreeMap<&str, BTreeSet<&str>> = content
        .articles
        .iter()
        .map(|a| (a.slug.as_str(), a.sources.iter().map(|s| s.key.as_str()).collect()))
        .collect();
    let none = BTreeSet::new();
    for file in &content.likelihoods {
        let place = format!("likelihoods of {}", file.slug);
        if !slugs.contains(file.slug.as_str()) {
            complaints.push(Complaint { place: place.clone(), what: "there is no such disease".to_owned() });
        }
        let known = sources.get(file.slug.as_str()).unwrap_or(&none);
        complaints.extend(
            file.complaints(&vocabulary, known).into_iter().map(|what| Complaint { place: place.clone(), what }),
        );
    }
    let covered: HashSet<&str> = content.likelihoods.iter().map(|l| l.slug.as_str()).collect();
    for slug in slugs.difference(&covered) {
        complaints.push(Complaint { place: (*slug).to_owned(), what: "has no likelihoods".to_owned() });
    }
}

fn check_article(article: &Article, slugs: &HashSet<&str>, look_alikes: usize, say: &mut impl FnMut(String)) {
    let (mut zh_length, mut en_length) = (0, 0);
    let mut cited = BTreeSet::new();
    let difference = |l: &crate::LookAlike| Bilingual { zh: l.zh.clone(), en: l.en.clone() };
    let differences: Vec<_> =
        article.look_alikes.iter().map(|l| (format!("look-alike {}", l.slug), difference(l))).collect();
    let sections = article.sections();
    for section in &sections {
        zh_length += han_count(&section.text.zh);
        en_length += word_count(&section.text.en);
        if DOSE_SECTIONS.contains(&section.key) {
            check_doses(section.key, section.text, say);
        }
    }
    let texts = sections.iter().map(|s| (s.key, s.text)).chain(differences.iter().map(|(k, t)| (k.as_str(), t)));
    for (key, text) in texts {
        if text.zh.trim().is_empty() || text.en.trim().is_empty() {
            say(format!("{key} lacks a language"));
        }
        let (zh, en) = (citations(&text.zh), citations(&text.en));
        if zh != en {
            say(format!("{key} cites other sources in Chinese than in English"));
        }
        cited.extend(zh);
        cited.extend(en);
    }
    let mut known = BTreeMap::new();
    for source in &article.sources {
        if known.insert(source.key.clone(), ()).is_some() {
            say(format!("source {} stands twice", source.key));
        }
        if !(1900..=2100).contains(&source.year) || source.text.trim().is_empty() {
            say(format!("source {} lacks its text or year", source.key));
        }
    }
    for key in &cited {
        if !known.contains_key(key) {
            say(format!("cites [{key}], which is not among its sources"));
        }
    }
    for key in known.keys().filter(|k| !cited.contains(*k)) {
        say(format!("never cites its source {key}"));
    }
    let mut seen = HashSet::new();
    for other in &article.look_alikes {
        if !slugs.contains(other.slug.as_str()) || other.slug == article.slug || !seen.insert(&other.slug) {
            say(format!("look-alike {} is unknown, itself, or twice", other.slug));
        }
    }
    if han_count(&article.card.zh) > CARD_LENGTH.0 || word_count(&article.card.en) > CARD_LENGTH.1 {
        say("the card is too long".to_owned());
    }
    let depth = if article.core { CORE_DEPTH } else { REFERENCE_DEPTH };
    let have = (zh_length, en_length, look_alikes, article.sources.len());
    if have.0 < depth.0 || have.1 < depth.1 || have.2 < depth.2 || have.3 < depth.3 {
        say(format!("has {have:?} Chinese characters, English words, look-alikes, sources; needs {depth:?}"));
    }
}

fn check_doses(key: &str, text: &Bilingual, say: &mut impl FnMut(String)) {
    let doses_of = |text: &str| {
        let mut all: Vec<_> = text.lines().flat_map(doses).collect();
        all.sort();
        all
    };
    for line in text.zh.lines().chain(text.en.lines()) {
        if !doses(line).is_empty() && citations(line).is_empty() {
            say(format!("{key} has a dose without a source: {}", line.chars().take(40).collect::<String>()));
        }
    }
    let (zh, en) = (doses_of(&text.zh), doses_of(&text.en));
    if zh != en {
        say(format!("{key} has other doses in Chinese {zh:?} than in English {en:?}"));
    }
}

/// Numbers with a unit of dose, the unit unified: `("10", "mg")`.
fn doses(line: &str) -> Vec<(String, &'static str)> {
    const UNITS: [(&str, &str); 13] = [
        ("mg", "mg"),
        ("μg", "µg"),
        ("µg", "µg"),
        ("ml", "ml"),
        ("mL", "ml"),
        ("IU", "IU"),
        ("g", "g"),
        ("%", "%"),
        ("％", "%"),
        ("单位", "IU"),
        ("毫克", "mg"),
        ("毫升", "ml"),
        ("克", "g"),
    ];
    let mut found = Vec::new();
    let mut rest = without_citations(line);
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let tail = &rest[start..];
        let mut end = tail.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(tail.len());
        let number = tail[..end].trim_end_matches('.').to_owned();
        let after = tail[end..].trim_start_matches([' ', '\u{a0}', '\u{202f}']);
        let unit = UNITS.iter().find(|(unit, _)| {
            after.strip_prefix(unit).is_some_and(|next| !next.starts_with(|c: char| c.is_ascii_alphabetic()))
        });
        if let Some((_, unit)) = unit {
            found.push((number, *unit));
        }
        end = end.max(1);
        rest = tail[end..].to_owned();
    }
    found
}

/// The keys cited in a text, as `[key]`.
fn citations(text: &str) -> BTreeSet<String> {
    text.split('[')
        .skip(1)
        .filter_map(|part| part.split_once(']'))
        .map(|(key, _)| key)
        .filter(|key| is_key(key))
        .map(str::to_owned)
        .collect()
}

fn without_citations(text: &str) -> String {
    let mut out = text.to_owned();
    for key in citations(text) {
        out = out.replace(&format!("[{key}]"), "");
    }
    out
}

fn is_key(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

fn han_count(text: &str) -> usize {
    text.chars().filter(|c| ('\u{4e00}'..='\u{9fff}').contains(c)).count()
}

fn word_count(text: &str) -> usize {
    without_citations(text).split_whitespace().filter(|w| w.starts_with(|c: char| c.is_ascii_alphabetic())).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doses_are_found_in_both_languages_and_not_in_citations_or_ages() {
        assert_eq!(doses("口服 10 mg/kg，最多 0.5 g [x-2020]"), [("10".to_owned(), "mg"), ("0.5".to_owned(), "g")]);
        assert_eq!(doses("cream 1 % for 2-4 weeks, children over 5 years [who-2023]"), [("1".to_owned(), "%")]);
        assert_eq!(doses("5 grains and 3 months"), []);
    }

    #[test]
    fn a_dose_without_source_or_different_between_languages_is_refused() {
        let mut said = Vec::new();
        let text = Bilingual { zh: "每日10 mg".into(), en: "20 mg daily [a-2020]".into() };
        check_doses("treatment", &text, &mut |s| said.push(s));
        assert_eq!(said.len(), 2, "{said:?}");
    }

    #[test]
    fn only_keys_in_brackets_are_citations() {
        assert_eq!(citations("a [who-2023] b [See below] c [x1]"), ["who-2023".to_owned(), "x1".to_owned()].into());
    }
}
