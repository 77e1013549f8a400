//! A server in this process, whose clock can be moved.

use std::time::Duration;

use stillframe::{
    app::{App, Config},
    clock::Clock,
    tasks::TaskError,
};
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

use crate::{Result, client::Client};

pub struct Local {
    pub clock: Clock,
    pub client: Client,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<std::result::Result<(), TaskError>>,
    _home: TempDir,
}

impl Local {
    pub async fn start() -> Result<Self> {
        let home = tempfile::Builder::new().prefix("stillframe-load-").tempdir()?;
        let clock = Clock::default();
        let app = App::open(Config::new(home.path().to_path_buf()), clock.clone()).await?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(app.serve(listener, async {
            let _ = stopped.await;
        }));
        Ok(Self { clock, client: Client::connect(&url).await?, stop, serving, _home: home })
    }

    /// Gives compaction and the like the time to come to rest.
    pub async fn settle(&self) {
        tokio::time::sleep(Duration::from_secs(10)).await;
    }

    pub async fn stop(self) -> Result<()> {
        let _ = self.stop.send(());
        Ok(self.serving.await??)
    }
}
