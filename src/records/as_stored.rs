//! Records as they are stored, for upgrades: with what older versions wrote, and nobody
//! reads any more.

use super::{Key, Record};
use crate::damage::Damage;

/// A record of a kind, with all of its message.
#[derive(Clone, Debug, PartialEq)]
pub struct AsStored<R: Record> {
    /// The message.
    pub message: R::Message,
    key: Key<R>,
}

impl<R: Record> AsStored<R> {
    /// It with another message, of the same key.
    #[must_use]
    pub fn with(&self, message: R::Message) -> Self {
        Self { message, key: self.key.clone() }
    }
}

impl<R: Record<Message: Clone>> Record for AsStored<R> {
    type Message = R::Message;
    const PREFIX: &'static str = R::PREFIX;

    fn key(&self) -> Key<Self> {
        Key::from_bytes(self.key.as_bytes().to_vec())
    }

    fn read(message: Self::Message) -> Result<Self, Damage> {
        let key = R::read(message.clone())?.key();
        Ok(Self { message, key })
    }

    fn message(&self) -> Self::Message {
        self.message.clone()
    }
}
