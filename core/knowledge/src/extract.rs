//! Free Chinese and English text -> findings, present or denied, with where they stand.
//!
//! A dictionary (the vocabulary) and rules: no network model, so that a doctor can see why a word was or was not understood.
//! The rules in order: phrases, longest first; negation; age and sex; duration; temperature; laboratory values.

use crate::fold::{is_han, normalise};
use crate::vocabulary::Vocabulary;
use aho_corasick::AhoCorasick;
use regex_lite::Regex;
use serde::Serialize;
use std::collections::BTreeMap;

/// Longest text that is read, in characters; case reports have some hundred.
pub(crate) const MAX_CHARS: usize = 20_000;

/// Sex, as the differential uses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Sex {
    /// Female.
    Female,
    /// Male.
    Male,
}

/// A finding in a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FoundFinding {
    /// Finding.
    pub id: String,
    /// False when the text denies it.
    pub present: bool,
    /// Where it stands, in characters of the text: start, end.
    pub span: (usize, usize),
    /// The words of the text.
    pub text: String,
}

/// What was understood of a text, and what was not.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Extraction {
    /// Findings in text order.
    pub findings: Vec<FoundFinding>,
    /// Age in years, where the text says it.
    pub age_years: Option<f32>,
    /// Sex, where the text says it.
    pub sex: Option<Sex>,
    /// Clauses in which nothing was understood.
    pub not_understood: Vec<String>,
}

/// The dictionary and rules, built once.
#[derive(Debug)]
pub(crate) struct Extractor {
    phrases: AhoCorasick,
    /// Finding position per phrase.
    finding: Vec<usize>,
    rules: Rules,
}

#[derive(Debug)]
struct Rules {
    age_zh: Regex,
    age_en: Regex,
    duration_zh: Regex,
    duration_en: Regex,
    celsius: Regex,
    fahrenheit: Regex,
    laboratory: Vec<(Regex, LaboratoryRule)>,
}

/// A number in the text that is a finding when it lies beyond a limit.
#[derive(Debug, Clone, Copy)]
struct LaboratoryRule {
    finding: &'static str,
    over: bool,
    limit: f32,
}

/// Usual adult reference limits (WHO 2011 for haemoglobin; Chinese WS/T 405-2012 for blood counts; Westergren ESR; others as printed
/// on county-laboratory reports). Only values clearly beyond them count.
const LABORATORY: &[(&str, &str, bool, f32)] = &[
    (
        "leucocytosis",
        r"(?:wbc|白细胞(?:计数|总数)?|white (?:blood )?cells?(?: count)?|leukocytes?)[^0-9a-z]{0,8}(\d+(?:\.\d+)?)",
        true,
        10.5,
    ),
    ("leucopenia", r"(?:wbc|白细胞(?:计数|总数)?)[^0-9a-z]{0,8}(\d+(?:\.\d+)?)", false, 3.6),
    ("thrombocytopenia", r"(?:plt|血小板(?:计数)?|platelets?(?: count)?)[^0-9a-z]{0,8}(\d+(?:\.\d+)?)", false, 100.0),
    ("raised-crp-esr", r"(?:esr|血沉|红细胞沉降率)[^0-9a-z]{0,8}(\d+(?:\.\d+)?)", true, 30.0),
    ("raised-crp-esr", r"(?:crp|c反应蛋白)[^0-9a-z]{0,8}(\d+(?:\.\d+)?)", true, 10.0),
    ("raised-ck", r"(?:\bck|肌酸激酶|creatine kinase)[^0-9a-z]{0,8}(\d+(?:\.\d+)?)", true, 300.0),
    ("raised-glucose", r"(?:glu|血糖|glucose)[^0-9a-z]{0,8}(\d+(?:\.\d+)?)", true, 7.0),
    (
        "eosinophilia",
        r"(?:嗜酸(?:性)?粒细胞(?:比例|百分比)?|eosinophils?|eos)[^0-9a-z]{0,8}(\d+(?:\.\d+)?) ?%",
        true,
        6.0,
    ),
];

impl Extractor {
    pub(crate) fn new(vocabulary: &Vocabulary) -> Self {
        let mut pairs: BTreeMap<String, usize> = BTreeMap::new();
        for (at, finding) in vocabulary.findings().iter().enumerate() {
            let own = [&finding.zh, &finding.en];
            for phrase in own.into_iter().chain(&finding.syn_zh).chain(&finding.syn_en) {
                let pattern = pattern(phrase);
                if !pattern.is_empty() {
                    pairs.entry(pattern).or_insert(at);
                }
            }
        }
        let (patterns, finding): (Vec<String>, Vec<usize>) = pairs.into_iter().unzip();
        Self { phrases: automaton(&patterns), finding, rules: Rules::new() }
    }

