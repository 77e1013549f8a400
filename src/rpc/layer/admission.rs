//! Who may make which call.
//!
//! [`Gate::admit`] is the only way from a request to its message, held by
//! `.clippy.toml`: a handler that forgets to ask cannot read what was sent. What an
//! RPC needs is said of its request message, in `rules.rs`; without a rule there it
//! does not compile. Questions that need no key have a way of their own.

use std::sync::Arc;

use tonic::{Request, Streaming};

use super::{
    request_memory::Memory,
    rules::{Rule, Ruled},
};
use crate::{
    access::{ApiKeys, Caller, Permission, Readable},
    error::Error,
    names::workspace_of,
};

/// Stands before every handler.
#[derive(Clone)]
pub struct Gate {
    /// The keys.
    pub keys: ApiKeys,
}

impl Gate {
    /// The message of a request that its caller may make.
    pub fn admit<M: Ruled>(&self, request: Request<M>) -> Result<(Caller, M), Error> {
        let (caller, message, _bytes) = self.admit_sized(request)?;
        Ok((caller, message))
    }

    /// The same, with its size, which is not known without a walk through it.
    pub fn admit_sized<M: Ruled>(&self, request: Request<M>) -> Result<(Caller, M, usize), Error> {
        let (caller, memory) = (caller_of(&request)?, memory_of(&request)?);
        #[allow(clippy::disallowed_methods, reason = "checked in the next line")]
        let message = request.into_inner();
        self.check(&caller, &message)?;
        let bytes = message.encoded_len();
        memory.raise(bytes)?;
        Ok((caller, message, bytes))
    }

    /// The stream of a request; its messages are to be checked, and to be counted.
    pub fn admit_stream<M>(request: Request<Streaming<M>>) -> Result<(Caller, Arc<Memory>, Streaming<M>), Error> {
        let (caller, memory) = (caller_of(&request)?, memory_of(&request)?);
        #[allow(clippy::disallowed_methods, reason = "its first message is checked")]
        let messages = request.into_inner();
        Ok((caller, memory, messages))
    }

    /// Refuses a message that its caller may not send.
    pub fn check<M: Ruled>(&self, caller: &Caller, message: &M) -> Result<(), Error> {
        self.keys.check_still(caller)?;
        match message.rule() {
            Rule::In(permission, field, name) => self.check_in(caller, permission, field, name),
            Rule::Both(needs) => needs
                .into_iter()
                .try_for_each(|(permission, field, name)| self.check_in(caller, permission, field, name)),
            Rule::List(parent) if is_all(parent) => Ok(()),
            Rule::List(parent) => self.check_in(caller, Permission::Read, "parent", parent),
            Rule::Everywhere(permission) => self.keys.check_everywhere(caller, permission),
            Rule::Anyone => Ok(()),
        }
    }

    /// The workspaces whose contents a caller may see in a list.
    pub fn readable(&self, caller: &Caller) -> Result<Readable, Error> {
        self.keys.readable(caller)
    }

    fn check_in(&self, caller: &Caller, permission: Permission, field: &'static str, name: &str) -> Result<(), Error> {
        match workspace_of(name) {
            Some(workspace) => self.keys.check(caller, permission, &workspace),
            // The handler says what is wrong with the name, and with all the rest.
            None if ApiKeys::may_everywhere(caller, permission) => Ok(()),
            None => Err(Error::invalid(field, "must name something in a workspace: workspaces/{workspace}/...")),
        }
    }
}

/// The message of a call that needs no key, counted for as long as the share lives.
pub fn question<M: prost::Message>(request: Request<M>) -> Result<(Arc<Memory>, M), Error> {
    let memory = memory_of(&request)?;
    #[allow(clippy::disallowed_methods, reason = "anybody may ask")]
    let message = request.into_inner();
    memory.raise(message.encoded_len())?;
    Ok((memory, message))
}

/// A stream of them, to be counted.
pub fn questions<M>(request: Request<Streaming<M>>) -> Result<(Arc<Memory>, Streaming<M>), Error> {
    let memory = memory_of(&request)?;
    #[allow(clippy::disallowed_methods, reason = "anybody may ask")]
    let messages = request.into_inner();
    Ok((memory, messages))
}

/// Whether a list is one of all workspaces.
fn is_all(parent: &str) -> bool {
    matches!(parent, "workspaces/-" | "workspaces/-/collections/-")
}

/// Put there by the layer that lets callers in; without it nobody is let in.
fn caller_of<M>(request: &Request<M>) -> Result<Caller, Error> {
    request.extensions().get().cloned().ok_or_else(|| Error::internal("a request without a caller"))
}

/// Put there by the layer that counts what is in memory.
fn memory_of<M>(request: &Request<M>) -> Result<Arc<Memory>, Error> {
    request.extensions().get().cloned().ok_or_else(|| Error::internal("a request that is not counted"))
}
