//! What somebody without any key can do: calls that need none, held open, and connections.

use std::time::Instant;

use async_trait::async_trait;
use bytes::Bytes;
use prost::Message;
use tonic_reflection::pb::v1::{ServerReflectionRequest, server_reflection_request::MessageRequest};

use super::{
    attack::{Attack, Finding, boxed},
    ground::Ground,
    raw::{Barrage, Call, NOTHING, frame, whole},
};
use crate::Result;

struct Keyless {
    name: &'static str,
    connections: usize,
    /// Of each connection.
    calls: usize,
    path: &'static str,
    bytes: fn() -> Bytes,
}

/// As many calls as a connection may have.
const CALLS: usize = 1_024;

pub fn attacks() -> Vec<Box<dyn Attack>> {
    boxed([
        Keyless {
            name: "keyless-reflection",
            connections: 50,
            calls: CALLS,
            path: "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
            bytes: || whole(&question().encode_to_vec()),
        },
        Keyless {
            name: "keyless-half-sent",
            connections: 50,
            calls: CALLS,
            path: "/grpc.health.v1.Health/Check",
            bytes: || frame(false, 7_600, &[0; 7_500]),
        },
        Keyless {
            name: "keyless-watches",
            connections: 50,
            calls: CALLS,
            path: "/grpc.health.v1.Health/Watch",
            bytes: || whole(&[]),
        },
        // A little more than fills the window of a stream, of as many as there may be.
        Keyless {
            name: "keyless-windows",
            connections: 500,
            calls: 8,
            path: "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
            bytes: || whole(&question().encode_to_vec()).repeat(6 << 10).into(),
        },
        // They answer pings, and nothing else.
        Keyless { name: "keyless-connections", connections: 1_000, calls: 0, path: "", bytes: Bytes::new },
    ])
}

/// One with a large answer.
fn question() -> ServerReflectionRequest {
    let symbol = MessageRequest::FileContainingSymbol("stillframe.v1.DocumentService".to_owned());
    ServerReflectionRequest { message_request: Some(symbol), ..Default::default() }
}

#[async_trait(?Send)]
impl Attack for Keyless {
    fn name(&self) -> &'static str {
        self.name
    }

    async fn run(&self, ground: &Ground, until: Instant) -> Result<Vec<Finding>> {
        let Self { connections, calls, .. } = *self;
        let (call, bytes) = (Call::new(self.path), (self.bytes)());
        Barrage { connections, calls, window: NOTHING, call, bytes, end: false }.hold(ground, until).await;
        Ok(Vec::new())
    }
}
