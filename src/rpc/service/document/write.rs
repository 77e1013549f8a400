//! Writes from the wire. A bad one becomes a refused write, which fails alone,
//! in its place.

use bytes::Bytes;
use prost::Message;

use super::DocumentRpc;
use crate::{
    access::Caller,
    clock::new_uid,
    documents::{BatchResult, MAX_BODY_BYTES, MAX_DOCUMENT_ID_BYTES, Operation, Outcome, Write, WriteResult},
    error::{Error, Violations},
    json::{
        body::{self, Lifted},
        fields,
        patch::{MAX_OPERATIONS, PatchOp, Pointer, Text},
    },
    pb,
    rpc::{
        MAX_RESPONSE_BYTES,
        layer::answers::{LARGEST_ANSWER, Room},
        service::{convert, etag},
        status,
    },
    tasks::Slice,
};

/// The largest batch.
pub const MAX_WRITES: usize = 20_000;
pub const MAX_BATCH_BYTES: usize = 10 << 20;
/// A result without what it names.
const RESULT_BYTES: usize = size_of::<WriteResult>();
/// The most that an error says of what a patch asks for.
const PATCH_ERROR_BYTES: usize = 8 << 10;
/// What `_id` and `_event_time` may add to a body before they are lifted out.
const LIFTED_BYTES: usize = 8 * MAX_DOCUMENT_ID_BYTES;

impl DocumentRpc {
    /// `bytes` is the size of the request.
    pub(super) async fn write(
        &self,
        caller: &Caller,
        room: &Room,
        request: pb::WriteDocumentsRequest,
        bytes: usize,
    ) -> Result<pb::WriteDocumentsResponse, Error> {
        check_batch(request.writes.len(), bytes)?;
        let pb::WriteDocumentsRequest { collection, writes, collection_uid } = request;
        if writes.is_empty() {
            return Err(Error::invalid("writes", "must hold at least one write"));
        }
        // First of all: as a message, bodies may take many times their bytes.
        let writes: Vec<Write> = writes.into_iter().map(convert).collect();
        // What has been written must be told.
        room.expect(results_bytes(&writes))?;
        let lease = self.lease_of(caller, &collection, &collection_uid).await?;
        self.admit_writes(&lease, &writes)?;
        let BatchResult { results, offset, .. } =
            lease.unless_deleted(lease.engine().write(lease.tenant(), writes)).await?;
        Ok(pb::WriteDocumentsResponse { results: results_of(results, false).await, offset })
    }
}

/// Refuses a batch that is too large.
pub(super) fn check_batch(writes: usize, bytes: usize) -> Result<(), Error> {
    if writes > MAX_WRITES {
        return Err(Error::BatchTooLarge { size: writes, limit: MAX_WRITES, unit: "writes" });
    }
    if bytes > MAX_BATCH_BYTES {
        return Err(Error::BatchTooLarge { size: bytes, limit: MAX_BATCH_BYTES, unit: "bytes" });
    }
    Ok(())
}

/// How many bytes the results of writes may be while they wait to be told: an error names the
/// document again, or what was wrong with the write.
pub(super) fn results_bytes(writes: &[Write]) -> usize {
    let told = |operation: &Operation| match operation {
        Operation::Upsert { .. } | Operation::Delete => 0,
        Operation::Patch(operations) => operations.iter().map(PatchOp::cost).sum::<usize>().min(PATCH_ERROR_BYTES),
        Operation::Refused(error) => error.bytes(),
    };
    let bytes: usize = writes.iter().map(|write| RESULT_BYTES + 2 * write.id.len() + told(&write.operation)).sum();
    bytes.min(LARGEST_ANSWER)
}

/// Results on the wire, all or those of failed writes.
pub(super) async fn results_of(results: Vec<WriteResult>, errors_only: bool) -> Vec<pb::WriteResult> {
    let (mut found, mut bytes) = (Vec::new(), 0);
    // An error with its details takes microseconds, and there may be twenty thousand.
    let mut slice = Slice::begin();
    for (index, result) in results.into_iter().enumerate() {
        if errors_only && !matches!(result.outcome, Outcome::Failed(_)) {
            continue;
        }
        let result = result_of(index, result);
        bytes += result.encoded_len() + 4;
        found.push(if bytes > MAX_RESPONSE_BYTES { shortened(result) } else { result });
        if slice.is_over() {
            slice.give_way().await;
        }
    }
    found
}

