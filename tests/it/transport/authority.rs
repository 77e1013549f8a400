//! Who signs certificates.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use stillframe::rpc::TlsFiles;
use tokio_rustls::rustls::{
    RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
};

/// A root, or an authority that a root has signed.
pub struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
    /// The certificates between its own and the root, its own the first.
    between: Vec<CertificateDer<'static>>,
}

/// A certificate with its chain, and the key.
pub struct Identity {
    pub chain: Vec<CertificateDer<'static>>,
    pub key: KeyPair,
}

pub fn der(key: &KeyPair) -> PrivateKeyDer<'static> {
    PrivatePkcs8KeyDer::from(key.serialize_der()).into()
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn of_authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

impl Authority {
    pub fn root(name: &str) -> Self {
        let (params, key) = (of_authority(name), KeyPair::generate().unwrap());
        let certificate = params.self_signed(&key).unwrap();
        Self { certificate, issuer: Issuer::new(params, key), between: Vec::new() }
    }

    pub fn below(&self, name: &str) -> Self {
        let (params, key) = (of_authority(name), KeyPair::generate().unwrap());
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let between = [certificate.der().clone()].into_iter().chain(self.between.iter().cloned()).collect();
        Self { certificate, issuer: Issuer::new(params, key), between }
    }

    pub fn server(&self, change: impl FnOnce(&mut CertificateParams)) -> Identity {
        self.identity("server", ExtendedKeyUsagePurpose::ServerAuth, change)
    }

    pub fn client(&self, change: impl FnOnce(&mut CertificateParams)) -> Identity {
        self.identity("client", ExtendedKeyUsagePurpose::ClientAuth, change)
    }

    fn identity(
        &self,
        name: &str,
        usage: ExtendedKeyUsagePurpose,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Identity {
        let mut params = params(name);
        params.extended_key_usages = vec![usage];
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let chain = [certificate.der().clone()].into_iter().chain(self.between.iter().cloned()).collect();
        Identity { chain, key }
    }

    /// What a client that trusts it trusts.
    pub fn trusted(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.der().clone()).unwrap();
        roots
    }

    /// As the file of clients' authorities.
    pub fn store(&self, directory: &Path) -> PathBuf {
        put(directory, "clients.pem", self.certificate.pem())
    }
}

impl Identity {
    /// As the files of a server.
    pub fn store(&self, directory: &Path) -> TlsFiles {
        let chain: Vec<_> = self.chain.iter().map(|der| pem(der)).collect();
        let key = put(directory, "key.pem", self.key.serialize_pem());
        TlsFiles { cert: put(directory, "cert.pem", chain.concat()), key, client_ca: None }
    }
}

fn pem(der: &[u8]) -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

/// At one stroke, as one should.
pub fn put(directory: &Path, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
    let (new, path) = (directory.join("new"), directory.join(name));
    std::fs::write(&new, text).unwrap();
    std::fs::rename(&new, &path).unwrap();
    path
}
