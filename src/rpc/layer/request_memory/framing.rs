//! Where the messages of a request begin and end, told from its bytes
//! (gRPC over HTTP/2: a flag, four bytes of length, then the message).

/// What stands before each message.
const PREFIX: usize = 5;

/// Follows the messages of one request.
#[derive(Debug, Default)]
pub struct Framing {
    prefix: [u8; PREFIX],
    /// How much of the prefix is there.
    known: usize,
    /// How much of the message has come, behind a whole prefix.
    came: usize,
    /// How many messages are complete.
    pub complete: usize,
    /// How much has come of the message, of several the largest.
    pub largest: usize,
    /// Whether one of them was compressed.
    pub is_packed: bool,
}

impl Framing {
    /// Takes the next bytes.
    pub fn advance(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.known < PREFIX {
                let (now, later) = bytes.split_at(bytes.len().min(PREFIX - self.known));
                self.prefix[self.known..][..now.len()].copy_from_slice(now);
                self.known += now.len();
                bytes = later;
            } else {
                let now = bytes.len().min(self.length() - self.came);
                self.came += now;
                bytes = &bytes[now..];
            }
            self.largest = self.largest.max(self.came);
            self.is_packed |= self.known > 0 && self.prefix[0] != 0;
            if self.known == PREFIX && self.came == self.length() {
                (self.known, self.came) = (0, 0);
                self.complete += 1;
            }
        }
    }

    /// Whether no message has begun that is not complete.
    pub fn is_between_messages(&self) -> bool {
        self.known == 0
    }

    /// The length of the message that is in coming, as far as it is known.
    pub fn announced(&self) -> usize {
        if self.known == PREFIX { self.length() } else { 0 }
    }

    fn length(&self) -> usize {
        let [_, length @ ..] = self.prefix;
        u32::from_be_bytes(length) as usize
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn messages_are_measured_however_the_bytes_are_cut(
            lengths in prop::collection::vec(0..300_usize, 1..8),
            cuts in prop::collection::vec(1..40_usize, 1..20),
            missing in 0..300_usize,
        ) {
            let mut sent = Vec::new();
            for length in &lengths {
                sent.push(0);
                sent.extend(u32::try_from(*length).unwrap().to_be_bytes());
                sent.extend(vec![7; *length]);
            }
            // The end of the last message has not come yet.
            let missing = missing.min(lengths[lengths.len() - 1]);
            sent.truncate(sent.len() - missing);
            let complete = lengths.len() - usize::from(missing > 0);
            let mut expected = lengths;
            *expected.last_mut().unwrap() -= missing;

            let mut framing = Framing::default();
            let (mut rest, mut cuts) = (&sent[..], cuts.iter().cycle());
            while !rest.is_empty() {
                let (now, later) = rest.split_at(rest.len().min(*cuts.next().unwrap()));
                framing.advance(now);
                rest = later;
            }
            prop_assert_eq!(Some(framing.largest), expected.into_iter().max());
            prop_assert_eq!((framing.complete, framing.is_between_messages()), (complete, missing == 0));
        }
    }
}
