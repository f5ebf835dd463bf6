//! The report that people look at: one HTML file with drawings of our own, and thumbnails of the worst misses beside it.

use super::figures::{Case, reliability};
use barefoot_app::vision::Picture;
use std::fmt::Write;
use std::path::Path;
use std::{fs, io};

const WORST: usize = 24;

/// Writes `report.html` and `misses/` into `folder`. `files` are the pictures of `cases`, in order.
pub(super) fn write(folder: &Path, labels: &[String], cases: &[Case], files: &[&Path]) -> io::Result<()> {
    let misses = folder.join("misses");
    fs::create_dir_all(&misses)?;
    let mut html = String::from(
        "<!doctype html><meta charset=utf-8><meta name=viewport content='width=device-width'><title>Barefoot: evaluation</title>\
         <style>body{font:15px sans-serif;margin:1em;max-width:60em}td,th{padding:.3em .6em;text-align:right}figure{display:inline-block;margin:.4em;width:150px;font-size:12px}img{width:150px}</style>",
    );
    let _ = write!(html, "<h1>Confusion matrix</h1>{}", confusion(labels, cases));
    let _ = write!(
        html,
        "<h1>Reliability</h1>{}<p>Dots: accuracy of the pictures in each bin of confidence; size: how many. On the line: honest.</p>",
        reliability_drawing(cases)
    );
    html.push_str("<h1>Worst misses</h1><p>Wrong and most sure of it.</p>");
    let mut wrong: Vec<usize> = (0..cases.len()).filter(|&i| cases[i].guess() != cases[i].label).collect();
    wrong.sort_by(|&a, &b| cases[b].p[cases[b].guess()].total_cmp(&cases[a].p[cases[a].guess()]));
    for (rank, at) in wrong.into_iter().take(WORST).enumerate() {
        let case = &cases[at];
        let name = format!("{rank:02}.jpg");
        if let Ok(picture) = Picture::decode(&fs::read(files[at])?)
            && let Ok(jpeg) = picture.to_jpeg()
        {
            fs::write(misses.join(&name), jpeg)?;
        }
        let (truth, guess) = (&labels[case.label], &labels[case.guess()]);
        let _ = write!(
            html,
            "<figure><img src='misses/{name}' alt=''><figcaption>is {truth} ({:.2}), said {guess} ({:.2})</figcaption></figure>",
            case.p[case.label],
            case.p[case.guess()]
        );
    }
    fs::write(folder.join("report.html"), html)
}

fn confusion(labels: &[String], cases: &[Case]) -> String {
    let mut html = String::from("<table><tr><th>true \\ said</th>");
    for label in labels {
        let _ = write!(html, "<th>{label}</th>");
    }
    html.push_str("</tr>");
    for (truth, label) in labels.iter().enumerate() {
        let of: Vec<&Case> = cases.iter().filter(|c| c.label == truth).collect();
        let _ = write!(html, "<tr><th>{label}</th>");
        for guess in 0..labels.len() {
            let n = of.iter().filter(|c| c.guess() == guess).count();
            let share = n as f64 / of.len().max(1) as f64;
            let colour = if guess == truth { "0,120,60" } else { "190,40,20" };
            let _ = write!(html, "<td style='background:rgba({colour},{share:.2})'>{n}</td>");
        }
        html.push_str("</tr>");
    }
    html + "</table>"
}

fn reliability_drawing(cases: &[Case]) -> String {
    const SIDE: f64 = 320.0;
    let mut svg = format!(
        "<svg viewBox='-30 -10 370 370' width=370><rect width={SIDE} height={SIDE} fill=none stroke=#888 /><line x1=0 y1={SIDE} x2={SIDE} y2=0 stroke=#888 stroke-dasharray=4 />"
    );
    let most = reliability(cases).iter().map(|b| b.2).max().unwrap_or(1).max(1) as f64;
    for (confidence, accuracy, n) in reliability(cases).into_iter().filter(|b| b.2 > 0) {
        let _ = write!(
            svg,
            "<circle cx={:.1} cy={:.1} r={:.1} fill=#06c fill-opacity=.7><title>{n}</title></circle>",
            confidence * SIDE,
            (1.0 - accuracy) * SIDE,
            3.0 + 9.0 * (n as f64 / most).sqrt()
        );
    }
    svg + "<text x=120 y=345 font-size=13>confidence</text><text x=-160 y=-12 font-size=13 transform='rotate(-90)' text-anchor=middle>accuracy</text></svg>"
}
