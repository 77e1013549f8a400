//! Answers to requests that may be repeated.

use uuid::Uuid;

use crate::{
    clock::Micros,
    damage::{self, Damage},
    records::{Entries, Indexed, Key, Record, Term},
    stored,
};

/// The answer to a request id, for 24 hours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId {
    /// The RPC.
    pub method: String,
    /// Who called.
    pub caller: String,
    /// The caller's id for it.
    pub request_id: String,
    /// The name of what was created.
    pub name: String,
    /// The uid of that.
    pub uid: Uuid,
    /// XXH3-128 of the other arguments.
    pub arguments: u128,
    /// When it was answered.
    pub create_time: Micros,
}

impl RequestId {
    /// The answer to a request id.
    #[must_use]
    pub fn at(method: &str, caller: &str, request_id: &str) -> Key<Self> {
        Key::of(format_args!("{method}/{caller}/{request_id}"))
    }

    /// All of them, by the times at which they were answered.
    #[must_use]
    pub fn by_time() -> Term<Self> {
        Term::all("request ids by time")
    }
}

impl Record for RequestId {
    type Message = stored::RequestId;
    const PREFIX: &'static str = "q/";

    fn key(&self) -> Key<Self> {
        Self::at(&self.method, &self.caller, &self.request_id)
    }

    fn read(message: stored::RequestId) -> Result<Self, Damage> {
        Ok(Self {
            method: message.method,
            caller: message.caller,
            request_id: message.request_id,
            name: message.name,
            uid: damage::uid("uid", &message.uid)?,
            arguments: u128::from_le_bytes(damage::array("arguments", &message.arguments)?),
            create_time: message.create_time,
        })
    }

    fn message(&self) -> stored::RequestId {
        let record = self.clone();
        stored::RequestId {
            method: record.method,
            caller: record.caller,
            request_id: record.request_id,
            name: record.name,
            uid: record.uid.into(),
            arguments: record.arguments.to_le_bytes().into(),
            create_time: record.create_time,
        }
    }
}

impl Indexed for RequestId {
    fn entries(&self) -> Entries {
        let mut entries = Entries::default();
        entries.add(Self::by_time(), self.create_time);
        entries
    }
}
