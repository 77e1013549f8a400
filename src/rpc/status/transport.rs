//! Errors of gRPC itself: tonic's, and those of our layers around it. They get the
//! details that ours have, and a text; what stands beside them stays.

use std::collections::HashMap;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use super::{DOMAIN, LONGEST_MESSAGE, cut};

/// What a client that compresses otherwise is told it can use.
const ACCEPTED: &str = "grpc-accept-encoding";
/// Room for that in a text.
const ACCEPTED_BYTES: usize = 64;

/// An error of what was sent.
pub fn of_transport(status: Status) -> Status {
    if is_whole(&status) {
        return status;
    }
    let (code, reason) = match status.code() {
        Code::OutOfRange | Code::ResourceExhausted => (Code::ResourceExhausted, "MESSAGE_TOO_LARGE"),
        Code::Unimplemented => (Code::Unimplemented, "METHOD_UNKNOWN"),
        Code::DeadlineExceeded => (Code::DeadlineExceeded, "DEADLINE_EXCEEDED"),
        // The connection broke, or the client reset the stream for a reason that gRPC has no code for.
        Code::Cancelled | Code::Unknown => (Code::Cancelled, "CANCELLED"),
        Code::Unavailable => (Code::Unavailable, "SHUTTING_DOWN"),
        Code::Internal if is_of_compression(status.message()) => (Code::Internal, "PROTOCOL_ERROR"),
        // tonic reports bytes that are not the message as INTERNAL.
        Code::Internal | Code::InvalidArgument => (Code::InvalidArgument, "MALFORMED_REQUEST"),
        other => (other, "TRANSPORT"),
    };
    told(&status, code, reason)
}

/// An error of what was to be answered: not the caller's fault.
pub fn of_answer(status: Status) -> Status {
    if is_whole(&status) {
        return status;
    }
    match status.code() {
        Code::Internal => {
            tracing::error!(error = status.message(), "an answer could not be sent");
            told(&status, Code::Internal, "INTERNAL")
        }
        other => told(&status, other, "TRANSPORT"),
    }
}

/// What stands around the message is not gRPC. Others answer INTERNAL, too.
pub fn of_protocol(why: &str) -> Status {
    told(&Status::internal(why), Code::Internal, "PROTOCOL_ERROR")
}

fn is_whole(status: &Status) -> bool {
    status.code() == Code::Ok || !status.details().is_empty()
}

/// Whether a message came with a compressed flag that fits nothing, or cannot be
/// unpacked. gRPC wants INTERNAL for these; tonic tells them by the text alone.
fn is_of_compression(text: &str) -> bool {
    ["Error decompressing: ", "protocol error: received message with "].iter().any(|start| text.starts_with(start))
}

fn told(status: &Status, code: Code, reason: &str) -> Status {
    let details = ErrorDetails::with_error_info(reason, DOMAIN, HashMap::new());
    Status::with_error_details_and_metadata(code, text(status), details, status.metadata().clone())
}

/// Never empty, and never longer than an answer's headers may be.
fn text(status: &Status) -> String {
    let text = match status.message() {
        "" => status.code().description(),
        text => text,
    };
    let accepted = status.metadata().get(ACCEPTED).and_then(|accepted| accepted.to_str().ok());
    match accepted.filter(|accepted| accepted.len() < ACCEPTED_BYTES) {
        Some(accepted) => {
            let text = cut(text.to_owned(), LONGEST_MESSAGE - ACCEPTED_BYTES - "; it can be ".len());
            format!("{text}; it can be {accepted}")
        }
        None => cut(text.to_owned(), LONGEST_MESSAGE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_beside_an_error_stays() {
        let mut sent = Status::unimplemented("x".repeat(10_000));
        sent.metadata_mut().insert(ACCEPTED, "gzip,identity".parse().unwrap());
        sent.metadata_mut().insert("retry-pushback", "5".parse().unwrap());
        let told = of_transport(sent);
        assert_eq!(told.metadata().get("retry-pushback").unwrap(), "5");
        assert_eq!(told.metadata().get(ACCEPTED).unwrap(), "gzip,identity");
        assert!(told.message().ends_with("; it can be gzip,identity") && told.message().len() <= LONGEST_MESSAGE);
        assert_eq!(told.get_details_error_info().unwrap().reason, "METHOD_UNKNOWN");
    }

    #[test]
    fn a_client_that_went_away_has_cancelled_however_it_did() {
        for status in [Status::cancelled("reset"), Status::unknown("h2 protocol error: error reading a body")] {
            let told = of_transport(status);
            assert_eq!(
                (told.code(), told.get_details_error_info().unwrap().reason.as_str()),
                (Code::Cancelled, "CANCELLED")
            );
        }
        let ours =
            Status::from(crate::error::Error::OutcomeUnknown(std::sync::Arc::new(std::io::Error::other("late"))));
        assert_eq!(of_transport(ours).code(), Code::Unknown);
    }

    #[test]
    fn every_error_has_a_text_and_a_reason() {
        for code in 1..=16 {
            for told in [of_transport, of_answer] {
                let told = told(Status::new(Code::from_i32(code), ""));
                let info = told.get_details_error_info().unwrap();
                assert!(!told.message().is_empty() && !info.reason.is_empty() && info.domain == DOMAIN, "{told:?}");
            }
        }
        assert!(of_transport(Status::ok("")).details().is_empty());
    }
}