    /// Reads a text. No I/O.
    pub(crate) fn extract(&self, vocabulary: &Vocabulary, text: &str) -> Extraction {
        let original: Vec<char> = text.chars().take(MAX_CHARS).collect();
        let read: String = original.iter().collect();
        let folded = spaced(&normalise(&read));
        let line = Line::new(&folded);
        let mut out = Extraction::default();
        let mut covered = vec![false; folded.len()];
        let words = |start: usize, end: usize| {
            let span = (folded[start].1, folded[end - 1].1 + 1);
            (span, original[span.0..span.1].iter().collect::<String>())
        };
        let mut add = |out: &mut Extraction, at: usize, present: bool, start: usize, end: usize| {
            let (span, text) = words(start, end);
            covered[start..end].iter_mut().for_each(|c| *c = true);
            out.findings.push(FoundFinding { id: vocabulary.findings()[at].id.clone(), present, span, text });
        };
        let matches = self.matches(&line);
        let mut taken = vec![false; line.chars.len()];
        // The negator of "do not blanch" or "无疫苗接种史" is a part of what is there; that of "no itch" denies the list behind it.
        let mut own = vec![false; line.chars.len()];
        for &(start, end, phrase) in &matches {
            taken[start..end].fill(true);
            own[start..end].fill(!self.heads_denials(vocabulary, phrase, &line.chars[start..end]));
        }
        let around: Vec<char> = line.without_negators(&own);
        for (start, end, phrase) in matches {
            add(&mut out, self.finding[phrase], !line.denied(start, end, &taken, &around), start, end);
        }
        for (id, start, end) in self.rules.numbers(&line) {
            if let Some(at) = vocabulary.position(&id) {
                add(&mut out, at, true, start, end);
            }
        }
        let age = self.rules.age(&line);
        out.age_years = age.map(|(years, ..)| years);
        if let Some((_, start, end)) = age {
            covered[start..end].iter_mut().for_each(|c| *c = true);
        }
        out.sex = sex(&line.text);
        out.findings.sort_by_key(|f| (f.span, f.id.clone()));
        out.findings.dedup();
        deny(vocabulary, &mut out.findings);
        out.not_understood = not_understood(&folded, &covered, &original);
        if text.chars().nth(MAX_CHARS).is_some() {
            out.not_understood.push("… (其后未读 / the rest was not read)".to_owned());
        }
        out
    }

    /// Does a phrase deny as "no itch" and "无痒" do, so that a list may go on behind it?
    fn heads_denials(&self, vocabulary: &Vocabulary, phrase: usize, words: &[char]) -> bool {
        const HEADS: [&str; 7] = ["no ", "without ", "denies ", "denied ", "无", "没有", "未诉"];
        let words: String = words.iter().collect();
        !vocabulary.findings()[self.finding[phrase]].denies.is_empty()
            && HEADS.iter().any(|head| words.starts_with(head))
    }

    /// Phrases at word borders, longest first, none inside another: start, end (character positions), phrase.
    fn matches(&self, line: &Line) -> Vec<(usize, usize, usize)> {
        let mut all: Vec<(usize, usize, usize)> = self
            .phrases
            .find_overlapping_iter(&line.text)
            .filter_map(|m| {
                let (start, end) = (line.position(m.start()), line.position(m.end()));
                Some((start, line.at_word_borders(start, end)?, m.pattern().as_usize()))
            })
            .collect();
        all.sort_by_key(|&(start, end, _)| (std::cmp::Reverse(end - start), start));
        let mut taken = vec![false; line.chars.len()];
        all.retain(|&(start, end, _)| {
            let free = !taken[start..end].iter().any(|t| *t);
            if free {
                taken[start..end].iter_mut().for_each(|t| *t = true);
            }
            free
        });
        all
    }
}

/// The patterns are few thousand short strings: far under the automaton's limits.
fn automaton(patterns: &[String]) -> AhoCorasick {
    AhoCorasick::new(patterns).expect("a vocabulary of a few thousand phrases fits an automaton")
}

/// "No itch" denies itch; and a finding that is said to be present somewhere is not absent because another place denies it.
fn deny(vocabulary: &Vocabulary, findings: &mut Vec<FoundFinding>) {
    let denials: Vec<FoundFinding> = findings
        .iter()
        .filter(|f| f.present)
        .flat_map(|f| {
            let denied = vocabulary.get(&f.id).map(|v| v.denies.clone()).unwrap_or_default();
            denied.into_iter().map(|id| FoundFinding { id, present: false, ..f.clone() })
        })
        .collect();
    findings.extend(denials);
    let present: Vec<String> = findings.iter().filter(|f| f.present).map(|f| f.id.clone()).collect();
    findings.retain(|f| f.present || !present.contains(&f.id));
}

/// A phrase of the vocabulary as it is looked for in a text.
pub(crate) fn pattern(phrase: &str) -> String {
    spaced(&normalise(phrase)).into_iter().map(|(c, _)| c).collect::<String>().trim().to_owned()
}

/// Hyphens and white space are one space; Chinese text has none.
fn spaced(folded: &[(char, usize)]) -> Vec<(char, usize)> {
    let mut out: Vec<(char, usize)> = Vec::with_capacity(folded.len());
    for &(c, at) in folded {
        let c = if c == '-' || (c.is_whitespace() && c != '\n') { ' ' } else { c };
        let after_han = out.last().is_some_and(|(p, _)| is_han(*p));
        if c == ' ' && (out.last().is_some_and(|(p, _)| *p == ' ') || after_han) {
            continue;
        }
        if is_han(c) && out.last().is_some_and(|(p, _)| *p == ' ') {
            out.pop();
        }
        out.push((c, at));
    }
    out
}

