//! Calls as no generated client makes them: any bytes to any method, with any
//! metadata.

use bytes::{Buf, BufMut, Bytes};
use http::uri::PathAndQuery;
use tonic::{
    Request, Status,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
};

use super::{DEADLINE, TestServer};

/// Messages are bytes.
#[derive(Default)]
pub struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, target: &mut EncodeBuf<'_>) -> Result<(), Status> {
        target.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, source: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(source.copy_to_bytes(source.remaining())))
    }
}

impl TestServer {
    /// Sends one message to a method (`stillframe.v1.Service/Method`), whatever
    /// its kind, and returns the answers, or the error that ended them.
    pub async fn call_raw(
        &self,
        method: &str,
        message: Bytes,
        authorization: Option<&str>,
    ) -> Result<Vec<Bytes>, Status> {
        let mut grpc = Grpc::new(self.channel.clone());
        grpc.ready().await.unwrap();
        let mut request = Request::new(futures::stream::iter([message]));
        if let Some(authorization) = authorization {
            request.metadata_mut().insert("authorization", authorization.parse().unwrap());
        }
        let path: PathAndQuery = format!("/{method}").parse().unwrap();
        let call = async {
            let mut answers = grpc.streaming(request, path, Raw).await?.into_inner();
            let mut all = Vec::new();
            while let Some(answer) = answers.message().await? {
                all.push(answer);
            }
            Ok(all)
        };
        tokio::time::timeout(DEADLINE, call).await.expect("the call ends in time")
    }
}
