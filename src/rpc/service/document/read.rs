//! Single documents and pages.

use prost::Message;

use super::{DocumentRpc, LARGE_BODY, Selection, at_most, encoding};
use crate::{
    access::Caller,
    documents::{Cursor, Scanned},
    error::{Error, Violations},
    json::body,
    listing::{Bound, PageToken, page_size},
    pb,
    rpc::{MAX_RESPONSE_BYTES, layer::answers::Room, service::listing::token_error},
    tasks::Slice,
};

pub const MAX_IDS: usize = 1000;
const DEFAULT_PAGE: usize = 100;
pub const MAX_PAGE: usize = 10_000;
/// A page ends after so many documents even if the filter found none of them.
const MAX_SCANNED: usize = 50_000;

impl DocumentRpc {
    pub(super) async fn get(
        &self,
        caller: &Caller,
        room: &Room,
        request: pb::GetDocumentRequest,
    ) -> Result<pb::Document, Error> {
        let pb::GetDocumentRequest { collection, id, encoding: wanted } = request;
        let mut bad = Violations::default();
        let wanted = encoding(&mut bad, wanted);
        bad.check("id", body::check_id(&id));
        bad.finish()?;
        let lease = self.lease(caller, &collection).await?;
        match lease.unless_deleted(lease.engine().get(&id)).await? {
            Some(document) => {
                Counted::of(room).raise(at_most(&document, wanted))?;
                self.message(&lease, &document, wanted).await
            }
            None => Err(Error::DocumentNotFound { collection, id }),
        }
    }

    pub(super) async fn batch_get(
        &self,
        caller: &Caller,
        room: &Room,
        request: pb::BatchGetDocumentsRequest,
    ) -> Result<pb::BatchGetDocumentsResponse, Error> {
        let pb::BatchGetDocumentsRequest { collection, ids, encoding: wanted } = request;
        let mut bad = Violations::default();
        let wanted = encoding(&mut bad, wanted);
        if ids.is_empty() || ids.len() > MAX_IDS {
            bad.add("ids", format_args!("must hold 1 to {MAX_IDS} ids"));
        }
        for (index, id) in ids.iter().enumerate().take(MAX_IDS) {
            if let Err(why) = body::check_id(id) {
                bad.add(format!("ids[{index}]"), why);
            }
        }
        bad.finish()?;
        let lease = self.lease(caller, &collection).await?;
        let mut response = pb::BatchGetDocumentsResponse::default();
        // Every id comes back, if not with its document, then as missing or unread.
        let mut bytes: usize = ids.iter().map(|id| id.len() + 4).sum();
        let (mut ids, mut counted) = (ids.into_iter(), Counted::of(room));
        for id in ids.by_ref() {
            let Some(document) = lease.unless_deleted(lease.engine().get(&id)).await? else {
                response.missing_ids.push(id);
                continue;
            };
            counted.raise(bytes + at_most(&document, wanted))?;
            let document = self.message(&lease, &document, wanted).await?;
            bytes += document.encoded_len() + 4;
            if bytes > MAX_RESPONSE_BYTES && !response.documents.is_empty() {
                response.unread_ids.push(id);
                break;
            }
            response.documents.push(document);
        }
        response.unread_ids.extend(ids);
        Ok(response)
    }

    pub(super) async fn list(
        &self,
        caller: &Caller,
        room: &Room,
        request: pb::ListDocumentsRequest,
    ) -> Result<pb::ListDocumentsResponse, Error> {
        let pb::ListDocumentsRequest {
            collection,
            page_size: requested,
            page_token,
            encoding: wanted,
            start_event_time,
            end_event_time,
            filter,
        } = request;
        let mut bad = Violations::default();
        let bound = bound_to("ListDocuments", wanted, start_event_time, end_event_time, &filter);
        let wanted = encoding(&mut bad, wanted);
        let size = bad.check("page_size", page_size(requested, DEFAULT_PAGE, MAX_PAGE));
        let selection = Selection::new(&mut bad, start_event_time, end_event_time, &filter);
        bad.finish()?;
        let size = size.unwrap_or(DEFAULT_PAGE);

        let lease = self.lease(caller, &collection).await?;
        let bound = bound.bytes(lease.engine().uid().as_bytes()).finish();
        let after = cursor(&page_token, bound)?;
        let mut scan = lease.engine().list(lease.tenant(), after.as_ref(), selection.span).await?;
        let mut response = pb::ListDocumentsResponse::default();
        let (mut bytes, mut last, mut counted) = (0, None, Counted::of(room));
        // Filters compute.
        let mut slice = Slice::begin();
        for _ in 0..MAX_SCANNED {
            let Some(scanned) = lease.unless_deleted(scan.next()).await? else { return Ok(response) };
            if let Scanned::Document(document) = &scanned
                && self.matches(&lease, &selection, document).await
            {
                counted.raise(bytes + at_most(document, wanted))?;
                let found = self.message(&lease, document, wanted).await?;
                bytes += found.encoded_len() + 8;
                // The one that does not fit is the first of the next page.
                if response.documents.len() == size || (bytes > MAX_RESPONSE_BYTES && last.is_some()) {
                    break;
                }
                response.documents.push(found);
            }
            last = Some(scanned.into_key().to_vec());
            if slice.is_over() {
                slice.give_way().await;
            }
        }
        let cursor = last.unwrap_or_default();
        response.next_page_token = PageToken { bound, cursor }.encode();
        Ok(response)
    }
}

/// What is known of an answer that is being made, so that it counts before all of it is there.
struct Counted<'r> {
    room: &'r Room,
    bytes: usize,
}

impl<'r> Counted<'r> {
    fn of(room: &'r Room) -> Self {
        Self { room, bytes: 0 }
    }

    /// It will be so many bytes. A little more need not be counted each time.
    fn raise(&mut self, bytes: usize) -> Result<(), Error> {
        if bytes > self.bytes + LARGE_BODY {
            self.room.expect(bytes)?;
            self.bytes = bytes;
        }
        Ok(())
    }
}

/// What a token of documents is bound to, but for the collection.
pub(super) fn bound_to(
    domain: &'static str,
    encoding: i32,
    from: Option<prost_types::Timestamp>,
    until: Option<prost_types::Timestamp>,
    filter: &str,
) -> Bound {
    let time = |bound: Bound, time: Option<prost_types::Timestamp>| match time {
        Some(time) => bound.number(time.seconds).number(i64::from(time.nanos)),
        None => bound.absent(),
    };
    time(time(Bound::new(domain).number(i64::from(encoding)), from), until).text(filter)
}

/// Where a token says to go on.
pub(super) fn cursor(token: &str, bound: u64) -> Result<Option<Cursor>, Error> {
    if token.is_empty() {
        return Ok(None);
    }
    PageToken::decode(token, bound).map(|cursor| Some(Cursor(cursor))).map_err(token_error)
}