/// A folded text with its byte and character positions.
struct Line {
    text: String,
    chars: Vec<char>,
    bytes: Vec<usize>,
}

/// Words that do not break a list.
const LIST_WORDS: [&str; 14] = [
    "or",
    "nor",
    "and",
    "any",
    "no",
    "a",
    "the",
    "other",
    "of",
    "history",
    "recent",
    "associated",
    "significant",
    "signs",
];
const HARD_STOPS: [char; 7] = ['。', ';', '；', '!', '?', '\n', '.'];
const SOFT_STOPS: [char; 5] = [',', '，', ':', '：', '、'];

impl Line {
    fn new(folded: &[(char, usize)]) -> Self {
        let chars: Vec<char> = folded.iter().map(|(c, _)| *c).collect();
        let mut bytes = Vec::with_capacity(chars.len() + 1);
        let mut text = String::new();
        for c in &chars {
            bytes.push(text.len());
            text.push(*c);
        }
        bytes.push(text.len());
        Self { text, chars, bytes }
    }

    fn position(&self, byte: usize) -> usize {
        self.bytes.partition_point(|b| *b < byte)
    }

    /// The end of the match, with a plural ending, when Latin letters begin and end at word borders.
    fn at_word_borders(&self, start: usize, end: usize) -> Option<usize> {
        let latin = |at: usize| self.chars.get(at).is_some_and(|c| c.is_ascii_alphanumeric());
        if latin(start) && start > 0 && latin(start - 1) {
            return None;
        }
        if !latin(end - 1) || !latin(end) {
            return Some(end);
        }
        let rest: String = self.chars[end..].iter().take_while(|c| c.is_ascii_alphanumeric()).collect();
        matches!(rest.as_str(), "s" | "es").then_some(end + rest.len())
    }

    fn is_decimal_point(&self, at: usize) -> bool {
        let digit = |i: usize| self.chars.get(i).is_some_and(char::is_ascii_digit);
        self.chars[at] == '.' && at > 0 && digit(at - 1) && digit(at + 1)
    }

    fn hard_stop(&self, at: usize) -> bool {
        HARD_STOPS.contains(&self.chars[at]) && !self.is_decimal_point(at)
    }

    /// The characters with the negators blotted out that stand where `own` says so.
    fn without_negators(&self, own: &[bool]) -> Vec<char> {
        let mut out = self.chars.clone();
        let mut at = 0;
        for word in self.chars.split_inclusive(|c| !c.is_ascii_alphanumeric()) {
            let letters: String = word.iter().filter(|c| c.is_ascii_alphanumeric()).collect();
            if own[at] && NEGATORS.contains(&letters.as_str()) {
                out[at..at + letters.len()].fill('_');
            }
            at += word.len();
        }
        for (c, own) in out.iter_mut().zip(own) {
            if *own && matches!(c, '无' | '没' | '未' | '不' | '非') {
                *c = '〇';
            }
        }
        out
    }

    /// The comma, stop or end of text that ends the clause at a position.
    fn clause_end(&self, from: usize) -> usize {
        let ends = |&i: &usize| self.hard_stop(i) || SOFT_STOPS.contains(&self.chars[i]);
        (from..self.chars.len()).find(ends).unwrap_or(self.chars.len())
    }

    /// Is the phrase at start..end denied by the words around it? `taken` marks all understood characters; `around` is the text without
    /// the negators that deny nothing else.
    fn denied(&self, start: usize, end: usize, taken: &[bool], around: &[char]) -> bool {
        let sentence = (0..start).rev().find(|&i| self.hard_stop(i)).map_or(0, |i| i + 1);
        let before: String = around[sentence..start].iter().collect();
        let after: String = self.chars[end..self.clause_end(end)].iter().collect();
        if is_han(self.chars[start]) {
            return denied_zh(&before, &after);
        }
        let list = self.english_list(sentence, start, taken, around);
        let before: String = around[list..start].iter().collect();
        denied_en(&before, &after) || denied_zh(&before, "")
    }

