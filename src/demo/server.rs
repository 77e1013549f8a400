//! The service in this process, on a temporary directory.

use std::net::SocketAddr;

use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::Result;
use crate::{
    app::{App, Config},
    clock::Clock,
    instance::StartError,
    tasks::{TaskError, Tasks},
};

/// A running server. [`stop`](Self::stop) removes its data; dropping does, too.
pub(super) struct Server {
    address: SocketAddr,
    shutdown: CancellationToken,
    serving: JoinHandle<std::result::Result<(), TaskError>>,
    directory: TempDir,
}

impl Server {
    pub async fn start() -> Result<Self> {
        let place = Some(std::env::temp_dir()).filter(|place| !place.as_os_str().is_empty());
        // An empty variable is not set.
        let place = place.unwrap_or_else(|| "/tmp".into());
        let directory = tempfile::Builder::new().prefix("stillframe-demo-").tempdir_in(&place);
        let directory = directory.map_err(|cause| StartError::Path { path: place, cause })?;
        // It needs a few megabytes, for a second: nothing is kept free for later.
        let config = Config { min_free_bytes: Some(0), ..Config::new(directory.path().to_owned()) };
        let app = App::open(config, Clock::default()).await?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let shutdown = CancellationToken::new();
        let serving = Tasks::default().work("server", app.serve(listener, shutdown.clone().cancelled_owned()));
        Ok(Self { address, shutdown, serving, directory })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub async fn stop(self) -> Result<()> {
        let Self { address: _, shutdown, serving, directory } = self;
        shutdown.cancel();
        let stopped = serving.await;
        directory.close()?;
        Ok(stopped??)
    }
}
