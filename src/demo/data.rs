//! The data set, and what a collection of it must hold at each point of the
//! story. Computed from the file alone, by cutting text: nothing here goes
//! through the code that it is to check.

use std::collections::BTreeMap;

use super::Result;
use crate::pb::{self, write_result::Status};

const TERRITORIES: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/territories.ndjson"));

/// The data set has no integer above 2^53, where JSON numbers that pass
/// through a double lose digits.
pub(super) const EXACT: &str =
    r#"{"_id":"exact","count":9223372036854775807,"least":-9223372036854775808,"odd":9007199254740993}"#;
/// What is stored of it.
const EXACT_BODY: &str = r#"{"count":9223372036854775807,"least":-9223372036854775808,"odd":9007199254740993}"#;
const EXACT_LESS_ONE: &str = r#"{"count":9223372036854775806,"least":-9223372036854775808,"odd":9007199254740993}"#;

const SURPLUS: u64 = 1_000_000;
const WRECK: &str = r#"{"error":"upstream timed out"}"#;

/// Ids and bodies, in the order of ids.
#[derive(Clone)]
pub(super) struct Documents(pub BTreeMap<String, String>);

/// The documents of the data set, each with its line.
pub(super) fn territories() -> Result<Documents> {
    let mut documents = BTreeMap::new();
    for line in lines() {
        let (id, body) = cut(line).ok_or_else(|| format!("a line that does not begin with _id: {line}"))?;
        documents.insert(id, body);
    }
    Ok(Documents(documents))
}

/// The lines of the data set: JSON with `_id` inside.
pub(super) fn lines() -> impl Iterator<Item = &'static str> {
    TERRITORIES.lines()
}

