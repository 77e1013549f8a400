//! Where a server listens: names, several addresses, sockets in the file system.

use std::os::unix::fs::PermissionsExt;

use rustix::process::Signal;
use tonic::transport::Endpoint;

use super::given::{Process, channel, server};
use crate::{
    support::{TestServer, upsert},
    transport::call,
};

#[apply(on_directory!)]
async fn a_name_is_all_its_addresses_and_there_may_be_several() {
    let dir = tempfile::tempdir().unwrap();
    let arguments = ["--listen", "localhost:0", "--listen", "127.0.0.2:0", "--listen", "localhost:0"];
    let mut process = Process::told(&mut server(dir.path(), &arguments));
    let (line, _) = process.serves().await;
    let addresses: Vec<_> = line.rsplit_once(" on ").unwrap().1.split(", ").collect();
    let of_name: Vec<_> = ["127.0.0.1:", "127.0.0.2:"].map(|ip| addresses.iter().any(|at| at.starts_with(ip))).into();
    assert_eq!(of_name, [true, true], "{line}");
    for address in addresses {
        call(&channel(address).await).await.unwrap();
    }
    assert!(process.stopped().await.status.success());
}

#[apply(on_directory!)]
async fn a_socket_is_for_its_owner_and_goes_with_its_server() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let (socket, listen) = {
        let socket = dir.path().join("s.sock");
        (socket.clone(), format!("unix:{}", socket.display()))
    };
    let start = || Process::told(&mut server(&data, &["--listen", &listen]));
    let mut process = start();
    let (_, address) = process.serves().await;
    assert_eq!(address, listen);
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    let client_dir = tempfile::tempdir().unwrap();
    let mut client = TestServer::over(client_dir, "127.0.0.1:1".parse().unwrap(), channel(&listen).await);
    client.given_collection("books").await;
    client.write("books", vec![upsert("dune", "{}")]).await;

    // A second server does not take it, nor what is on it.
    let other = dir.path().join("other");
    let refused = Process::told(&mut server(&other, &["--listen", &listen])).ended().await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(refused.stderr.contains(&format!("--listen {listen}: another process listens there")));
    assert!(!other.exists());
    call(&channel(&listen).await).await.unwrap();

    assert!(process.stopped().await.status.success());
    assert!(!socket.exists());
    // One that was killed leaves it behind, and the next takes its place.
    let mut killed = start();
    killed.serves().await;
    killed.signal(Signal::KILL);
    killed.has_ended().await;
    assert!(socket.exists());
    let mut process = start();
    process.serves().await;
    let mut client = TestServer::over(client.stop().await, "127.0.0.1:1".parse().unwrap(), channel(&listen).await);
    assert_eq!(client.scan("books").await.len(), 1);
    assert!(process.stopped().await.status.success());
}

/// With TLS connections to an address are encrypted; a socket is not left for the network.
#[apply(on_directory!)]
async fn a_socket_is_never_encrypted() {
    let dir = tempfile::tempdir().unwrap();
    let files = crate::transport::authority::Authority::root("root").server(|_| {}).store(dir.path());
    let listen = format!("unix:{}", dir.path().join("s.sock").display());
    let (cert, key) = (files.cert.display().to_string(), files.key.display().to_string());
    let arguments = ["--tls-cert", &cert, "--tls-key", &key, "--listen", &listen, "--listen", "127.0.0.1:0"];
    let mut process = Process::told(&mut server(&dir.path().join("data"), &arguments));
    let (_, address) = process.serves().await;
    call(&channel(&listen).await).await.unwrap();
    let plain = Endpoint::from_shared(format!("http://{address}")).unwrap().connect().await;
    assert!(plain.is_err() || call(&plain.unwrap()).await.is_err());
    assert!(process.stopped().await.status.success());
}

/// Nobody is let in before there is somebody to answer: the port is taken, and closed.
#[apply(on_directory!)]
async fn a_start_that_is_refused_late_gives_its_port_back() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let listen = format!("127.0.0.1:{port}");
    let refused = Process::told(&mut server(&file, &["--listen", &listen])).ended().await;
    assert_eq!(refused.status.code(), Some(1));
    let mut process = Process::told(&mut server(&dir.path().join("data"), &["--listen", &listen]));
    assert_eq!(process.serves().await.1, listen);
    call(&channel(&listen).await).await.unwrap();
    assert!(process.stopped().await.status.success());
}
