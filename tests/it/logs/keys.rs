//! Who tries to come in without a key is seen.

use stillframe::pb;
use tonic::Code;

use super::{ended_calls, log_of, start, text};
use crate::support::COMMONS;

#[apply(on_directory!)]
async fn refused_keys_are_told_with_their_peer_and_at_a_pace() {
    let keys = tempfile::tempdir().unwrap();
    let file = keys.path().join("operator.key");
    let child = start(&["--bootstrap-key-file", file.to_str().unwrap()]).await;
    let operator = std::fs::read_to_string(&file).unwrap();
    for tried in [None, Some("sf_none_0000"), Some("nonsense"), Some("")] {
        for _ in 0..25 {
            let mut caller = child.client.caller(tried);
            let refused = caller.workspaces.list_workspaces(pb::ListWorkspacesRequest::default()).await.unwrap_err();
            assert_eq!(refused.code(), Code::Unauthenticated);
        }
    }
    let mut caller = child.client.caller(Some(operator.trim()));
    let parent = COMMONS.to_owned();
    caller.collections.list_collections(pb::ListCollectionsRequest { parent, ..Default::default() }).await.unwrap();

    let log = log_of(child).await;
    let refusals: Vec<_> = log.iter().filter(|line| text(line, "message").contains("without a key")).collect();
    // One for a peer in ten seconds, and the machine may be slow.
    assert!((1..=20).contains(&refusals.len()), "{refusals:?}");
    for line in &refusals {
        assert_eq!(line["level"], "WARN", "{line}");
        assert!(text(line, "peer").starts_with("127.0.0.1:") && text(line, "method").ends_with("/ListWorkspaces"));
        assert!(!line.to_string().contains("sf_none_0000"), "what was tried stays out of the log: {line}");
    }
    let ended = ended_calls(&log);
    assert_eq!(ended.len(), 1, "those refused have no second line: {ended:?}");
    assert_eq!((text(ended[0], "code"), text(ended[0], "caller")), ("OK", "apiKeys/bootstrap"));
}
