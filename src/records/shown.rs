//! Stored records as JSON, for operators.

use base64::{Engine, prelude::BASE64_STANDARD};
use prost_reflect::{DescriptorPool, DynamicMessage, Kind, MessageDescriptor, SerializeOptions};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::keys;
use crate::{
    clock::rfc3339,
    error::Error,
    stored::{self, BaseRecord, LogEntry},
};

/// Where the messages of records are.
const PACKAGE: &str = "stillframe.storage.v1";
/// Whoever has one of them can look for the secret behind it.
const SECRETS: &[&str] = &["secret_sha256", "bootstrap_sha256"];
const NOT_SHOWN: &str = "(not shown)";

/// Knows the messages of all records.
pub struct Shown {
    messages: DescriptorPool,
    options: SerializeOptions,
}

impl Shown {
    /// Reads the descriptors that are built in.
    pub fn new() -> Result<Self, Error> {
        let messages =
            DescriptorPool::decode(stored::DESCRIPTOR).map_err(|error| Error::internal(error.to_string()))?;
        Ok(Self { messages, options: SerializeOptions::new().use_proto_field_name(true) })
    }

    /// A record with its key and version.
    #[must_use]
    pub fn record(&self, record: &BaseRecord) -> Value {
        let BaseRecord { key, version, value } = record;
        let mut shown = head(key);
        shown.insert("version".to_owned(), (*version).into());
        self.value(key, value, &mut shown);
        shown.into()
    }

    /// An entry of the log.
    #[must_use]
    pub fn entry(&self, entry: &LogEntry) -> Value {
        let writes = entry.writes.iter().map(|write| {
            let mut shown = head(&write.key);
            match &write.value {
                Some(value) => self.value(&write.key, value, &mut shown),
                None => drop(shown.insert("record".to_owned(), Value::Null)),
            }
            Value::from(shown)
        });
        json!({
            "revision": entry.revision,
            "time": rfc3339(entry.time),
            "writer": Uuid::from_slice(&entry.writer).unwrap_or_default().to_string(),
            "writes": writes.collect::<Vec<_>>(),
        })
    }

    /// Adds what is under a key. Of what cannot be read nothing is shown: it may have
    /// a secret.
    fn value(&self, key: &[u8], value: &[u8], shown: &mut Map<String, Value>) {
        let (name, value) = match keys::kind_and_message_of(key).1 {
            Some(message) => match self.message(message, value) {
                Ok(record) => ("record", record),
                Err(error) => ("damaged", error.to_string().into()),
            },
            None => ("bytes", BASE64_STANDARD.encode(value).into()),
        };
        shown.insert(name.to_owned(), value);
    }

    fn message(&self, name: &str, bytes: &[u8]) -> Result<Value, Error> {
        let message = self.messages.get_message_by_name(&format!("{PACKAGE}.{name}"));
        let message = message.ok_or_else(|| Error::internal(format!("there is no message {name}")))?;
        let record = DynamicMessage::decode(message.clone(), bytes)?;
        let shown = record.serialize_with_options(serde_json::value::Serializer, &self.options);
        let mut shown = shown.map_err(|error| Error::internal(error.to_string()))?;
        retell(&message, &mut shown);
        Ok(shown)
    }
}

fn head(key: &[u8]) -> Map<String, Value> {
    let mut head = Map::new();
    head.insert("kind".to_owned(), keys::kind_of(key).into());
    head.insert("key".to_owned(), String::from_utf8_lossy(key).into());
    head
}

/// Makes uids what people know them as, and hides what is nobody's business. The
/// message says which fields are ours: labels may have any names.
fn retell(message: &MessageDescriptor, shown: &mut Value) {
    for field in message.fields() {
        let Some(value) = shown.get_mut(field.name()) else { continue };
        match field.kind() {
            Kind::Bytes if SECRETS.contains(&field.name()) => *value = NOT_SHOWN.into(),
            Kind::Bytes if field.name() == "uid" || field.name().ends_with("_uid") => {
                if let Some(uid) = uid_of(value) {
                    *value = uid.to_string().into();
                }
            }
            Kind::Message(inner) if !field.is_map() => match value {
                Value::Array(values) => values.iter_mut().for_each(|value| retell(&inner, value)),
                value => retell(&inner, value),
            },
            _ => {}
        }
    }
}

