//! The encyclopedia as a folder of web pages: static, offline, for a phone. One page per disease and language, an index, the drawings.

use crate::article::{Article, Triage};
use crate::vocabulary::Finding;
use crate::{Encyclopedia, KnowledgeError, Lookalike};
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;

const STYLE: &str = include_str!("html.css");
/// Shows those entries of the index whose names hold what is typed. The index is whole without it.
const FILTER: &str = "<script>\
const q=document.getElementById('q');q.hidden=false;\
q.oninput=()=>{const t=q.value.normalize('NFKC').toLowerCase().replace(/[\\s'’-]+/g,'');\
for(const e of document.querySelectorAll('li'))e.hidden=!e.dataset.names.includes(t);\
for(const s of document.querySelectorAll('.chapter'))s.hidden=!s.querySelector('li:not([hidden])')}\
</script>";
/// Chinese names of the chapters.
const CHAPTERS: [(&str, &str); 24] = [
    ("Acne, follicles, sweat", "痤疮、毛囊、汗腺"),
    ("Autoimmune bullous", "自身免疫性大疱病"),
    ("Bacterial", "细菌感染"),
    ("Drug eruptions", "药疹"),
    ("Eczema & dermatitis", "湿疹与皮炎"),
    ("Fungal", "真菌感染"),
    ("Genetic", "遗传性皮肤病"),
    ("Hair & nails", "毛发与甲"),
    ("Light, heat, cold", "光、热、冷"),
    ("Lupus erythematosus", "红斑狼疮"),
    ("Metabolic, nutritional", "代谢与营养"),
    ("Mycobacterial & treponemal NTD", "分枝杆菌与密螺旋体病"),
    ("Newborn", "新生儿"),
    ("Oral", "口腔"),
    ("Other connective tissue / vascular", "其他结缔组织病与血管病"),
    ("Parasites, bites, envenoming", "寄生虫、叮咬、中毒"),
    ("Pigment", "色素"),
    ("Pregnancy", "妊娠"),
    ("Psoriasis & papulosquamous", "银屑病与丘疹鳞屑病"),
    ("STI & genital", "性病与外生殖器"),
    ("Tumours", "肿瘤"),
    ("Ulcers, pressure, scars", "溃疡、压力伤、瘢痕"),
    ("Urticaria, itch, anaphylaxis", "荨麻疹、瘙痒、过敏反应"),
    ("Viral & exanthems", "病毒感染与发疹"),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Language {
    Zh,
    En,
}

impl Language {
    const ALL: [Self; 2] = [Self::Zh, Self::En];

    fn pick<T>(self, zh: T, en: T) -> T {
        match self {
            Self::Zh => zh,
            Self::En => en,
        }
    }

    fn other(self) -> Self {
        self.pick(Self::En, Self::Zh)
    }

    /// As in the names of files.
    fn ending(self) -> &'static str {
        self.pick("zh", "en")
    }
}

impl Encyclopedia {
    /// Writes the whole encyclopedia as web pages into `folder`, which is made where it is missing: `index.html`, `drawings.html`,
    /// `SLUG.zh.html` and `SLUG.en.html`, `drawings/`. They need no network. Answers how many diseases there are. Does I/O.
    ///
    /// # Errors
    /// When a file cannot be written, or the encyclopedia is damaged.
    pub fn export_html(&self, folder: &Path) -> Result<usize, KnowledgeError> {
        let pictures = folder.join("drawings");
        fs::create_dir_all(&pictures).map_err(|source| KnowledgeError::Write { path: pictures.clone(), source })?;
        write(&folder.join("style.css"), STYLE)?;
        for id in self.drawings()?.into_iter().filter(|id| is_file_name(id)) {
            write(&pictures.join(format!("{id}.svg")), &self.drawing(&id)?.unwrap_or_default())?;
        }
        let findings: HashMap<&str, &Finding> = self.vocabulary()?.iter().map(|f| (f.id.as_str(), f)).collect();
        write(&folder.join("drawings.html"), &self.drawings_page(&findings)?)?;
        let mut articles = Vec::new();
        for slug in self.slugs()? {
            // Slugs become names of files: a damaged encyclopedia must not write elsewhere.
            if !is_file_name(&slug) {
                return Err(KnowledgeError::NoArticle);
            }
            let article = self.article(&slug)?;
            for language in Language::ALL {
                let page = self.article_page(&article, language, &findings)?;
                write(&folder.join(format!("{slug}.{}.html", language.ending())), &page)?;
            }
            articles.push(article);
        }
        write(&folder.join("index.html"), &self.index_page(&articles)?)?;
        Ok(articles.len())
    }