    /// Where the list begins in which an English phrase stands: "no fever, chills or itch" is one list, so "no"
    /// reaches over its commas; "no fever, eats well, itches a little" is not, since a clause between the commas is more than an
    /// understood word.
    fn english_list(&self, sentence: usize, start: usize, taken: &[bool], around: &[char]) -> usize {
        let commas: Vec<usize> = (sentence..start).filter(|&i| SOFT_STOPS.contains(&self.chars[i])).collect();
        let bare = |from: usize, to: usize| {
            let rest: String = (from..to).map(|i| if taken[i] { ' ' } else { self.chars[i] }).collect();
            rest.split(|c: char| !c.is_alphanumeric()).all(|w| w.is_empty() || LIST_WORDS.contains(&w))
        };
        let mut upper = self.clause_end(start);
        for &comma in commas.iter().rev() {
            if !bare(comma + 1, upper) {
                return comma + 1;
            }
            upper = comma;
        }
        // The clause with the negator itself: "no known allergies, trouble breathing" is no list of denials.
        let Some(&comma) = commas.first() else { return sentence };
        let head: String = around[sentence..comma].iter().collect();
        let Some((negator, behind)) = NEGATORS
            .iter()
            .filter_map(|word| {
                last_word(&head, word).map(|at| (*word, sentence + head[..at].chars().count() + word.len()))
            })
            .max_by_key(|(_, behind)| *behind)
        else {
            return comma + 1;
        };
        // "denies fever, chills" goes on by itself; "no itch, high fever" does only when an "or" closes the list: what is there must
        // not be denied away.
        let closed = || {
            let mut list_end = self.clause_end(start);
            while list_end < self.chars.len()
                && !self.hard_stop(list_end)
                && bare(list_end + 1, self.clause_end(list_end + 1))
            {
                list_end = self.clause_end(list_end + 1);
            }
            let list: String = self.chars[comma..list_end].iter().collect();
            last_word(&list, "or").or(last_word(&list, "nor")).is_some()
        };
        let carries = negator.starts_with("den") || closed();
        if carries && bare(behind, comma) { sentence } else { comma + 1 }
    }
}

/// Where a word last stands in a text, in bytes.
fn last_word(text: &str, word: &str) -> Option<usize> {
    let border = |c: Option<char>| c.is_none_or(|c| !c.is_ascii_alphanumeric());
    text.rmatch_indices(word)
        .map(|(at, _)| at)
        .find(|&at| border(text[..at].chars().next_back()) && border(text[at + word.len()..].chars().next()))
}

fn denied_zh(before: &str, after: &str) -> bool {
    /// Reach over 、 lists up to a comma.
    const LIST: [&str; 17] = [
        "未见",
        "未触及",
        "未及",
        "未发现",
        "未出现",
        "未闻及",
        "未诉",
        "未查见",
        "没有",
        "不伴",
        "无",
        "没",
        "从未",
        "未有",
        "未扪及",
        "并无",
        "不含",
    ];
    /// Words that begin like a negator and are none.
    const NOT_NEGATION: [&str; 16] = [
        "无力",
        "无法",
        "无效",
        "无尿",
        "无神",
        "没劲",
        "没力",
        "没精神",
        "没好",
        "没用",
        "没效",
        "没法",
        "无明显诱因",
        "无明显原因",
        "无诱因",
        "无缘无故",
    ];
    /// Reach over commas too.
    const SENTENCE: [&str; 2] = ["否认", "排除"];
    /// Only directly before.
    const DIRECT: [&str; 5] = ["不", "非", "不会", "不太", "并不"];
    /// Words after which the text speaks of what is there.
    const RESUME: [&str; 26] = [
        "有", "伴", "可见", "出现", "但", "而", "见", "发生", "呈", "为", "诱因", "原因", "好转", "改善", "效果",
        "缓解", "消退", "后", "突", "今", "现", "近", "昨", "起", "感", "随",
    ];
    const AFTER: [&str; 14] = [
        "阴性",
        "(-)",
        "(—)",
        "(一)",
        "不明显",
        "不显",
        "不著",
        "未见",
        "未查见",
        "未触及",
        "未及",
        "未扪及",
        "无异常",
        "正常",
    ];
    /// "发热未及时就诊", "高热未见好转": the finding is there.
    const BUT_NOT_AFTER: [char; 10] = ['时', '好', '缓', '消', '减', '退', '改', '愈', '控', '进'];
    let resumed = |rest: &str| RESUME.iter().any(|word| rest.contains(word));
    let trimmed = after.trim_start();
    let absent = |word: &&str| {
        trimmed.find(*word).is_some_and(|at| {
            let between = &trimmed[..at];
            let next = trimmed[at + word.len()..].trim_start_matches(['明', '显']);
            between.chars().count() <= 4 && !between.contains('后') && !next.starts_with(BUT_NOT_AFTER)
        })
    };
    if AFTER.iter().any(absent) || DIRECT.iter().any(|word| before.ends_with(word)) {
        return true;
    }
    let after_last = |text: &str, words: &[&str]| {
        words.iter().filter_map(|word| text.rfind(word).map(|at| at + word.len())).max().map(|at| text[at..].to_owned())
    };
    // "否认药物过敏史，突发呼吸困难": a closed history, or an onset, ends the denial.
    if after_last(before, &SENTENCE).is_some_and(|rest| {
        !resumed(&rest) && !rest.contains("史,") && !rest.contains("史，") && rest.chars().count() <= 60
    }) {
        return true;
    }
    let clause = before.rsplit([',', '，', ':', '：']).next().unwrap_or(before);
    let clause = NOT_NEGATION.iter().fold(clause.to_owned(), |text, word| text.replace(word, "〇"));
    after_last(&clause, &LIST).is_some_and(|rest| !resumed(&rest) && rest.chars().count() <= 30)
}

/// Words that deny what follows in English.
const NEGATORS: [&str; 13] = [
    "no", "not", "without", "denies", "denied", "denying", "never", "nor", "neither", "absent", "lacks", "lacked",
    "negative",
];

