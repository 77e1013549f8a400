//! An S3 server in this process. Its bucket `storage` is the directory where
//! the local storage root would be, so tests find the same files in both.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use hyper::{Method, Request, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use parking_lot::Mutex;
use s3s::{
    auth::SimpleAuth,
    service::{S3Service, S3ServiceBuilder},
};
use stillframe::documents::{Bucket, Environment, Storage};
use tokio::{net::TcpListener, task::AbortHandle};

pub const BUCKET: &str = "storage";
const KEY: &str = "key";
pub const SECRET: &str = "secret";

/// A running server. It ends when this goes.
pub struct Loopback {
    address: SocketAddr,
    shared: Arc<Shared>,
    serving: AbortHandle,
}

/// What a bucket refuses for the time being, in which directory and below which
/// prefix: a server that is started again finds the same.
static REFUSED: Mutex<Vec<(PathBuf, String, Refuse)>> = Mutex::new(Vec::new());

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Refuse {
    /// Every request.
    All,
    /// Whatever writes.
    Writes,
}

/// Requests that are refused until this ends.
pub struct Refusal {
    dir: PathBuf,
    prefix: String,
}

impl Refusal {
    pub fn begin(dir: &Path, prefix: &str, refuse: Refuse) -> Self {
        REFUSED.lock().push((dir.to_owned(), prefix.to_owned(), refuse));
        Self { dir: dir.to_owned(), prefix: prefix.to_owned() }
    }

    pub fn end(self) {
        REFUSED.lock().retain(|(dir, prefix, _)| *dir != self.dir || *prefix != self.prefix);
    }
}

#[derive(Default)]
struct Shared {
    dir: PathBuf,
    /// Its check for conditional puts and the write after it are two steps.
    one_put_at_a_time: tokio::sync::Mutex<()>,
    is_down: AtomicBool,
    requests: Mutex<BTreeMap<String, u64>>,
    /// From the first copy of a data file to the end of the last.
    copies: Mutex<Option<(Instant, Instant)>>,
}

impl Loopback {
    /// Serves the directory `storage` in `dir`.
    pub async fn start(dir: &Path) -> Self {
        std::fs::create_dir_all(dir.join(BUCKET)).unwrap();
        let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(dir).unwrap());
        builder.set_auth(SimpleAuth::from_single(KEY, SECRET));
        let (service, shared) = (builder.build(), Arc::new(Shared { dir: dir.to_owned(), ..Shared::default() }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        #[allow(clippy::disallowed_methods, reason = "ends with the server")]
        let serving = tokio::spawn(serve(listener, service, Arc::clone(&shared))).abort_handle();
        Self { address, shared, serving }
    }

    /// Where a server finds its root.
    pub fn storage(&self) -> Storage {
        self.storage_at("", SECRET)
    }

    /// The same, below a prefix or with another secret.
    pub fn storage_at(&self, prefix: &str, secret: &str) -> Storage {
        let environment = self.environment(secret);
        Storage::S3(Bucket { name: BUCKET.to_owned(), prefix: prefix.to_owned(), environment })
    }

    pub fn environment(&self, secret: &str) -> Environment {
        let endpoint = format!("http://{}", self.address);
        let pairs = [
            ("AWS_ENDPOINT", endpoint.as_str()),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", KEY),
            ("AWS_SECRET_ACCESS_KEY", secret),
        ];
        Environment(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
    }

    /// From now on every connection breaks, or none does any more.
    pub fn set_down(&self, is_down: bool) {
        self.shared.is_down.store(is_down, Ordering::SeqCst);
    }

    /// How long copies of data files took since the last call, all together.
    pub fn take_copy_time(&self) -> Duration {
        self.shared.copies.lock().take().map_or(Duration::ZERO, |(first, last)| last - first)
    }

    /// Requests since the last call, by method and kind of object.
    pub fn take_requests(&self) -> BTreeMap<String, u64> {
        std::mem::take(&mut self.shared.requests.lock())
    }
}

impl Drop for Loopback {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, service: S3Service, shared: Arc<Shared>) {
    // Connections end with the listener.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        if shared.is_down.load(Ordering::SeqCst) {
            continue;
        }
        let (service, shared) = (service.clone(), Arc::clone(&shared));
        connections.spawn(async move {
            let answer = service_fn(move |request| answer(service.clone(), Arc::clone(&shared), request));
            // A client that goes away is no error.
            let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(socket), answer).await;
        });
    }
}

async fn answer(
    service: S3Service,
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> Result<hyper::Response<s3s::Body>, s3s::HttpError> {
    if shared.is_down.load(Ordering::SeqCst) {
        return Err(s3s::HttpError::new(Box::new(std::io::Error::other("the server is down"))));
    }
    if let Some(refused) = refusal(&shared.dir, &request) {
        return Ok(refused);
    }
    let (kind, began) = (kind(&request), Instant::now());
    let is_copy = kind == "COPY compacted";
    *shared.requests.lock().entry(kind).or_default() += 1;
    let is_put = request.method() == Method::PUT && !is_copy;
    let _put = if is_put { Some(shared.one_put_at_a_time.lock().await) } else { None };
    let answer = hyper::service::Service::call(&service, request).await;
    if is_copy {
        let ended = Instant::now();
        let mut copies = shared.copies.lock();
        *copies = Some(copies.map_or((began, ended), |(first, last)| (first.min(began), last.max(ended))));
    }
    answer
}

fn refusal(dir: &Path, request: &Request<Incoming>) -> Option<hyper::Response<s3s::Body>> {
    let (path, query) = (request.uri().path(), request.uri().query().unwrap_or_default().replace("%2F", "/"));
    let touches =
        |prefix: &str| path.starts_with(&format!("/{BUCKET}/{prefix}")) || query.contains(&format!("prefix={prefix}"));
    let refused = REFUSED.lock();
    let (_, _, refuse) = refused.iter().find(|(at, prefix, _)| at == dir && touches(prefix))?;
    if *refuse == Refuse::Writes && matches!(*request.method(), Method::GET | Method::HEAD) {
        return None;
    }
    let mut response = hyper::Response::new(s3s::Body::empty());
    *response.status_mut() = hyper::StatusCode::FORBIDDEN;
    Some(response)
}

/// `PUT wal`, `GET manifest`, `COPY compacted`, `LIST` and so on.
fn kind(request: &Request<Incoming>) -> String {
    let path = request.uri().path().trim_start_matches('/').trim_start_matches(BUCKET).trim_start_matches('/');
    let method = match request.headers().contains_key("x-amz-copy-source") {
        true => "COPY",
        false => request.method().as_str(),
    };
    let query = request.uri().query().unwrap_or_default();
    if path.is_empty() || query.contains("list-type") {
        return if query.contains("delete") { "DELETE".to_owned() } else { "LIST".to_owned() };
    }
    let parts: Vec<&str> = path.split('/').collect();
    let of = match parts.as_slice() {
        ["collections" | "staging", _, kind, ..] => kind,
        [first, ..] => first,
        [] => "",
    };
    format!("{method} {of}")
}
