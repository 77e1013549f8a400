//! The room that the answer to one call has.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::{
    error::Error,
    rpc::transport::connection::Question,
    share::{Budget, Share, Tenant},
};

/// What a call counts as before there is anything of its answer.
const AT_LEAST_BYTES: usize = 1 << 10;

/// The room of a call's answer; among the extensions of its request. Clones are the same.
#[derive(Clone)]
pub struct Room(Arc<Inner>);

struct Inner {
    /// One of the calls that there may be; absent for those who need no key.
    call: Option<Share>,
    /// Of those each connection has few.
    _question: Option<Question>,
    budget: Arc<Budget>,
    share: Share,
    /// Of the messages that have been handed on since bytes were last made of them.
    handed_on: Mutex<Vec<Share>>,
}

impl Room {
    /// Of a call with a key, for its tenant; nothing is taken yet.
    pub fn of_caller(budget: &Arc<Budget>, calls: &Arc<Budget>, tenant: &Tenant) -> Self {
        Self::new(budget, Some(calls.share(tenant)), None, tenant)
    }

    /// Of a question that needs no key.
    pub fn of_question(budget: &Arc<Budget>, question: Option<Question>, tenant: &Tenant) -> Self {
        Self::new(budget, None, question, tenant)
    }

    fn new(budget: &Arc<Budget>, call: Option<Share>, question: Option<Question>, tenant: &Tenant) -> Self {
        let (share, handed_on) = (budget.share(tenant), Mutex::default());
        Self(Arc::new(Inner { call, _question: question, budget: Arc::clone(budget), share, handed_on }))
    }

    /// A call begins.
    pub fn begin(&self) -> Result<(), Error> {
        if let Some(call) = &self.0.call {
            call.raise(1)?;
        }
        self.0.share.raise(AT_LEAST_BYTES)
    }

    /// Makes room before there is an answer, which must be told then.
    pub fn expect(&self, bytes: usize) -> Result<(), Error> {
        self.0.share.raise(bytes + AT_LEAST_BYTES)
    }

    /// There is an answer. Whether one that does not fit may be dropped is the caller's to say.
    pub fn holds(&self, bytes: usize, may_be_dropped: bool) -> Result<(), Error> {
        if may_be_dropped {
            return self.expect(bytes);
        }
        self.0.share.set(bytes + AT_LEAST_BYTES);
        Ok(())
    }

    /// The answer has been packed to so many bytes.
    pub(super) fn packed(&self, bytes: usize) {
        self.0.share.set(bytes + AT_LEAST_BYTES);
    }

    /// Waits for room for a message of a stream.
    pub async fn wait(&self, bytes: usize) -> Share {
        self.0.budget.wait(self.0.share.tenant(), bytes).await
    }

    /// A message goes out, with the room that it has.
    pub fn hand_on(&self, share: Share) {
        self.0.handed_on.lock().push(share);
    }

    /// The room of what has become bytes. What nobody has made room for counts all the same.
    pub(super) fn of_bytes(&self, bytes: usize) -> Vec<Share> {
        let mut shares = std::mem::take(&mut *self.0.handed_on.lock());
        if shares.is_empty() {
            let share = self.0.budget.share(self.0.share.tenant());
            share.set(bytes);
            shares.push(share);
        }
        shares
    }
}
