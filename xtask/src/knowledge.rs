//! Checks of the knowledge base that take longer than a test: search at 3,000 entries, and random text at the text entrance.

use barefoot_knowledge::{Article, Content, Encyclopedia, Patient, compile};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

type Result = std::result::Result<(), Box<dyn std::error::Error>>;

/// Times the queries of tests/data/search.jsonl on the encyclopedia and on one of 3,000 synthetic entries.
pub(crate) fn bench_search(root: &Path, say: &dyn Fn(&str)) -> Result {
    const SYNTHETIC: usize = 3_000;
    let content = Content::read(&root.join("core/knowledge/content"))?;
    let queries = json_lines(&root.join("tests/data/search.jsonl"), "q")?;
    let folder = tempfile::tempdir()?;
    let many = synthetic(&content, SYNTHETIC);
    for (name, content) in [("183 entries", &content), ("3,000 synthetic entries", &many)] {
        let file = folder.path().join("encyclopedia.sqlite");
        compile(content, &file)?;
        let start = Instant::now();
        let encyclopedia = Encyclopedia::open(&file)?;
        let opened = start.elapsed();
        let mut times = Vec::new();
        for query in &queries {
            let start = Instant::now();
            encyclopedia.search(query, 10)?;
            times.push(start.elapsed());
        }
        times.sort();
        let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
        say(&format!(
            "{name}: {} bytes, opened in {opened:.1?}, {} queries: median {:.2?}, p95 {:.2?}, worst {:.2?}",
            fs::metadata(&file)?.len(),
            times.len(),
            at(0.5),
            at(0.95),
            at(1.0)
        ));
    }
    Ok(())
}

/// Copies of the articles under other names, until there are `count`.
fn synthetic(content: &Content, count: usize) -> Content {
    let mut many = content.clone();
    let mut copy = 0;
    while many.articles.len() < count {
        copy += 1;
        for article in content.articles.iter().take(count - many.articles.len()) {
            let tag = |text: &String| format!("{text}{copy}");
            let names = |list: &Vec<String>| list.iter().map(tag).collect();
            let mut other: Article = article.clone();
            other.slug = format!("{}-{copy}", article.slug);
            other.names.zh = tag(&article.names.zh);
            other.names.en = tag(&article.names.en);
            other.names.lay_zh = names(&article.names.lay_zh);
            other.names.lay_en = names(&article.names.lay_en);
            other.names.former_zh = names(&article.names.former_zh);
            other.names.former_en = names(&article.names.former_en);
            other.look_alikes = article.look_alikes.clone();
            many.articles.push(other);
            if let Some(likelihoods) = content.likelihoods.iter().find(|l| l.slug == article.slug) {
                let mut likelihoods = likelihoods.clone();
                likelihoods.slug = format!("{}-{copy}", article.slug);
                many.likelihoods.push(likelihoods);
            }
        }
    }
    many
}

/// Feeds cut, joined and garbled case texts to every text entrance; a crash is the only failure. The seed replays a run.
pub(crate) fn fuzz_text(root: &Path, seconds: u64, seed: u64, say: &dyn Fn(&str)) -> Result {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("encyclopedia.sqlite");
    compile(&Content::read(&root.join("core/knowledge/content"))?, &file)?;
    let encyclopedia = Encyclopedia::open(&file)?;
    let mut corpus = Vec::new();
    for (name, key) in [("vignettes_tune", "text"), ("triage_tune", "text"), ("search", "q")] {
        corpus.extend(json_lines(&root.join(format!("tests/data/{name}.jsonl")), key)?);
    }
    let mut random = SplitMix(seed);
    let start = Instant::now();
    let mut texts = 0u64;
    while start.elapsed() < Duration::from_secs(seconds) {
        let text = garbled(&corpus, &mut random);
        let answer = encyclopedia.differential(&text, Patient::default(), &BTreeMap::new())?;
        let sum: f32 = answer.differential.iter().map(|d| d.p).sum();
        let length = text.chars().count();
        // A text without findings is answered with no ranking at all.
        let adds_up = answer.differential.is_empty() || (sum - 1.0).abs() < 1e-2;
        let sound = adds_up && answer.extraction.findings.iter().all(|f| f.span.0 < f.span.1 && f.span.1 <= length);
        if !sound {
            return Err(format!("seed {seed}, text {texts}: the answer is not sound").into());
        }
        encyclopedia.triage(&text, Patient::default())?;
        encyclopedia.search(&text, 10)?;
        texts += 1;
    }
    say(&format!(
        "seed {seed}: {texts} texts in {seconds} s through differential, triage and search: no crash, every answer sound"
    ));
    Ok(())
}

fn garbled(corpus: &[String], random: &mut SplitMix) -> String {
    const STRANGE: [char; 16] =
        ['\0', '\u{202e}', '\u{feff}', '😀', 'İ', 'ß', 'ﬁ', '　', '\n', '"', '\'', '%', '*', '\u{10ffff}', 'é', '０'];
    let pick = |random: &mut SplitMix| corpus[random.below(corpus.len())].chars().collect::<Vec<char>>();
    let mut text = pick(random);
    for _ in 0..random.below(6) {
        let at = random.below(text.len() + 1);
        match random.below(5) {
            0 => text.truncate(at),
            1 => text.insert(at, STRANGE[random.below(STRANGE.len())]),
            2 => {
                let other = pick(random);
                let (from, to) = (random.below(other.len() + 1), random.below(other.len() + 1));
                text.splice(at..at, other[from.min(to)..from.max(to)].iter().copied());
            }
            3 if !text.is_empty() => {
                let at = at.min(text.len() - 1);
                text[at] = char::from_u32(random.below(0xD7FF) as u32).unwrap_or('x');
            }
            _ => text.rotate_left(at),
        }
    }
    text.into_iter().collect()
}

/// Steele, Lea & Flood 2014: small, and the same everywhere.
struct SplitMix(u64);

impl SplitMix {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % limit.max(1) as u64) as usize
    }
}

/// One string of each line of a file of JSON objects.
fn json_lines(file: &Path, key: &str) -> std::result::Result<Vec<String>, Box<dyn std::error::Error>> {
    let text = fs::read_to_string(file)?;
    text.lines()
        .map(|line| {
            let value: serde_json::Value = serde_json::from_str(line)?;
            value[key].as_str().map(str::to_owned).ok_or_else(|| format!("a line lacks {key}").into())
        })
        .collect()
}
