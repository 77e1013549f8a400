//! Frames of HTTP/2 as they are on the wire, for what no client library sends.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

use crate::support::{DEADLINE, TestServer};

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;
pub const ENHANCE_YOUR_CALM: u32 = 11;

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// POST, http and a path, as HPACK's static table has the first two.
pub fn request(path: &str) -> Vec<u8> {
    [&[0x83, 0x86, 0x04, u8::try_from(path.len()).unwrap()], path.as_bytes()].concat()
}

/// The same with what gRPC wants besides.
pub fn grpc_request(path: &str) -> Vec<u8> {
    let field = |name: &str, value: &str| {
        let length = |text: &str| u8::try_from(text.len()).unwrap();
        [&[0, length(name)], name.as_bytes(), &[length(value)], value.as_bytes()].concat()
    };
    [request(path), field("content-type", "application/grpc"), field("te", "trailers")].concat()
}

/// A client that only sends what it is told to.
pub struct Wire {
    pub reads: OwnedReadHalf,
    pub writes: OwnedWriteHalf,
}

/// A frame from the server.
pub struct Came {
    pub kind: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Wire {
    pub async fn connect(server: &TestServer) -> Self {
        let (reads, mut writes) = TcpStream::connect(server.address).await.unwrap().into_split();
        writes.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
        Self { reads, writes }
    }

    /// The next frame, or nothing if the connection is gone.
    pub async fn next(&mut self) -> Option<Came> {
        next(&mut self.reads).await
    }

    /// Sends without end, each time what comes next, and returns the error of the GOAWAY that
    /// it ends with. It may be cut off before we have read that.
    pub async fn flood(self, mut more: impl FnMut() -> Vec<u8>) -> Option<u32> {
        let Self { mut reads, mut writes } = self;
        let flood = async {
            while writes.write_all(&more()).await.is_ok() {}
            // It reads no more.
            std::future::pending::<()>().await;
        };
        let told = async {
            loop {
                let Came { kind, payload, .. } = next(&mut reads).await?;
                if kind == GOAWAY {
                    return Some(u32::from_be_bytes(payload[4..8].try_into().unwrap()));
                }
            }
        };
        // Some fifty thousand calls are begun and ended, which takes a busy machine minutes.
        let gone = tokio::time::timeout(10 * DEADLINE, async {
            tokio::select! {
                told = told => told,
                () = flood => unreachable!(),
            }
        });
        gone.await.expect("in time")
    }
}

async fn next(reads: &mut OwnedReadHalf) -> Option<Came> {
    let mut head = [0; 9];
    reads.read_exact(&mut head).await.ok()?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut payload = vec![0; usize::try_from(length).unwrap()];
    reads.read_exact(&mut payload).await.ok()?;
    Some(Came { kind: head[3], stream: u32::from_be_bytes(head[5..9].try_into().unwrap()), payload })
}