    fn index_page(&self, articles: &[Article]) -> Result<String, KnowledgeError> {
        let mut chapters: BTreeMap<&str, Vec<&Article>> = BTreeMap::new();
        for article in articles {
            chapters.entry(&article.group).or_default().push(article);
        }
        let mut body = format!(
            "<h1>Barefoot 皮肤病百科</h1><p class=\"other\">Encyclopedia of skin diseases: {}</p>\
             <p><a href=\"drawings.html\">皮损图 <span lang=\"en\">Drawings of lesions</span></a></p>\
             <input id=\"q\" type=\"search\" hidden autocomplete=\"off\" placeholder=\"名称、拼音、首字母、ICD / name\" \
             aria-label=\"筛选 / filter\">",
            articles.len()
        );
        body += &legend();
        for (chapter, articles) in chapters {
            let zh = CHAPTERS.iter().find(|(en, _)| *en == chapter).map_or("", |(_, zh)| zh);
            body += &format!(
                "<section class=\"chapter\"><h2>{zh} <span class=\"dim\" lang=\"en\">{}</span></h2><ul>",
                escape(chapter)
            );
            for a in articles {
                let slug = &a.slug;
                body += &format!(
                    "<li data-names=\"{}\"><span><a href=\"{slug}.zh.html\">{}</a> <a class=\"en\" lang=\"en\" href=\"{slug}.en.html\">{}</a></span>{}</li>",
                    escape(&self.names_typed(a)?),
                    escape(&a.names.zh),
                    escape(&a.names.en),
                    badge(a.triage, Language::Zh, true)
                );
            }
            body += "</ul></section>";
        }
        body += "<p class=\"note\">教学与研究用，未经皮肤科医师审阅；诊断由医师作出。<br>\
                 <span lang=\"en\">For teaching and research, not yet reviewed by a dermatologist; the doctor decides.</span></p>";
        body += FILTER;
        Ok(page("Barefoot 皮肤病百科", Language::Zh, "", &body))
    }

