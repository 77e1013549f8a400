//! What a server logs of itself.

use super::given::{Process, channel, server, stillframe};
use crate::{
    support::TestServer,
    transport::{authority::Authority, config, shake_hands},
};

#[apply(on_directory!)]
async fn the_start_says_in_one_line_what_serves_what_where() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("my data");
    let mut process = Process::told(&mut server(&data, &["--listen", "127.0.0.2:0"]));
    let (_, address) = process.serves().await;
    let told = process.stopped().await.stderr;
    let line = told.lines().find(|line| line.contains(" serving ")).unwrap_or_else(|| panic!("{told}"));
    let (data, storage) = (data.display().to_string(), data.join("storage").display().to_string());
    for part in [
        format!("addresses=127.0.0.1:{}", address.rsplit(':').next().unwrap()).replace("127.0.0.1", "127.0.0.2"),
        format!("version={}", env!("CARGO_PKG_VERSION")),
        format!("commit={}", stillframe::version::COMMIT),
        format!("data_dir={data:?}"),
        format!("storage={storage:?}"),
    ] {
        assert!(line.contains(&part), "{part:?} is not in {line}");
    }
    let opened = told.lines().find(|line| line.contains("records opened")).unwrap();
    assert!(opened.contains(" workspaces=0 collections=0 "), "{opened}");
}

#[apply(on_directory!)]
async fn as_json_every_line_is_an_object_and_nothing_is_said_beside() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("s.sock");
    let listen = format!("unix:{}", socket.display());
    let mut command = server(&dir.path().join("data"), &["--log-format", "json", "--listen", &listen]);
    let process = Process::told(&mut command);
    crate::support::eventually("it serves", async || tokio::net::UnixStream::connect(&socket).await.is_ok()).await;
    let channel = channel(&listen).await;
    let mut client = TestServer::over(tempfile::tempdir().unwrap(), "127.0.0.1:1".parse().unwrap(), channel);
    client.given_collection("books").await;
    let ended = process.stopped().await;
    assert_eq!((ended.stdout.as_str(), ended.status.success()), ("", true));
    let lines: Vec<serde_json::Value> =
        ended.stderr.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect();
    let line = |message: &str| lines.iter().find(|line| line["fields"]["message"] == message).unwrap();
    let serving = &line("serving")["fields"];
    assert_eq!((serving["addresses"].as_str(), &serving["encrypted"]), (Some(listen.as_str()), &false.into()));
    assert_eq!(line("records opened")["fields"]["workspaces"], 0);
    let call = lines.iter().find(|line| line["target"] == "stillframe::call").unwrap();
    assert_eq!((&call["span"]["peer"], &call["fields"]["code"]), (&"unix".into(), &"OK".into()), "{call}");
    for fields in lines.iter().filter_map(|line| line["fields"].as_object()) {
        for (name, value) in fields {
            assert!(!value.is_object() && !value.as_str().is_some_and(|text| text.starts_with('{')), "{name}: {value}");
        }
    }
}

#[apply(on_directory!)]
async fn the_version_has_the_commit() {
    let told = Process::told(&mut stillframe(&["--version"])).ended().await;
    assert_eq!(told.stdout, format!("stillframe {}\n", stillframe::version::FULL));
    assert!(told.status.success());
}

#[apply(on_directory!)]
async fn who_shows_no_certificate_that_lets_it_in_is_told_of_at_a_pace() {
    let dir = tempfile::tempdir().unwrap();
    let (root, clients) = (Authority::root("root"), Authority::root("clients"));
    let files = root.server(|_| {}).store(dir.path());
    let client_ca = clients.store(dir.path());
    let [cert, key, client_ca] = [files.cert, files.key, client_ca].map(|file| file.display().to_string());
    let tls = ["--tls-cert", &cert, "--tls-key", &key, "--tls-client-ca", &client_ca];
    let mut process = Process::told(&mut server(&dir.path().join("data"), &tls));
    let (_, address) = process.serves().await;
    let address = address.parse().unwrap();
    let stranger = Authority::root("others").client(|_| {});
    for identity in [None, Some(&stranger)].into_iter().cycle().take(20) {
        // With TLS 1.3 the client hears of it when it reads.
        if let Ok(mut wire) = shake_hands(address, config(&root, identity)).await {
            tokio::io::AsyncReadExt::read_u8(&mut wire).await.unwrap_err();
        }
    }
    let log = process.stopped().await.stderr;
    let told: Vec<_> = log.lines().filter(|line| line.contains("without a certificate that lets it in")).collect();
    // One for a peer in ten seconds, and the machine may be slow.
    assert!((1..=5).contains(&told.len()), "{log}");
    assert!(told.iter().all(|line| line.contains(" WARN ") && line.contains("peer=127.0.0.1:")), "{told:?}");
}
