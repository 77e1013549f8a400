//! Objects that come in parts.
//!
//! An upload is a directory beside the buckets, whose name is its id. It has a
//! file for each part, and one that says which object is to be.

use std::{
    fs::File,
    io::{self, Write},
    path::PathBuf,
};

use http::StatusCode;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    answer::{Answer, Failure, empty, xml},
    bucket::Bucket,
    conditions::{Condition, quoted},
    object::Object,
    objects::{copied, source_of_copy, with_etag},
    record::{Record, etag},
    request::{Request, hexadecimal},
};

/// What each part but the last must have.
const MIN_PART_BYTES: u64 = 5 << 20;
const MAX_PARTS: u32 = 10_000;
const TARGET: &str = "target";

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Created<'a> {
    bucket: &'a str,
    key: &'a str,
    upload_id: &'a str,
}

pub fn create(bucket: &Bucket, request: &Request) -> Result<Answer, Failure> {
    bucket.path(&request.key)?;
    let upload = tempfile::Builder::new().prefix("upload-").rand_bytes(24).tempdir_in(&bucket.uploads)?;
    let mut target = File::create_new(upload.path().join(TARGET))?;
    target.write_all(target_of(bucket, request).as_bytes())?;
    Record::new(String::new(), request).keep(&target)?;
    let path = upload.keep();
    let upload_id = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    xml("InitiateMultipartUploadResult", &Created { bucket: &bucket.name, key: &request.key, upload_id })
}

/// Takes a part from the request, or from another object.
pub fn put_part(bucket: &Bucket, request: &Request) -> Result<Answer, Failure> {
    let upload = directory(bucket, request)?;
    let number = request.parameter("partNumber").and_then(|number| number.parse::<u32>().ok());
    let number = number.filter(|number| (1..=MAX_PARTS).contains(number));
    let number = number.ok_or_else(|| Failure::bad("InvalidArgument", "part numbers are from 1 to 10000"))?;
    let path = upload.join(number.to_string());
    let named = |aside: tempfile::NamedTempFile| aside.persist(&path).map_err(|refused| refused.error);
    if !request.headers.contains_key("x-amz-copy-source") {
        let record = Record { etag: etag(&request.digest), headers: Vec::new() };
        named(bucket.aside(&record, |file| file.write_all(&request.body))?)?;
        return Ok(with_etag(&record));
    }
    let source = source_of_copy(bucket, request)?;
    let content = |file: &mut File| io::copy(&mut &source.file, file).map(drop);
    let part = named(bucket.aside(&source.record, content)?)?;
    xml("CopyPartResult", &copied(&Object::of(part)?))
}

#[derive(Deserialize)]
struct Wanted {
    #[serde(rename = "Part")]
    parts: Vec<Part>,
}

#[derive(Deserialize)]
struct Part {
    #[serde(rename = "PartNumber")]
    number: u32,
    #[serde(rename = "ETag")]
    etag: String,
}

#[derive(Serialize)]
struct Completed<'a> {
    #[serde(rename = "Bucket")]
    bucket: &'a str,
    #[serde(rename = "Key")]
    key: &'a str,
    #[serde(rename = "ETag")]
    etag: &'a str,
}

/// Makes one object of the parts. If its condition does not hold the upload
/// stays.
pub fn complete(bucket: &Bucket, request: &Request) -> Result<Answer, Failure> {
    let upload = directory(bucket, request)?;
    let parts = parts(&upload, request)?;
    let etags: String = parts.iter().map(|part| part.record.etag.as_str()).collect();
    let digest = hexadecimal(&Sha256::digest(etags));
    let etag = quoted(&format!("{}-{}", &digest[..32], parts.len()));
    let record = Record { etag, ..Object::open(&upload.join(TARGET))?.record };
    bucket.write(&request.key, &Condition::of(request)?, &record, |file| {
        parts.iter().try_for_each(|part| io::copy(&mut &part.file, file).map(drop))
    })?;
    std::fs::remove_dir_all(upload)?;
    xml("CompleteMultipartUploadResult", &Completed { bucket: &bucket.name, key: &request.key, etag: &record.etag })
}

pub fn abort(bucket: &Bucket, request: &Request) -> Result<Answer, Failure> {
    std::fs::remove_dir_all(directory(bucket, request)?)?;
    Ok(empty(StatusCode::NO_CONTENT))
}

/// The directory of an upload to this key.
fn directory(bucket: &Bucket, request: &Request) -> Result<PathBuf, Failure> {
    let id = request.parameter("uploadId").unwrap_or_default();
    let is_id = id.strip_prefix("upload-").is_some_and(|id| id.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    let directory = bucket.uploads.join(id);
    let is_there = is_id
        && std::fs::read_to_string(directory.join(TARGET)).is_ok_and(|target| target == target_of(bucket, request));
    if is_there { Ok(directory) } else { Err(Failure::missing("NoSuchUpload")) }
}

fn target_of(bucket: &Bucket, request: &Request) -> String {
    format!("{}/{}", bucket.name, request.key)
}

/// The parts that a request names, as it must: in order, with their ETags, and
/// none but the last too small.
fn parts(upload: &std::path::Path, request: &Request) -> Result<Vec<Object>, Failure> {
    let wanted: Option<Wanted> = quick_xml::de::from_reader(request.body.as_ref()).ok();
    let wanted = wanted.ok_or_else(|| Failure::bad("MalformedXML", "not a list of parts"))?.parts;
    if !wanted.is_sorted_by(|one, next| one.number < next.number) {
        return Err(Failure::bad("InvalidPartOrder", "the parts are not in ascending order"));
    }
    let part = |part: &Part| {
        let found = Object::open(&upload.join(part.number.to_string())).ok();
        let found = found.filter(|found| found.record.etag == quoted(&part.etag));
        found.ok_or_else(|| Failure::bad("InvalidPart", "one or more parts could not be found"))
    };
    let parts = wanted.iter().map(part).collect::<Result<Vec<_>, _>>()?;
    let (_, but_last) = parts.split_last().ok_or_else(|| Failure::bad("MalformedXML", "no part"))?;
    if but_last.iter().any(|part| part.length < MIN_PART_BYTES) {
        return Err(Failure::bad("EntityTooSmall", "a part is smaller than the minimum allowed"));
    }
    Ok(parts)
}
