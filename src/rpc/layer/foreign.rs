//! Requests that are not gRPC. HTTP says so: a gRPC error has the HTTP status 200,
//! which others take for success.

use http::{
    HeaderValue, Method, Request, Response, StatusCode,
    header::{ALLOW, CONTENT_TYPE},
};
use tonic::body::Body;

use crate::rpc::status::of_protocol;

/// The answer to such a request.
pub fn refusal<B>(request: &Request<B>) -> Option<Response<Body>> {
    let content_type = request.headers().get(CONTENT_TYPE);
    if !content_type.is_some_and(is_grpc) {
        let sent = content_type.map_or_else(|| "missing".into(), |sent| String::from_utf8_lossy(sent.as_bytes()));
        let why = format!("this is a gRPC server: the content type must be application/grpc; it is {sent}");
        return Some(answer(StatusCode::UNSUPPORTED_MEDIA_TYPE, &why));
    }
    if request.method() != Method::POST {
        let why = format!("the method of a gRPC call is POST; this one's is {}", request.method());
        let mut answer = answer(StatusCode::METHOD_NOT_ALLOWED, &why);
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return Some(answer);
    }
    None
}

/// `application/grpc`, with a `+` and what messages are encoded with, or parameters, if
/// any. gRPC-Web is another protocol.
fn is_grpc(sent: &HeaderValue) -> bool {
    const GRPC: &str = "application/grpc";
    let Some((media_type, rest)) = sent.to_str().ok().and_then(|sent| sent.split_at_checked(GRPC.len())) else {
        return false;
    };
    let rest = rest.trim_start_matches([' ', '\t']);
    media_type.eq_ignore_ascii_case(GRPC) && (rest.is_empty() || rest.starts_with(['+', ';']))
}

fn answer(http: StatusCode, why: &str) -> Response<Body> {
    let mut answer = of_protocol(why).into_http();
    *answer.status_mut() = http;
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_type_of_grpc_is_told_from_others() {
        for grpc in ["", "+proto", "+json", ";charset=utf-8", " ; a=b"] {
            assert!(is_grpc(&format!("application/grpc{grpc}").parse().unwrap()), "{grpc}");
        }
        assert!(is_grpc(&"Application/GRPC".parse().unwrap()));
        let others = ["", "text/html", "application/json", "application/grpc-web", "application/grpc-web+proto"];
        for other in others.into_iter().chain(["application/grpcx", "application/gr", "x application/grpc"]) {
            assert!(!is_grpc(&other.parse().unwrap()), "{other}");
        }
        assert!(!is_grpc(&HeaderValue::from_bytes(b"application/grpc\xff").unwrap()));
    }
}
