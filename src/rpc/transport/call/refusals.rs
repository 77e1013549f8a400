//! Tells of callers who are not let in, at a pace: whoever tries keys is seen, and cannot fill
//! the log.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    time::{Duration, Instant},
};

use parking_lot::Mutex;

/// How often there is a line about one peer.
const EVERY: Duration = Duration::from_secs(10);
/// How many peers are told apart; all others are one.
const PEERS: usize = 1024;

/// Who was refused lately.
#[derive(Debug, Default)]
pub struct Refusals {
    peers: Mutex<HashMap<Option<IpAddr>, Refused>>,
}

#[derive(Debug)]
struct Refused {
    told: Instant,
    /// Since then.
    untold: u64,
}

impl Refusals {
    /// Counts a refusal of a peer. If it is time for a line about it: how many there were
    /// since the last one, without this.
    pub fn count(&self, peer: Option<IpAddr>, now: Instant) -> Option<u64> {
        let mut peers = self.peers.lock();
        let mut peer = peer.map(network);
        if peers.len() >= PEERS && !peers.contains_key(&peer) {
            peers.retain(|_, refused| now.duration_since(refused.told) < EVERY);
            if peers.len() >= PEERS {
                peer = None;
            }
        }
        let Some(refused) = peers.get_mut(&peer) else {
            peers.insert(peer, Refused { told: now, untold: 0 });
            return Some(0);
        };
        if now.duration_since(refused.told) < EVERY {
            refused.untold += 1;
            return None;
        }
        refused.told = now;
        Some(std::mem::take(&mut refused.untold))
    }
}

/// What one client has: an address of IPv4, the half of one of IPv6.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(refusals: &Refusals, peer: &str, now: Instant) -> Option<u64> {
        refusals.count(Some(peer.parse().unwrap()), now)
    }

    #[test]
    fn each_peer_has_a_line_now_and_then() {
        let (refusals, begin) = (Refusals::default(), Instant::now());
        assert_eq!(count(&refusals, "10.0.0.1", begin), Some(0));
        for _ in 0..5 {
            assert_eq!(count(&refusals, "10.0.0.1", begin + EVERY / 2), None);
        }
        assert_eq!(count(&refusals, "10.0.0.2", begin), Some(0), "another has its own");
        assert_eq!(count(&refusals, "10.0.0.1", begin + EVERY), Some(5));
        assert_eq!(count(&refusals, "10.0.0.1", begin + EVERY * 2), Some(0));
    }

    #[test]
    fn a_network_of_ipv6_is_one_peer_and_a_mapped_address_is_that_of_ipv4() {
        let (refusals, now) = (Refusals::default(), Instant::now());
        assert_eq!(count(&refusals, "2001:db8::1", now), Some(0));
        assert_eq!(count(&refusals, "2001:db8::2:3", now), None);
        assert_eq!(count(&refusals, "2001:db8:0:1::1", now), Some(0));
        assert_eq!(count(&refusals, "10.0.0.1", now), Some(0));
        assert_eq!(count(&refusals, "::ffff:10.0.0.1", now), None);
    }

    #[test]
    fn many_peers_are_told_of_as_one() {
        let (refusals, now) = (Refusals::default(), Instant::now());
        let nth = |n: u32| Some(IpAddr::from(n.to_be_bytes()));
        let lines = (0..100_000).filter(|n| refusals.count(nth(*n), now).is_some()).count();
        assert!(lines <= PEERS + 1, "{lines}");
        assert!(refusals.peers.lock().len() <= PEERS + 1);
        assert_eq!(refusals.count(nth(200_000), now + EVERY), Some(0), "those before are forgotten");
    }
}
