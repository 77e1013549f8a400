//! How a call ended, as its client is told.

use http::HeaderMap;
use prost::Message;
use prost_types::Any;
use tonic::{Code, Status};
use tonic_types::pb;

use super::id::RequestId;

/// Before the type of a detail.
const TYPES: &str = "type.googleapis.com/";

/// A code, and the reason of an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The code.
    pub code: Code,
    /// `ErrorInfo.reason`; empty without one.
    pub reason: String,
}

impl Outcome {
    /// An outcome without a reason.
    pub fn of(code: Code) -> Self {
        Self { code, reason: String::new() }
    }

    /// Reads the status among headers or trailers; `None` if there is none. To an error it
    /// adds the id of the call (`google.rpc.RequestInfo`).
    pub fn sign(headers: &mut HeaderMap, id: &RequestId) -> Option<Self> {
        let status = Status::from_header_map(headers)?;
        if status.code() == Code::Ok {
            return Some(Self::of(Code::Ok));
        }
        // All of ours have details (`told.rs`); what has others is passed on as it is.
        let Ok(mut details) = pb::Status::decode(status.details()) else { return Some(Self::of(status.code())) };
        let reason = reason(&details);
        let info = pb::RequestInfo { request_id: id.as_str().to_owned(), serving_data: String::new() };
        details.details.push(Any { type_url: url("google.rpc.RequestInfo"), value: info.encode_to_vec() });
        details.code = status.code().into();
        status.message().clone_into(&mut details.message);
        let signed = Status::with_details(status.code(), status.message(), details.encode_to_vec().into());
        if let Err(error) = signed.add_header(headers) {
            tracing::error!(%error, "an error goes without the id of its call");
        }
        Some(Self { code: status.code(), reason })
    }
}

fn url(name: &str) -> String {
    format!("{TYPES}{name}")
}

fn reason(status: &pb::Status) -> String {
    let info = status.details.iter().find(|detail| detail.type_url == url("google.rpc.ErrorInfo"));
    info.and_then(|detail| pb::ErrorInfo::decode(&*detail.value).ok()).map(|info| info.reason).unwrap_or_default()
}
