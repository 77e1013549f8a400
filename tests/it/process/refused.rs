//! Every start that is refused says in one sentence what it is about, and leaves the file
//! system as it was.

use std::{collections::BTreeMap, os::unix::fs::symlink, path::PathBuf};

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::given::{Process, stillframe};
use crate::transport::authority::{Authority, put};

/// A directory to start in, with much that a start can be pointed at by mistake.
pub struct Home(tempfile::TempDir);

impl Home {
    pub fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let path = |name: &str| home.path().join(name);
        std::fs::write(path("file"), "years of work\n").unwrap();
        std::fs::create_dir_all(path("foreign/thesis")).unwrap();
        std::fs::write(path("foreign/thesis/one.tex"), "years of work\n").unwrap();
        symlink(path("nowhere"), path("dangling")).unwrap();
        mknodat(CWD, path("pipe"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        std::fs::create_dir(path("tls")).unwrap();
        Authority::root("root").server(|_| {}).store(&path("tls"));
        put(&path("tls"), "empty.pem", "");
        Self(home)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// All that is in it, without reading what never ends, and without an index, which sled
    /// may write anew when it is looked at.
    fn listing(&self) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
        let (mut found, mut directories) = (BTreeMap::new(), vec![self.0.path().to_owned()]);
        while let Some(directory) = directories.pop() {
            for entry in std::fs::read_dir(&directory).unwrap() {
                let (path, kind) = entry.map(|entry| (entry.path(), entry.file_type().unwrap())).unwrap();
                let bytes = kind.is_file().then(|| std::fs::read(&path).unwrap());
                if kind.is_dir() && !path.ends_with("metadata") {
                    directories.push(path.clone());
                }
                found.insert(path, bytes);
            }
        }
        found
    }

    /// Starts there, and expects the refusal to have all these parts.
    pub async fn refuses(&self, arguments: &[&str], environment: &[(&str, &str)], parts: &[&str]) {
        let before = self.listing();
        let mut command = stillframe(arguments);
        command.current_dir(self.0.path()).envs(environment.iter().copied());
        let ended = Process::told(&mut command).ended().await;
        let told = format!("{arguments:?} {environment:?}: {}{}", ended.stdout, ended.stderr);
        assert_eq!((ended.status.code(), ended.stdout.as_str()), (Some(1), ""), "{told}");
        let last = ended.stderr.lines().last().unwrap_or_default();
        let why = last.strip_prefix("stillframe: ").unwrap_or_else(|| panic!("no last word: {told}"));
        assert!(!ended.stderr.lines().any(|line| line.contains(" ERROR ")), "{told}");
        for part in parts {
            assert!(why.contains(part), "{part:?} is not in {told}");
        }
        for debug in ["Os {", "kind:", "Some(", "Error(", "}}", "\\\""] {
            assert!(!why.contains(debug), "{debug:?} is in {told}");
        }
        assert_eq!(self.listing(), before, "{told}");
    }

    pub fn at(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }
}

type Case<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)], &'a [&'a str]);

