//! The server's side of TLS: new connections get what the files hold, also when
//! they are renewed.

use std::{sync::Arc, time::Duration};

use parking_lot::RwLock;
use tokio::sync::Mutex;
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};
use tokio_util::sync::CancellationToken;

use super::{
    certificates::{Contents, TlsError},
    settings::TlsFiles,
};

/// The configuration of new connections.
pub struct Tls {
    files: TlsFiles,
    current: RwLock<Arc<ServerConfig>>,
    /// What was found at the last look, good or bad: each is told once. Held by who looks.
    seen: Mutex<Result<Contents, String>>,
}

impl Tls {
    /// Reads the files, which must be good at the start.
    pub async fn load(files: TlsFiles) -> Result<Self, TlsError> {
        let contents = Contents::read(&files).await?;
        let config = contents.config(&files)?;
        Ok(Self { files, current: RwLock::new(Arc::new(config)), seen: Mutex::new(Ok(contents)) })
    }

    /// For one connection.
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.current.read()))
    }

    /// Looks at the files until `stop`. Contents are compared, not times: files
    /// come by rename, by symbolic link and from backups.
    pub async fn renew(self: Arc<Self>, every: Duration, stop: CancellationToken) {
        let mut tick = tokio::time::interval(every);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while stop.run_until_cancelled(tick.tick()).await.is_some() {
            self.look().await;
        }
    }

    async fn look(&self) {
        let mut seen = self.seen.lock().await;
        let found = self.read().await;
        if *seen != found {
            self.take(&found, "new connections get the renewed certificates");
            *seen = found;
        }
    }

    /// Looks at the files because somebody asks for it, who is told in any case.
    pub async fn reload(&self) {
        let mut seen = self.seen.lock().await;
        let found = self.read().await;
        let news = if *seen == found {
            "the certificates are as they were"
        } else {
            "new connections get the new certificates"
        };
        self.take(&found, news);
        *seen = found;
    }

    async fn read(&self) -> Result<Contents, String> {
        Contents::read(&self.files).await.map_err(|error| error.to_string())
    }

    fn take(&self, found: &Result<Contents, String>, news: &str) {
        let config = match found {
            Ok(contents) => contents.config(&self.files).map_err(|error| error.to_string()),
            Err(error) => Err(error.clone()),
        };
        match config {
            Ok(config) => {
                *self.current.write() = Arc::new(config);
                tracing::info!(cert = %self.files.cert.display(), "{news}");
            }
            Err(error) => tracing::warn!(error, "the certificates cannot be used; those of before stay in use"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Gives the files a certificate and a key of their own.
    fn fill(directory: &Path) -> TlsFiles {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let files = TlsFiles { cert: directory.join("cert.pem"), key: directory.join("key.pem"), client_ca: None };
        std::fs::write(&files.cert, made.cert.pem()).unwrap();
        std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
        files
    }

    #[tokio::test]
    async fn only_good_new_files_replace_the_old_ones() {
        let directory = tempfile::tempdir().unwrap();
        let files = fill(directory.path());
        let tls = Tls::load(files.clone()).await.unwrap();
        let current = || Arc::clone(&tls.current.read());
        let first = current();
        tls.look().await;
        assert!(Arc::ptr_eq(&first, &current()), "nothing has changed");

        let key = std::fs::read(&files.key).unwrap();
        fill(directory.path());
        let new_key = std::fs::read(&files.key).unwrap();
        for bad in [&key[..], b"nothing", &new_key[..new_key.len() / 2]] {
            std::fs::write(&files.key, bad).unwrap();
            tls.look().await;
            assert!(Arc::ptr_eq(&first, &current()), "half of it is new");
        }
        std::fs::remove_file(&files.key).unwrap();
        tls.look().await;
        assert!(Arc::ptr_eq(&first, &current()), "half of it is gone");

        std::fs::write(&files.key, new_key).unwrap();
        tls.look().await;
        assert!(!Arc::ptr_eq(&first, &current()), "all of it is new");
    }
}
