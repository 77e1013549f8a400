//! Which request is which.

use std::path::Path;

use super::{
    answer::{Answer, Failure},
    bucket::Bucket,
    list, multipart, objects,
    request::Request,
};

/// Does what is requested of the buckets in `dir`. A parameter that nothing
/// here knows is refused, not passed over.
pub fn run(dir: &Path, request: &Request) -> Result<Answer, Failure> {
    let bucket = Bucket::open(dir, &request.bucket)?;
    let names: Vec<&str> = request.query.iter().map(|(name, _)| name.as_str()).collect();
    let is_copy = request.headers.contains_key("x-amz-copy-source");
    match (request.method.as_str(), request.key.is_empty(), names.as_slice()) {
        ("GET", true, names) if names.contains(&"list-type") => list::list(&bucket, request),
        ("POST", true, ["delete"]) => objects::delete_many(&bucket, request),
        ("GET" | "HEAD", false, []) => objects::get(&bucket, request),
        ("PUT", false, []) if is_copy => objects::copy(&bucket, request),
        ("PUT", false, []) => objects::put(&bucket, request),
        ("DELETE", false, []) => objects::delete(&bucket, request),
        ("POST", false, ["uploads"]) => multipart::create(&bucket, request),
        ("PUT", false, ["partNumber", "uploadId"]) => multipart::put_part(&bucket, request),
        ("POST", false, ["uploadId"]) => multipart::complete(&bucket, request),
        ("DELETE", false, ["uploadId"]) => multipart::abort(&bucket, request),
        (method, _, names) => Err(Failure::unknown(format!("{method} with {names:?}"))),
    }
}
