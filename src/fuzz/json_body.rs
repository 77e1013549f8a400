//! JSON bodies. What the door lets in is JSON to everybody, means the same to
//! everybody, and is not changed by going through it twice. What it refuses is
//! no JSON, or refused by a rule of ours.

use serde_json::Value;

use crate::{
    json::{
        body::{BodyError, EVENT_TIME_RANGE, MAX_DEPTH, check_value, lift},
        fields::{Fields, FieldsError},
        patch, value,
    },
    source::fields::{FieldError, FieldNames},
};

pub fn json_body(data: &[u8]) {
    let theirs = serde_json::from_slice::<Value>(data);
    let checked = check_value(data);
    match &checked {
        Ok(()) => assert!(theirs.is_ok(), "JSON only to us: {theirs:?}"),
        Err(BodyError::Syntax { .. } | BodyError::InvalidUtf8 { .. }) => assert!(theirs.is_err(), "{checked:?}"),
        Err(BodyError::TooDeep | BodyError::DuplicateKey { .. } | BodyError::ReservedKey { .. }) => {}
        Err(error) => panic!("{error:?} is not about a value"),
    }
    value(data, checked.is_ok(), theirs.as_ref().ok());
    body(data, checked.is_ok(), theirs.as_ref().ok());
    people(data, checked.is_ok());
}

/// The door and the parser of patches agree; what the parser reads it can write.
fn value(data: &[u8], is_sound: bool, theirs: Option<&Value>) {
    let ours = value::parse(data);
    assert_eq!(ours.is_ok(), is_sound, "{ours:?}");
    let Ok(ours) = ours else { return };
    assert!(patch::depth(&ours) <= MAX_DEPTH);
    let text = ours.to_string();
    assert_eq!(value::parse(text.as_bytes()).as_ref(), Ok(&ours), "{text}");
    // serde_json writes exponents its own way, so both are told to it.
    assert_eq!(serde_json::from_str::<Value>(&text).ok().as_ref(), theirs, "{text}");
}

fn body(data: &[u8], is_sound: bool, theirs: Option<&Value>) {
    let lifted = match lift(data) {
        Ok(lifted) => lifted,
        Err(BodyError::NotAnObject { .. } | BodyError::BadId { .. } | BodyError::BadEventTime { .. }) => return,
        Err(error) => return assert!(!is_sound, "{error:?}"),
    };
    assert!(is_sound);
    let mut rest = theirs.and_then(Value::as_object).expect("it is an object").clone();
    let id = rest.shift_remove("_id");
    let id = id.map(|id| match id {
        Value::String(text) => text,
        number => match number.to_string().as_str() {
            // No number has two ids.
            "-0" => "0".to_owned(),
            digits => digits.to_owned(),
        },
    });
    assert_eq!(lifted.id, id);
    assert_eq!(lifted.event_time.is_some(), rest.shift_remove("_event_time").is_some());
    assert!(lifted.event_time.is_none_or(|time| EVENT_TIME_RANGE.contains(&time)));
    assert_eq!(serde_json::from_slice::<Value>(&lifted.body).unwrap(), Value::Object(rest));

    let again = lift(&lifted.body).expect("a body is a body");
    assert_eq!((again.body, again.id, again.event_time), (lifted.body.clone(), None, None));
    named(&lifted.body);
}

/// A source may name other fields for id and event time: they must be readable.
fn named(body: &[u8]) {
    for (id, time) in [("a", "b"), ("id", "time"), ("a", "a")] {
        match FieldNames::new(Some(id), Some(time)).unwrap().read(body) {
            Ok(named) => assert!(named.event_time.is_none_or(|time| EVENT_TIME_RANGE.contains(&time))),
            Err(FieldError::BadId { .. } | FieldError::BadEventTime { .. }) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// The form for people: all that can be stored can be shown, and comes back as
/// it was shown.
fn people(data: &[u8], is_sound: bool) {
    if !is_sound {
        return;
    }
    let shown = match Fields::of_json(data, usize::MAX) {
        Ok(shown) => shown,
        Err(FieldsError::Unreadable(BodyError::NotAnObject { .. })) => return,
        Err(error) => panic!("{error:?}"),
    };
    // Deeper ones are not for people.
    let Ok(json) = shown.to_json() else { return };
    assert_eq!(check_value(&json), Ok(()));
    let again = Fields::of_json(&json, usize::MAX).unwrap();
    assert_eq!(again.to_json(), Ok(json));
}
