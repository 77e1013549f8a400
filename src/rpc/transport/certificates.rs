//! From PEM files to a TLS configuration, or to a sentence that names the file
//! and says what is wrong with it.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio_rustls::rustls::{
    self, RootCertStore, ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
    server::{NoServerSessionStorage, WebPkiClientVerifier},
    sign::{CertifiedKey, SingleCertAndKey},
};

use super::settings::TlsFiles;
use crate::{regular, tasks::off_thread};

/// More than the certificates of all authorities that there are.
const LONGEST: u64 = 4 << 20;

/// Why the files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Missing, a directory, not ours to read.
    #[error("{path} cannot be read: {cause}")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// There are PEM markers, but not as they should be.
    #[error("{path} is not proper PEM: {cause}")]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// Why.
        cause: pem::Error,
    },
    /// Another file, perhaps.
    #[error("{0} has no certificate in it (looked for PEM, BEGIN CERTIFICATE)")]
    NoCertificate(PathBuf),
    /// Another file, perhaps, or one that needs a password.
    #[error("{0} has no private key in it (looked for PEM, BEGIN PRIVATE KEY; an encrypted one cannot be used)")]
    NoKey(PathBuf),
    /// A kind of key that we cannot sign with.
    #[error("the private key in {path} cannot be used: {cause}")]
    Key {
        /// Which file.
        path: PathBuf,
        /// Why.
        cause: rustls::Error,
    },
    /// Two files that do not belong together.
    #[error("the private key in {key} does not belong to the first certificate in {cert}")]
    Mismatch {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// The PEM holds something that is no certificate, or not one for this use.
    #[error("a certificate in {path} cannot be used: {cause}")]
    Certificate {
        /// Which file.
        path: PathBuf,
        /// Why.
        cause: String,
    },
}

/// What the files hold: compared with what they held at the last look.
#[derive(Clone, PartialEq, Eq)]
pub struct Contents {
    cert: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

impl Contents {
    /// Reads the files.
    pub async fn read(files: &TlsFiles) -> Result<Self, TlsError> {
        let TlsFiles { cert, key, client_ca } = files;
        let client_ca = match client_ca {
            Some(path) => Some(read(path).await?),
            None => None,
        };
        Ok(Self { cert: read(cert).await?, key: read(key).await?, client_ca })
    }

    /// The configuration that they make.
    pub fn config(&self, files: &TlsFiles) -> Result<ServerConfig, TlsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let certified = self.certified(files, &provider)?;
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
        let builder = builder.map_err(|error| unusable(&files.cert, &error))?;
        let builder = match (&files.client_ca, &self.client_ca) {
            (Some(path), Some(pem)) => {
                let roots = Arc::new(roots(path, pem)?);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider).build();
                builder.with_client_cert_verifier(verifier.map_err(|error| unusable(path, &error))?)
            }
            _ => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
        config.alpn_protocols = vec![b"h2".to_vec()];
        // A resumed session would not show its certificate again, though it may
        // have expired since. Connections live long; handshakes are rare.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        config.max_tls13_tickets = 0;
        Ok(config)
    }

    fn certified(&self, files: &TlsFiles, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
        let TlsFiles { cert, key, client_ca: _ } = files;
        let chain = certificates(cert, &self.cert)?;
        let der = PrivateKeyDer::from_pem_slice(&self.key).map_err(|cause| match cause {
            pem::Error::NoItemsFound => TlsError::NoKey(key.clone()),
            cause => TlsError::Malformed { path: key.clone(), cause },
        })?;
        let signer = provider.key_provider.load_private_key(der);
        let signer = signer.map_err(|cause| TlsError::Key { path: key.clone(), cause })?;
        let certified = CertifiedKey::new(chain, signer);
        match certified.keys_match() {
            Ok(()) => Ok(certified),
            Err(rustls::Error::InconsistentKeys(_)) => Err(TlsError::Mismatch { cert: cert.clone(), key: key.clone() }),
            Err(error) => Err(unusable(cert, &error)),
        }
    }
}

async fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let file = path.to_owned();
    let read = off_thread(move || regular::read(&file, LONGEST)).await.map_err(std::io::Error::other);
    read.flatten().map_err(|cause| TlsError::Unreadable { path: path.to_owned(), cause })
}

fn certificates(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if found.is_empty() => Err(TlsError::NoCertificate(path.to_owned())),
        Ok(found) => Ok(found),
        Err(cause) => Err(TlsError::Malformed { path: path.to_owned(), cause }),
    }
}

fn roots(path: &Path, pem: &[u8]) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path, pem)? {
        roots.add(certificate).map_err(|error| unusable(path, &error))?;
    }
    Ok(roots)
}

fn unusable(path: &Path, cause: &dyn std::fmt::Display) -> TlsError {
    TlsError::Certificate { path: path.to_owned(), cause: cause.to_string() }
}
