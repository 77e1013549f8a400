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
    /// How much of the message is still to come, behind a whole prefix.
    missing: usize,
}

/// A message whose length has been told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announced {
    /// Of the message as it is sent.
    pub bytes: usize,
    /// It is larger than that once it is unpacked.
    pub compressed: bool,
}

impl Framing {
    /// Takes the next bytes, and passes each message on whose length they tell.
    pub fn advance(&mut self, mut bytes: &[u8], mut announced: impl FnMut(Announced)) {
        while !bytes.is_empty() {
            if self.known < PREFIX {
                let (now, later) = bytes.split_at(bytes.len().min(PREFIX - self.known));
                self.prefix[self.known..][..now.len()].copy_from_slice(now);
                self.known += now.len();
                bytes = later;
                if self.known == PREFIX {
                    let message = self.message();
                    self.missing = message.bytes;
                    announced(message);
                }
            } else {
                let now = bytes.len().min(self.missing);
                self.missing -= now;
                bytes = &bytes[now..];
            }
            if self.known == PREFIX && self.missing == 0 {
                self.known = 0;
            }
        }
    }

    /// The message that has begun and is not complete.
    pub fn unfinished(&self) -> Option<Announced> {
        (self.known == PREFIX).then(|| self.message())
    }

    fn message(&self) -> Announced {
        let [flag, length @ ..] = self.prefix;
        Announced { bytes: u32::from_be_bytes(length) as usize, compressed: flag != 0 }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn messages_are_found_however_the_bytes_are_cut(
            messages in prop::collection::vec((0..300_usize, any::<bool>()), 0..8),
            cuts in prop::collection::vec(1..40_usize, 1..20),
            missing in 0..300_usize,
        ) {
            let (mut sent, mut expected) = (Vec::new(), Vec::new());
            for (bytes, compressed) in messages {
                sent.push(u8::from(compressed));
                sent.extend(u32::try_from(bytes).unwrap().to_be_bytes());
                sent.extend(vec![7; bytes]);
                expected.push(Announced { bytes, compressed });
            }
            let last = expected.last().copied();
            // The end of the last message has not come yet, but its prefix has.
            let missing = missing.min(last.map_or(0, |last| last.bytes));
            sent.truncate(sent.len() - missing);

            let (mut framing, mut found) = (Framing::default(), Vec::new());
            let (mut rest, mut cuts) = (&sent[..], cuts.iter().cycle());
            while !rest.is_empty() {
                let (now, later) = rest.split_at(rest.len().min(*cuts.next().unwrap()));
                framing.advance(now, |message| found.push(message));
                rest = later;
            }
            prop_assert_eq!(found, expected);
            prop_assert_eq!(framing.unfinished(), last.filter(|_| missing > 0));
        }
    }
}
