//! A client of HTTP/2 that does only what it is told: it keeps no deadline,
//! opens no new connection, and answers nothing while it is not driven.

use bytes::Bytes;
use futures::{
    FutureExt,
    future::{Fuse, FusedFuture},
};
use h2::{
    RecvStream, SendStream,
    client::{Connection, ResponseFuture, SendRequest},
};
use http::{HeaderMap, Request, Response};
use prost::Message;
use prost_types::{FileDescriptorSet, ServiceDescriptorProto};
use tokio::net::TcpStream;
use tonic::Status;

use crate::support::{DEADLINE, TestServer};

/// The head of a call.
pub fn post(path: &str) -> http::request::Builder {
    Request::post(format!("http://localhost{path}")).header("content-type", "application/grpc").header("te", "trailers")
}

/// A message as it travels, behind a flag that says whether it is compressed.
pub fn frame(flag: u8, message: &[u8]) -> Vec<u8> {
    [&[flag], &u32::try_from(message.len()).unwrap().to_be_bytes()[..], message].concat()
}

/// The paths of all methods that a server has.
pub fn methods() -> Vec<String> {
    let sets = [
        stillframe::pb::DESCRIPTOR,
        stillframe::health::DESCRIPTOR,
        tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
    ];
    let files = sets.iter().flat_map(|set| FileDescriptorSet::decode(*set).unwrap().file);
    let methods = files.flat_map(|file| {
        let of = |service: &ServiceDescriptorProto| {
            let name = format!("/{}.{}/", file.package(), service.name());
            service.method.iter().map(move |method| format!("{name}{}", method.name())).collect::<Vec<_>>()
        };
        file.service.iter().flat_map(of).collect::<Vec<_>>()
    });
    methods.collect()
}

pub struct Raw {
    pub client: SendRequest<Bytes>,
    pub connection: Fuse<Connection<TcpStream, Bytes>>,
}

impl Raw {
    pub async fn connect(server: &TestServer) -> Self {
        Self::connect_with(server, |_| ()).await
    }

    /// The same, with settings of its own.
    pub async fn connect_with(server: &TestServer, configure: impl FnOnce(&mut h2::client::Builder)) -> Self {
        let socket = TcpStream::connect(server.address).await.unwrap();
        // What was on its way on a stream that it resets is no fault of the server: answers,
        // of which h2 counts each small one for ever.
        let mut client = h2::client::Builder::new();
        client.max_local_error_reset_streams(None).data_frame_budget(usize::MAX >> 1);
        configure(&mut client);
        let (client, connection) = client.handshake(socket).await.unwrap();
        Self { client, connection: connection.fuse() }
    }

    /// Starts a call; what it sends stays open if there is nothing to send yet.
    pub fn begin<M: Message>(
        &mut self,
        path: &str,
        message: Option<&M>,
        timeout: Option<&str>,
    ) -> (ResponseFuture, SendStream<Bytes>) {
        let mut request = post(path);
        if let Some(timeout) = timeout {
            request = request.header("grpc-timeout", timeout);
        }
        let (answer, mut sent) = self.client.send_request(request.body(()).unwrap(), false).unwrap();
        if let Some(message) = message {
            sent.send_data(frame(0, &message.encode_to_vec()).into(), true).unwrap();
        }
        (answer, sent)
    }

    /// Sends a request as it is given, bytes and all.
    pub fn send(&mut self, request: Request<()>, bytes: Vec<u8>) -> ResponseFuture {
        let is_empty = bytes.is_empty();
        let (answer, mut sent) = self.client.send_request(request, is_empty).unwrap();
        if !is_empty {
            sent.send_data(bytes.into(), true).unwrap();
        }
        answer
    }

    /// The answer to such a request, and its status if it has come to an end. One that has
    /// a message may go on for ever.
    pub async fn outcome(&mut self, request: Request<()>, bytes: Vec<u8>) -> (Response<Bytes>, Option<Status>) {
        let answer = self.send(request, bytes);
        let (head, mut body) = self.drive(answer).await.unwrap().into_parts();
        if let Some(status) = Status::from_header_map(&head.headers) {
            return (Response::from_parts(head, Bytes::new()), Some(status));
        }
        if let Some(data) = self.drive(body.data()).await {
            let data = data.unwrap();
            body.flow_control().release_capacity(data.len()).unwrap();
            return (Response::from_parts(head, data), None);
        }
        let (_, status) = self.rest(&mut body).await;
        (Response::from_parts(head, Bytes::new()), Some(status))
    }

    /// A call up to its headers.
    pub async fn call<M: Message>(&mut self, path: &str, message: &M, timeout: Option<&str>) -> RecvStream {
        let (answer, _) = self.begin(path, Some(message), timeout);
        let answer = self.drive(answer).await.unwrap();
        assert!(Status::from_header_map(answer.headers()).is_none(), "{answer:?}");
        answer.into_body()
    }

    /// All of an answer: how many bytes, and the status.
    pub async fn whole(&mut self, answer: ResponseFuture) -> (usize, Status) {
        let answer = self.drive(answer).await.unwrap();
        self.end_of(answer).await
    }

    /// The same, of one whose headers have come. Without a body they have the status.
    pub async fn end_of(&mut self, answer: Response<RecvStream>) -> (usize, Status) {
        match Status::from_header_map(answer.headers()) {
            Some(status) => (0, status),
            None => self.rest(&mut answer.into_body()).await,
        }
    }

    /// The rest of an answer: how many bytes, and the status.
    pub async fn rest(&mut self, body: &mut RecvStream) -> (usize, Status) {
        let read = async {
            let mut bytes = 0;
            while let Some(data) = body.data().await {
                let data = data.unwrap();
                bytes += data.len();
                body.flow_control().release_capacity(data.len()).unwrap();
            }
            (bytes, body.trailers().await.unwrap())
        };
        let (bytes, trailers): (usize, Option<HeaderMap>) = self.drive(read).await;
        (bytes, Status::from_header_map(&trailers.expect("trailers")).expect("a status"))
    }

    /// Works for the connection while something is under way.
    pub async fn drive<T>(&mut self, work: impl Future<Output = T>) -> T {
        let done = async {
            let mut work = std::pin::pin!(work);
            tokio::select! {
                biased;
                done = &mut work => done,
                ended = &mut self.connection => {
                    // What has arrived by then can still be read.
                    ended.unwrap();
                    work.await
                }
            }
        };
        tokio::time::timeout(DEADLINE, done).await.expect("in time")
    }

    /// Waits for the end of the connection.
    pub async fn ended(&mut self) -> Result<(), h2::Error> {
        if self.connection.is_terminated() {
            return Ok(());
        }
        tokio::time::timeout(DEADLINE, &mut self.connection).await.expect("the connection ends")
    }
}
