//! Whether a request is signed with the secret: AWS Signature Version 4, in the
//! `Authorization` header.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};

use super::{
    KEY, SECRET,
    answer::Failure,
    request::{Request, hexadecimal},
};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// All but what RFC 3986 calls unreserved.
const ENCODED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

struct Authorization<'a> {
    /// Day, region, service and version.
    scope: &'a str,
    signed_headers: &'a str,
    signature: &'a str,
}

pub fn verify(request: &Request) -> Result<(), Failure> {
    let header = request.header("authorization").ok_or_else(|| Failure::forbidden("AccessDenied"))?;
    let malformed = || Failure::bad("AuthorizationHeaderMalformed", "not as Signature Version 4 wants it");
    let (key, authorization) = Authorization::parse(header).ok_or_else(malformed)?;
    if key != KEY {
        return Err(Failure::forbidden("InvalidAccessKeyId"));
    }
    authorization.covers(request)?;
    let expected = authorization.expected(request).ok_or_else(malformed)?;
    if authorization.signature != expected {
        return Err(Failure::forbidden("SignatureDoesNotMatch"));
    }
    match request.header("x-amz-content-sha256") {
        Some("UNSIGNED-PAYLOAD") => Ok(()),
        Some(digest) if digest == request.digest => Ok(()),
        _ => Err(Failure::bad("XAmzContentSHA256Mismatch", "the body is not the one that was signed")),
    }
}

impl<'a> Authorization<'a> {
    /// With the access key it is for.
    fn parse(header: &'a str) -> Option<(&'a str, Self)> {
        let mut fields = header.strip_prefix(ALGORITHM)?.split(',').map(str::trim);
        let mut field = |name: &str| fields.next()?.strip_prefix(name);
        let (key, scope) = field("Credential=")?.split_once('/')?;
        Some((key, Self { scope, signed_headers: field("SignedHeaders=")?, signature: field("Signature=")? }))
    }

    /// Nothing that changes what is done may be left out of the signature.
    fn covers(&self, request: &Request) -> Result<(), Failure> {
        let is_signed = |name: &str| self.signed_headers.split(';').any(|signed| signed == name);
        let mut amazon = request.headers.keys().map(http::HeaderName::as_str).filter(|name| name.starts_with("x-amz-"));
        let is_covered = is_signed("host") && amazon.all(is_signed);
        if is_covered { Ok(()) } else { Err(Failure::forbidden("AccessDenied")) }
    }

    /// What the signature must be; none if the request lacks what it is made of.
    fn expected(&self, request: &Request) -> Option<String> {
        let time = request.header("x-amz-date")?;
        let scope: Vec<&str> = self.scope.split('/').collect();
        let [day, region, service @ "s3", version @ "aws4_request"] = scope[..] else { return None };
        let digest = hexadecimal(&Sha256::digest(self.canonical(request)?));
        let text = format!("{ALGORITHM}\n{time}\n{}\n{digest}", self.scope);
        if !time.starts_with(day) {
            return None;
        }
        let secret = format!("AWS4{SECRET}").into_bytes();
        let steps = [day, region, service, version, &text];
        Some(hexadecimal(&steps.iter().fold(secret, |key, step| hmac(&key, step.as_bytes()))))
    }

    fn canonical(&self, request: &Request) -> Option<String> {
        let encoded = |text: &str| utf8_percent_encode(text, &ENCODED).to_string();
        let mut query: Vec<_> = request.query.iter().map(|(name, value)| (encoded(name), encoded(value))).collect();
        query.sort();
        let query: Vec<_> = query.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        let (method, path, query) = (&request.method, &request.path, query.join("&"));
        let headers = self.signed_headers.split(';').map(|name| canonical_header(request, name));
        let headers: String = headers.collect::<Option<_>>()?;
        let payload = request.header("x-amz-content-sha256")?;
        Some(format!("{method}\n{path}\n{query}\n{headers}\n{}\n{payload}", self.signed_headers))
    }
}

fn canonical_header(request: &Request, name: &str) -> Option<String> {
    let values = request.headers.get_all(name).iter().map(|value| std::str::from_utf8(value.as_bytes()).ok());
    let values: Vec<_> = values.collect::<Option<_>>()?;
    let words = |value: &str| value.split_whitespace().collect::<Vec<_>>().join(" ");
    let values: Vec<_> = values.into_iter().map(words).collect();
    (!values.is_empty()).then(|| format!("{name}:{}\n", values.join(",")))
}

/// Of SHA-256, as in RFC 2104. No key here is longer than a block.
fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut block = [0; 64];
    block[..key.len()].copy_from_slice(key);
    let keyed = |mask: u8| Sha256::new().chain_update(block.map(|byte| byte ^ mask));
    let inner = keyed(0x36).chain_update(text).finalize();
    keyed(0x5c).chain_update(inner).finalize().to_vec()
}
