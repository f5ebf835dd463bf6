//! Search: a layer of names over a full-text index.
//!
//! Scores (docs of each constant): a name beats any text. The figures come from the design's measurement
//! (hit@5 1.00 with this layer, .70 without) and are re-measured by `barefoot evaluate search`.

use crate::KnowledgeError;
use crate::encyclopedia::Encyclopedia;
use crate::fold::{fold, is_han, pinyin_variants, tokens};
use memchr::memmem::Finder;
use rusqlite::Connection;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The query is a name.
const EXACT: f32 = 100.0;
/// The query is a name's pinyin.
const PINYIN: f32 = 95.0;
/// What a lay name or a code costs against another disease's shown name.
const MAX_MALUS: f32 = 2.0;
/// The query is the initials of a name's pinyin.
const INITIALS: f32 = 80.0;
/// A name, or its pinyin, begins with the query.
const PREFIX: f32 = 60.0;
/// A name contains the query, or the query a name.
const CONTAINS: f32 = 45.0;
/// Best score under which spelling mistakes are considered.
const TYPO_BELOW: f32 = 50.0;
/// A name one mistake away; each further mistake costs [`TYPO_STEP`].
const TYPO: f32 = 50.0;
const TYPO_STEP: f32 = 6.0;
/// A Chinese query that sounds like a name but is written otherwise (红班狼疮 for 红斑狼疮).
const HOMOPHONE: f32 = 75.0;
/// What a spelling mistake in one word of a longer English name costs.
const WORD_MALUS: f32 = 3.0;
/// Best full-text hit; below every name.
const TEXT: f32 = 40.0;
/// Best hit by findings: above the text, whose words it weighs, below names.
const FINDINGS: f32 = 44.0;
/// Of a hit by findings, what the differential says; the text says the rest.
const DIFFERENTIAL_SHARE: f32 = 0.6;
/// Longest query, characters; the rest is ignored.
const MAX_QUERY_CHARS: usize = 200;
/// Words of a long text that are looked up.
const MAX_WORDS: usize = 400;
/// bm25 weights of the columns names, names_en, features, body, body_en.
const COLUMN_WEIGHTS: &str = "10.0, 10.0, 4.0, 1.0, 0.5";

/// What a hit was found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HitKind {
    /// The name as it stands.
    Name,
    /// The name's pinyin or its initials.
    Pinyin,
    /// Part of a name.
    Part,
    /// A name that is spelt nearly so.
    Typo,
    /// Findings that the query names.
    Finding,
    /// The article's text.
    Text,
}

/// One disease that a query found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Hit {
    /// Disease.
    pub slug: String,
    /// Chinese name.
    pub zh: String,
    /// English name.
    pub en: String,
    /// 0 to 100.
    pub score: f32,
    /// What it was found by.
    pub kind: HitKind,
    /// The name that was perhaps meant, where the query is spelt otherwise.
    pub did_you_mean: Option<String>,
}

/// All names in memory: some thousand short strings.
#[derive(Debug)]
pub(crate) struct NameIndex {
    names: Vec<Name>,
    diseases: HashMap<i64, (String, String, String)>,
    ids: HashMap<String, i64>,
}

#[derive(Debug)]
struct Name {
    disease: i64,
    folded: String,
    pinyin: Vec<String>,
    initials: Vec<String>,
    /// Lay names, abbreviations and codes rank a little under the shown name of another disease.
    malus: f32,
    code: bool,
    long: bool,
    /// Characters of `folded`.
    length: usize,
}

impl NameIndex {
    pub(crate) fn read(db: &Connection) -> Result<Self, KnowledgeError> {
        let split = |text: String| text.split(' ').filter(|s| !s.is_empty()).map(str::to_owned).collect();
        let names = db
            .prepare("SELECT disease, kind, folded, pinyin, initials FROM name ORDER BY rowid")?
            .query_map([], |row| {
                let kind: String = row.get(1)?;
                let folded: String = row.get(2)?;
                Ok(Name {
                    long: long_enough(&folded),
                    length: folded.chars().count(),
                    disease: row.get(0)?,
                    folded,
                    pinyin: split(row.get(3)?),
                    initials: split(row.get(4)?),
                    malus: match kind.as_str() {
                        "name" => 0.0,
                        "abbr" => 0.5,
                        "former" => 1.0,
                        _ => MAX_MALUS,
                    },
                    code: kind == "code",
                })
            })?
            .collect::<Result<_, _>>()?;
        let diseases: HashMap<i64, (String, String, String)> = db
            .prepare("SELECT id, slug, zh, en FROM disease")?
            .query_map([], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?, row.get(3)?))))?
            .collect::<Result<_, _>>()?;
        let ids = diseases.iter().map(|(id, d)| (d.0.clone(), *id)).collect();
        Ok(Self { names, diseases, ids })
    }
}

