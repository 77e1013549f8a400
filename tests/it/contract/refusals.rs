//! Every field of every request with values that it may not have. What is said of each refusal
//! is checked as everywhere (`support/words.rs`).

use std::collections::BTreeSet;

use bytes::Bytes;
use prost::Message;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, ReflectMessage, Value};
use stillframe::pb::{self, patch_operation::Op};
use tonic::{Code, Status};

use super::{files, pool};
use crate::{
    access::requests,
    support::{COMMONS, TestServer, bad_fields, collection_name, reason},
};

/// As deep as the deepest field that is checked: an operation of a patch among writes.
const DEPTH: usize = 5;

/// A message with one field that is as it should not be.
fn spoiled(message: &DynamicMessage, depth: usize) -> Vec<DynamicMessage> {
    let mut all = Vec::new();
    for field in message.descriptor().fields() {
        for value in values(message, &field, depth) {
            let mut next = message.clone();
            next.set_field(&field, value);
            all.push(next);
        }
    }
    all
}

/// Values that a field may not have; of messages, those of their fields.
fn values(message: &DynamicMessage, field: &FieldDescriptor, depth: usize) -> Vec<Value> {
    if field.is_map() {
        let entry = |key: &str, value: &str| [(MapKey::String(key.to_owned()), Value::String(value.to_owned()))];
        return vec![Value::Map(entry("", "").into()), Value::Map(entry("k", &"v".repeat(256)).into())];
    }
    let one = match field.kind() {
        Kind::Message(of) => {
            let given = message.get_field(field);
            let given = match &*given {
                Value::List(list) => list.first().and_then(Value::as_message).cloned(),
                value => value.as_message().cloned(),
            };
            messages(given.unwrap_or_else(|| DynamicMessage::new(of.clone())), &of, depth)
        }
        kind => scalars(&kind),
    };
    if field.is_list() { one.into_iter().map(|value| Value::List(vec![value])).collect() } else { one }
}

fn messages(given: DynamicMessage, of: &MessageDescriptor, depth: usize) -> Vec<Value> {
    let with = |field: &str, value: Value| {
        let mut message = DynamicMessage::new(of.clone());
        message.set_field_by_name(field, value);
        Value::Message(message)
    };
    match of.full_name() {
        "google.protobuf.Timestamp" | "google.protobuf.Duration" => {
            vec![with("seconds", Value::I64(i64::MAX)), with("nanos", Value::I32(-1)), with("seconds", Value::I64(-1))]
        }
        "google.protobuf.FieldMask" => vec![with("paths", Value::List(vec![Value::String("nothing".to_owned())]))],
        "google.protobuf.Value" => vec![with("number_value", Value::F64(f64::NAN))],
        _ if depth == 0 || !of.full_name().starts_with("stillframe.") => Vec::new(),
        _ => spoiled(&given, depth - 1).into_iter().map(Value::Message).collect(),
    }
}

fn scalars(kind: &Kind) -> Vec<Value> {
    let texts = ["", "\u{1}", "-", "a b", "workspaces/a b/collections/-", "= (", "nothing = 1", "nothing desc"];
    match kind {
        Kind::String => texts.into_iter().map(str::to_owned).chain(["x".repeat(5000)]).map(Value::String).collect(),
        Kind::Bytes => ["{", "[]", r#"{"a":1,"a":2}"#, r#"{"_id":[]}"#, r#"{"_event_time":"never"}"#]
            .map(|json| Value::Bytes(Bytes::from_static(json.as_bytes())))
            .to_vec(),
        Kind::Int32 => vec![Value::I32(-1), Value::I32(i32::MIN)],
        Kind::Int64 => vec![Value::I64(-1), Value::I64(i64::MAX)],
        Kind::Enum(_) => vec![Value::EnumNumber(0), Value::EnumNumber(99)],
        _ => Vec::new(),
    }
}

/// The errors of an answer: its own, and those of single writes in it.
fn errors(method: &str, answer: Result<Vec<Bytes>, Status>) -> Vec<Status> {
    let messages = match answer {
        Ok(messages) => messages,
        Err(status) => return vec![status],
    };
    let results = messages.into_iter().flat_map(|message| match method {
        "DocumentService/WriteDocuments" => pb::WriteDocumentsResponse::decode(message).unwrap().results,
        "DocumentService/IngestDocuments" => pb::IngestDocumentsResponse::decode(message).unwrap().results,
        _ => Vec::new(),
    });
    let errors = results.filter_map(|result| result.error);
    errors
        .map(|error| {
            Status::with_details(Code::from_i32(error.code), error.message.clone(), error.encode_to_vec().into())
        })
        .collect()
}

/// Writes of each kind, for their fields to be spoiled.
fn writes() -> Vec<pb::Write> {
    let patch = pb::Patch { id: "a".to_owned(), operations: vec![crate::documents::op(Op::Add, "/n", "1")] };
    let document = pb::Document { id: "a".to_owned(), ..Default::default() };
    vec![
        pb::Write { operation: Some(pb::write::Operation::Upsert(document)), if_etag: None },
        pb::Write { operation: Some(pb::write::Operation::Patch(patch)), if_etag: None },
        crate::support::delete("a"),
    ]
}

#[apply(on_directory!)]
async fn no_refusal_names_its_field_twice() {
    let mut server = TestServer::start().await;
    let (mut fields, mut refusals) = (BTreeSet::new(), 0);
    for service in files(&pool()).iter().flat_map(|file| file.services().collect::<Vec<_>>()) {
        for method in service.methods() {
            let name = format!("{}/{}", service.name(), method.name());
            // The one that the messages are about; some have taken it along.
            let _ = server.create_collection(COMMONS, "none").await;
            let mut given = vec![requests::message(&name, COMMONS).unwrap()];
            if name == "DocumentService/WriteDocuments" {
                let request = |write| pb::WriteDocumentsRequest {
                    collection: collection_name("none"),
                    writes: vec![write],
                    ..Default::default()
                };
                given = writes().into_iter().map(|write| request(write).encode_to_vec().into()).collect();
            }
            for given in given {
                let message = DynamicMessage::decode(method.input(), given).unwrap();
                for spoiled in spoiled(&message, DEPTH) {
                    let sent = Bytes::from(spoiled.encode_to_vec());
                    let answer = server.call_raw(&format!("stillframe.v1.{name}"), sent, None).await;
                    for status in errors(&name, answer) {
                        let why = reason(&status);
                        assert!(!["INTERNAL", "TRANSPORT"].contains(&why.as_str()), "{name} {spoiled:?}: {status:?}");
                        refusals += 1;
                        fields.extend(bad_fields(&status).into_iter().map(|field| format!("{name} {field}")));
                    }
                }
            }
        }
    }
    assert!(refusals > 500 && fields.len() > 120, "{refusals} refusals of {}: {fields:#?}", fields.len());
    server.stop().await;
}
