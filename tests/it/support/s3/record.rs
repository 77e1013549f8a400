//! What an object has besides its bytes: its ETag, and the headers it was put
//! with, of which SlateDB needs its own to recognise a write whose answer it
//! never got.
//!
//! It is an extended attribute of the file, so it comes and goes with the bytes
//! at one stroke. It says for which size and time of change it is right: a file
//! that a test wrote by hand since is a plain one, whose ETag is computed when
//! somebody asks.

use std::{
    fs::{File, Metadata},
    io::{self, Read, Seek},
    os::unix::fs::MetadataExt,
};

use rustix::{
    fs::{XattrFlags, fgetxattr, fsetxattr},
    io::Errno,
};
use sha2::{Digest, Sha256};

use super::{
    answer::Failure,
    request::{Request, hexadecimal},
};

const ATTRIBUTE: &str = "user.stillframe.s3";
/// What S3 allows, and what it comes with here.
const MAX_BYTES: usize = (2 << 10) + 256;
const KEPT: [&str; 5] =
    ["cache-control", "content-disposition", "content-encoding", "content-language", "content-type"];

#[derive(Clone)]
pub struct Record {
    pub etag: String,
    pub headers: Vec<(String, String)>,
}

impl Record {
    /// For an object that a request brings, with its headers.
    pub fn new(etag: String, request: &Request) -> Self {
        let is_kept = |name: &str| KEPT.contains(&name) || name.starts_with("x-amz-meta-");
        let names = request.headers.keys().map(http::HeaderName::as_str).filter(|name| is_kept(name));
        let header = |name: &str| Some((name.to_owned(), request.header(name)?.to_owned()));
        Self { etag, headers: names.filter_map(header).collect() }
    }

    /// Keeps it with a file that is complete.
    pub fn keep(&self, file: &File) -> Result<(), Failure> {
        let headers: String = self.headers.iter().map(|(name, value)| format!("\n{name}:{value}")).collect();
        let text = format!("{}\n{}{headers}", stamp(&file.metadata()?), self.etag);
        if text.len() > MAX_BYTES {
            return Err(Failure::bad("MetadataTooLarge", "your metadata headers exceed the maximum allowed size"));
        }
        fsetxattr(file, ATTRIBUTE, text.as_bytes(), XattrFlags::empty()).map_err(io::Error::from)?;
        Ok(())
    }

    /// That of a file.
    pub fn of(file: &File, found: &Metadata) -> io::Result<Self> {
        let mut text = vec![0; MAX_BYTES];
        let length = match fgetxattr(file, ATTRIBUTE, text.as_mut_slice()) {
            Err(Errno::NODATA) => 0,
            length => length?,
        };
        let kept = str::from_utf8(&text[..length]).ok().and_then(|text| Self::parse(text, found));
        kept.map_or_else(|| Self::plain(file), Ok)
    }

    fn parse(text: &str, found: &Metadata) -> Option<Self> {
        let mut lines = text.split('\n');
        if lines.next()? != stamp(found) {
            return None;
        }
        let etag = lines.next()?.to_owned();
        let header = |line: &str| line.split_once(':').map(|(name, value)| (name.to_owned(), value.to_owned()));
        Some(Self { etag, headers: lines.map(header).collect::<Option<_>>()? })
    }

    fn plain(mut file: &File) -> io::Result<Self> {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        // For who copies it.
        file.rewind()?;
        Ok(Self { etag: etag(&hexadecimal(&Sha256::digest(bytes))), headers: Vec::new() })
    }
}

fn stamp(found: &Metadata) -> String {
    format!("{} {} {}", found.len(), found.mtime(), found.mtime_nsec())
}

/// The first half of the SHA-256 of the content, which the signature of a
/// request needs anyway. As with S3, equal contents have equal ETags, and no
/// content has that of another, however quickly it is overwritten.
pub fn etag(digest: &str) -> String {
    format!("\"{}\"", &digest[..32])
}
