//! Gives the errors in an answer, before its messages or behind them, the details and
//! the text that ours have. All else of the answer stays as it is.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, Response};
use http_body::{Body as _, Frame};
use tonic::{Code, Status, body::Body};

use crate::rpc::status::{of_answer, of_transport};

/// The answer to a call of the method that a path names.
pub fn told(mut answer: Response<Body>, path: &str) -> Response<Body> {
    // What comes before any message is in the headers.
    if answer.headers().contains_key(Status::GRPC_STATUS) {
        let tell = |status| of_transport(named(status, path));
        return match complete(answer.headers_mut(), tell) {
            Ok(()) => answer,
            Err(status) => status.into_http(),
        };
    }
    if answer.body().is_end_stream() { answer } else { answer.map(|body| Body::new(Told { body })) }
}

/// tonic has no text for a method that it does not know.
fn named(status: Status, path: &str) -> Status {
    let is_bare = status.code() == Code::Unimplemented && status.message().is_empty() && status.details().is_empty();
    if !is_bare {
        return status;
    }
    let text = format!("this server has no method {path}");
    Status::with_metadata(Code::Unimplemented, text, status.metadata().clone())
}

/// Completes the status that is among headers or trailers.
fn complete(headers: &mut HeaderMap, tell: impl FnOnce(Status) -> Status) -> Result<(), Status> {
    let Some(status) = Status::from_header_map(headers) else { return Ok(()) };
    if status.code() == Code::Ok {
        return Ok(());
    }
    let status = tell(status);
    // Its metadata is what stands there already.
    let status = Status::with_details(status.code(), status.message(), status.details().to_vec().into());
    status.add_header(headers)
}

/// A body whose trailers tell.
struct Told {
    body: Body,
}

impl http_body::Body for Told {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context).map_ok(|mut frame| {
            if let Some(trailers) = frame.trailers_mut()
                // Without it, the trailers stay as they are.
                && let Err(error) = complete(trailers, of_answer)
            {
                tracing::error!(%error, "an error could not be completed");
            }
            frame
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use tonic_types::StatusExt;

    use super::*;

    /// A body that ends with a status.
    struct End(Option<Status>);

    impl http_body::Body for End {
        type Data = Bytes;
        type Error = Status;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
            Poll::Ready(self.0.take().map(|status| {
                let mut trailers = HeaderMap::new();
                status.add_header(&mut trailers).map(|()| Frame::trailers(trailers))
            }))
        }
    }

    fn trailers(status: Status) -> HeaderMap {
        let mut body = told(Response::new(Body::new(End(Some(status)))), "/a/b").into_body();
        let frame = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).now_or_never();
        frame.unwrap().unwrap().unwrap().into_trailers().unwrap()
    }

    #[test]
    fn an_error_behind_the_messages_is_completed() {
        let mut status = Status::internal("");
        status.metadata_mut().insert("beside", "it".parse().unwrap());
        let trailers = trailers(status);
        let status = Status::from_header_map(&trailers).unwrap();
        assert_eq!(status.get_details_error_info().unwrap().reason, "INTERNAL");
        assert!(status.code() == Code::Internal && !status.message().is_empty());
        assert_eq!(trailers["beside"], "it");
    }

    #[test]
    fn a_good_end_stays_as_it_is() {
        let expected = {
            let mut headers = HeaderMap::new();
            Status::ok("").add_header(&mut headers).unwrap();
            headers
        };
        assert_eq!(trailers(Status::ok("")), expected);
    }

    #[test]
    fn an_error_before_them_leaves_the_rest_of_the_answer() {
        let mut answer = Status::unimplemented("").into_http::<Body>();
        *answer.status_mut() = http::StatusCode::IM_A_TEAPOT;
        answer.headers_mut().append("beside", "it".parse().unwrap());
        answer.headers_mut().append("beside", "too".parse().unwrap());
        let answer = told(answer, "/a/b");
        assert_eq!(answer.status(), http::StatusCode::IM_A_TEAPOT);
        assert_eq!(answer.headers().get_all("beside").iter().collect::<Vec<_>>(), ["it", "too"]);
        let status = Status::from_header_map(answer.headers()).unwrap();
        assert_eq!(status.message(), "this server has no method /a/b");
        assert_eq!(status.get_details_error_info().unwrap().reason, "METHOD_UNKNOWN");
    }
}