const CASES: &[Case<'_>] = &[
    // Flags.
    (&["--grase", "5s"], &[], &["--grase", "--grace"]),
    (&["server"], &[], &["server", "serve"]),
    (&["--log", "=loud="], &[], &["--log", "=loud="]),
    (&[], &[("STILLFRAME_LOG", "stillframe=loud")], &["--log", "stillframe=loud", "STILLFRAME_LOG"]),
    (&["--log-format", "xml"], &[], &["--log-format", "xml", "text, json"]),
    (&["--restore-copy", "hard"], &[], &["--restore-copy", "hard"]),
    (&["--snapshot-preview", "perhaps"], &[], &["--snapshot-preview", "perhaps", "enabled, disabled"]),
    (&["--operator-contact", "me"], &[], &["--operator-contact", "'me'", "mailto:"]),
    (&["--source-allow", "/srv"], &[], &["--source-allow", "/srv", "file://"]),
    // Switches.
    (&["--insecure-allow-everyone=perhaps"], &[], &["--insecure-allow-everyone", "perhaps", "true or false"]),
    (
        &[],
        &[("STILLFRAME_INSECURE_ALLOW_EVERYONE", "2")],
        &["--insecure-allow-everyone", "'2'", "STILLFRAME_INSECURE_ALLOW_EVERYONE"],
    ),
    // Sizes and numbers.
    (&["--max-restore-bytes", "10T"], &[], &["--max-restore-bytes", "10T", "TB (of 1000s) or TiB (of 1024s)"]),
    (&["--max-restore-bytes", "0"], &[], &["--max-restore-bytes", "at least 1 bytes"]),
    (&["--max-restore-bytes", "-1"], &[], &["--max-restore-bytes", "not negative"]),
    (&["--max-restore-bytes", "99999999PB"], &[], &["--max-restore-bytes", "at most 9223372036854775807"]),
    (&["--min-free-bytes", "ten"], &[], &["--min-free-bytes", "ten", "512MiB"]),
    (&["--min-free-bytes", "-1GB"], &[], &["--min-free-bytes", "not negative"]),
    (&["--min-free-bytes", "18446744073709551616"], &[], &["--min-free-bytes", "at most 18446744073709551615"]),
    (&[], &[("STILLFRAME_MIN_FREE_BYTES", "5%")], &["--min-free-bytes", "5%", "STILLFRAME_MIN_FREE_BYTES"]),
    (&["--request-memory-bytes", "31MiB"], &[], &["--request-memory-bytes", "at least 32MiB"]),
    (&["--max-connections", "0"], &[], &["--max-connections", "'0'"]),
    (&["--max-connections", "-1"], &[], &["--max-connections", "'-1'"]),
    (&["--snapshot-creates-per-minute", "many"], &[], &["--snapshot-creates-per-minute", "many"]),
    (&["--max-collections-per-workspace", "-5"], &[], &["--max-collections-per-workspace", "-5"]),
    // Times.
    (&["--grace", "20"], &[], &["--grace", "20", "has units: 500ms, 20s"]),
    (&["--grace", "-5s"], &[], &["--grace", "not negative"]),
    (&["--max-connection-age", "999ms"], &[], &["--max-connection-age", "at least 1 second"]),
    (&[], &[("STILLFRAME_GRACE", "soon")], &["--grace", "soon", "STILLFRAME_GRACE"]),
    // Where to listen.
    (&["--listen", "50051"], &[], &["--listen", "127.0.0.1:50051"]),
    (&["--listen", ":50051"], &[], &["--listen", "127.0.0.1:50051", "0.0.0.0:50051"]),
    (&["--listen", "localhost"], &[], &["--listen", "localhost", "no port"]),
    (&["--listen", "localhost:http"], &[], &["--listen", "http", "no port"]),
    (&["--listen", "::1:50051"], &[], &["--listen", "[::1]:50051"]),
    (&["--listen", "http://127.0.0.1:1"], &[], &["--listen", "no URL"]),
    (&["--listen", "no..name:50051"], &[], &["--listen no..name:50051"]),
    (&["--listen", "192.0.2.1:50051"], &[], &["--listen 192.0.2.1:50051", "no such address"]),
    (
        &["--listen", "127.0.0.1:50071", "--listen", "0.0.0.0:50071"],
        &[],
        &["--listen 0.0.0.0:50071", "127.0.0.1:50071"],
    ),
    (&[], &[("STILLFRAME_LISTEN", "127.0.0.1:0,1")], &["--listen", "'1'", "STILLFRAME_LISTEN"]),
    (&["--listen", "0.0.0.0:0"], &[], &["0.0.0.0:0", "--bootstrap-key-file", "--insecure-allow-everyone"]),
    (&["--listen", "[::]:0"], &[], &["[::]:0", "--bootstrap-key-file"]),
    (&["--listen", "unix:file"], &[], &["--listen unix:file", "no socket"]),
    (&["--listen", "unix:missing/s.sock"], &[], &["--listen unix:missing/s.sock", "missing"]),
    (&["--listen", "unix:"], &[], &["--listen", "no path"]),
    // TLS.
    (&["--tls-cert", "tls/cert.pem"], &[], &["--tls-key"]),
    (&["--tls-client-ca", "tls/cert.pem"], &[], &["--tls-cert"]),
    (&[], &[("STILLFRAME_TLS_KEY", "tls/key.pem")], &["--tls-cert"]),
    (&["--tls-cert", "tls/cert.pem", "--tls-key", "tls/gone.pem"], &[], &["--tls-key", "tls/gone.pem cannot be read"]),
    (&["--tls-cert", "tls", "--tls-key", "tls/key.pem"], &[], &["tls cannot be read", "a directory"]),
    (&["--tls-cert", "tls/cert.pem", "--tls-key", "pipe"], &[], &["pipe cannot be read", "a pipe"]),
    (&["--tls-cert", "/dev/zero", "--tls-key", "tls/key.pem"], &[], &["/dev/zero cannot be read", "a device"]),
    (&["--tls-cert", "tls/empty.pem", "--tls-key", "tls/key.pem"], &[], &["tls/empty.pem", "no certificate"]),
];

