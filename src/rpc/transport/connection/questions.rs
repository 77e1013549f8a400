//! The questions of all connections that need no key: health checks, watches, reflection.
//!
//! Each takes some 13 KiB for as long as it is alive, and each connection has few. But a key may
//! have hundreds of connections, and where no key is needed there are a thousand. So of all
//! together there are so many, 200 MiB at most. Connections on which a key was shown have the
//! most of them, and share them as their keys share all else. Strangers have the others, by
//! their addresses: neither of the two can keep out the other.

use std::sync::Arc;

use crate::{
    error::Error,
    rpc::transport::{peer::Peer, places::Place},
    share::{Budget, Division, Share},
};

/// Of connections on which somebody was let in.
const OF_KNOWN: usize = 12 << 10;
/// Of all others.
const OF_STRANGERS: usize = 4 << 10;

/// How many there may be. Clones are the same.
#[derive(Clone, Debug)]
pub struct Questions {
    known: Arc<Budget>,
    strangers: Arc<Budget>,
}

impl Default for Questions {
    fn default() -> Self {
        Self::of(OF_KNOWN, OF_STRANGERS)
    }
}

impl Questions {
    /// So many of connections that are known, and of strangers.
    pub fn of(known: usize, strangers: usize) -> Self {
        let budget = |total| Budget::new("calls of health and reflection", Division::of(total));
        Self { known: budget(known), strangers: budget(strangers) }
    }

    /// One more, of a client in a place.
    pub fn take(&self, place: &Place, peer: Peer) -> Result<Share, Error> {
        let budget = if place.is_kept() { &self.known } else { &self.strangers };
        // Without a key, its machine is all that is known of a client.
        budget.take(&place.tenant().unwrap_or_else(|| peer.tenant()), 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{error::Whose, rpc::transport::places::Places, share::Tenant};

    fn at(address: &str) -> Peer {
        Peer::At(address.parse().unwrap())
    }

    /// As many as there may be, and whose part they are.
    fn all(questions: &Questions, place: &Place, peer: Peer) -> (Vec<Share>, Whose) {
        let mut asked = Vec::new();
        loop {
            match questions.take(place, peer) {
                Ok(share) => asked.push(share),
                Err(Error::Busy { whose, .. }) => return (asked, whose),
                Err(error) => panic!("{error}"),
            }
        }
    }

    #[tokio::test]
    async fn nobody_who_asks_all_that_may_be_keeps_others_from_asking() {
        let (questions, places) = (Questions::of(64, 16), Places::new(9));
        let (peer, other) = (at("192.0.2.1:1"), at("192.0.2.2:1"));
        let mut known = Vec::new();
        for (workspace, key) in [("a", "1"), ("a", "1"), ("a", "2"), ("b", "3")] {
            let place = places.take().await;
            place.keep(Some(&Tenant::new(workspace, Some(key)))).unwrap();
            known.push(place);
        }
        // Three quarters of three quarters, over all connections of a key.
        let (asked, whose) = all(&questions, &known[0], peer);
        assert_eq!((asked.len(), whose), (36, Whose::Key));
        assert!(questions.take(&known[1], other).is_err());
        // The other key of the workspace, another workspace, and strangers of the same machine.
        for place in &known[2..] {
            questions.take(place, peer).unwrap();
        }
        let stranger = places.take().await;
        let (of_strangers, whose) = all(&questions, &stranger, peer);
        assert_eq!((of_strangers.len(), whose), (12, Whose::Workspace));
        // The same machine on another connection; another one.
        assert!(questions.take(&places.take().await, at("192.0.2.1:2")).is_err());
        questions.take(&stranger, other).unwrap();
        questions.take(&known[3], peer).unwrap();
        // One that has ended makes room for one.
        drop(asked);
        assert_eq!(all(&questions, &known[1], peer).0.len(), 36);
    }

    #[tokio::test]
    async fn where_nobody_needs_a_key_machines_share() {
        let (questions, places) = (Questions::of(64, 16), Places::new(1));
        let place = places.take().await;
        place.keep(None).unwrap();
        let (asked, whose) = all(&questions, &place, at("192.0.2.1:1"));
        assert_eq!((asked.len(), whose), (48, Whose::Workspace));
        questions.take(&place, at("192.0.2.2:1")).unwrap();
    }
}
