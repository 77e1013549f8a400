//! The body of a request, counted as it comes.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body as _, Frame};
use tonic::{Status, body::Body};

use super::{
    framing::Framing,
    late::Late,
    turn::{Memory, UNCOUNTED, Waiting},
};
use crate::{error::Error, rpc::status::of_transport};

/// How many messages a request has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One.
    Single,
    /// Any.
    Stream,
}

/// Where messages are that long at most, so many of them may come in one piece: clients send
/// and wait.
const AT_ONCE: usize = 8;

/// The next of a body.
type Part = Option<Result<Frame<Bytes>, Status>>;

/// What may be sent.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    /// The longest message, if that is not the decoder's to say.
    pub longest: Option<usize>,
    /// Why nothing large is taken in of this caller; what is small is read, and refused with
    /// all that is to be said.
    pub barred: Option<Error>,
}

/// A body whose messages count and must come.
pub struct Metered {
    kind: Kind,
    limits: Limits,
    /// Absent at the end.
    body: Option<Body>,
    share: Arc<Memory>,
    framing: Framing,
    /// The last part that came. Decoding can multiply the size of a message. So the last part
    /// of a single message is held back until its stream has ended: only then is the message
    /// decoded, and its call is worked on at once, instead of the message waiting in memory.
    withheld: Option<Frame<Bytes>>,
    waiting: Waiting,
    late: Late,
}

impl Metered {
    /// Counts a body's messages in `share`.
    pub fn new(kind: Kind, limits: Limits, body: Body, share: Arc<Memory>, late: Late) -> Self {
        let (framing, waiting) = (Framing::default(), Waiting::default());
        Self { kind, limits, body: Some(body), share, framing, withheld: None, waiting, late }
    }

    /// The next part, or the end.
    fn poll_part(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        if let Poll::Ready(part) = Pin::new(body).poll_frame(context) {
            if part.is_none() {
                self.body = None;
            }
            return Poll::Ready(part);
        }
        if self.kind == Kind::Stream && self.framing.is_between_messages() {
            return Poll::Pending;
        }
        self.late.poll(context).map(|status| Some(Err(status)))
    }

    /// What is withheld, when it may be given on: a single message at its end, one of a stream
    /// as soon as it is whole, and either in its turn.
    fn poll_withheld(&mut self, context: &mut Context<'_>) -> Option<Poll<Part>> {
        if self.withheld.is_none() || self.kind == Kind::Single && self.body.is_some() {
            return None;
        }
        let Self { share, framing, waiting, .. } = self;
        if waiting.poll(context, share, framing.largest, framing.is_packed).is_pending() {
            return Some(Poll::Pending);
        }
        Some(Poll::Ready(self.withheld.take().map(Ok)))
    }

    /// Takes note of a part.
    fn count(&mut self, bytes: &[u8]) -> Result<(), Status> {
        let complete = self.framing.complete;
        self.framing.advance(bytes);
        let largest = self.framing.largest;
        let Limits { longest, barred } = &self.limits;
        let is_too_long = |longest: &usize| self.framing.announced() > *longest || bytes.len() > AT_ONCE * *longest;
        if let Some(longest) = longest.filter(is_too_long) {
            return Err(of_transport(Status::out_of_range(format!("the message has more than {longest} bytes"))));
        }
        if let Some(barred) = barred.as_ref().filter(|_| largest > UNCOUNTED || self.framing.is_packed) {
            return Err(barred.clone().into());
        }
        // What came together stays together in the buffer of a stream, and that as large. Of
        // those whose messages have a limit it is little.
        let together = if self.kind == Kind::Stream && longest.is_none() { bytes.len() } else { 0 };
        self.share.raise(largest.max(together))?;
        self.late.came(bytes.len(), self.framing.complete > complete);
        let is_more = self.framing.complete > 1 || self.framing.complete == 1 && !self.framing.is_between_messages();
        if self.kind == Kind::Single && is_more {
            return Err(of_transport(Status::internal("something follows the only message of the call")));
        }
        Ok(())
    }
}

impl http_body::Body for Metered {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        loop {
            if let Some(ready) = self.poll_withheld(context) {
                return ready;
            }
            let part = match ready!(self.poll_part(context)) {
                Some(Ok(part)) => part,
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None if self.withheld.is_none() => return Poll::Ready(None),
                None => continue,
            };
            let complete = self.framing.complete;
            if let Some(bytes) = part.data_ref() {
                if bytes.is_empty() {
                    continue;
                }
                if let Err(error) = self.count(bytes) {
                    return Poll::Ready(Some(Err(error)));
                }
            }
            if self.kind == Kind::Stream && self.framing.complete == complete {
                return Poll::Ready(Some(Ok(part)));
            }
            if let Some(before) = self.withheld.replace(part) {
                return Poll::Ready(Some(Ok(before)));
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.withheld.is_none() && self.body.as_ref().is_none_or(Body::is_end_stream)
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, time::Duration};

    use futures::FutureExt;
    use http::HeaderMap;
    use tonic::Code;

    use super::*;
    use crate::share::{Budget, Division, Tenant};

    enum Came {
        Data(&'static [u8]),
        Trailers,
        End,
        Error,
    }

    /// What comes; when it is empty, nothing has come yet.
    struct Script(VecDeque<Came>);

