//! What can be done to an object.

use std::io::Write;

use http::{Method, Response, StatusCode, header};
use serde::{Deserialize, Serialize};

use super::{
    answer::{Answer, Body, Failure, empty, xml},
    bucket::Bucket,
    conditions::{Condition, allow_read},
    object::Object,
    range,
    record::{Record, etag},
    request::{Request, bucket_and_key},
};

/// What S3 deletes in one request.
const MAX_DELETED: usize = 1000;

/// Reads an object or a range of it; for HEAD all but the bytes.
pub fn get(bucket: &Bucket, request: &Request) -> Result<Answer, Failure> {
    let object = bucket.object(&request.key)?;
    allow_read(request, &object)?;
    let range = request.header("range").map(|range| range::parse(range, object.length)).transpose()?;
    let (start, length) = range.map_or((0, object.length), |(first, last)| (first, last - first + 1));
    let mut answer = Response::builder()
        .header(header::ETAG, &object.record.etag)
        .header(header::LAST_MODIFIED, object.modified.format("%a, %d %b %Y %H:%M:%S GMT").to_string())
        .header(header::CONTENT_LENGTH, length)
        .header(header::ACCEPT_RANGES, "bytes");
    for (name, value) in &object.record.headers {
        answer = answer.header(name, value);
    }
    if let Some((first, last)) = range {
        let content_range = format!("bytes {first}-{last}/{}", object.length);
        answer = answer.status(StatusCode::PARTIAL_CONTENT).header(header::CONTENT_RANGE, content_range);
    }
    let body = if request.method == Method::HEAD { Body::default() } else { object.read(start, length)?.into() };
    answer.body(body).map_err(Failure::internal)
}

pub fn put(bucket: &Bucket, request: &Request) -> Result<Answer, Failure> {
    let record = Record::new(etag(&request.digest), request);
    bucket.write(&request.key, &Condition::of(request)?, &record, |file| file.write_all(&request.body))?;
    Ok(with_etag(&record))
}

pub fn with_etag(record: &Record) -> Answer {
    let mut answer = empty(StatusCode::OK);
    if let Ok(etag) = record.etag.parse() {
        answer.headers_mut().insert(header::ETAG, etag);
    }
    answer
}

#[derive(Serialize)]
pub struct Copied {
    #[serde(rename = "LastModified")]
    modified: String,
    #[serde(rename = "ETag")]
    etag: String,
}

/// Copies an object, byte by byte, with its headers.
pub fn copy(bucket: &Bucket, request: &Request) -> Result<Answer, Failure> {
    let source = source_of_copy(bucket, request)?;
    let copy = bucket.write(&request.key, &Condition::of(request)?, &source.record, |file| {
        std::io::copy(&mut &source.file, file).map(drop)
    })?;
    xml("CopyObjectResult", &copied(&copy))
}

pub fn copied(object: &Object) -> Copied {
    Copied { modified: object.modified_text(), etag: object.record.etag.clone() }
}

/// The object that a request copies, from its beginning.
pub fn source_of_copy(bucket: &Bucket, request: &Request) -> Result<Object, Failure> {
    let named = |name: &str| name.starts_with("x-amz-copy-source-") || name == "x-amz-metadata-directive";
    if let Some(odd) = request.headers.keys().find(|name| named(name.as_str())) {
        return Err(Failure::unknown(format!("a copy with {odd}")));
    }
    let (name, key) = bucket_and_key(request.header("x-amz-copy-source").unwrap_or_default())?;
    let dir = bucket.directory.parent().unwrap_or(&bucket.directory);
    Bucket::open(dir, &name)?.object(&key)
}

pub fn delete(bucket: &Bucket, request: &Request) -> Result<Answer, Failure> {
    bucket.delete(&request.key)?;
    Ok(empty(StatusCode::NO_CONTENT))
}

#[derive(Deserialize)]
struct ToDelete {
    #[serde(rename = "Object")]
    objects: Vec<Named>,
}

#[derive(Deserialize, Serialize)]
struct Named {
    #[serde(rename = "Key")]
    key: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct NotDeleted {
    key: String,
    code: &'static str,
    message: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Deleted {
    deleted: Vec<Named>,
    error: Vec<NotDeleted>,
}

/// The keys in the body of a bulk deletion.
pub fn keys_to_delete(request: &Request) -> Result<Vec<String>, Failure> {
    let malformed = || Failure::bad("MalformedXML", "not a list of 1 to 1000 objects");
    let wanted: ToDelete = quick_xml::de::from_reader(request.body.as_ref()).map_err(|_| malformed())?;
    let keys: Vec<String> = wanted.objects.into_iter().map(|object| object.key).collect();
    if (1..=MAX_DELETED).contains(&keys.len()) { Ok(keys) } else { Err(malformed()) }
}

/// Deletes each, and says which could not be.
pub fn delete_many(bucket: &Bucket, request: &Request) -> Result<Answer, Failure> {
    let mut done = Deleted { deleted: Vec::new(), error: Vec::new() };
    for key in keys_to_delete(request)? {
        match bucket.delete(&key) {
            Ok(()) => done.deleted.push(Named { key }),
            Err(failure) => {
                let message = "it could not be deleted";
                done.error.push(NotDeleted { key, code: failure.code, message });
            }
        }
    }
    xml("DeleteResult", &done)
}
