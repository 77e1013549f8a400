//! The patches of one commit: what they may cost together, and the documents that they
//! share.
//!
//! A body as a value takes up to a hundred times its bytes, and reading it takes longer than
//! most patches. So it is read once for all patches of a document that follow each other,
//! and little is kept at once.

use std::{collections::HashMap, time::Duration};

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use crate::{
    documents::{
        MAX_BODY_BYTES,
        write::{Operation, Write},
    },
    error::{Error, Whose},
    json::patch::{self, Document, PatchOp, Text, Work},
    share::{Share, Tenant, Turns},
    tasks::in_place,
};

/// What the bodies that patches read may take up in one commit, and those that they make.
pub(super) const MAX_PATCHED_BYTES: usize = 64 << 20;
/// What the patches of one commit may compute, in units of [`Work`]: about a second.
const COMMIT_WORK: usize = 192 << 20;
/// What one of them may compute. In a commit of its own it never meets the end of that.
const PATCH_WORK: usize = patch::work_of(MAX_BODY_BYTES);
const _: () = assert!(PATCH_WORK + 32 * MAX_BODY_BYTES <= COMMIT_WORK);
/// What a patch may cost that is applied where it stands: a few milliseconds.
const LIGHT_WORK: usize = 1 << 20;
/// The text of the documents that are kept read, and how many there may be.
const KEPT_BYTES: usize = MAX_BODY_BYTES;
const KEPT_DOCUMENTS: usize = 32;

/// The patches of a commit.
pub(super) struct Patching {
    work: Work,
    /// Bytes of bodies that were made.
    made: usize,
    /// How many patches of a document are still to come.
    to_come: HashMap<String, usize>,
    /// The documents that were read, the one that was used last behind the others.
    kept: Vec<(String, Document)>,
    /// Held as long as something large may be kept.
    turn: Option<Share>,
}

impl Patching {
    /// Those of these writes.
    pub(super) fn of<'w>(writes: impl Iterator<Item = &'w Write>) -> Self {
        let mut to_come = HashMap::new();
        for write in writes {
            if matches!(write.operation, Operation::Patch(_)) {
                *to_come.entry(write.id.clone()).or_default() += 1;
            }
        }
        Self { work: Work::new(COMMIT_WORK), made: 0, to_come, kept: Vec::new(), turn: None }
    }

    /// Whether a patch may take so long that it must not hold up anybody else.
    pub(super) fn is_heavy(operations: &[PatchOp<Text>], body: &Bytes) -> bool {
        patch::estimate(operations, body.len()) > LIGHT_WORK
    }

    /// Waits for one of the few turns that there are to compute for long, unless this has
    /// one: until it ends, so that what different commits keep does not add up.
    pub(super) async fn take_turn(
        &mut self,
        tenant: &Tenant,
        turns: &Turns,
        stop: &CancellationToken,
    ) -> Result<(), Error> {
        if self.turn.is_none() {
            self.kept.clear();
            let turn = stop.run_until_cancelled(turns.take(tenant)).await;
            self.turn = Some(turn.ok_or(Error::ShuttingDown)?);
        }
        Ok(())
    }

    /// Others run now: nothing is kept meanwhile without a turn.
    pub(super) fn pause(&mut self) {
        if self.turn.is_none() {
            self.kept.clear();
        }
    }

    /// A document has become another one, or none.
    pub(super) fn forget(&mut self, id: &str) {
        self.kept.retain(|(kept, _)| kept != id);
    }

    /// The body that a patch makes; `None` if it changes nothing. The patch must have been
    /// [met](Self::met).
    pub(super) fn patch(
        &mut self,
        id: &str,
        body: Option<&Bytes>,
        operations: &[PatchOp<Text>],
    ) -> Result<Option<Bytes>, Error> {
        let body = body.filter(|_| self.made < MAX_PATCHED_BYTES).ok_or_else(|| too_much(LARGEST))?;
        let mut document = self.read(id, body)?;
        let left = self.work.left();
        let mut own = Work::new(left.min(PATCH_WORK));
        let patched = patch::apply(&mut document, operations, MAX_BODY_BYTES, &mut own);
        self.work.charge(left.min(PATCH_WORK) - own.left());
        if document.is_whole() {
            self.keep(id, document);
        }
        match patched {
            Ok(made) => {
                self.made += made.as_ref().map_or(0, Bytes::len);
                Ok(made)
            }
            // Alone it would have got on.
            Err(error) if error.is_too_much_work() && left < PATCH_WORK => Err(too_much(WORK)),
            Err(error) => Err(Error::PatchFailed(error.to_string())),
        }
    }

    /// Lets go of all that is kept, and then of the turn.
    pub(super) fn end(&mut self) {
        if self.turn.is_some() {
            in_place(|| self.kept.clear());
        }
        self.turn = None;
    }

    /// A patch of a document is no longer to come, whatever becomes of it.
    pub(super) fn met(&mut self, id: &str) {
        if let Some(count) = self.to_come.get_mut(id) {
            *count -= 1;
        }
    }

    /// The document as a value.
    fn read(&mut self, id: &str, body: &Bytes) -> Result<Document, Error> {
        if let Some(at) = self.kept.iter().position(|(kept, _)| kept == id) {
            return Ok(self.kept.remove(at).1);
        }
        if self.work.left() < body.len().max(1) {
            return Err(too_much(WORK));
        }
        // Before this one is read: they must not add up.
        self.make_room(body.len());
        let damaged = |error| Error::DataLoss(format!("a stored body cannot be read: {error}"));
        let document = Document::parse(body).map_err(damaged)?;
        self.work.charge(document.work());
        Ok(document)
    }

    /// Keeps a document for the next patch of it, if there is one.
    fn keep(&mut self, id: &str, document: Document) {
        if self.to_come.get(id).is_some_and(|count| *count > 0) && document.bytes() <= KEPT_BYTES {
            self.make_room(document.bytes());
            self.kept.push((id.to_owned(), document));
        }
    }

    /// Lets go of what was used longest ago, until there is room for so much.
    fn make_room(&mut self, bytes: usize) {
        let mut sum = bytes;
        let fitting = self.kept.iter().rev().take(KEPT_DOCUMENTS - 1).take_while(|(_, document)| {
            sum += document.bytes();
            sum <= KEPT_BYTES
        });
        let fitting = fitting.count();
        self.kept.drain(..self.kept.len() - fitting);
    }
}

const WORK: (&str, usize) = ("work of the patches in one commit (about a byte parsed each)", COMMIT_WORK);
const LARGEST: (&str, usize) = ("bytes of documents patched in one commit", MAX_PATCHED_BYTES);

fn too_much((what, limit): (&'static str, usize)) -> Error {
    Error::Busy { what, limit, whose: Whose::Server, retry_after: Duration::from_millis(100) }
}

#[cfg(test)]
mod tests;