    impl http_body::Body for Script {
        type Data = Bytes;
        type Error = Status;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
            match self.0.pop_front() {
                Some(Came::Data(bytes)) => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(bytes))))),
                Some(Came::Trailers) => Poll::Ready(Some(Ok(Frame::trailers(HeaderMap::new())))),
                Some(Came::End) => Poll::Ready(None),
                Some(Came::Error) => Poll::Ready(Some(Err(Status::unknown("broken")))),
                None => Poll::Pending,
            }
        }
    }

    /// What is given on before more has to come: data, `+` for trailers, `.` for the end.
    fn given_on<const N: usize>(kind: Kind, came: [Came; N]) -> Result<Vec<u8>, Code> {
        given_within(Limits::default(), kind, came)
    }

    /// The same of messages that have limits.
    fn given_within<const N: usize>(limits: Limits, kind: Kind, came: [Came; N]) -> Result<Vec<u8>, Code> {
        let budget = |total| Budget::new("bytes", Division::of(total));
        let share = budget(100 << 10).share(&Tenant::of_workspace("commons"));
        let share = Arc::new(Memory::new(share, &budget(1)));
        let body = Body::new(Script(came.into()));
        let late = Late::new(None, Duration::from_secs(60));
        let mut body = Metered::new(kind, limits, body, share, late);
        let mut given = Vec::new();
        while let Some(part) = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).now_or_never() {
            let Some(part) = part else {
                given.push(b'.');
                break;
            };
            match part.map_err(|status| status.code())?.into_data() {
                Ok(bytes) => given.extend(&bytes),
                Err(_trailers) => given.push(b'+'),
            }
        }
        Ok(given)
    }

    const MESSAGE: &[u8] = b"\0\0\0\0\x02ab";

    #[tokio::test]
    async fn a_single_message_is_whole_only_at_its_end() {
        use Came::{Data, End, Error, Trailers};
        let single = Kind::Single;
        assert_eq!(given_on(single, [Data(MESSAGE)]).unwrap(), b"");
        assert_eq!(given_on(single, [Data(MESSAGE), Data(b"")]).unwrap(), b"");
        assert_eq!(given_on(single, [Data(MESSAGE), End]).unwrap(), [MESSAGE, b"."].concat());
        assert_eq!(given_on(single, [Data(MESSAGE), Trailers, End]).unwrap(), [MESSAGE, b"+."].concat());
        let (first, second) = MESSAGE.split_at(6);
        assert_eq!(given_on(single, [Data(first), Data(second)]).unwrap(), first);
        assert_eq!(given_on(single, [Data(first), Data(second), End]).unwrap(), [MESSAGE, b"."].concat());
        assert_eq!(given_on(single, [Data(MESSAGE), Error]), Err(Code::Unknown));
        assert_eq!(given_on(single, [Data(MESSAGE), Data(b"\0")]), Err(Code::InvalidArgument));
        assert_eq!(given_on(single, [End]).unwrap(), b".");
    }

    #[tokio::test]
    async fn a_stream_goes_on_as_it_comes() {
        use Came::{Data, End};
        let stream = Kind::Stream;
        assert_eq!(given_on(stream, [Data(MESSAGE)]).unwrap(), MESSAGE);
        assert_eq!(given_on(stream, [Data(MESSAGE), Data(b"\0")]).unwrap(), [MESSAGE, b"\0"].concat());
        assert_eq!(given_on(stream, [Data(MESSAGE), End]).unwrap(), [MESSAGE, b"."].concat());
    }

    #[tokio::test]
    async fn what_comes_together_counts_together() {
        /// Messages of nothing.
        static EMPTY: [u8; 120 << 10] = [0; 120 << 10];
        let (little, much) = EMPTY.split_at(20 << 10);
        for whole in [little, &much[..100 << 10]] {
            assert_eq!(given_on(Kind::Stream, [Came::Data(whole)]).unwrap(), whole);
        }
        assert_eq!(given_on(Kind::Stream, [Came::Data(&EMPTY)]), Err(Code::ResourceExhausted));
    }

    #[tokio::test]
    async fn short_messages_come_together_as_far_as_they_would_one_by_one() {
        const LONGEST: usize = 20;
        const LENGTH: u8 = 20;
        /// Each of nothing.
        static MESSAGES: [u8; AT_ONCE * LONGEST + 5] = [0; AT_ONCE * LONGEST + 5];
        static LONG: [u8; 5 + LONGEST] = {
            let mut message = [0; 5 + LONGEST];
            message[4] = LENGTH;
            message
        };
        static LONGER: [u8; 5] = [0, 0, 0, 0, LENGTH + 1];
        let given = |bytes: &'static [u8]| {
            let limits = Limits { longest: Some(LONGEST), barred: None };
            given_within(limits, Kind::Stream, [Came::Data(bytes)]).map(|given| given.len())
        };
        assert_eq!(given(&LONG), Ok(LONG.len()));
        assert_eq!(given(&LONGER), Err(Code::ResourceExhausted));
        assert_eq!(given(&MESSAGES[..AT_ONCE * LONGEST]), Ok(AT_ONCE * LONGEST));
        assert_eq!(given(&MESSAGES), Err(Code::ResourceExhausted));
    }
}
