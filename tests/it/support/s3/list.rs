//! ListObjectsV2: the keys of a bucket, in the order of their bytes.

use std::{collections::BTreeSet, io, path::Path};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use super::{
    answer::{Answer, Failure, xml},
    bucket::{Bucket, file_of, part_of},
    request::Request,
};

const MAX_KEYS: usize = 1000;
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'/').remove(b'*');
const KNOWN: [&str; 7] =
    ["continuation-token", "delimiter", "encoding-type", "list-type", "max-keys", "prefix", "start-after"];

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Page {
    name: String,
    prefix: String,
    max_keys: usize,
    key_count: usize,
    is_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    encoding_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_continuation_token: Option<String>,
    contents: Vec<Content>,
    common_prefixes: Vec<CommonPrefix>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Content {
    key: String,
    last_modified: String,
    #[serde(rename = "ETag")]
    etag: String,
    size: u64,
    storage_class: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct CommonPrefix {
    prefix: String,
}

pub fn list(bucket: &Bucket, request: &Request) -> Result<Answer, Failure> {
    if let Some((odd, _)) = request.query.iter().find(|(name, _)| !KNOWN.contains(&name.as_str())) {
        return Err(Failure::unknown(format!("a list with {odd}")));
    }
    if request.parameter("list-type") != Some("2") {
        return Err(Failure::unknown("lists of the first kind"));
    }
    let max_keys = request.parameter("max-keys").map(str::parse).transpose();
    let max_keys: usize = max_keys.map_err(|_| Failure::bad("InvalidArgument", "max-keys"))?.unwrap_or(MAX_KEYS);
    let prefix = request.parameter("prefix").unwrap_or_default();
    let mut page = Page {
        name: bucket.name.clone(),
        prefix: prefix.to_owned(),
        max_keys: max_keys.min(MAX_KEYS),
        key_count: 0,
        is_truncated: false,
        encoding_type: None,
        next_continuation_token: None,
        contents: Vec::new(),
        common_prefixes: Vec::new(),
    };
    page.fill(bucket, &after(request)?, request.parameter("delimiter").filter(|text| !text.is_empty()))?;
    match request.parameter("encoding-type") {
        None => {}
        Some("url") => page.encode(),
        Some(_) => return Err(Failure::bad("InvalidArgument", "encoding-type")),
    }
    xml("ListBucketResult", &page)
}

/// As S3 does it: a blank is a plus.
fn encoded(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string().replace("%20", "+")
}

/// What the page begins after: a token says it if there is one.
fn after(request: &Request) -> Result<String, Failure> {
    let Some(token) = request.parameter("continuation-token") else {
        return Ok(request.parameter("start-after").unwrap_or_default().to_owned());
    };
    let decoded = BASE64_URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    decoded.ok_or_else(|| Failure::bad("InvalidArgument", "the continuation token is incorrect"))
}

impl Page {
    fn encode(&mut self) {
        self.encoding_type = Some("url");
        self.prefix = encoded(&self.prefix);
        self.contents.iter_mut().for_each(|content| content.key = encoded(&content.key));
        self.common_prefixes.iter_mut().for_each(|common| common.prefix = encoded(&common.prefix));
    }

    /// Takes keys, and the prefixes that they have in common, as long as there
    /// is room. Neither is taken twice, nor if it does not come after `after`.
    fn fill(&mut self, bucket: &Bucket, after: &str, delimiter: Option<&str>) -> Result<(), Failure> {
        let mut last = after.to_owned();
        for key in keys(&bucket.directory, &self.prefix)? {
            let rest = &key[self.prefix.len()..];
            let common = delimiter.and_then(|text| rest.find(text).map(|at| self.prefix.len() + at + text.len()));
            let entry = &key[..common.unwrap_or(key.len())];
            if entry <= last.as_str() {
                continue;
            }
            if self.key_count == self.max_keys {
                self.is_truncated = self.max_keys > 0;
                self.next_continuation_token = self.is_truncated.then(|| BASE64_URL_SAFE_NO_PAD.encode(&last));
                break;
            }
            let is_taken = if common.is_some() { self.take_prefix(entry) } else { self.take_key(bucket, entry)? };
            self.key_count += usize::from(is_taken);
            entry.clone_into(&mut last);
        }
        Ok(())
    }

    fn take_prefix(&mut self, prefix: &str) -> bool {
        self.common_prefixes.push(CommonPrefix { prefix: prefix.to_owned() });
        true
    }

    /// False if the object has gone since its directory was read.
    fn take_key(&mut self, bucket: &Bucket, key: &str) -> Result<bool, Failure> {
        let object = match bucket.object(key) {
            Err(failure) if failure.code == "NoSuchKey" => return Ok(false),
            found => found?,
        };
        let last_modified = object.modified_text();
        let (key, etag, size) = (key.to_owned(), object.record.etag, object.length);
        self.contents.push(Content { key, last_modified, etag, size, storage_class: "STANDARD" });
        Ok(true)
    }
}

/// The keys below a directory that begin with a prefix.
fn keys(directory: &Path, prefix: &str) -> io::Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    let above = prefix.rfind('/').map_or("", |at| &prefix[..=at]);
    let start = above.split_terminator('/').fold(directory.to_owned(), |path, part| path.join(file_of(part)));
    walk(&start, above, prefix, &mut found)?;
    Ok(found)
}

fn walk(directory: &Path, at: &str, prefix: &str, found: &mut BTreeSet<String>) -> io::Result<()> {
    let entries = match std::fs::read_dir(directory) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        // A name that is not UTF-8 names no object.
        let Ok(name) = entry.file_name().into_string() else { continue };
        let (key, kind) = (format!("{at}{}", part_of(&name)), entry.file_type()?);
        if kind.is_file() && key.starts_with(prefix) {
            found.insert(key);
        } else if kind.is_dir() && (key.starts_with(prefix) || prefix.starts_with(&format!("{key}/"))) {
            walk(&entry.path(), &format!("{key}/"), prefix, found)?;
        }
    }
    Ok(())
}