#[derive(Debug, Clone, Copy)]
struct Best {
    score: f32,
    kind: HitKind,
    name: usize,
}

impl Encyclopedia {
    /// Finds diseases by whatever is typed: names in Chinese (both scripts), English, pinyin, initials, codes, findings, drugs.
    /// At most `limit` hits, best first. Reads the encyclopedia.
    ///
    /// # Errors
    /// When the file is damaged.
    pub fn search(&self, query: &str, limit: usize) -> Result<Vec<Hit>, KnowledgeError> {
        let query = fold(&query.chars().take(MAX_QUERY_CHARS).collect::<String>());
        if query.is_empty() {
            return Ok(Vec::new());
        }
        let mut best: HashMap<i64, Best> = HashMap::new();
        let asked = Query::new(&query);
        for (at, name) in self.names.names.iter().enumerate() {
            if let Some((score, kind)) = asked.matches(name) {
                offer(&mut best, name.disease, Best { score: score - name.malus, kind, name: at });
            }
        }
        let best_score = best.values().map(|b| b.score).fold(0.0, f32::max);
        // A name as it stands needs no words of the text.
        if best_score < PINYIN - MAX_MALUS {
            let text = self.full_text(&query)?;
            // What is understood as findings is not a misspelt name.
            if best_score < TYPO_BELOW && !self.by_findings(&query, &text, &mut best)? {
                self.by_typo(&query, &mut best);
            }
            for (disease, share) in text {
                let hit = Best { score: TEXT * share, kind: HitKind::Text, name: 0 };
                best.entry(disease).and_modify(|b| b.score += share).or_insert(hit);
            }
        }
        let mut order: Vec<(i64, Best)> = best.into_iter().collect();
        order.sort_by(|(a_id, a), (b_id, b)| b.score.total_cmp(&a.score).then(a_id.cmp(b_id)));
        order.truncate(limit);
        Ok(order.into_iter().map(|(id, best)| self.hit(id, best)).collect())
    }

    /// Names that are spelt nearly so.
    fn by_typo(&self, query: &str, best: &mut HashMap<i64, Best>) {
        let letters: Vec<char> = query.chars().collect();
        for (at, name) in self.names.names.iter().enumerate().filter(|(_, n)| !n.code) {
            if let Some(cost) = typo_cost(&letters, name) {
                offer(best, name.disease, Best { score: TYPO - cost - name.malus, kind: HitKind::Typo, name: at });
            }
        }
    }

    /// Findings in the query -> the differential's first diseases. Says whether the whole query was understood.
    fn by_findings(
        &self,
        query: &str,
        text: &[(i64, f32)],
        best: &mut HashMap<i64, Best>,
    ) -> Result<bool, KnowledgeError> {
        let share: BTreeMap<String, f32> = text.iter().map(|&(id, share)| (self.slug(id), share)).collect();
        let Some((leaders, understood)) = self.rank_query(query, &share)? else { return Ok(false) };
        let top = leaders.first().map_or(1.0, |d| d.p);
        for ranked in &leaders {
            let Some(&id) = self.names.ids.get(&ranked.slug) else { continue };
            let text = share.get(&ranked.slug).copied().unwrap_or(0.0);
            let score = FINDINGS * (DIFFERENTIAL_SHARE * ranked.p / top + (1.0 - DIFFERENTIAL_SHARE) * text);
            offer(best, id, Best { score, kind: HitKind::Finding, name: 0 });
        }
        Ok(understood)
    }

    fn slug(&self, id: i64) -> String {
        self.names.diseases.get(&id).map(|d| d.0.clone()).unwrap_or_default()
    }

