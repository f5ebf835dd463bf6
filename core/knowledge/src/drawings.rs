//! The drawings (`content/drawings/ID.svg`): lesion shapes and arrangements, each named as the finding that it shows, and figures of the
//! body, whose parts name as their classes the findings that they stand for. Which of them an article shows follows from its likelihoods.

use crate::likelihood::Likelihoods;
use crate::vocabulary::Finding;
use crate::{Encyclopedia, KnowledgeError};
use rusqlite::OptionalExtension;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Drawings of the body, on which the usual sites are coloured. The first is shown with any site, the others where they show more.
pub(crate) const FIGURES: [&str; 3] = ["body", "head", "hands-foot"];
/// Bands of findings that are usual enough to be drawn.
const DRAWN_BANDS: [&str; 3] = ["always", "usual", "often"];
/// Findings that another one's drawing shows well, though they do not imply it.
const SHOWN_BY: [(&str, &str); 6] = [
    ("blister", "bulla"),
    ("tumour-mass", "nodule"),
    ("cauliflower", "warty"),
    ("central-clearing", "annular"),
    ("band-on-trunk", "dermatomal"),
    ("larval-track", "serpiginous"),
];
/// Most shapes and arrangements of one article.
const MOST: usize = 8;
/// Largest drawing, bytes.
const LARGEST: usize = 6_000;
/// Colour of a usual site.
const SITE: &str = "#d6473f";
const HEAD: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"";

/// What is drawn for one disease, as it stands in the encyclopedia.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Drawn {
    /// Drawings of shapes, then of arrangements.
    pub(crate) shapes: Vec<String>,
    /// The findings that are sites.
    pub(crate) sites: Vec<String>,
    /// Figure, and its classes that are coloured.
    pub(crate) figures: Vec<(String, BTreeSet<String>)>,
}

/// A figure of the body with the usual sites of a disease coloured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figure {
    /// `body`, `head` or `hands-foot`.
    pub id: String,
    /// The drawing.
    pub svg: String,
    /// The findings that are coloured.
    pub sites: Vec<String>,
}

impl Encyclopedia {
    /// A drawing as SVG: of a lesion shape or an arrangement by the finding's name, or a figure of the body. Reads the encyclopedia.
    ///
    /// # Errors
    /// When the file is damaged.
    pub fn drawing(&self, id: &str) -> Result<Option<String>, KnowledgeError> {
        let mut statement = self.db.prepare_cached("SELECT svg FROM drawing WHERE id = ?1")?;
        Ok(statement.query_row([id], |row| row.get(0)).optional()?)
    }

    /// The names of all drawings, in alphabetical order. Reads the encyclopedia.
    ///
    /// # Errors
    /// When the file is damaged.
    pub fn drawings(&self) -> Result<Vec<String>, KnowledgeError> {
        let mut statement = self.db.prepare_cached("SELECT id FROM drawing ORDER BY id")?;
        let ids = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        Ok(ids)
    }

    /// The drawings of a disease's usual shapes and arrangements, commonest first. Each is named as the finding that it shows,
    /// and the vocabulary holds what it is called. Reads the encyclopedia.
    ///
    /// # Errors
    /// When there is no such disease.
    pub fn drawings_of(&self, slug: &str) -> Result<Vec<String>, KnowledgeError> {
        Ok(self.drawn(slug)?.shapes)
    }

    /// The figures of the body with a disease's usual sites coloured; none where it has no usual site. Reads the encyclopedia.
    ///
    /// # Errors
    /// When there is no such disease.
    pub fn figures_of(&self, slug: &str) -> Result<Vec<Figure>, KnowledgeError> {
        let drawn = self.drawn(slug)?;
        let mut figures = Vec::new();
        for (id, parts) in drawn.figures {
            if let Some(svg) = self.drawing(&id)? {
                figures.push(Figure { id, svg: coloured(&svg, &parts), sites: drawn.sites.clone() });
            }
        }
        Ok(figures)
    }

    fn drawn(&self, slug: &str) -> Result<Drawn, KnowledgeError> {
        Ok(serde_json::from_str(&self.column(slug, "drawn")?)?)
    }
}