    /// Everything that a disease may be called by in the filter of the index, without spaces.
    fn names_typed(&self, article: &Article) -> Result<String, KnowledgeError> {
        let n = &article.names;
        let lists = [&n.lay_zh, &n.lay_en, &n.former_zh, &n.former_en, &n.abbr];
        let mut all: Vec<String> = [&n.zh, &n.en].into_iter().chain(lists.into_iter().flatten()).cloned().collect();
        let mut statement = self.db.prepare_cached(
            "SELECT folded, pinyin, initials FROM name JOIN disease ON disease.id = name.disease WHERE slug = ?1 ORDER BY name.rowid",
        )?;
        let rows = statement.query_map([&article.slug], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?]))?;
        for row in rows {
            let [folded, pinyin, initials]: [String; 3] = row?;
            all.push(folded);
            all.extend(
                [pinyin, initials].iter().flat_map(|list| list.split(' ')).filter(|s| !s.is_empty()).map(str::to_owned),
            );
        }
        let mut typed: Vec<String> =
            all.iter().map(|name| name.to_lowercase().replace([' ', '-', '\'', '’'], "")).collect();
        typed.sort();
        typed.dedup();
        Ok(typed.join("|"))
    }

    fn drawings_page(&self, findings: &HashMap<&str, &Finding>) -> Result<String, KnowledgeError> {
        let mut body =
            "<h1>皮损图</h1><p class=\"other\" lang=\"en\">Drawings of lesions and arrangements</p>".to_owned();
        let ids = self.drawings()?;
        let of = |id: &str| findings.get(id).copied().filter(|_| is_file_name(id));
        for (zh, en, arrangement) in [("皮损形态", "Lesion shapes", false), ("排列与分布", "Arrangements", true)]
        {
            body += &format!("<h2>{zh} <span class=\"dim\" lang=\"en\">{en}</span></h2><div class=\"drawings\">");
            for finding in ids.iter().filter_map(|id| of(id)).filter(|f| (f.category == "arrangement") == arrangement) {
                let caption = format!("{}<br><span lang=\"en\">{}</span>", escape(&finding.zh), escape(&finding.en));
                body += &shape(finding, &caption, Language::Zh);
            }
            body += "</div>";
        }
        Ok(page("皮损图 / Drawings", Language::Zh, "<a href=\"index.html\">目录 / Index</a>", &body))
    }

    fn article_page(
        &self,
        article: &Article,
        language: Language,
        findings: &HashMap<&str, &Finding>,
    ) -> Result<String, KnowledgeError> {
        let n = &article.names;
        let slug = &article.slug;
        let keys: Vec<&str> = article.sources.iter().map(|s| s.key.as_str()).collect();
        let other = language.other();
        let navigation = format!(
            "<a href=\"index.html\">{}</a><a href=\"{slug}.{}.html\" lang=\"{}\">{}</a>",
            language.pick("‹ 目录", "‹ Index"),
            other.ending(),
            other.pick("zh-CN", "en"),
            other.pick("中文", "English")
        );
        let (title, second) = language.pick((&n.zh, &n.en), (&n.en, &n.zh));
        let mut body = format!(
            "<h1>{}</h1><p class=\"other\" lang=\"{}\">{}</p>",
            escape(title),
            other.pick("zh-CN", "en"),
            escape(second)
        );
        body += &names_and_codes(article, language);
        body += &format!("<p class=\"note\">{}</p>", reviewed(article, language));
        for section in article.sections() {
            let class = match section.key {
                "card" => " class=\"card\"",
                "red_flags" | "refer_emergency" | "do_not" => " class=\"danger\"",
                _ => "",
            };
            let text = prose(language.pick(&section.text.zh, &section.text.en), &keys);
            body += &format!(
                "<section id=\"{}\"{class}><h2>{}</h2>{text}",
                section.key,
                language.pick(section.title_zh, section.title_en)
            );
            if section.key == "features" {
                body += &self.pictures(slug, language, findings)?;
            }
            body += "</section>";
            if section.key == "tests" {
                body += &look_alikes(&self.look_alikes(slug)?, language, &keys);
            }
        }
        body += &format!("<section class=\"sources\"><h2>{}</h2><ol>", language.pick("来源", "Sources"));
        for source in &article.sources {
            body +=
                &format!("<li id=\"source-{}\">{} ({})</li>", escape(&source.key), escape(&source.text), source.year);
        }
        body += &format!(
            "</ol><p class=\"dim\">Barefoot · {slug} · {} {}</p></section>",
            language.pick("版本", "version"),
            article.version
        );
        Ok(page(title, language, &navigation, &body))
    }

    /// The drawings of an article: where it is, what shape it has.
    fn pictures(
        &self,
        slug: &str,
        language: Language,
        findings: &HashMap<&str, &Finding>,
    ) -> Result<String, KnowledgeError> {
        let name = |id: &String| findings.get(id.as_str()).map(|f| language.pick(f.zh.as_str(), f.en.as_str()));
        let mut out = String::new();
        let figures = self.figures_of(slug)?;
        if let Some(first) = figures.first() {
            let sites: Vec<&str> = first.sites.iter().filter_map(name).collect();
            let sites =
                format!("{}{}", language.pick("常见部位：", "Usual sites: "), sites.join(language.pick("、", ", ")));
            out += "<div class=\"figures\">";
            for figure in &figures {
                // A page knows what an svg is.
                let svg = figure.svg.replace(" xmlns=\"http://www.w3.org/2000/svg\"", " aria-hidden=\"true\"");
                out += &format!("<figure>{svg}</figure>");
            }
            out += &format!("</div><p class=\"dim\">{}</p>", escape(&sites));
        }
        let shapes = self.drawings_of(slug)?;
        if !shapes.is_empty() {
            out += "<div class=\"drawings\">";
            for finding in shapes.iter().filter_map(|id| findings.get(id.as_str())) {
                out += &shape(finding, &escape(language.pick(&finding.zh, &finding.en)), language);
            }
            out += "</div>";
        }
        Ok(out)
    }
}