/// What a result says at least: its position, and what became of the write.
fn shortened(result: pb::WriteResult) -> pb::WriteResult {
    let error = result.error.map(|error| tonic_types::pb::Status { code: error.code, ..Default::default() });
    pb::WriteResult { index: result.index, status: result.status, error, ..Default::default() }
}

fn result_of(index: usize, result: WriteResult) -> pb::WriteResult {
    let WriteResult { id, outcome, etag } = result;
    let (outcome, error) = match outcome {
        Outcome::Added => (pb::write_result::Status::Added, None),
        Outcome::Replaced => (pb::write_result::Status::Replaced, None),
        Outcome::Patched => (pb::write_result::Status::Patched, None),
        Outcome::Deleted => (pb::write_result::Status::Deleted, None),
        Outcome::NotFound => (pb::write_result::Status::NotFound, None),
        Outcome::Failed(error) => (pb::write_result::Status::Unspecified, Some(status::embedded(error))),
    };
    pb::WriteResult {
        id,
        status: outcome.into(),
        etag: etag.map(|etag| etag.to_string()).unwrap_or_default(),
        error,
        // At most 20,000.
        index: i32::try_from(index).unwrap_or(i32::MAX),
    }
}

/// Reads a write.
pub(super) fn convert(write: pb::Write) -> Write {
    let pb::Write { operation, if_etag } = write;
    let (id, operation) = match operation {
        Some(pb::write::Operation::Upsert(document)) => upsert(document),
        Some(pb::write::Operation::Patch(patch)) => {
            let pb::Patch { id, operations } = patch;
            let operation = check_id(&id, "patch.id").and_then(|()| patch_ops(operations)).map(Operation::Patch);
            (id, operation)
        }
        Some(pb::write::Operation::DeleteId(id)) => {
            let operation = check_id(&id, "delete_id").map(|()| Operation::Delete);
            (id, operation)
        }
        None => (String::new(), Err(Error::invalid("operation", "must be one of upsert, patch, delete_id"))),
    };
    let if_etag = if_etag.as_deref().map(etag::of_document).transpose();
    let (operation, if_etag) = match (operation, if_etag) {
        (Ok(operation), Ok(if_etag)) => (operation, if_etag),
        (Err(error), _) | (_, Err(error)) => (Operation::Refused(error), None),
    };
    Write { id, operation, if_etag }
}

fn check_id(id: &str, field: &str) -> Result<(), Error> {
    body::check_id(id).map_err(|why| Error::invalid(field, why))
}

fn upsert(document: pb::Document) -> (String, Result<Operation, Error>) {
    let pb::Document { id, event_time, body, etag: _ } = document;
    let lifted = match body {
        Some(pb::document::Body::Json(json)) => lift(&json, "upsert.json"),
        Some(pb::document::Body::Fields(fields)) => match fields.to_json() {
            Ok(json) => lift(&json, "upsert.fields"),
            Err(why) => Err(Error::invalid("upsert.fields", why)),
        },
        None => Err(Error::invalid("upsert.body", "is required: json or fields")),
    };
    let Lifted { body, id: inner_id, event_time: inner_time } = match lifted {
        Ok(lifted) => lifted,
        Err(error) => return (id, Err(error)),
    };
    let mut bad = Violations::default();
    let outer_time = event_time.and_then(|time| bad.check("upsert.event_time", convert::micros_of(&time)));
    if let (Some(outer), Some(inner)) = (outer_time, inner_time)
        && outer != inner
    {
        bad.add("upsert.event_time", "differs from the body's _event_time");
    }
    let id = match (id.is_empty(), inner_id) {
        (true, Some(inner)) => inner,
        (true, None) => new_uid().to_string(),
        (false, inner) => {
            if inner.is_some_and(|inner| inner != id) {
                bad.add("upsert.id", "differs from the body's _id");
            }
            id
        }
    };
    if let Err(why) = body::check_id(&id) {
        bad.add("upsert.id", why);
    }
    let event_time = outer_time.or(inner_time);
    (id, bad.finish().map(|()| Operation::Upsert { event_time, body }))
}