/// What is to be drawn for a disease.
pub(crate) fn drawn(file: &Likelihoods, findings: &[Finding], drawings: &BTreeMap<String, String>) -> Drawn {
    let known: BTreeMap<&str, &Finding> = findings.iter().map(|f| (f.id.as_str(), f)).collect();
    let usual: Vec<&Finding> = DRAWN_BANDS
        .iter()
        .filter_map(|band| file.findings.get(*band))
        .flatten()
        .filter_map(|id| known.get(id.as_str()).copied())
        .collect();
    let narrower_stands = |f: &Finding| usual.iter().any(|other| other.id != f.id && other.implies.contains(&f.id));
    let figures: BTreeMap<&str, BTreeSet<&str>> =
        FIGURES.iter().filter_map(|id| Some((*id, classes(drawings.get(*id)?)))).collect();
    let on_a_figure = |id: &str| figures.values().any(|parts| parts.contains(id));

    let mut shapes: Vec<String> = Vec::new();
    for arrangement in [false, true] {
        let wanted = usual.iter().filter(|f| f.category != "site" && (f.category == "arrangement") == arrangement);
        for finding in wanted.filter(|f| !narrower_stands(f)) {
            for id in nearest(&finding.id, &known, |id| drawings.contains_key(id)) {
                if !shapes.contains(&id) {
                    shapes.push(id);
                }
            }
        }
    }
    shapes.truncate(MOST);

    let sites: Vec<&str> = usual
        .iter()
        .filter(|f| f.category == "site" || on_a_figure(&f.id))
        .filter(|f| !narrower_stands(f))
        .map(|f| f.id.as_str())
        .collect();
    let mut shown = Vec::new();
    for (at, id) in FIGURES.iter().enumerate() {
        let Some(parts) = figures.get(id) else { continue };
        let coloured: BTreeSet<String> =
            sites.iter().flat_map(|site| nearest(site, &known, |id| parts.contains(id))).collect();
        let first = figures.get(FIGURES[0]);
        let shows_more = sites.iter().any(|s| parts.contains(s) && !first.is_some_and(|parts| parts.contains(s)));
        if !coloured.is_empty() && (at == 0 || shows_more) {
            shown.push(((*id).to_owned(), coloured));
        }
    }
    Drawn { shapes, sites: sites.into_iter().map(str::to_owned).collect(), figures: shown }
}

/// The finding itself where `there` has it, else the nearest broader ones that it has.
fn nearest(id: &str, known: &BTreeMap<&str, &Finding>, there: impl Fn(&str) -> bool) -> Vec<String> {
    let (mut out, mut seen, mut level) = (Vec::new(), BTreeSet::from([id]), vec![id]);
    while !level.is_empty() {
        let mut broader = Vec::new();
        for id in level {
            if there(id) {
                out.push(id.to_owned());
            } else if let Some((_, by)) = SHOWN_BY.iter().find(|(of, by)| *of == id && there(by)) {
                out.push((*by).to_owned());
            } else if let Some(finding) = known.get(id) {
                broader.extend(finding.implies.iter().map(String::as_str).filter(|id| seen.insert(*id)));
            }
        }
        level = broader;
    }
    out
}

/// Every class of a figure.
fn classes(svg: &str) -> BTreeSet<&str> {
    svg.split(" class=\"")
        .skip(1)
        .filter_map(|part| part.split_once('"'))
        .flat_map(|(list, _)| list.split(' '))
        .collect()
}

/// The figure with the parts coloured that belong to one of the classes.
fn coloured(svg: &str, wanted: &BTreeSet<String>) -> String {
    let mut pieces = svg.split(" class=\"");
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let list = piece.split('"').next().unwrap_or_default();
        if list.split(' ').any(|class| wanted.contains(class)) {
            out += &format!(" fill=\"{SITE}\"");
        }
        out += " class=\"";
        out += piece;
    }
    out
}

