//! Which methods answer with a stream, as the contract says.

use std::collections::HashSet;

use prost::{DecodeError, Message};
use prost_types::FileDescriptorSet;

use crate::pb;

/// The paths of methods whose answers are streams.
pub fn paths() -> Result<HashSet<String>, DecodeError> {
    let mut paths = HashSet::new();
    for file in FileDescriptorSet::decode(pb::DESCRIPTOR)?.file {
        for service in &file.service {
            let streams = service.method.iter().filter(|method| method.server_streaming());
            paths.extend(streams.map(|method| format!("/{}.{}/{}", file.package(), service.name(), method.name())));
        }
    }
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watches_and_streams_are_streams() {
        let mut paths: Vec<_> = paths().unwrap().into_iter().collect();
        paths.sort();
        let names: Vec<_> = paths.iter().map(|path| path.trim_start_matches("/stillframe.v1.")).collect();
        assert_eq!(
            names,
            [
                "DocumentService/IngestDocuments",
                "DocumentService/StreamDocuments",
                "RestoreService/WatchRestore",
                "SnapshotService/WatchSnapshot",
                "SourceService/WatchSource",
            ]
        );
    }
}
