//! The attacker's large documents.

use stillframe::pb;

use crate::{Result, client::Client, random::Random};

/// Nearly as large as a body may be.
const LARGE: usize = 2_000_000;

pub fn upsert(id: &str, body: impl Into<Vec<u8>>) -> pb::Write {
    let body = Some(pb::document::Body::Json(body.into().into()));
    let document = pb::Document { id: id.to_owned(), body, ..Default::default() };
    pb::Write { operation: Some(pb::write::Operation::Upsert(document)), ..Default::default() }
}

/// `{"n":[1,1,...]}`, a million numbers.
pub fn numbers() -> String {
    list("n", "1", LARGE)
}

/// `{"l":[{"k":1},...]}`
pub fn objects() -> String {
    objects_of(LARGE)
}

/// The same, of about so many bytes.
pub fn objects_of(bytes: usize) -> String {
    list("l", r#"{"k":1}"#, bytes)
}

fn list(name: &str, member: &str, length: usize) -> String {
    let members = vec![member; length / (member.len() + 1)].join(",");
    format!(r#"{{"{name}":[{members}]}}"#)
}

/// `{"s":"abba..."}`, without any order.
pub fn text() -> String {
    text_of(LARGE)
}

/// The same, of about so many bytes.
pub fn text_of(bytes: usize) -> String {
    let mut random = Random::new(1);
    let text: String = (0..bytes).map(|_| if random.below(2) == 0 { 'a' } else { 'b' }).collect();
    format!(r#"{{"s":"{text}"}}"#)
}

/// `{"s":"xxx..."}`, of so many bytes.
pub fn of(bytes: usize) -> String {
    const AROUND: usize = r#"{"s":""}"#.len();
    format!(r#"{{"s":"{}"}}"#, "x".repeat(bytes - AROUND))
}

/// A collection with these documents.
pub async fn collection(client: &Client, id: &str, documents: Vec<pb::Write>) -> Result<String> {
    let collection = client.create_collection(id).await?;
    for document in documents {
        client.write(&collection, vec![document]).await?;
    }
    Ok(collection)
}