fn lift(json: &[u8], field: &str) -> Result<Lifted, Error> {
    let too_large = |size| Error::DocumentTooLarge { size, limit: MAX_BODY_BYTES };
    if json.len() > MAX_BODY_BYTES + LIFTED_BYTES {
        return Err(too_large(json.len()));
    }
    let lifted = body::lift(json).map_err(|why| Error::invalid(field, why))?;
    if lifted.body.len() > MAX_BODY_BYTES { Err(too_large(lifted.body.len())) } else { Ok(lifted) }
}

fn patch_ops(operations: Vec<pb::PatchOperation>) -> Result<Vec<PatchOp<Text>>, Error> {
    if operations.is_empty() || operations.len() > MAX_OPERATIONS {
        return Err(Error::invalid("patch.operations", format_args!("must hold 1 to {MAX_OPERATIONS} operations")));
    }
    let numbered = operations.into_iter().enumerate();
    numbered.map(|(index, operation)| patch_op(&format!("patch.operations[{index}]"), operation)).collect()
}

fn patch_op(field: &str, operation: pb::PatchOperation) -> Result<PatchOp<Text>, Error> {
    use pb::patch_operation::Op;
    let op = operation.op();
    let pb::PatchOperation { op: _, path, source_path, operand } = operation;
    let pointer = |name: &str, text: Option<String>| {
        let invalid = |why: &dyn std::fmt::Display| Error::invalid(format!("{field}.{name}"), why);
        // Nothing is not the empty pointer, which is the whole document.
        let text = text.ok_or_else(|| invalid(&"is required; the whole document is \"\""))?;
        text.parse::<Pointer>().map_err(|why| invalid(&why))
    };
    let path = pointer("path", path)?;
    let value = || operand_text(field, operand);
    Ok(match op {
        Op::Unspecified => return Err(Error::invalid(format!("{field}.op"), "is required")),
        Op::Add => PatchOp::Add { path, value: value()? },
        Op::Replace => PatchOp::Replace { path, value: value()? },
        Op::Remove => PatchOp::Remove { path },
        Op::Copy => PatchOp::Copy { from: pointer("source_path", source_path)?, path },
        Op::Move => PatchOp::Move { from: pointer("source_path", source_path)?, path },
        Op::Test => PatchOp::Test { path, value: value()? },
        Op::Increment => PatchOp::Increment { path, value: value()? },
    })
}

fn operand_text(field: &str, operand: Option<pb::patch_operation::Operand>) -> Result<Text, Error> {
    let json: Bytes = match operand {
        Some(pb::patch_operation::Operand::Json(json)) => json,
        Some(pb::patch_operation::Operand::Value(value)) => {
            let invalid = |why| Error::invalid(format!("{field}.value"), why);
            fields::value_to_json(&value).map_err(invalid)?.into()
        }
        None => return Err(Error::invalid(format!("{field}.operand"), "is required: json or value")),
    };
    if json.len() > MAX_BODY_BYTES {
        return Err(Error::DocumentTooLarge { size: json.len(), limit: MAX_BODY_BYTES });
    }
    let invalid = |why| Error::invalid(format!("{field}.json"), why);
    body::check_value(&json).map_err(invalid)?;
    Ok(Text(json))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_error_says_of_a_write_counts_among_the_results() {
        let key = "k".repeat(100);
        let json = format!(r#"{{"{key}":{{"a":1,"a":2}}}}"#);
        let document = pb::Document {
            id: "i".repeat(100),
            body: Some(pb::document::Body::Json(json.into())),
            ..Default::default()
        };
        let twice =
            convert(pb::Write { operation: Some(pb::write::Operation::Upsert(document)), ..Default::default() });
        let Operation::Refused(Error::Invalid(violations)) = &twice.operation else { panic!("{twice:?}") };
        let said: usize = violations.listed.iter().map(|violation| violation.field.len() + violation.why.len()).sum();
        assert!(said > 64, "{violations:?}");
        assert!(results_bytes(&[twice]) > RESULT_BYTES + said);
    }
}
