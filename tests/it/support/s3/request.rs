//! A request, taken apart.

use bytes::Bytes;
use http::{HeaderMap, Method, Uri, request::Parts};
use percent_encoding::percent_decode_str;
use sha2::{Digest, Sha256};

use super::{BUCKET, answer::Failure, objects};

pub struct Request {
    pub method: Method,
    /// As it was sent.
    pub target: Uri,
    /// Of it, which is what the signature is about.
    pub path: String,
    pub bucket: String,
    /// Empty for a request about the bucket.
    pub key: String,
    /// Decoded, sorted by name.
    pub query: Vec<(String, String)>,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// The SHA-256 of the body, in hexadecimal.
    pub digest: String,
}

impl Request {
    pub fn parse(parts: Parts, body: Bytes) -> Result<Self, Failure> {
        let path = parts.uri.path().to_owned();
        let (bucket, key) = bucket_and_key(&path)?;
        let mut query = pairs(parts.uri.query().unwrap_or_default())?;
        query.sort();
        let digest = hexadecimal(&Sha256::digest(&body));
        Ok(Self {
            method: parts.method,
            target: parts.uri,
            path,
            bucket,
            key,
            query,
            headers: parts.headers,
            body,
            digest,
        })
    }

    pub fn without_conditions(mut self) -> Self {
        self.headers.remove(http::header::IF_NONE_MATCH);
        self.headers.remove(http::header::IF_MATCH);
        self
    }

    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// `PUT wal`, `GET manifest`, `COPY compacted`, `LIST` and so on.
    pub fn label(&self) -> String {
        if self.key.is_empty() {
            return if self.method == Method::GET { "LIST".to_owned() } else { "DELETE".to_owned() };
        }
        let is_copy = self.headers.contains_key("x-amz-copy-source");
        let method = if is_copy { "COPY" } else { self.method.as_str() };
        let parts: Vec<&str> = self.key.split('/').collect();
        let of = match parts.as_slice() {
            _ if self.bucket != BUCKET => self.bucket.as_str(),
            ["collections" | "staging", _, kind, ..] => kind,
            [first, ..] => first,
            [] => "",
        };
        format!("{method} {of}")
    }

    /// Whether it names a key below this prefix, or lists keys there.
    pub fn is_below(&self, prefix: &str) -> bool {
        match self.label().as_str() {
            "LIST" => self.parameter("prefix").unwrap_or_default().starts_with(prefix),
            "DELETE" => objects::keys_to_delete(self).is_ok_and(|keys| keys.iter().any(|key| key.starts_with(prefix))),
            _ => self.key.starts_with(prefix),
        }
    }
}

/// Of a path as it was sent, with or without a slash in front.
pub fn bucket_and_key(path: &str) -> Result<(String, String), Failure> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    Ok((decoded(bucket)?, decoded(key)?))
}

fn pairs(query: &str) -> Result<Vec<(String, String)>, Failure> {
    let form = |text: &str| decoded(&text.replace('+', " "));
    let parts = query.split('&').filter(|part| !part.is_empty());
    parts
        .map(|part| part.split_once('=').unwrap_or((part, "")))
        .map(|(name, value)| Ok((form(name)?, form(value)?)))
        .collect()
}

fn decoded(text: &str) -> Result<String, Failure> {
    let decoded = percent_decode_str(text).decode_utf8();
    Ok(decoded.map_err(|_| Failure::bad("InvalidURI", "not UTF-8"))?.into_owned())
}

pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