fn denied_en(before: &str, after: &str) -> bool {
    /// Words after which the text speaks of what is there.
    const RESUME: [&str; 26] = [
        "but",
        "however",
        "although",
        "though",
        "with",
        "has",
        "had",
        "have",
        "is",
        "are",
        "was",
        "were",
        "developed",
        "presents",
        "presented",
        "showed",
        "shows",
        "reveals",
        "revealed",
        "except",
        "which",
        "there",
        "despite",
        "because",
        "improvement",
        "response",
    ];
    const REACH: usize = 14;
    let words: Vec<&str> = before.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty()).collect();
    for (distance, word) in words.iter().rev().enumerate().take(REACH) {
        if NEGATORS.contains(word) {
            let next = words.len().checked_sub(distance).and_then(|at| words.get(at)).copied().unwrap_or("");
            // "not only", "no longer than", "not ... until": not a denial of what follows.
            return !matches!(next, "only" | "just" | "improving" | "responding") && (*word != "not" || distance <= 5);
        }
        if RESUME.contains(word) {
            break;
        }
    }
    const AFTER: [&str; 4] = ["negative", "absent", "denied", "unremarkable"];
    after.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty()).take(4).any(|w| AFTER.contains(&w))
}

impl Rules {
    fn new() -> Self {
        let regex = |pattern: &str| Regex::new(pattern).expect("a pattern of this file compiles");
        const NUMBER_ZH: &str = r"(\d+(?:\.\d+)?|半|[一二两三四五六七八九十]{1,3}|数|多)";
        Self {
            age_zh: regex(
                r"(?:(\d{1,3})|([一二两三四五六七八九十]{1,3}))(岁|周岁|个月大|月龄|天大|日龄)|(\d{1,2})个?月(?:的)?(?:婴|宝宝|男婴|女婴|患儿|大)|(?:生后|出生)(\d{1,2})(天|日|周|个月)",
            ),
            age_en: regex(r"(\d{1,3}(?:\.\d)?) ?(year|yr|month|week|day|yo\b|y/o|y\.o)s?(?: old)?"),
            duration_zh: regex(&format!(
                r"{NUMBER_ZH}(?:余|多|来)?(?:个)?(?:余|多)?(小时|天|日|周|星期|月|年)(?:余|多)?"
            )),
            duration_en: regex(
                r"(\d+(?:\.\d+)?(?: to \d+| \d+)?|an?|one|two|three|four|five|six|seven|eight|nine|ten|several|few|many) ?(hour|day|week|month|year)s?( old)?( ago| history| duration)?",
            ),
            celsius: regex(r"(3[5-9]|4[0-2])(\.\d)? ?(?:℃|°c|摄氏度|度|c\b)"),
            fahrenheit: regex(r"(9[5-9]|10[0-8])(\.\d)? ?(?:℉|°f|f\b)"),
            laboratory: LABORATORY
                .iter()
                .map(|(finding, pattern, over, limit)| {
                    (regex(pattern), LaboratoryRule { finding, over: *over, limit: *limit })
                })
                .collect(),
        }
    }

    /// Age in years, with where it stands.
    fn age(&self, line: &Line) -> Option<(f32, usize, usize)> {
        let place = |m: regex_lite::Match<'_>| (line.position(m.start()), line.position(m.end()));
        let zh = self.age_zh.captures(&line.text).and_then(|c| {
            let number = |i: usize| c.get(i).and_then(|m| m.as_str().parse::<f32>().ok());
            let years = if let Some(unit) = c.get(3) {
                let n = number(1).or_else(|| c.get(2).and_then(|m| han_number(m.as_str())))?;
                n / match unit.as_str() {
                    "岁" | "周岁" => 1.0,
                    "个月大" | "月龄" => 12.0,
                    _ => 365.0,
                }
            } else if let Some(months) = number(4) {
                months / 12.0
            } else {
                let unit = c.get(6)?.as_str();
                number(5)?
                    / if unit == "周" {
                        52.0
                    } else if unit == "个月" {
                        12.0
                    } else {
                        365.0
                    }
            };
            Some((years, c.get(0)?))
        });
        let en = self.age_en.captures_iter(&line.text).find_map(|c| {
            let unit = c.get(2)?.as_str();
            let whole = c.get(0)?;
            if !whole.as_str().ends_with("old") && !unit.starts_with('y') {
                return None;
            }
            if is_of_lesion(&line.text[whole.end()..]) {
                return None;
            }
            // "for 3 years" is a duration.
            if unit == "year" && !whole.as_str().ends_with("old") {
                return None;
            }
            let n: f32 = c.get(1)?.as_str().parse().ok()?;
            let per_year = match unit {
                "month" => 12.0,
                "week" => 52.0,
                "day" => 365.0,
                _ => 1.0,
            };
            Some((n / per_year, whole))
        });
        let (years, m) = match (zh, en) {
            (Some(a), Some(b)) => {
                if a.1.start() <= b.1.start() {
                    a
                } else {
                    b
                }
            }
            (a, b) => a.or(b)?,
        };
        let (start, end) = place(m);
        (0.0..=120.0).contains(&years).then_some((years, start, end))
    }