#[apply(on_directory!)]
async fn what_is_wrong_is_named() {
    let home = Home::new();
    assert!(CASES.len() > 40);
    for (arguments, environment, parts) in CASES {
        home.refuses(arguments, environment, parts).await;
    }
}

#[apply(on_directory!)]
async fn a_port_that_is_taken_is_named() {
    let home = Home::new();
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = other.local_addr().unwrap().to_string();
    let listen = format!("--listen {taken}");
    home.refuses(&["--listen", &taken], &[], &[&listen, "another process listens there"]).await;
    let free_and_taken = format!("127.0.0.1:0,{taken}");
    home.refuses(&[], &[("STILLFRAME_LISTEN", &free_and_taken)], &[&listen]).await;
}

#[apply(on_directory!)]
async fn as_json_the_last_word_is_json() {
    let home = Home::new();
    let json = ("STILLFRAME_LOG_FORMAT", "json");
    for (arguments, part) in [
        (&["--data-dir", "file"][..], "file is not a directory"),
        (&["--grase", "1s"], "--grase"),
        (&["--tls-cert", "tls", "--tls-key", "tls/key.pem"], "tls cannot be read"),
    ] {
        let mut command = stillframe(arguments);
        let ended = Process::told(command.current_dir(home.path("")).envs([json])).ended().await;
        assert_eq!((ended.status.code(), ended.stdout.as_str()), (Some(1), ""));
        let lines: Vec<serde_json::Value> =
            ended.stderr.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect();
        let last = lines.last().unwrap();
        assert_eq!(last["level"], "ERROR", "{last}");
        assert!(last["fields"]["message"].as_str().unwrap().contains(part), "{last}");
    }
}

/// What is empty is not set, for every variable that there is.
#[apply(on_directory!)]
async fn empty_variables_are_not_set() {
    let home = Home::new();
    let help = Process::told(&mut stillframe(&["serve", "--help"])).ended().await.stdout;
    let mut names: Vec<&str> =
        help.match_indices("[env: ").map(|(at, found)| help[at + found.len()..].split('=').next().unwrap()).collect();
    names.sort_unstable();
    names.dedup();
    assert!(names.len() >= 20, "{names:?}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let empty: Vec<_> =
        names.iter().map(|name| (*name, "")).chain([("AWS_ENDPOINT", ""), ("AWS_REGION", "")]).collect();
    // It comes as far as this.
    home.refuses(&["--listen", &taken], &empty, &["another process listens there"]).await;
}