fn uid_of(value: &Value) -> Option<Uuid> {
    Uuid::from_slice(&BASE64_STANDARD.decode(value.as_str()?).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::stored::{
        AccessPolicy, ApiKey, Collection, RecordWrite, Restore, RestoreInfo, RoleBinding, SourcePosition,
    };

    fn shown(key: &str, record: &impl Message) -> Value {
        let record = BaseRecord { key: key.into(), version: 12, value: record.encode_to_vec() };
        Shown::new().unwrap().record(&record)
    }

    #[test]
    fn a_record_is_shown_as_its_message_has_it() {
        let uid = Uuid::from_u128(7);
        let books = Collection {
            workspace: "commons".to_owned(),
            id: "books".to_owned(),
            uid: uid.as_bytes().to_vec(),
            // What looks like ours, and is not.
            labels: [("uid".to_owned(), "AAAAAAAAAAAAAAAAAAAABw==".to_owned())].into(),
            create_time: 5,
            state: 2,
            restore_info: Some(RestoreInfo {
                snapshot_uid: uid.as_bytes().to_vec(),
                source_positions: vec![SourcePosition { source_uid: uid.as_bytes().to_vec(), ..Default::default() }],
                ..Default::default()
            }),
            ..Default::default()
        };
        let uid = uid.to_string();
        let expected = json!({
            "kind": "collection",
            "key": "c/commons/books",
            "version": 12,
            "record": {
                "workspace": "commons",
                "id": "books",
                "uid": uid,
                "labels": {"uid": "AAAAAAAAAAAAAAAAAAAABw=="},
                "create_time": "5",
                "state": "COLLECTION_STATE_READY",
                "restore_info": {"snapshot_uid": uid, "source_positions": [{"source_uid": uid}]},
            },
        });
        assert_eq!(shown("c/commons/books", &books).to_string(), expected.to_string(), "in this order, too");
    }

    #[test]
    fn no_secret_is_shown() {
        let secret = vec![0xab; 32];
        let key = ApiKey {
            id: "operator".to_owned(),
            secret_sha256: secret.clone(),
            bindings: vec![RoleBinding { role: 4, ..Default::default() }],
            ..Default::default()
        };
        let policy = AccessPolicy { create_time: 1, bootstrap_sha256: vec![secret.clone()] };
        let (key, policy) = (shown("k/operator", &key), shown("access/", &policy));
        assert_eq!(key["record"]["secret_sha256"], NOT_SHOWN);
        assert_eq!(policy["record"]["bootstrap_sha256"], NOT_SHOWN);
        let damaged = BaseRecord { key: b"k/operator".to_vec(), version: 1, value: secret.clone() };
        let damaged = Shown::new().unwrap().record(&damaged);
        assert!(damaged["damaged"].is_string(), "{damaged}");
        for shown in [key, policy, damaged] {
            assert!(!shown.to_string().contains(&BASE64_STANDARD.encode(&secret)[..20]), "{shown}");
        }
    }

    #[test]
    fn an_entry_is_shown_with_what_it_removes_and_what_is_unknown() {
        let restore = Restore { workspace: "commons".to_owned(), id: "again".to_owned(), ..Default::default() };
        let entry = LogEntry {
            revision: 7,
            writer: Uuid::from_u128(8).as_bytes().to_vec(),
            time: 1_000_000,
            writes: vec![
                RecordWrite { key: b"c/commons/books".to_vec(), value: None },
                RecordWrite { key: b"r/commons/again".to_vec(), value: Some(restore.encode_to_vec()) },
                RecordWrite { key: b"z/later".to_vec(), value: Some(b"later".to_vec()) },
            ],
            ..Default::default()
        };
        let expected = json!({
            "revision": 7,
            "time": "1970-01-01T00:00:01Z",
            "writer": "00000000-0000-0000-0000-000000000008",
            "writes": [
                {"kind": "collection", "key": "c/commons/books", "record": null},
                {"kind": "restore", "key": "r/commons/again", "record": {"workspace": "commons", "id": "again"}},
                {"kind": "unknown", "key": "z/later", "bytes": "bGF0ZXI="},
            ],
        });
        assert_eq!(Shown::new().unwrap().entry(&entry), expected);
    }

    #[test]
    fn every_kind_has_a_message() {
        let shown = Shown::new().unwrap();
        for letter in ["access", "k", "w", "c", "x", "i", "s", "r", "q", "o", "p", "y", "h"] {
            let message = keys::kind_and_message_of(format!("{letter}/").as_bytes()).1.unwrap();
            assert_eq!(shown.message(message, b"").unwrap(), json!({}), "{letter}");
        }
    }
}