/// What is wrong with the drawings, as `(drawing, complaint)`.
pub(crate) fn complaints(drawings: &BTreeMap<String, String>, findings: &[Finding]) -> Vec<(String, String)> {
    let known: BTreeSet<&str> = findings.iter().map(|f| f.id.as_str()).collect();
    let mut out = Vec::new();
    for (id, svg) in drawings {
        let mut say = |what: String| out.push((format!("drawing {id}"), what));
        let figure = FIGURES.contains(&id.as_str());
        if !figure && !known.contains(id.as_str()) {
            say("is named neither as a finding nor as a figure".to_owned());
        }
        if svg.len() > LARGEST {
            say(format!("has {} bytes, at most {LARGEST}", svg.len()));
        }
        let body = svg.strip_prefix(HEAD);
        if body.is_none() || !svg.trim_end().ends_with("</svg>") {
            say(format!("does not begin with {HEAD} or does not end with </svg>"));
        }
        // Labels come from the page, in both languages; nothing is fetched, nothing runs.
        let forbidden = ["<text", "<image", "<script", "<style", "<use", "href", "http", " on"];
        for word in forbidden.iter().filter(|word| body.is_some_and(|body| body.contains(**word))) {
            say(format!("holds {word}"));
        }
        for class in classes(svg).difference(&known).filter(|_| figure) {
            say(format!("has a part named {class}, which is no finding"));
        }
    }
    for id in FIGURES.iter().filter(|id| !drawings.contains_key(**id)) {
        out.push((format!("drawing {id}"), "is missing".to_owned()));
    }
    out
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn finding(id: &str, category: &str, implies: &[&str]) -> Finding {
        Finding {
            id: id.into(),
            category: category.into(),
            zh: format!("{id}的中文"),
            en: format!("{id} in English"),
            syn_zh: Vec::new(),
            syn_en: Vec::new(),
            implies: implies.iter().map(|s| (*s).to_owned()).collect(),
            denies: Vec::new(),
        }
    }

    pub(crate) fn findings() -> Vec<Finding> {
        vec![
            finding("papule", "primary-lesion", &[]),
            finding("waxy-papule", "primary-lesion", &["papule"]),
            finding("annular", "arrangement", &[]),
            finding("site-leg", "site", &[]),
            finding("site-shin", "site", &["site-leg"]),
            finding("site-lip", "site", &["site-face"]),
            finding("site-face", "site", &[]),
        ]
    }

    pub(crate) fn drawings() -> BTreeMap<String, String> {
        let svg = |inside: &str| format!("{HEAD}0 0 9 9\">{inside}</svg>");
        [
            ("papule", svg("<path d=\"M0 0\"/>")),
            ("annular", svg("<path d=\"M1 1\"/>")),
            ("body", svg("<path class=\"site-leg\" d=\"M2 2\"/><path class=\"site-face\" d=\"M3 3\"/>")),
            ("head", svg("<path class=\"site-face site-lip\" d=\"M4 4\"/>")),
            ("hands-foot", svg("")),
        ]
        .map(|(id, svg)| (id.to_owned(), svg))
        .into()
    }

    pub(crate) fn likelihoods(slug: &str, usual: &[&str]) -> Likelihoods {
        Likelihoods {
            slug: slug.into(),
            frequency: crate::Frequency::Common,
            female_share: 0.5,
            age: BTreeMap::new(),
            findings: BTreeMap::from([("usual".to_owned(), usual.iter().map(|s| (*s).to_owned()).collect())]),
            sources: Vec::new(),
        }
    }

    #[test]
    fn a_finding_without_drawing_is_shown_by_what_it_implies() {
        let d = drawn(&likelihoods("a", &["annular", "waxy-papule", "site-shin"]), &findings(), &drawings());
        assert_eq!(d.shapes, ["papule", "annular"]);
        assert_eq!(d.sites, ["site-shin"]);
        assert_eq!(d.figures, [("body".to_owned(), BTreeSet::from(["site-leg".to_owned()]))]);
    }

    #[test]
    fn another_figure_is_shown_where_it_shows_more() {
        let figures = |site| drawn(&likelihoods("a", &[site]), &findings(), &drawings()).figures.len();
        assert_eq!((figures("site-face"), figures("site-lip"), figures("annular")), (1, 2, 0));
    }

    #[test]
    fn only_the_wanted_parts_are_coloured() {
        let svg = coloured(&drawings()["body"], &BTreeSet::from(["site-leg".to_owned()]));
        assert!(svg.contains("fill=\"#d6473f\" class=\"site-leg\"") && svg.matches("fill=").count() == 1, "{svg}");
    }

    #[test]
    fn drawings_that_fetch_or_are_unknown_are_refused() {
        assert_eq!(complaints(&drawings(), &findings()), []);
        let mut bad = drawings();
        bad.remove("head");
        bad.insert("papule".into(), format!("{HEAD}0 0 9 9\"><image href=\"a.png\"/></svg>"));
        bad.insert("horn".into(), format!("{HEAD}0 0 9 9\"></svg>"));
        assert_eq!(complaints(&bad, &findings()).len(), 4);
    }
}