    /// Findings that are numbers: duration, temperature, laboratory values.
    fn numbers(&self, line: &Line) -> Vec<(String, usize, usize)> {
        let mut out = Vec::new();
        let place = |m: &regex_lite::Match<'_>| (line.position(m.start()), line.position(m.end()));
        for (days, m) in self.durations(&line.text) {
            let (start, end) = place(&m);
            out.push((course_of(days).to_owned(), start, end));
        }
        let hottest = self
            .celsius
            .captures_iter(&line.text)
            .filter_map(|c| Some((degrees(&c)?, c.get(0)?)))
            .chain(
                self.fahrenheit
                    .captures_iter(&line.text)
                    .filter_map(|c| Some(((degrees(&c)? - 32.0) / 1.8, c.get(0)?))),
            )
            .max_by(|a, b| a.0.total_cmp(&b.0));
        if let Some((celsius, m)) = hottest {
            let (start, end) = place(&m);
            // Fever from 38.0, high from 39.0 (the red flags' limits, design/clinical.md); 37.3-37.9 is low-grade in Chinese practice.
            if celsius >= 39.0 {
                out.push(("high-fever".to_owned(), start, end));
            } else if celsius >= 37.3 {
                out.push(("fever".to_owned(), start, end));
            }
        }
        for (regex, rule) in &self.laboratory {
            for c in regex.captures_iter(&line.text) {
                let (Some(whole), Some(value)) = (c.get(0), c.get(1).and_then(|m| m.as_str().parse::<f32>().ok()))
                else {
                    continue;
                };
                if (value > rule.limit) == rule.over && value != rule.limit {
                    let (start, end) = place(&whole);
                    out.push((rule.finding.to_owned(), start, end));
                }
            }
        }
        out
    }

    /// Durations in days: no ages, no dates, no "twice a day".
    fn durations<'t>(&self, text: &'t str) -> Vec<(f32, regex_lite::Match<'t>)> {
        let zh = self.duration_zh.captures_iter(text).filter_map(|c| {
            let whole = c.get(0)?;
            let (before, after) = (&text[..whole.start()], &text[whole.end()..]);
            let next = after.chars().next();
            let often = |c: char| matches!(c, '洗' | '涂' | '抹' | '吃' | '服' | '用' | '换' | '次');
            // 3月 without 个 may be a date (3月5日), 1998年 is one; 一天洗两次 says how often.
            if next.is_some_and(|c| c.is_ascii_digit())
                || matches!(next, Some('龄' | '大' | '岁' | '级' | '生'))
                || before.ends_with(['每', '月', '年'])
                || (after.starts_with(often) && after.chars().take(5).any(|c| c == '次'))
                || (next.is_some_and(|c| "一二两三四".contains(c)) && after.chars().nth(1) == Some('次'))
            {
                return None;
            }
            let n = match c.get(1)?.as_str() {
                "半" => 0.5,
                "数" | "多" => 4.0,
                digits => digits.parse().ok().or_else(|| han_number(digits))?,
            };
            let unit = c.get(2)?.as_str();
            (!(unit == "年" && n > 100.0)).then_some((n * days_in(unit), whole))
        });
        let en = self.duration_en.captures_iter(text).filter_map(|c| {
            let whole = c.get(0)?;
            let before = text[..whole.start()].trim_end();
            if ["once", "twice", "times", "per", "every"].iter().any(|word| before.ends_with(word)) {
                return None;
            }
            // "3 months old" is an age, unless a lesion is that old.
            if c.get(3).is_some() && !is_of_lesion(&text[whole.end()..]) {
                return None;
            }
            let n = match c.get(1)?.as_str() {
                "a" | "an" | "one" => 1.0,
                "two" => 2.0,
                "three" => 3.0,
                "four" | "several" | "few" | "many" => 4.0,
                "five" => 5.0,
                "six" => 6.0,
                "seven" => 7.0,
                "eight" => 8.0,
                "nine" => 9.0,
                "ten" => 10.0,
                // Of "3 to 4" the first.
                digits => digits.split(' ').next()?.parse().ok()?,
            };
            Some((n * days_in(c.get(2)?.as_str()), whole))
        });
        zh.chain(en).collect()
    }
}

/// "A 3-month-old ulcer": what follows an age is a lesion, not a patient.
fn is_of_lesion(after: &str) -> bool {
    const LESIONS: [&str; 16] = [
        "rash", "lesion", "sore", "ulcer", "lump", "spot", "mole", "wound", "bite", "nodule", "patch", "plaque",
        "blister", "scar", "bump", "history",
    ];
    let word: String = after.trim_start().chars().take_while(char::is_ascii_alphabetic).collect();
    LESIONS.contains(&word.trim_end_matches('s'))
}

fn degrees(c: &regex_lite::Captures<'_>) -> Option<f32> {
    let decimals = c.get(2).map_or("", |m| m.as_str());
    format!("{}{decimals}", c.get(1)?.as_str()).parse().ok()
}

