//! JSON arrays, and objects one after the other. Beside what holds of every
//! format: an array that serde_json reads has the elements that it reads, byte by
//! byte, and an array whose elements are all sound is one to serde_json; objects
//! that are all sound are so to serde_json as well.

use serde_json::value::RawValue;

use super::records::{is_utf16, read, unmarked};
use crate::{
    json::body::check_value,
    source::{format::Format, records::BadRecord},
};

pub fn json_array(data: &[u8]) {
    let (all, error) = read(data, Format::JsonArray);
    if is_utf16(data) {
        return;
    }
    let theirs = serde_json::from_slice::<Vec<&RawValue>>(unmarked(data));
    if let Ok(theirs) = &theirs {
        assert_eq!(error, None);
        assert_eq!(all.len(), theirs.len());
        for (record, element) in all.iter().zip(theirs) {
            match &record.content {
                Ok(content) => assert_eq!(content, element.get()),
                Err(reason) => assert_eq!(*reason, BadRecord::TooDeep),
            }
        }
    }
    let is_sound = |content: &[u8]| check_value(content) == Ok(());
    if error.is_none() && all.iter().all(|record| record.content.as_ref().is_ok_and(|content| is_sound(content))) {
        if unmarked(data).trim_ascii_start().starts_with(b"{") {
            let objects = serde_json::Deserializer::from_slice(unmarked(data)).into_iter::<&RawValue>();
            let objects: Result<Vec<_>, _> = objects.collect();
            assert!(objects.is_ok_and(|objects| objects.len() == all.len()), "objects only to us");
        } else {
            assert!(theirs.is_ok(), "an array only to us: {theirs:?}");
        }
    }
}
