//! An S3 server in this process, with just the requests that our client makes.
//! Its bucket `storage` is the directory where the local storage root would be,
//! so tests find the same files in both, and may write and remove some by hand.

mod answer;
mod bucket;
mod conditions;
mod counts;
mod elsewhere;
mod faults;
mod list;
mod multipart;
mod object;
mod objects;
mod range;
mod record;
mod request;
mod route;
mod serve;
mod signature;

use std::{collections::BTreeMap, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use stillframe::documents::{Bucket, Environment, Storage};
use tokio::{net::TcpListener, task::AbortHandle};

#[allow(unused_imports, reason = "who only needs a server harms no requests")]
pub use self::faults::{Fault, Harm, Refusal, Refuse, Requests, Rule, Which};
use self::serve::Server;

pub const BUCKET: &str = "storage";
pub const SECRET: &str = "secret";
const KEY: &str = "key";

/// A running server. It ends when this goes.
pub struct Loopback {
    address: SocketAddr,
    server: Arc<Server>,
    serving: AbortHandle,
}

impl Loopback {
    /// Serves the directories in `dir` as buckets, of which `storage` is made.
    pub async fn start(dir: &Path) -> Self {
        std::fs::create_dir_all(dir.join(BUCKET)).unwrap();
        let server = Arc::new(Server::new(dir));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        #[allow(clippy::disallowed_methods, reason = "ends with the server")]
        let serving = tokio::spawn(serve::serve(listener, Arc::clone(&server))).abort_handle();
        Self { address, server, serving }
    }

    /// Where a server finds its root.
    pub fn storage(&self) -> Storage {
        self.storage_at("", SECRET)
    }

    /// The same, below a prefix or with another secret.
    pub fn storage_at(&self, prefix: &str, secret: &str) -> Storage {
        let environment = self.environment(secret);
        Storage::S3(Bucket { name: self.server.bucket(), prefix: prefix.to_owned(), environment })
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

    /// A bucket beside the storage root; its name.
    pub fn bucket(&self, directory: &str) -> String {
        std::fs::create_dir_all(self.server.dir().join(directory)).unwrap();
        self.server.other_bucket(directory)
    }

    /// Puts an object into the bucket of a directory, by hand; false if the server cannot
    /// have such a key.
    pub fn put(&self, directory: &str, key: &str, content: &str) -> bool {
        let is_file = !key.split('/').any(|part| matches!(part, "" | "." | ".."));
        if self.server.is_elsewhere() && !is_file {
            return false;
        }
        let bucket = bucket::Bucket::open(self.server.dir(), directory).unwrap();
        let path = bucket.path(key).unwrap();
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let aside = tempfile::NamedTempFile::new_in(self.server.dir()).unwrap();
        std::fs::write(aside.path(), content).unwrap();
        aside.persist(path).unwrap();
        true
    }

    /// From now on every connection breaks, or none does any more.
    pub fn set_down(&self, is_down: bool) {
        self.server.set_down(is_down);
    }

    /// Harms the requests of a rule until the answer goes.
    pub fn harm(&self, rule: Rule) -> Fault {
        Fault::begin(self.server.dir(), rule)
    }

    /// How long copies of data files took since the last call, all together.
    pub fn take_copy_time(&self) -> Duration {
        self.server.counts.take_copy_time()
    }

    /// Requests since the last call, by method and kind of object.
    pub fn take_requests(&self) -> BTreeMap<String, u64> {
        self.server.counts.take_requests()
    }
}

impl Drop for Loopback {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