fn days_in(unit: &str) -> f32 {
    match unit {
        "小时" | "hour" => 1.0 / 24.0,
        "周" | "星期" | "week" => 7.0,
        "月" | "month" => 30.0,
        "年" | "year" => 365.0,
        _ => 1.0,
    }
}

/// Acute under 2 weeks, subacute to 6 weeks (the usual limits for urticaria and eczema), then chronic; beyond a year, years.
fn course_of(days: f32) -> &'static str {
    match days {
        d if d < 2.0 => "course-hours",
        d if d < 14.0 => "course-days",
        d if d < 42.0 => "course-weeks",
        d if d < 365.0 => "course-months",
        _ => "course-years",
    }
}

fn han_number(text: &str) -> Option<f32> {
    let digit =
        |c: char| "零一二三四五六七八九".chars().position(|d| d == c).or((c == '两').then_some(2)).map(|n| n as f32);
    match text.split_once('十') {
        Some((tens, ones)) => {
            let tens = if tens.is_empty() { 1.0 } else { digit(tens.chars().next()?)? };
            let ones = if ones.is_empty() { 0.0 } else { digit(ones.chars().next()?)? };
            Some(tens * 10.0 + ones)
        }
        None => digit(text.chars().next()?),
    }
}

fn sex(text: &str) -> Option<Sex> {
    const FEMALE: [&str; 17] = [
        "女性", "女孩", "女婴", "女童", "女，", "女,", ",女", "，女", "女患", "妇女", "孕妇", "女 ", "产妇", "妻子",
        "女儿", "女士", "女子",
    ];
    const MALE: [&str; 16] = [
        "男性", "男孩", "男婴", "男童", "男，", "男,", ",男", "，男", "男患", "男子", "男 ", "丈夫", "儿子", "先生",
        "男士", "小伙",
    ];
    let zh = |words: &[&str]| words.iter().filter_map(|w| text.find(w)).min();
    let en = |words: &[&str]| {
        words
            .iter()
            .filter_map(|w| {
                text.match_indices(w).map(|(at, _)| at).find(|&at| {
                    let border = |c: Option<char>| c.is_none_or(|c| !c.is_ascii_alphabetic());
                    border(text[..at].chars().next_back()) && border(text[at + w.len()..].chars().next())
                })
            })
            .min()
    };
    let first = |a: Option<usize>, b: Option<usize>| [a, b].into_iter().flatten().min();
    let female = first(zh(&FEMALE), en(&["female", "woman", "girl", "she", "her", "lady", "mother"]));
    let male = first(zh(&MALE), en(&["male", "man", "boy", "he", "his", "gentleman"]));
    match (female, male) {
        (Some(f), Some(m)) => Some(if f < m { Sex::Female } else { Sex::Male }),
        (Some(_), None) => Some(Sex::Female),
        (None, Some(_)) => Some(Sex::Male),
        (None, None) => None,
    }
}

