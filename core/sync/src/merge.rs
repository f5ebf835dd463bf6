//! Three-way merge of one FHIR resource, element by element. Elements that only one side has changed are merged; where both changed the
//! same one, the server's value stays in place and ours is kept as a [`Conflict`] for somebody to review. Nothing is ever dropped.

use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Written by the server, or no content.
const NOT_CONTENT: [&str; 4] = ["resourceType", "id", "meta", "text"];

/// What both sides last agreed on.
#[derive(Debug, Clone, Copy, Default)]
pub struct Base<'a> {
    /// The resource as the server had it; `None` when never seen there.
    pub full: Option<&'a Value>,
    /// The same, as our record said it: without what others had added.
    pub ours: Option<&'a Value>,
    /// What we have since tried to send, without hearing what became of it.
    pub attempts: &'a [Value],
}

/// An element that both sides changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// Its name; `birthDate` speaks for `_birthDate` too.
    pub element: String,
    /// Our value, kept for review; `Null` where we removed it.
    pub ours: Value,
    /// The server's value, in place; `Null` where it was removed there.
    pub theirs: Value,
}

/// What became of a merge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// To be sent.
    pub resource: Value,
    /// Elements that our record takes from the server.
    pub taken: Vec<String>,
    /// Elements that both sides changed.
    pub conflicts: Vec<Conflict>,
}

/// Merges what our record says now with what the server has now.
#[must_use]
pub fn merge(base: Base<'_>, ours: &Value, theirs: &Value) -> Merged {
    let mut resource = theirs.clone();
    if let Some(out) = resource.as_object_mut() {
        out.remove("meta");
        // Labels such as AIAST are ours to set; the version and its time are the server's.
        if let Some(meta) = meta(ours).or_else(|| meta(theirs)) {
            out.insert("meta".to_owned(), meta);
        }
    }
    let mut merged = Merged { resource, taken: Vec::new(), conflicts: Vec::new() };
    let names: BTreeSet<&str> =
        [Some(ours), Some(theirs), base.full, base.ours].into_iter().flatten().flat_map(elements).collect();
    for name in names {
        let (o, t) = (element(ours, name), element(theirs, name));
        // Where the server has what we tried to send, that is what both last agreed on.
        let arrived = base.attempts.iter().any(|attempt| element(attempt, name) == t);
        let (base_ours, base_theirs) = match arrived {
            true => (Some(t), Some(t)),
            false => (base.ours.map(|b| element(b, name)), base.full.map(|b| element(b, name))),
        };
        // Without a common version a value that is there counts as a change, an absent one does not.
        let ours_changed = base_ours.map_or(o != Pair::default(), |b| b != o);
        let theirs_changed = base_theirs.map_or(t != Pair::default(), |b| b != t);
        match (ours_changed, theirs_changed) {
            (false, false) => {}
            (false, true) => merged.taken.push(name.to_owned()),
            (true, false) => set(&mut merged.resource, name, o),
            (true, true) if o == t => {}
            (true, true) => {
                merged.taken.push(name.to_owned());
                merged.conflicts.push(Conflict { element: name.to_owned(), ours: o.value(), theirs: t.value() });
            }
        }
    }
    merged
}

/// Whether two resources say the same.
#[must_use]
pub fn same(a: &Value, b: &Value) -> bool {
    elements(a).chain(elements(b)).all(|name| element(a, name) == element(b, name))
}

/// A primitive element and its sibling with extensions: `birthDate` and `_birthDate` are one fact.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Pair<'a>(Option<&'a Value>, Option<&'a Value>);

impl Pair<'_> {
    fn value(self) -> Value {
        self.0.or(self.1).cloned().unwrap_or(Value::Null)
    }
}

fn element<'a>(resource: &'a Value, name: &str) -> Pair<'a> {
    Pair(resource.get(name), resource.get(format!("_{name}")))
}

fn elements(resource: &Value) -> impl Iterator<Item = &str> {
    let names = resource.as_object().into_iter().flat_map(Map::keys);
    names.map(|name| name.strip_prefix('_').unwrap_or(name)).filter(|name| !NOT_CONTENT.contains(name))
}

fn set(resource: &mut Value, name: &str, pair: Pair<'_>) {
    let Some(out) = resource.as_object_mut() else { return };
    for (key, value) in [(name.to_owned(), pair.0), (format!("_{name}"), pair.1)] {
        match value {
            Some(value) => drop(out.insert(key, value.clone())),
            None => drop(out.remove(&key)),
        }
    }
}

fn meta(resource: &Value) -> Option<Value> {
    let mut meta = resource.get("meta")?.as_object()?.clone();
    ["versionId", "lastUpdated", "source"].into_iter().for_each(|name| drop(meta.remove(name)));
    (!meta.is_empty()).then_some(Value::Object(meta))
}