    fn hit(&self, id: i64, best: Best) -> Hit {
        let (slug, zh, en) = self.names.diseases.get(&id).cloned().unwrap_or_default();
        let did_you_mean = (best.kind == HitKind::Typo).then(|| self.names.names[best.name].folded.clone());
        Hit { slug, zh, en, score: best.score.clamp(0.0, EXACT), kind: best.kind, did_you_mean }
    }

    /// How well a case's text agrees with each article, 0 to 1 per slug, 1 for the best. Reads the encyclopedia.
    pub(crate) fn text_agreement(&self, text: &str) -> Result<BTreeMap<String, f32>, KnowledgeError> {
        let found = self.full_text(&fold(text))?;
        Ok(found.into_iter().map(|(id, share)| (self.slug(id), share)).collect())
    }

    /// Diseases whose article has any of the words, with bm25 as a share of the best.
    fn full_text(&self, folded: &str) -> Result<Vec<(i64, f32)>, KnowledgeError> {
        let unique: BTreeSet<String> = tokens(folded).into_iter().collect();
        let words: Vec<String> = unique.iter().take(MAX_WORDS).map(|t| format!("\"{t}\"")).collect();
        if words.is_empty() {
            return Ok(Vec::new());
        }
        let sql = format!(
            "SELECT rowid, bm25(article_text, {COLUMN_WEIGHTS}) FROM article_text WHERE article_text MATCH ?1 ORDER BY 2 LIMIT 50"
        );
        let mut statement = self.db.prepare_cached(&sql)?;
        let found: Vec<(i64, f32)> = statement
            .query_map([words.join(" OR ")], |row| Ok((row.get(0)?, row.get::<_, f64>(1)? as f32)))?
            .collect::<Result<_, _>>()?;
        // bm25 is negative; the best hit is the most negative.
        let Some(top) = found.first().map(|f| f.1) else { return Ok(found) };
        Ok(found.into_iter().map(|(id, rank)| (id, (rank / top).clamp(0.0, 1.0))).collect())
    }
}

fn offer(best: &mut HashMap<i64, Best>, disease: i64, candidate: Best) {
    let entry = best.entry(disease).or_insert(candidate);
    if candidate.score > entry.score {
        *entry = candidate;
    }
}

/// A query, with what every name is compared with.
struct Query<'q> {
    text: &'q str,
    /// Without spaces.
    letters: String,
    /// Letters, digits and spaces only.
    ascii: bool,
    long: bool,
    finder: Finder<'q>,
    /// Pinyin of a Chinese query.
    sounds: Vec<String>,
}

impl<'q> Query<'q> {
    fn new(text: &'q str) -> Self {
        Self {
            text,
            letters: text.replace(' ', ""),
            ascii: text.is_ascii(),
            long: long_enough(text),
            finder: Finder::new(text),
            sounds: pinyin_variants(text).iter().map(|syllables| syllables.concat()).collect(),
        }
    }

    fn matches(&self, name: &Name) -> Option<(f32, HitKind)> {
        if name.folded == self.text {
            return Some((EXACT, HitKind::Name));
        }
        // A longer name that merely contains the query is a poorer match than a shorter one.
        let share = |whole: &str, part: &str| 5.0 * part.chars().count() as f32 / whole.chars().count().max(1) as f32;
        if self.ascii && !name.pinyin.is_empty() {
            let letters = self.letters.as_str();
            if name.pinyin.iter().any(|p| p == letters) {
                return Some((PINYIN, HitKind::Pinyin));
            }
            if letters.len() > 1 && name.initials.iter().any(|i| i == letters) {
                return Some((INITIALS, HitKind::Pinyin));
            }
            if letters.len() > 3
                && let Some(whole) = name.pinyin.iter().find(|p| p.starts_with(letters))
            {
                return Some((PREFIX - 5.0 + share(whole, letters), HitKind::Pinyin));
            }
        }
        if name.folded.len() > self.text.len() {
            if name.folded.starts_with(self.text) {
                return Some((PREFIX + share(&name.folded, self.text), HitKind::Part));
            }
            if !name.code && self.long && self.finder.find(name.folded.as_bytes()).is_some() {
                return Some((CONTAINS + share(&name.folded, self.text), HitKind::Part));
            }
        } else if !name.code && name.long && contains_whole(self.text, &name.folded) {
            return Some((CONTAINS + share(self.text, &name.folded), HitKind::Part));
        }
        self.homophone(name).map(|score| (score, HitKind::Typo))
    }