/// Clauses without any understood word, in the writer's own words.
fn not_understood(folded: &[(char, usize)], covered: &[bool], original: &[char]) -> Vec<String> {
    let mut out = Vec::new();
    let mut start = 0;
    for at in 0..=folded.len() {
        let stop = at == folded.len() || HARD_STOPS.contains(&folded[at].0) || SOFT_STOPS.contains(&folded[at].0);
        if !stop {
            continue;
        }
        let has_words = folded[start..at].iter().any(|(c, _)| c.is_alphabetic());
        if has_words && !covered[start..at].iter().any(|c| *c) {
            let (from, to) = (folded[start].1, folded[at - 1].1 + 1);
            out.push(original[from..to].iter().collect::<String>().trim().to_owned());
        }
        start = at + 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vocabulary::Finding;

    fn vocabulary() -> Vocabulary {
        let finding = |id: &str, zh: &[&str], en: &[&str], denies: &[&str]| Finding {
            id: id.into(),
            category: "test".into(),
            zh: zh[0].into(),
            en: en[0].into(),
            syn_zh: zh[1..].iter().map(|s| (*s).to_owned()).collect(),
            syn_en: en[1..].iter().map(|s| (*s).to_owned()).collect(),
            implies: Vec::new(),
            denies: denies.iter().map(|s| (*s).to_owned()).collect(),
        };
        Vocabulary::new(vec![
            finding("itch", &["瘙痒", "痒"], &["itch", "itching", "itches", "itchy"], &[]),
            finding("no-itch", &["不痒", "无瘙痒"], &["non-pruritic"], &["itch"]),
            finding("fever", &["发热", "发烧"], &["fever", "febrile"], &[]),
            finding("high-fever", &["高热"], &["high fever"], &[]),
            finding("arthralgia", &["关节痛"], &["joint pain"], &[]),
            finding("erythema", &["红斑"], &["erythema", "red patch"], &[]),
            finding("vesicle", &["水疱"], &["vesicle"], &[]),
            finding("koh-positive", &["真菌镜检阳性", "真菌镜检"], &["KOH"], &[]),
            finding("course-days", &["急性起病"], &["acute onset"], &[]),
            finding("course-years", &["慢性病程"], &["chronic course"], &[]),
            finding("leucocytosis", &["白细胞升高"], &["leukocytosis"], &[]),
            finding("blanching", &["压之褪色"], &["blanching"], &[]),
            finding("non-blanching", &["压之不褪色"], &["do not blanch", "without blanching"], &["blanching"]),
            finding("unvaccinated", &["无疫苗接种史"], &["not vaccinated"], &[]),
        ])
    }

    fn read(text: &str) -> (Vec<String>, Vec<String>, Extraction) {
        let v = vocabulary();
        let e = Extractor::new(&v).extract(&v, text);
        let ids = |present: bool| {
            let mut ids: Vec<String> =
                e.findings.iter().filter(|f| f.present == present).map(|f| f.id.clone()).collect();
            ids.sort();
            ids.dedup();
            ids
        };
        (ids(true), ids(false), e)
    }

    #[test]
    fn chinese_negation_reaches_over_lists_and_stops_at_commas() {
        let (present, absent, _) = read("无发热、关节痛，伴瘙痒，可见红斑。");
        assert_eq!(present, ["erythema", "itch"]);
        assert_eq!(absent, ["arthralgia", "fever"]);
        let (present, absent, _) = read("无明显诱因出现红斑，否认发热，关节痛");
        assert_eq!(
            (present.as_slice(), absent.as_slice()),
            (&["erythema".to_owned()][..], &["arthralgia".to_owned(), "fever".to_owned()][..])
        );
    }

    #[test]
    fn english_negation_reaches_over_lists_and_stops_at_but() {
        let (present, absent, _) = read("No fever, joint pain or itching, but red patches with vesicles.");
        assert_eq!(present, ["erythema", "vesicle"]);
        assert_eq!(absent, ["arthralgia", "fever", "itch"]);
        let (present, absent, _) = read("KOH was negative. She is febrile.");
        assert_eq!((present.len(), absent.len()), (1, 1));
        let (present, absent, _) = read("No fever, eats well, itches slightly; red patch");
        assert_eq!(present, ["erythema", "itch"]);
        assert_eq!(absent, ["fever"]);
        let (present, _, _) = read("No fever, vesicles or joint pain");
        assert!(present.is_empty(), "{present:?}");
    }

    /// Sentences in which a denial stands beside something that is there: each once hid an emergency.
    #[test]
    fn denials_do_not_reach_into_the_present_illness() {
        for text in [
            "否认药物过敏史，突发发热",
            "全身无力、发热",
            "浑身没劲发热",
            "发热未及时就诊",
            "发热未见好转",
            "no known allergies, fever",
            "The itch is not better, fever since today",
            "purple spots that do not blanch, fever, drowsy",
            "purple spots without blanching, fever",
            "not itchy, fever, neck stiffness",
            "no itch, fever, neck stiffness",
            "无疫苗接种史、发热",
            "压之不褪色、发热",
            "spots that do not blanch, fever or joint pain",
        ] {
            let (present, _, _) = read(text);
            assert!(present.contains(&"fever".to_owned()), "{text}: {present:?}");
        }
    }

    #[test]
    fn durations_are_no_frequencies_and_lesions_have_ages_too() {
        let courses = |text: &str| read(text).0;
        assert_eq!(courses("一天洗两次，已经4年"), ["course-years"]);
        assert_eq!(courses("washed twice a day for 4 years"), ["course-years"]);
        let (present, _, e) = read("A 3-day-old ulcer on my nose");
        assert_eq!((present, e.age_years), (vec!["course-days".to_owned()], None));
    }

    #[test]
    fn an_absence_denies_its_presence() {
        let (present, absent, _) = read("皮疹不痒");
        assert_eq!((present.as_slice(), absent.as_slice()), (&["no-itch".to_owned()][..], &["itch".to_owned()][..]));
    }

    #[test]
    fn ages_sexes_durations_temperatures_and_laboratory_values() {
        let (present, _, e) = read("患者，女，45岁，红斑3天，体温39.5℃，WBC 15.2×10^9/L");
        assert_eq!((e.age_years, e.sex), (Some(45.0), Some(Sex::Female)));
        assert_eq!(present, ["course-days", "erythema", "high-fever", "leucocytosis"]);
        let (present, _, e) = read("A 6-month-old boy with an itchy red patch for 2 years, temperature 100.9 F");
        assert_eq!((e.age_years, e.sex), (Some(0.5), Some(Sex::Male)));
        assert_eq!(present, ["course-years", "erythema", "fever", "itch"]);
    }

    #[test]
    fn spans_point_into_the_text_as_typed() {
        let (_, _, e) = read("Facial RED PATCHES，发燒");
        let texts: Vec<&str> = e.findings.iter().map(|f| f.text.as_str()).collect();
        assert_eq!(texts, ["RED PATCHES", "发燒"]);
    }

    #[test]
    fn latin_words_match_at_borders_only_and_unknown_clauses_are_shown() {
        let (present, _, e) = read("feverish dream，患者喜食辛辣");
        assert!(present.is_empty(), "{present:?}");
        assert_eq!(e.not_understood, ["feverish dream", "患者喜食辛辣"]);
    }
}
