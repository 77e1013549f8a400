//! An S3 server that is not ours, behind ours: faults and counts stay, and the work is
//! done by somebody else. Its buckets are directories, so a test still finds its files.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::TcpStream;

use super::{
    BUCKET,
    answer::{Answer, Failure},
    request::Request,
};

/// Some buckets of it.
pub struct Elsewhere {
    address: SocketAddr,
    root: PathBuf,
    /// A bucket: a link to the directory of a test.
    link: PathBuf,
    others: Mutex<Vec<PathBuf>>,
}

impl Elsewhere {
    /// Makes the directory `storage` in `dir` a bucket, if there is such a server:
    /// `STILLFRAME_TEST_S3`, with the directories of its buckets in
    /// `STILLFRAME_TEST_S3_ROOT`.
    pub fn find(dir: &Path) -> Option<Self> {
        let url = std::env::var("STILLFRAME_TEST_S3").ok()?;
        let root = std::env::var("STILLFRAME_TEST_S3_ROOT").expect("where its buckets are");
        let address = url.strip_prefix("http://").unwrap_or(&url).parse().expect("http://ADDRESS:PORT");
        let root = PathBuf::from(root);
        let link = link_to(&dir.join(BUCKET), &root);
        Some(Self { address, root, link, others: Mutex::default() })
    }

    /// Makes another directory in `dir` a bucket, and tells its name.
    pub fn link(&self, dir: &Path, directory: &str) -> String {
        let link = link_to(&dir.join(directory), &self.root);
        let name = link.file_name().unwrap().to_str().unwrap().to_owned();
        self.others.lock().push(link);
        name
    }

    pub fn bucket(&self) -> String {
        self.link.file_name().unwrap().to_str().unwrap().to_owned()
    }

    /// Hands a request on as it came, so that its signature holds.
    pub async fn ask(&self, request: Request) -> Result<Answer, Failure> {
        let socket = TcpStream::connect(self.address).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await.map_err(Failure::internal)?;
        let Request { method, target, headers, body, .. } = request;
        let mut asked = hyper::Request::new(Full::new(body));
        *asked.method_mut() = method;
        *asked.uri_mut() = target;
        *asked.headers_mut() = headers;
        let asking = async {
            let (parts, body) = sender.send_request(asked).await?.into_parts();
            Ok::<_, hyper::Error>((parts, body.collect().await?.to_bytes()))
        };
        // The connection lives as long as its one answer.
        let answered = tokio::select! {
            biased;
            answered = asking => answered,
            ended = connection => return Err(Failure::internal(format!("it hung up: {ended:?}"))),
        };
        let (parts, body) = answered.map_err(Failure::internal)?;
        Ok(Answer::from_parts(parts, body.into()))
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        for link in std::iter::once(&self.link).chain(&*self.others.lock()) {
            let _ = std::fs::remove_file(link);
        }
    }
}

fn link_to(directory: &Path, root: &Path) -> PathBuf {
    let link = root.join(format!("b{}", uuid::Uuid::new_v4().simple()));
    std::os::unix::fs::symlink(directory, &link).unwrap();
    link
}