fn shape(finding: &Finding, caption: &str, language: Language) -> String {
    let name = escape(language.pick(&finding.zh, &finding.en));
    format!(
        "<figure><img src=\"drawings/{}.svg\" alt=\"{name}\" width=\"120\" height=\"80\"><figcaption>{caption}</figcaption></figure>",
        escape(&finding.id)
    )
}

fn page(title: &str, language: Language, navigation: &str, body: &str) -> String {
    let navigation = if navigation.is_empty() { String::new() } else { format!("<nav>{navigation}</nav>") };
    format!(
        "<!doctype html>\n<html lang=\"{}\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\"><title>{}</title><link rel=\"stylesheet\" href=\"style.css\"></head>\n\
         <body>{navigation}<main>{body}</main></body></html>\n",
        language.pick("zh-CN", "en"),
        escape(title)
    )
}

fn names_and_codes(article: &Article, language: Language) -> String {
    let n = &article.names;
    let lists = [language.pick(&n.lay_zh, &n.lay_en), language.pick(&n.former_zh, &n.former_en), &n.abbr];
    let mut also: Vec<&str> = Vec::new();
    for name in lists.into_iter().flatten() {
        if !also.contains(&name.as_str()) {
            also.push(name);
        }
    }
    let mut out = format!("<p>{}</p>", badge(article.triage, language, false));
    if !also.is_empty() {
        let also = also.join(language.pick("、", ", "));
        out += &format!("<p class=\"dim\">{}{}</p>", language.pick("又称：", "Also: "), escape(&also));
    }
    let c = &article.codes;
    out + &format!(
        "<p class=\"dim\">ICD-10 {} <span lang=\"en\">{}</span><br>ICD-11 {} <span lang=\"en\">{}</span></p>",
        escape(&c.icd10),
        escape(&c.icd10_title),
        escape(&c.icd11),
        escape(&c.icd11_title)
    )
}

/// What the badges of the index mean.
fn legend() -> String {
    let levels = [
        (Triage::E, "the same day"),
        (Triage::U, "within 2 weeks"),
        (Triage::R, "routine"),
        (Triage::P, "primary care"),
    ];
    let items: Vec<String> = levels
        .into_iter()
        .map(|(level, en)| format!("<span>{} <span lang=\"en\">{en}</span></span>", badge(level, Language::Zh, true)))
        .collect();
    format!("<p class=\"dim legend\">{}</p>", items.join(" "))
}

fn badge(level: Triage, language: Language, short: bool) -> String {
    let text = match (level, short) {
        (Triage::E, true) => "当日",
        (Triage::U, true) => "2周内",
        (Triage::R, true) => "转诊",
        (Triage::P, true) => "基层",
        (Triage::E, false) => language.pick("急症：当日转诊", "Emergency: the same day"),
        (Triage::U, false) => language.pick("两周内转诊", "Urgent: within 2 weeks"),
        (Triage::R, false) => language.pick("常规转诊", "Routine referral"),
        (Triage::P, false) => language.pick("基层处理", "Primary care"),
    };
    format!("<span class=\"badge {level:?}\">{text}</span>")
}