    /// Does a name, or a part of it, sound like the query?
    fn homophone(&self, name: &Name) -> Option<f32> {
        const PART_FROM: usize = 6;
        let same = |s: &String| name.pinyin.contains(s);
        if self.sounds.iter().any(same) {
            return Some(HOMOPHONE);
        }
        let part = |s: &String| s.len() >= PART_FROM && name.pinyin.iter().any(|p| p.contains(s.as_str()));
        self.sounds.iter().any(part).then_some(CONTAINS + 5.0)
    }
}

/// Long enough to mean something inside another text.
fn long_enough(text: &str) -> bool {
    text.chars().count() > if text.chars().any(is_han) { 1 } else { 3 }
}

/// Chinese anywhere; Latin only at word borders ("lice" is not in "police").
pub(crate) fn contains_whole(text: &str, part: &str) -> bool {
    text.match_indices(part).any(|(at, _)| {
        let latin = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        part.chars().any(is_han)
            || !(latin(text[..at].chars().next_back()) || latin(text[at + part.len()..].chars().next()))
    })
}

/// What the spelling mistakes between the query and a name, its pinyin or one of its words cost, when few enough to be meant.
fn typo_cost(query: &[char], name: &Name) -> Option<f32> {
    let han = query.iter().any(|c| is_han(*c));
    let allowed = (query.len() / 3).min(3);
    if allowed == 0 {
        return None;
    }
    let distance = |text: &str| {
        // Latin text has a byte a letter: most names are too long or too short, and that is seen without reading them.
        if !han && text.len().abs_diff(query.len()) > allowed {
            return None;
        }
        edit_distance(query, &text.chars().collect::<Vec<_>>(), allowed).filter(|d| *d > 0)
    };
    let cost = |mistakes: usize| TYPO_STEP * (mistakes as f32 - 1.0);
    let whole = (name.length.abs_diff(query.len()) <= allowed).then(|| distance(&name.folded)).flatten().map(cost);
    let pinyin = name.pinyin.iter().filter(|_| !han).filter_map(|text| distance(text)).min().map(cost);
    let words = || name.folded.split(' ').filter(|word| word.len() > 4 && word.len() < name.folded.len());
    let word = if han { None } else { words().filter_map(distance).min().map(|d| cost(d) + WORD_MALUS) };
    [whole, pinyin, word].into_iter().flatten().reduce(f32::min)
}

/// Optimal string alignment distance (insert, delete, replace, swap neighbours), given up beyond `allowed`.
fn edit_distance(a: &[char], b: &[char], allowed: usize) -> Option<usize> {
    if a.len().abs_diff(b.len()) > allowed {
        return None;
    }
    let mut rows = [vec![0; b.len() + 1], (0..=b.len()).collect::<Vec<_>>(), vec![0; b.len() + 1]];
    for i in 1..=a.len() {
        let (before, now) = ((i + 2) % 3, (i + 1) % 3);
        let last = i % 3;
        rows[now][0] = i;
        let mut least = i;
        for j in 1..=b.len() {
            let replaced = rows[last][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut cost = replaced.min(rows[last][j] + 1).min(rows[now][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                cost = cost.min(rows[before][j - 2] + 1);
            }
            rows[now][j] = cost;
            least = least.min(cost);
        }
        if least > allowed {
            return None;
        }
    }
    let distance = rows[(a.len() + 1) % 3][b.len()];
    (distance <= allowed).then_some(distance)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distance(a: &str, b: &str) -> Option<usize> {
        edit_distance(&a.chars().collect::<Vec<_>>(), &b.chars().collect::<Vec<_>>(), 3)
    }

    #[test]
    fn edit_distance_counts_swaps_once_and_gives_up() {
        assert_eq!(distance("scabies", "scabeis"), Some(1));
        assert_eq!(distance("psoriasis", "soriasis"), Some(1));
        assert_eq!(distance("eczema", "exzema"), Some(1));
        assert_eq!(distance("acne", "melanoma"), None);
        assert_eq!(distance("", "abc"), Some(3));
    }

    #[test]
    fn latin_names_match_at_word_borders_only() {
        assert!(contains_whole("head lice child", "lice"));
        assert!(!contains_whole("police", "lice"));
        assert!(contains_whole("孩子头虱怎么办", "头虱"));
    }
}
