//! Bodies as `google.protobuf.Struct`, the form for people.

use prost_types::{ListValue, Struct, Value, value::Kind};
use stillframe::pb::{self, Encoding, document::Body};
use tonic::Code::InvalidArgument;

use super::{fields, upsert_of};
use crate::support::{TestServer, collection_name, json, upsert};

fn object(members: &[(&str, Kind)]) -> Struct {
    let member = |(key, kind): &(&str, Kind)| ((*key).to_owned(), Value { kind: Some(kind.clone()) });
    Struct { fields: members.iter().map(member).collect() }
}

/// The Struct of a document that was read as one.
fn structure(document: &pb::Document) -> Struct {
    match document.body.as_ref().unwrap() {
        Body::Fields(fields) => fields.try_into().unwrap(),
        Body::Json(json) => panic!("{json:?} is not a Struct"),
    }
}

fn list(items: &[Kind]) -> Kind {
    Kind::ListValue(ListValue { values: items.iter().map(|kind| Value { kind: Some(kind.clone()) }).collect() })
}

#[apply(on_each_storage!)]
async fn a_struct_is_stored_as_compact_json_with_sorted_keys() {
    let mut server = TestServer::with_collection().await;
    let inner = object(&[("z", Kind::BoolValue(true)), ("a", Kind::NullValue(0))]);
    let members = [
        ("b", Kind::StructValue(inner)),
        ("a", list(&[Kind::NumberValue(3.0), Kind::NumberValue(0.5), Kind::StringValue("é\"".into())])),
        ("_id", Kind::StringValue("lifted".into())),
        ("_event_time", Kind::NumberValue(1000.0)),
    ];
    assert_eq!(server.write_one(upsert_of(fields("", members))).await.id, "lifted");
    let stored = server.read("lifted").await.unwrap();
    assert_eq!(json(&stored), r#"{"a":[3,0.5,"é\""],"b":{"a":null,"z":true}}"#);
    assert_eq!(stored.event_time, Some(super::seconds(1)));
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn any_document_can_be_read_as_a_struct() {
    let mut server = TestServer::with_collection().await;
    server.write_one(upsert("a", r#"{"z":[1,true,null,"x"],"n":9007199254740993,"o":{"p":-1.5}}"#)).await;
    let document = server.read_as("a", Encoding::Fields).await.unwrap();
    let expected = object(&[
        (
            "z",
            list(&[Kind::NumberValue(1.0), Kind::BoolValue(true), Kind::NullValue(0), Kind::StringValue("x".into())]),
        ),
        ("n", Kind::NumberValue(9_007_199_254_740_992.0)),
        ("o", Kind::StructValue(object(&[("p", Kind::NumberValue(-1.5))]))),
    ]);
    assert_eq!(structure(&document), expected, "integers beyond 2^53 lose digits");
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_number_beyond_a_double_can_be_read_as_a_struct_too() {
    let mut server = TestServer::with_collection().await;
    server.write_one(upsert("a", r#"{"n":1e999,"m":-1e999}"#)).await;
    let document = server.read_as("a", Encoding::Fields).await.unwrap();
    let expected = object(&[("n", Kind::NumberValue(f64::MAX)), ("m", Kind::NumberValue(f64::MIN))]);
    assert_eq!(structure(&document), expected);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn what_json_cannot_say_is_refused() {
    let mut server = TestServer::with_collection().await;
    let kindless = Struct { fields: [("a".to_owned(), Value { kind: None })].into() };
    let bad = [
        Kind::NumberValue(f64::NAN),
        Kind::NumberValue(f64::INFINITY),
        list(&[Kind::NumberValue(f64::NEG_INFINITY)]),
        Kind::StructValue(kindless),
    ];
    let cases = bad
        .map(|kind| (upsert_of(fields("a", [("n", kind)])), InvalidArgument, "INVALID_FIELD", &["upsert.fields"][..]));
    server.check_refused(cases.into()).await;
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn special_fields_must_agree_in_a_struct_too() {
    let mut server = TestServer::with_collection().await;
    let cases = vec![
        (fields("a", [("_id", Kind::StringValue("b".into()))]), &["upsert.id"][..]),
        (fields("a", [("_id", Kind::NumberValue(1.0))]), &["upsert.id"][..]),
        (fields("a", [("_id", Kind::NumberValue(1.5))]), &["upsert.fields"][..]),
        (fields("a", [("_event_time", Kind::NumberValue(0.5))]), &["upsert.fields"][..]),
        (fields("a", [("_event_time", Kind::StringValue("soon".into()))]), &["upsert.fields"][..]),
    ];
    let cases = cases.into_iter().map(|(document, at)| (upsert_of(document), InvalidArgument, "INVALID_FIELD", at));
    server.check_refused(cases.collect()).await;
    server.stop().await;
}

/// So many levels inside each other.
fn nested(levels: usize) -> pb::Write {
    let deep = (1..levels).fold(object(&[]), |inner, _| object(&[("a", Kind::StructValue(inner))]));
    let document = pb::Document { id: "deep".to_owned(), body: Some(Body::Fields(deep.into())), ..Default::default() };
    upsert_of(document)
}

#[apply(on_each_storage!)]
async fn a_struct_has_as_many_levels_as_protobuf_decoders_take() {
    let mut server = TestServer::with_collection().await;
    assert_eq!(server.write_one(nested(30)).await.error, None);
    assert!(server.read_as("deep", Encoding::Fields).await.is_ok());
    let request = pb::WriteDocumentsRequest {
        collection: collection_name("c"),
        writes: vec![upsert("a", "{}"), nested(40)],
        ..Default::default()
    };
    let results = server.documents.write_documents(request).await.unwrap().into_inner().results;
    assert_eq!(results[0].status(), pb::write_result::Status::Added, "deep ones fail alone");
    let error = results[1].error.as_ref().unwrap();
    assert_eq!(error.code, InvalidArgument as i32, "{error:?}");
    assert!(error.message.contains("30 levels"), "{error:?}");
    server.stop().await;
}
