//! The services that are served, and which of their methods are streams, as their descriptors
//! say.

use std::collections::HashSet;

use prost::{DecodeError, Message};
use prost_types::{FileDescriptorSet, MethodDescriptorProto};

use crate::{health, pb};

/// The descriptor sets of all services that are served.
pub const SERVED: [&[u8]; 4] = [
    pb::DESCRIPTOR,
    health::DESCRIPTOR,
    tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
    tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
];

/// The paths of the methods of a kind.
pub fn paths(kind: impl Fn(&MethodDescriptorProto) -> bool) -> Result<HashSet<String>, DecodeError> {
    let mut paths = HashSet::new();
    for descriptor in SERVED {
        for file in FileDescriptorSet::decode(descriptor)?.file {
            for service in &file.service {
                let streams = service.method.iter().filter(|method| kind(method));
                paths.extend(streams.map(|method| format!("/{}.{}/{}", file.package(), service.name(), method.name())));
            }
        }
    }
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watches_and_streams_are_streams() {
        let names = |kind: fn(&MethodDescriptorProto) -> bool| {
            let mut paths: Vec<_> = paths(kind).unwrap().into_iter().collect();
            paths.sort();
            paths
        };
        assert_eq!(
            names(MethodDescriptorProto::server_streaming),
            [
                "/grpc.health.v1.Health/Watch",
                "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
                "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
                "/stillframe.v1.DocumentService/IngestDocuments",
                "/stillframe.v1.DocumentService/StreamDocuments",
                "/stillframe.v1.RestoreService/WatchRestore",
                "/stillframe.v1.SnapshotService/WatchSnapshot",
                "/stillframe.v1.SourceService/WatchSource",
            ]
        );
        assert_eq!(
            names(MethodDescriptorProto::client_streaming),
            [
                "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
                "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
                "/stillframe.v1.DocumentService/IngestDocuments",
            ]
        );
    }
}
