//! What is there of the documents that a group writes to.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

use super::patching::MAX_PATCHED_BYTES;
use crate::{
    documents::{entry::Entry, value::StoredDocument},
    share::Share,
};

/// What a write needs to know of the entry it replaces. Only patches need the
/// body: an upsert of twenty thousand large documents must not load them all.
#[derive(Clone, Debug)]
pub struct Old {
    /// What is counted of it.
    pub entry: Entry,
    /// Its body, as far as it is there.
    pub body: Body,
}

/// What is there of a document's body.
#[derive(Clone, Debug)]
pub enum Body {
    /// Nobody needs it, or too much was read already.
    Unread,
    /// There was no room for it: it is read when its patch has a turn.
    Later,
    /// It is here.
    Read(Bytes),
}

impl Old {
    /// Its body, if that was read.
    pub fn body(&self) -> Option<&Bytes> {
        match &self.body {
            Body::Read(body) => Some(body),
            Body::Unread | Body::Later => None,
        }
    }
}

impl Body {
    /// That of a stored document.
    pub fn of(document: &StoredDocument) -> Self {
        // A copy: a slice would keep its whole block.
        Self::Read(Bytes::copy_from_slice(&document.body()))
    }
}

/// The bodies that the patches of a group have read.
#[derive(Debug)]
pub struct Loaded {
    bytes: AtomicUsize,
    share: Share,
}

impl Loaded {
    /// None yet.
    pub fn new(share: Share) -> Self {
        Self { bytes: AtomicUsize::new(0), share }
    }

    /// A body, if that is not too much of the group's; if there is room for it.
    pub fn body(&self, document: &StoredDocument) -> Body {
        let bytes = document.body().len();
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        if before >= MAX_PATCHED_BYTES {
            Body::Unread
        } else if self.share.raise(before + bytes).is_err() {
            Body::Later
        } else {
            Body::of(document)
        }
    }
}