fn reviewed(article: &Article, language: Language) -> String {
    if article.reviewed_by.is_empty() {
        language.pick("尚未经皮肤科医师审阅", "Not yet reviewed by a dermatologist").to_owned()
    } else {
        format!("{}{}", language.pick("审阅：", "Reviewed by "), escape(&article.reviewed_by))
    }
}

fn look_alikes(list: &[Lookalike], language: Language, keys: &[&str]) -> String {
    if list.is_empty() {
        return String::new();
    }
    let title = language.pick("像什么，怎么分", "Looks like, and how to tell apart");
    let mut out = format!("<section id=\"look_alikes\"><h2>{title}</h2>");
    for l in list {
        out += &format!(
            "<h3><a href=\"{}.{}.html\">{}</a></h3>{}",
            escape(&l.slug),
            language.ending(),
            escape(language.pick(&l.name_zh, &l.name_en)),
            prose(language.pick(&l.zh, &l.en), keys)
        );
    }
    out + "</section>"
}

/// A section's text: `- ` lines become a list, other lines paragraphs, `[key]` a link to the source.
fn prose(text: &str, keys: &[&str]) -> String {
    let mut out = String::new();
    let mut in_list = false;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let item = line.strip_prefix("- ");
        if item.is_some() != in_list {
            out += if in_list { "</ul>" } else { "<ul>" };
            in_list = !in_list;
        }
        let text = cited(item.unwrap_or(line), keys);
        out += &if in_list { format!("<li>{text}</li>") } else { format!("<p>{text}</p>") };
    }
    if in_list {
        out += "</ul>";
    }
    out
}

/// One line, escaped, with its citations as numbers. A key of another article, which a look-alike's text may hold, is left out.
fn cited(line: &str, keys: &[&str]) -> String {
    let is_key =
        |key: &str| !key.is_empty() && key.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    let mut out = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('[') {
        match after.split_once(']').filter(|(key, _)| is_key(key)) {
            Some((key, after)) => {
                out += &escape(before.trim_end());
                if let Some(at) = keys.iter().position(|k| *k == key) {
                    out += &format!("<sup><a href=\"#source-{key}\">{}</a></sup>", at + 1);
                }
                rest = after;
            }
            None => {
                out += &escape(before);
                out.push('[');
                rest = after;
            }
        }
    }
    out + &escape(rest)
}

/// For text and for attributes in double quotes.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&#39;",
            c => out.push(c),
        }
    }
    out
}

fn is_file_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

