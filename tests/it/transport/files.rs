//! A server whose files are no good does not start, and says which and why.

use std::path::Path;

use stillframe::{instance::StartError, rpc::TlsFiles};

use super::{Authority, authority::put};
use crate::support::TestServer;

async fn refusal(tls: TlsFiles) -> String {
    let directory = tempfile::tempdir().unwrap();
    match TestServer::reopen_with(directory, |config| config.transport.tls = Some(tls)).await {
        Err(StartError::Tls(why)) => why,
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it starts"),
    }
}

fn names(why: &str, file: &Path, reason: &str) {
    assert!(why.contains(&file.display().to_string()) && why.contains(reason), "{why}");
}

#[apply(on_directory!)]
async fn each_file_must_hold_what_it_is_for() {
    let directory = tempfile::tempdir().unwrap();
    let good = Authority::root("root").server(|_| {}).store(directory.path());
    let missing = directory.path().join("missing.pem");
    let empty = put(directory.path(), "empty.pem", "");
    let cut = std::fs::read_to_string(&good.cert).unwrap().replace("-----END CERTIFICATE-----", "");
    let cut = put(directory.path(), "cut.pem", cut);
    let noise = put(directory.path(), "noise.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let with_cert = |cert: &Path| TlsFiles { cert: cert.to_owned(), ..good.clone() };
    let with_key = |key: &Path| TlsFiles { key: key.to_owned(), ..good.clone() };
    let with_ca = |ca: &Path| TlsFiles { client_ca: Some(ca.to_owned()), ..good.clone() };

    for tls in [with_cert(&missing), with_key(&missing), with_ca(&missing)] {
        names(&refusal(tls).await, &missing, "cannot be read");
    }
    for tls in [with_cert(&empty), with_ca(&empty)] {
        names(&refusal(tls).await, &empty, "no certificate in it");
    }
    for tls in [with_cert(&good.key), with_ca(&good.key)] {
        names(&refusal(tls).await, &good.key, "no certificate in it");
    }
    for file in [&empty, &good.cert] {
        names(&refusal(with_key(file)).await, file, "no private key in it");
    }
    for tls in [with_cert(&cut), with_ca(&cut)] {
        names(&refusal(tls).await, &cut, "not proper PEM");
    }
    for tls in [with_cert(&noise), with_ca(&noise)] {
        names(&refusal(tls).await, &noise, "cannot be used");
    }
}

#[apply(on_directory!)]
async fn the_key_must_be_the_certificates() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let root = Authority::root("root");
    let tls = root.server(|_| {}).store(one.path());
    let other = root.server(|_| {}).store(two.path());
    let why = refusal(TlsFiles { key: other.key.clone(), ..tls.clone() }).await;
    names(&why, &other.key, "does not belong");
    names(&why, &tls.cert, "does not belong");
}
