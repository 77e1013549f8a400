//! Connections, and the way of a request through the server.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use http_body_util::BodyExt;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use super::{
    BUCKET,
    answer::{Answer, Body, Cut, Failure},
    bucket::Bucket,
    counts::Counts,
    elsewhere::Elsewhere,
    faults::{self, Harm},
    request::Request,
    route, signature,
};

pub struct Server {
    dir: PathBuf,
    is_down: AtomicBool,
    pub counts: Counts,
    elsewhere: Option<Elsewhere>,
}

impl Server {
    pub fn new(dir: &Path) -> Self {
        let (is_down, counts, elsewhere) = (AtomicBool::new(false), Counts::default(), Elsewhere::find(dir));
        Self { dir: dir.to_owned(), is_down, counts, elsewhere }
    }

    /// The name of the bucket whose directory is `storage`.
    pub fn bucket(&self) -> String {
        self.elsewhere.as_ref().map_or_else(|| BUCKET.to_owned(), Elsewhere::bucket)
    }

    /// The name of the bucket with another directory beside it.
    pub fn other_bucket(&self, directory: &str) -> String {
        self.elsewhere.as_ref().map_or_else(|| directory.to_owned(), |elsewhere| elsewhere.link(&self.dir, directory))
    }

    /// Whether somebody else does the work.
    pub fn is_elsewhere(&self) -> bool {
        self.elsewhere.is_some()
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn set_down(&self, is_down: bool) {
        self.is_down.store(is_down, Ordering::SeqCst);
    }

    fn is_down(&self) -> bool {
        self.is_down.load(Ordering::SeqCst)
    }

    async fn answer(self: Arc<Self>, request: hyper::Request<Incoming>) -> Result<Answer, Cut> {
        if self.is_down() {
            return Err(Cut);
        }
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map_err(|_| Cut)?.to_bytes();
        let verified = blocking(move || {
            let request = Request::parse(parts, body)?;
            signature::verify(&request)?;
            Ok(request)
        });
        match verified.await {
            Ok(request) => self.harmed(request).await,
            Err(failure) => Ok(failure.answer()),
        }
    }

    async fn done(&self, request: Request) -> Result<Answer, Failure> {
        if let Some(elsewhere) = &self.elsewhere {
            return elsewhere.ask(request).await;
        }
        let dir = self.dir.clone();
        blocking(move || route::run(&dir, &request)).await
    }

    /// As a server does it that looks first and writes then.
    async fn raced(&self, request: Request, by: std::time::Duration) -> Result<Answer, Failure> {
        let is_taken = request.header("if-none-match").is_some()
            && Bucket::open(&self.dir, &request.bucket)?.object(&request.key).is_ok();
        if is_taken {
            return Err(Failure::precondition("If-None-Match"));
        }
        tokio::time::sleep(by).await;
        self.done(request.without_conditions()).await
    }

    /// Does what is requested, and what a fault does to it.
    async fn harmed(&self, request: Request) -> Result<Answer, Cut> {
        let harm = faults::of(&self.dir, &request);
        if harm == Some(Harm::Refuse) {
            return Ok(Failure::forbidden("AccessDenied").answer());
        }
        let label = request.label();
        self.counts.count(&label);
        match harm {
            Some(Harm::CutBefore) => return Err(Cut),
            Some(Harm::Say(status, code)) => {
                let status = http::StatusCode::from_u16(status).map_err(|_| Cut)?;
                return Ok(Failure::new(status, code, "as a test wants it").answer());
            }
            Some(Harm::SlowDown) => {
                let status = http::StatusCode::SERVICE_UNAVAILABLE;
                return Ok(Failure::new(status, "SlowDown", "please reduce your request rate").answer());
            }
            _ => {}
        }
        let began = Instant::now();
        let done = match harm {
            Some(Harm::Unconditional) => self.done(request.without_conditions()).await,
            Some(Harm::Racing(by)) => self.raced(request, by).await,
            _ => self.done(request).await,
        };
        self.counts.done(&label, began);
        let answer = done.unwrap_or_else(|failure| failure.answer());
        match harm {
            Some(Harm::CutAfter) => Err(Cut),
            Some(Harm::FailAfter) => Ok(Failure::internal("we encountered an internal error").answer()),
            Some(Harm::CutBody) if answer.body().is_empty() => Err(Cut),
            Some(Harm::CutBody) => Ok(answer.map(Body::cut)),
            Some(Harm::Delay(by)) => {
                tokio::time::sleep(by).await;
                Ok(answer)
            }
            Some(Harm::Hold) => {
                faults::until_lifted(&self.dir).await;
                Ok(answer)
            }
            _ => Ok(answer),
        }
    }
}

/// Accepts connections, which end with this.
pub async fn serve(listener: TcpListener, server: Arc<Server>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(_) if server.is_down() => {}
                Ok((socket, _)) => { connections.spawn(connection(socket, Arc::clone(&server))); }
                // Such as too many open files, which passes.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(socket: TcpStream, server: Arc<Server>) {
    let answer = service_fn(move |request| Arc::clone(&server).answer(request));
    // A client that goes away is no error, and neither is a cut.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(socket), answer).await;
}

/// Runs what blocks where it holds up no test.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Failure> + Send + 'static) -> Result<T, Failure> {
    #[allow(clippy::disallowed_methods, reason = "the server is no part of the service")]
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|panicked| Err(Failure::internal(panicked)))
}
