//! What holds of any write and any selection, for the fuzz targets.

#![allow(clippy::expect_used, clippy::panic, reason = "so a target fails")]

use prost::Message;

use super::{Selection, encoding, read::bound_to, write};
use crate::{
    documents::{MAX_BODY_BYTES, Operation, Outcome, Write, WriteResult},
    error::{Error, Violations},
    json::{
        body::{check_id, lift},
        patch::MAX_OPERATIONS,
    },
    names::CollectionName,
    pb,
    rpc::service::fuzzed::is_an_answer,
};

/// Each write becomes a write in its place, good or refused.
pub(in crate::rpc) fn writes(request: pb::WriteDocumentsRequest) -> Result<(), Error> {
    write::check_batch(request.writes.len(), request.encoded_len())?;
    let count = request.writes.len();
    let results = request.writes.into_iter().map(|sent| {
        let Write { id, operation, if_etag: _ } = write::convert(sent);
        WriteResult { outcome: outcome(operation, &id), id, etag: None }
    });
    let results = futures::executor::block_on(write::results_of(results.collect(), false));
    assert_eq!(results.len(), count);
    results.iter().filter_map(|result| result.error.as_ref()).for_each(is_an_answer);
    Ok(())
}

/// What the writer is given it believes.
fn outcome(operation: Operation, id: &str) -> Outcome {
    match operation {
        Operation::Refused(error) => return Outcome::Failed(error),
        Operation::Upsert { event_time: _, body } => {
            assert!(body.len() <= MAX_BODY_BYTES);
            let lifted = lift(&body).expect("a body");
            assert_eq!((lifted.body, lifted.id, lifted.event_time), (body, None, None));
        }
        Operation::Patch(operations) => assert!((1..=MAX_OPERATIONS).contains(&operations.len())),
        Operation::Delete => {}
    }
    assert_eq!(check_id(id), Ok(()));
    Outcome::Added
}

/// What a list or a stream of documents asks for.
pub(in crate::rpc) fn selection(request: pb::StreamDocumentsRequest) -> Result<(), Error> {
    let pb::StreamDocumentsRequest {
        collection,
        encoding: wanted,
        start_event_time,
        end_event_time,
        filter,
        resume_token,
    } = request;
    let mut bad = Violations::default();
    bad.check("collection", collection.parse::<CollectionName>());
    let bound = bound_to("StreamDocuments", wanted, start_event_time, end_event_time, &filter).finish();
    encoding(&mut bad, wanted);
    Selection::new(&mut bad, start_event_time, end_event_time, &filter);
    bad.finish()?;
    super::read::cursor(&resume_token, bound).map(drop)
}
