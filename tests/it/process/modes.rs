//! Whatever a server makes is for its owner alone.

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use super::given::{Process, server};
use crate::support::{TestServer, upsert};

/// Everything below a directory, and itself.
fn all_in(directory: &Path) -> Vec<PathBuf> {
    let mut all = vec![directory.to_owned()];
    for entry in std::fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() { all.extend(all_in(&entry.path())) } else { all.push(entry.path()) }
    }
    all
}

fn mode(path: &Path) -> u32 {
    std::fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

#[apply(on_directory!)]
async fn nothing_is_for_others_whatever_the_mask() {
    let home = tempfile::tempdir().unwrap();
    let (data, storage) = (home.path().join("a/data"), home.path().join("b/root"));
    let socket = home.path().join("s.sock");
    let (root, listen) = (storage.display().to_string(), format!("unix:{}", socket.display()));
    let arguments = ["--storage", &root, "--listen", "127.0.0.1:0", "--listen", &listen, "--restore-copy", "bytes"];
    // As generous as can be.
    let command = server(&data, &arguments);
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", "umask 000 && exec \"$@\"", "sh"]).arg(command.get_program()).args(command.get_args());
    let mut process = Process::told(&mut shell);
    let (line, _) = process.serves().await;
    let address = line.rsplit_once(" on ").unwrap().1.split(", ").next().unwrap().to_owned();
    let mut client = TestServer::attach(tempfile::tempdir().unwrap(), &address).await;
    client.given_collection("books").await;
    for version in 0..3 {
        client.write("books", vec![upsert("dune", &format!(r#"{{"version":{version}}}"#))]).await;
        client.given_snapshot("books", &format!("s{version}")).await;
    }
    client.given_restore("s1", "again").await;
    client.write("again", vec![upsert("more", "{}")]).await;
    assert_eq!(mode(&socket), 0o600);
    let ended = process.stopped().await;
    assert!(ended.status.success());
    let mut seen = 0;
    for path in [home.path().join("a"), home.path().join("b")].iter().flat_map(|directory| all_in(directory)) {
        let expected = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(format!("{:o}", mode(&path)), format!("{expected:o}"), "{}", path.display());
        seen += 1;
    }
    assert!(seen > 30, "{seen}");
    assert!(!ended.stderr.contains("others than its owner"), "{}", ended.stderr);
}

#[apply(on_directory!)]
async fn a_looser_directory_is_told_and_passage_is_none() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    for (loose, is_told) in [(0o755, true), (0o750, true), (0o702, true), (0o711, false), (0o700, false)] {
        std::fs::create_dir_all(&data).unwrap();
        std::fs::set_permissions(&data, PermissionsExt::from_mode(loose)).unwrap();
        let mut process = Process::told(&mut server(&data, &[]));
        process.serves().await;
        let told = process.stopped().await.stderr;
        let line = told.lines().find(|line| line.contains("others than its owner may read or change"));
        assert_eq!(line.is_some_and(|line| line.contains(&data.display().to_string())), is_told, "{loose:o}: {told}");
        assert_eq!(mode(&data), loose, "it is not ours to change");
    }
}