fn write(path: &Path, text: &str) -> Result<(), KnowledgeError> {
    fs::write(path, text).map_err(|source| KnowledgeError::Write { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::write as write_encyclopedia;
    use crate::drawings::tests::{drawings, findings, likelihoods};
    use crate::{Content, DrugReactions, LupusCriteria, UrgencyRules};

    const UNTRUSTED: &str = "<script>alert(\"&'\")</script>";

    fn article(slug: &str, other: &str) -> Article {
        let text = serde_json::json!({ "zh": format!("- 第一 [a-2020]。\n- {UNTRUSTED}\n末"), "en": format!("One < two [a-2020].\n{UNTRUSTED}") });
        let mut json = serde_json::json!({
            "slug": slug, "group": "Bacterial", "tier": 1, "triage": "E", "flags": [], "core": false, "version": 7, "reviewed_by": "",
            "codes": { "icd10": "A1", "icd10_title": UNTRUSTED, "icd11": "1A", "icd11_title": "B & C" },
            "names": { "zh": "病<甲>", "en": UNTRUSTED, "lay_zh": ["土名"], "lay_en": [UNTRUSTED], "former_zh": [], "former_en": [], "abbr": ["AB\"C"] },
            "look_alikes": [{ "slug": other, "zh": UNTRUSTED, "en": UNTRUSTED }],
            "sources": [{ "key": "a-2020", "text": UNTRUSTED, "year": 2020 }],
        });
        for key in "card who cause features examine photos tests red_flags refer_emergency refer_urgent refer_routine refer_back treatment \
                    do_not special follow_up prognosis prevention infection_control"
            .split_whitespace()
        {
            json[key] = text.clone();
        }
        serde_json::from_value(json).expect("article")
    }

    fn exported(slugs: [&str; 2]) -> (tempfile::TempDir, Result<usize, KnowledgeError>) {
        let urgency: UrgencyRules = toml::from_str(
            "skin_categories = []\nskin_findings = []\nskin_words = []\nred_flag = []\nfrailty = []\n[advice]\n",
        )
        .expect("rules");
        let content = Content {
            articles: vec![article(slugs[0], slugs[1]), article(slugs[1], slugs[0])],
            findings: findings(),
            likelihoods: slugs
                .map(|slug| likelihoods(slug, &["waxy-papule", "annular", "site-lip", "site-shin"]))
                .into(),
            urgency,
            lupus_score: LupusCriteria { entry: "annular".to_owned(), threshold: 10, domains: Vec::new() },
            drug_eruptions: DrugReactions { reactions: Vec::new() },
            drawings: drawings(),
        };
        let folder = tempfile::tempdir().expect("folder");
        let file = folder.path().join("encyclopedia.sqlite");
        write_encyclopedia(&content, &file).expect("compile");
        let answer = Encyclopedia::open(&file).expect("open").export_html(&folder.path().join("a/b"));
        (folder, answer)
    }

    #[test]
    fn every_disease_has_two_pages_and_nothing_is_fetched_or_run() {
        let (folder, answer) = exported(["first", "second"]);
        assert_eq!(answer.expect("export"), 2);
        let out = folder.path().join("a/b");
        let pages = ["index", "drawings", "first.zh", "first.en", "second.zh", "second.en"];
        for name in pages {
            let page = fs::read_to_string(out.join(format!("{name}.html"))).expect(name);
            assert!(!page.contains("http") && !page.contains("src=\"//") && !page.contains("alert(\""), "{name}");
            assert_eq!(page.matches("<script>").count(), usize::from(name == "index"), "{name}");
            for link in
                page.split(" href=\"").chain(page.split(" src=\"")).skip(1).filter_map(|part| part.split_once('"'))
            {
                let target = link.0;
                assert!(
                    target.starts_with("<!") || target.starts_with('#') || out.join(target).is_file(),
                    "{name}: {target}"
                );
            }
        }
        assert!(out.join("drawings/papule.svg").is_file());
    }

    #[test]
    fn an_article_shows_names_level_drawings_look_alikes_and_sources() {
        let (folder, _) = exported(["first", "second"]);
        let page = fs::read_to_string(folder.path().join("a/b/first.zh.html")).expect("page");
        let has = [
            "病&lt;甲&gt;",
            "尚未经皮肤科医师审阅",
            "当日转诊",
            "drawings/papule.svg",
            "drawings/annular.svg",
            "fill=\"#d6473f\" class=\"site-leg\"",
            "href=\"second.zh.html\"",
            "href=\"first.en.html\"",
            "<sup><a href=\"#source-a-2020\">1</a></sup>",
            "id=\"source-a-2020\"",
            "版本 7",
            "AB&quot;C",
            "&lt;script&gt;alert(&quot;&amp;&#39;&quot;)",
        ];
        for text in has {
            assert!(page.contains(text), "{text} is missing in {page}");
        }
    }

    #[test]
    fn a_slug_that_leads_elsewhere_is_refused() {
        let (folder, answer) = exported(["first", "../../out"]);
        assert!(answer.is_err());
        assert!(!folder.path().join("out.zh.html").exists());
    }

    #[test]
    fn lists_paragraphs_and_citations() {
        let html = prose("- a [x-1]\n- b [y]\n\nc [See <d>]", &["x-1"]);
        assert_eq!(
            html,
            "<ul><li>a<sup><a href=\"#source-x-1\">1</a></sup></li><li>b</li></ul><p>c [See &lt;d&gt;]</p>"
        );
    }
}
