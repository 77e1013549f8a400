//! Requests to S3 for keys of every kind, signed as `object_store` signs, with what it
//! is configured with.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use chrono::DateTime;
use futures::{StreamExt, TryStreamExt};
use http::{HeaderMap, StatusCode, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{
    fault::unreadable,
    listing::{Entry, Key, Page, PageError},
};
use crate::{
    documents::{
        Bucket, Reach,
        object_store::{
            Error as StoreError, ObjectStore,
            aws::{AmazonS3Builder, AmazonS3ConfigKey as Setting, AwsAuthorizer, AwsCredentialProvider},
            client::{
                HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequestBody, HttpResponse, ReqwestConnector,
            },
        },
    },
    error::Error,
    source::feed::ByteStream,
};

/// All but what RFC 3986 calls unreserved, as a signature wants it.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const IN_PATH: &AsciiSet = &ENCODED.remove(b'/');

/// How often a request is tried again that may be answered better then, and after how long.
const RETRIES: u32 = 2;
const PAUSE: Duration = Duration::from_millis(100);
/// Of an answer that is told.
const MAX_BODY_BYTES: usize = 64 << 10;

/// Makes requests to a bucket. Clones share its connections.
#[derive(Clone, Debug)]
pub struct Requests {
    client: HttpClient,
    credentials: AwsCredentialProvider,
    /// Of the bucket, without a slash at its end.
    url: String,
    region: String,
    /// Not for what everybody may read.
    signs: bool,
    signs_payload: bool,
    payer: bool,
}

/// Why a request was not done.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The server says no. Its text is that of `object_store`.
    #[error("Server returned non-2xx status code: {status}: {body}")]
    Answered {
        /// What it says in short.
        status: StatusCode,
        /// What it says.
        body: String,
    },
    /// It says nothing. Not transparent, or it would be missing among its own causes.
    #[error("{0}")]
    Http(#[from] HttpError),
    /// There is nothing to sign with.
    #[error("{0}")]
    Credentials(#[from] StoreError),
    /// It cannot be made.
    #[error("the request cannot be made: {0}")]
    Malformed(#[from] http::Error),
    /// The answer is not understood.
    #[error(transparent)]
    Page(#[from] PageError),
    /// A list that begins again would never end.
    #[error("the list goes on where it has been")]
    Endless,
}

impl RequestError {
    fn is_passing(&self) -> bool {
        match self {
            Self::Answered { status, .. } => {
                status.is_server_error()
                    || matches!(*status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
            }
            Self::Http(error) => !matches!(error.kind(), HttpErrorKind::Decode | HttpErrorKind::Unknown),
            _ => false,
        }
    }
}

impl Requests {
    /// Connects to a bucket, without a request; with the store that it shares all settings
    /// with. S3 Express signs with sessions of its own, and gets none.
    pub fn connect(bucket: &Bucket) -> Result<(Arc<dyn ObjectStore>, Option<Self>), Error> {
        let Reach { builder, client } = Reach::of_source(bucket);
        let setting = |key| builder.get_config_value(&key).unwrap_or_default();
        let region = Some(setting(Setting::Region)).filter(|region| !region.is_empty());
        let region = region.unwrap_or_else(|| "us-east-1".to_owned());
        let (url, is_express) = (url(&builder, &bucket.name, &region), is_on(&setting(Setting::S3Express)));
        let [unsigned, skips] = [Setting::UnsignedPayload, Setting::SkipSignature].map(|key| is_on(&setting(key)));
        let payer = setting(Setting::RequestPayer);
        let store = builder.build()?;
        let requests = Self {
            client: ReqwestConnector::default().connect(&client)?,
            credentials: Arc::clone(store.credentials()),
            url,
            region,
            signs: !skips,
            signs_payload: !unsigned,
            payer: is_on(&payer) || payer.eq_ignore_ascii_case("requester"),
        };
        Ok((Arc::new(store), (!is_express).then_some(requests)))
    }

    /// Gives each object whose key begins with `prefix` to `take`.
    pub async fn list(
        &self,
        prefix: &str,
        mut take: impl FnMut(Entry) -> Result<(), Error> + Send,
    ) -> Result<(), Error> {
        let mut token: Option<String> = None;
        loop {
            let page = self.page(prefix, token.as_deref()).await.map_err(unreadable)?;
            page.entries.into_iter().try_for_each(&mut take)?;
            if page.next.is_none() {
                return Ok(());
            }
            if page.next == token {
                return Err(unreadable(RequestError::Endless));
            }
            token = page.next;
        }
    }

    async fn page(&self, prefix: &str, token: Option<&str>) -> Result<Page, RequestError> {
        let token = token.map(|token| format!("&continuation-token={}", utf8_percent_encode(token, ENCODED)));
        let (token, prefix) = (token.unwrap_or_default(), utf8_percent_encode(prefix, ENCODED));
        // A control character has no place in XML.
        let query = format!("?list-type=2&encoding-type=url&prefix={prefix}{token}");
        let mut attempt = 0;
        loop {
            // The body is the answer: what breaks off in it is asked for again.
            let page = async { Ok(Page::parse(&self.send(&query).await?.into_body().bytes().await?)?) }.await;
            match page {
                Err(error) if self.is_tried_again(&error, &mut attempt).await => {}
                page => return page,
            }
        }
    }

    /// Reads an object.
    pub async fn get(&self, key: &str) -> Result<(Entry, ByteStream), RequestError> {
        let path = format!("/{}", utf8_percent_encode(key, IN_PATH));
        let mut attempt = 0;
        loop {
            match self.send(&path).await {
                Err(error) if self.is_tried_again(&error, &mut attempt).await => {}
                Err(error) => return Err(error),
                Ok(answer) => {
                    let (parts, body) = answer.into_parts();
                    let bytes = body.bytes_stream().map_err(std::io::Error::other).boxed();
                    return Ok((entry(key, &parts.headers), bytes));
                }
            }
        }
    }

    /// Waits, if it is worth it.
    async fn is_tried_again(&self, error: &RequestError, attempt: &mut u32) -> bool {
        if *attempt == RETRIES || !error.is_passing() {
            return false;
        }
        tracing::debug!(%error, "a request of a source is tried again");
        tokio::time::sleep(PAUSE * 2_u32.pow(*attempt)).await;
        *attempt += 1;
        true
    }

    /// Sends a GET for what follows the bucket's URL, as it is encoded.
    async fn send(&self, target: &str) -> Result<HttpResponse, RequestError> {
        let mut request = http::Request::get(format!("{}{target}", self.url)).body(HttpRequestBody::empty())?;
        if self.signs {
            let credential = self.credentials.get_credential().await?;
            AwsAuthorizer::new(&credential, "s3", &self.region)
                .with_sign_payload(self.signs_payload)
                .with_request_payer(self.payer)
                .try_authorize(&mut request, None)?;
        }
        let answer = self.client.execute(request).await?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let body: Bytes = answer.into_body().bytes().await?;
        let told = body.get(..MAX_BODY_BYTES).unwrap_or(&body);
        Err(RequestError::Answered { status, body: String::from_utf8_lossy(told).into_owned() })
    }
}

/// What the headers of an object say.
fn entry(key: &str, headers: &HeaderMap) -> Entry {
    let text = |name: header::HeaderName| headers.get(name)?.to_str().ok();
    let modified = text(header::LAST_MODIFIED).and_then(|time| DateTime::parse_from_rfc2822(time).ok());
    Entry {
        key: Key::Text(key.to_owned()),
        etag: text(header::ETAG).map(str::to_owned),
        size: text(header::CONTENT_LENGTH).and_then(|size| size.parse().ok()).unwrap_or_default(),
        modified: modified.unwrap_or_default().to_utc(),
    }
}

/// Where a bucket is, by the rules of `object_store`: an endpoint of virtual hosts has the
/// name of the bucket already.
fn url(builder: &AmazonS3Builder, bucket: &str, region: &str) -> String {
    let endpoint = [Setting::S3Endpoint, Setting::Endpoint].iter().find_map(|key| builder.get_config_value(key));
    let is_host = builder.get_config_value(&Setting::VirtualHostedStyleRequest).is_some_and(|value| is_on(&value));
    let url = match (endpoint, is_host) {
        (Some(endpoint), true) => endpoint,
        (Some(endpoint), false) => format!("{}/{bucket}", endpoint.trim_end_matches('/')),
        (None, true) => format!("https://{bucket}.s3.{region}.amazonaws.com"),
        (None, false) => format!("https://s3.{region}.amazonaws.com/{bucket}"),
    };
    url.trim_end_matches('/').to_owned()
}

/// As `object_store` reads settings; what it does not understand it has refused.
fn is_on(value: &str) -> bool {
    matches!(value.to_ascii_lowercase().as_str(), "1" | "true" | "on" | "yes" | "y")
}