/// `{"_id":"X","a":1}` is X and `{"a":1}`.
fn cut(line: &str) -> Option<(String, String)> {
    let (id, rest) = line.strip_prefix(r#"{"_id":""#)?.split_once(r#"","#)?;
    (!id.contains('\\')).then(|| (id.to_owned(), format!("{{{rest}")))
}

impl Documents {
    pub fn count(&self) -> i64 {
        i64::try_from(self.0.len()).unwrap_or(i64::MAX)
    }

    /// As the contract counts: id, body, and 8 for the time.
    pub fn size_bytes(&self) -> i64 {
        let bytes: usize = self.0.iter().map(|(id, body)| size(id, body)).sum();
        i64::try_from(bytes).unwrap_or(i64::MAX)
    }

    /// What changed since `before`: what is new or other counts whole, what is
    /// gone counts its id.
    pub fn net_change(&self, before: &Self) -> i64 {
        let changed = self.0.iter().filter(|(id, body)| before.0.get(*id) != Some(body));
        let gone = before.0.keys().filter(|id| !self.0.contains_key(*id));
        let bytes = changed.map(|(id, body)| size(id, body)).sum::<usize>() + gone.map(String::len).sum::<usize>();
        i64::try_from(bytes).unwrap_or(i64::MAX)
    }

    /// The body of one.
    pub fn body(&self, id: &str) -> Option<&str> {
        self.0.get(id).map(String::as_str)
    }

    /// The document with the largest and smallest integers comes in.
    pub fn add_exact(&mut self) {
        self.0.insert("exact".to_owned(), EXACT_BODY.to_owned());
    }

    /// A pipeline gone wrong: the writes it sends, each with what must become of
    /// it, and in `self` what they leave of the documents.
    pub fn go_wrong(&mut self) -> Vec<(pb::Write, Status)> {
        let mut writes = Vec::new();
        for id in self.of_territory("FR/") {
            writes.push((increment(&id, "/facts/population", &SURPLUS.to_string()), Status::Patched));
            self.0.entry(id).and_modify(|body| *body = with_surplus(body));
        }
        for id in self.of_territory("DE/") {
            self.0.remove(&id);
            writes.push((delete(id), Status::Deleted));
        }
        for id in self.of_territory("JP/") {
            let wreck = WRECK.replacen('{', &format!(r#"{{"_id":"{id}","#), 1);
            writes.push((upsert(&wreck), Status::Replaced));
            self.0.insert(id, WRECK.to_owned());
        }
        // Below the least there is: it fails, and alone.
        writes.push((increment("exact", "/least", "-1"), Status::Unspecified));
        writes.push((increment("exact", "/count", "-1"), Status::Patched));
        self.0.insert("exact".to_owned(), EXACT_LESS_ONE.to_owned());
        writes
    }

    fn of_territory(&self, prefix: &str) -> Vec<String> {
        self.0.keys().filter(|id| id.starts_with(prefix)).cloned().collect()
    }

    /// The first difference to what a collection holds, in words.
    pub fn difference(&self, found: &[pb::Document]) -> Option<String> {
        let mut expected = self.0.iter();
        for document in found {
            let Some((id, body)) = expected.next() else { return Some(format!("{} is too much", document.id)) };
            if *id != document.id {
                return Some(format!("{id} is expected, {} is there", document.id));
            }
            if json(document) != body.as_bytes() {
                return Some(format!("{id} is {:?}, not {body}", document.body));
            }
        }
        expected.next().map(|(id, _)| format!("{id} is missing"))
    }
}

fn size(id: &str, body: &str) -> usize {
    id.len() + 8 + body.len()
}

/// The body with its population raised, by replacing the digits.
fn with_surplus(body: &str) -> String {
    let Some((before, rest)) = body.split_once(r#""population":"#) else { return body.to_owned() };
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let population: u64 = rest[..end].parse().unwrap_or_default();
    format!(r#"{before}"population":{}{}"#, population + SURPLUS, &rest[end..])
}

/// The bytes of a body that was read as JSON.
pub(super) fn json(document: &pb::Document) -> &[u8] {
    match &document.body {
        Some(pb::document::Body::Json(json)) => json,
        Some(pb::document::Body::Fields(_)) | None => &[],
    }
}

/// Adds or replaces the document of this JSON, whose `_id` is inside.
pub(super) fn upsert(json: &str) -> pb::Write {
    let body = pb::document::Body::Json(json.as_bytes().to_vec().into());
    let document = pb::Document { body: Some(body), ..pb::Document::default() };
    write(pb::write::Operation::Upsert(document))
}

pub(super) fn delete(id: String) -> pb::Write {
    write(pb::write::Operation::DeleteId(id))
}

pub(super) fn increment(id: &str, path: &str, by: &str) -> pb::Write {
    let operation = pb::PatchOperation {
        op: pb::patch_operation::Op::Increment.into(),
        path: Some(path.to_owned()),
        source_path: None,
        operand: Some(pb::patch_operation::Operand::Json(by.as_bytes().to_vec().into())),
    };
    write(pb::write::Operation::Patch(pb::Patch { id: id.to_owned(), operations: vec![operation] }))
}

fn write(operation: pb::write::Operation) -> pb::Write {
    pb::Write { operation: Some(operation), if_etag: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_expectation_is_what_a_json_parser_reads() {
        let documents = territories().unwrap();
        assert_eq!(documents.count(), 4_644);
        for line in lines() {
            let mut value: serde_json::Value = serde_json::from_str(line).unwrap();
            let id = value.as_object_mut().unwrap().shift_remove("_id").unwrap();
            assert_eq!(documents.0[id.as_str().unwrap()], value.to_string());
        }
    }

    #[test]
    fn what_goes_wrong_touches_three_territories() {
        let mut documents = territories().unwrap();
        documents.add_exact();
        let before = documents.clone();
        let writes = documents.go_wrong();
        assert_eq!((writes.len(), before.count() - documents.count()), (56, 18));
        let changed = documents.0.iter().filter(|(id, body)| before.0[*id] != **body).count();
        assert_eq!(changed, 37);
    }
}
