//! Reflection, in both versions of its protocol: their types differ in name only.

use http::uri::PathAndQuery;
use prost::Message;
use prost_types::FileDescriptorProto;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Status, Streaming, client::Grpc};
use tonic_prost::ProstCodec;
use tonic_reflection::pb::v1::{
    ErrorResponse, ExtensionNumberResponse, ExtensionRequest, ServerReflectionRequest, ServerReflectionResponse,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

use super::raw::{Raw, frame, post};
use crate::support::{DEADLINE, TestServer, refused};

const PATHS: [&str; 2] = [
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// An open stream.
struct Dialogue {
    questions: mpsc::Sender<ServerReflectionRequest>,
    answers: Streaming<ServerReflectionResponse>,
}

impl Dialogue {
    async fn open(server: &TestServer, path: &'static str) -> Self {
        let (questions, sent) = mpsc::channel(1);
        let mut grpc = Grpc::new(server.channel.clone());
        grpc.ready().await.unwrap();
        let codec = ProstCodec::<ServerReflectionRequest, ServerReflectionResponse>::default();
        let request = Request::new(ReceiverStream::new(sent));
        let answers = grpc.streaming(request, PathAndQuery::from_static(path), codec).await.unwrap().into_inner();
        Self { questions, answers }
    }

    async fn ask(&mut self, question: Option<MessageRequest>) -> MessageResponse {
        let request = ServerReflectionRequest { host: "here".to_owned(), message_request: question };
        self.questions.send(request.clone()).await.unwrap();
        let answer = self.next().await.unwrap().expect("an answer");
        assert_eq!((&answer.valid_host, answer.original_request), (&request.host, Some(request.clone())));
        answer.message_response.expect("a message")
    }

    async fn next(&mut self) -> Result<Option<ServerReflectionResponse>, Status> {
        tokio::time::timeout(DEADLINE, self.answers.message()).await.expect("in time")
    }

    /// The file in which it is declared.
    async fn file(&mut self, question: MessageRequest) -> String {
        let answer = self.ask(Some(question.clone())).await;
        let MessageResponse::FileDescriptorResponse(files) = answer else { panic!("{question:?}: {answer:?}") };
        FileDescriptorProto::decode(files.file_descriptor_proto[0].as_slice()).unwrap().name().to_owned()
    }

    /// How it ends when there is nothing more to ask.
    async fn end(mut self) -> Option<ServerReflectionResponse> {
        drop(self.questions);
        tokio::time::timeout(DEADLINE, self.answers.message()).await.expect("in time").expect("it ends well")
    }
}

fn symbol(name: &str) -> MessageRequest {
    MessageRequest::FileContainingSymbol(name.to_owned())
}

fn extension(of: &str, number: i32) -> MessageRequest {
    let containing_type = of.to_owned();
    MessageRequest::FileContainingExtension(ExtensionRequest { containing_type, extension_number: number })
}

fn extensions(of: &str) -> MessageRequest {
    MessageRequest::AllExtensionNumbersOfType(of.to_owned())
}

#[apply(on_directory!)]
async fn an_error_is_an_answer_and_the_next_question_has_another() {
    let server = TestServer::start().await;
    for path in PATHS {
        let mut dialogue = Dialogue::open(&server, path).await;
        let unknown = [
            symbol("stillframe.v1.Nobody"),
            symbol(""),
            symbol(&"x".repeat(3_000)),
            MessageRequest::FileByFilename("nothing.proto".to_owned()),
            extension("google.protobuf.FieldOptions", 1),
            extension("stillframe.v1.Nobody", 1052),
            extensions("stillframe.v1.Nobody"),
        ];
        let unknown = unknown.into_iter().map(|asked| (Some(asked), Code::NotFound));
        for (asked, code) in unknown.chain([(None, Code::InvalidArgument)]) {
            let answer = dialogue.ask(asked.clone()).await;
            let MessageResponse::ErrorResponse(error) = answer else { panic!("{asked:?}: {answer:?}") };
            let ErrorResponse { error_code, error_message } = error;
            assert_eq!(error_code, code as i32, "{asked:?}");
            assert!(!error_message.is_empty() && error_message.len() <= 512, "{asked:?}: {error_message}");
            assert_eq!(dialogue.file(symbol("stillframe.v1.Workspace")).await, "stillframe/v1/workspace.proto");
        }
        assert!(dialogue.end().await.is_none());
    }
    server.stop().await;
}

#[apply(on_directory!)]
async fn whatever_is_declared_is_found() {
    let server = TestServer::start().await;
    for path in PATHS {
        let mut dialogue = Dialogue::open(&server, path).await;
        for (name, file) in [
            ("stillframe.v1.DocumentService", "stillframe/v1/document.proto"),
            ("stillframe.v1.DocumentService.WriteDocuments", "stillframe/v1/document.proto"),
            ("stillframe.v1.PatchOperation", "stillframe/v1/document.proto"),
            ("stillframe.v1.PatchOperation.path", "stillframe/v1/document.proto"),
            ("stillframe.v1.PatchOperation.Op", "stillframe/v1/document.proto"),
            // Values stand beside their enum.
            ("stillframe.v1.PatchOperation.OP_ADD", "stillframe/v1/document.proto"),
            ("stillframe.v1.ENCODING_JSON", "stillframe/v1/document.proto"),
            ("stillframe.v1.Document.body", "stillframe/v1/document.proto"),
            ("grpc.health.v1.Health.List", "grpc/health/v1/health.proto"),
            ("grpc.health.v1.HealthCheckResponse.SERVICE_UNKNOWN", "grpc/health/v1/health.proto"),
            ("google.api.field_behavior", "google/api/field_behavior.proto"),
            ("google.rpc.ErrorInfo", "google/rpc/error_details.proto"),
            ("google.rpc.Status", "google/rpc/status.proto"),
        ] {
            assert_eq!(dialogue.file(symbol(name)).await, file, "{name}");
            let by_name = MessageRequest::FileByFilename(file.to_owned());
            assert_eq!(dialogue.file(by_name).await, file);
        }
        let options = "google.protobuf.FieldOptions";
        assert_eq!(dialogue.file(extension(options, 1052)).await, "google/api/field_behavior.proto");
        for (of, numbers) in [(options, vec![1052, 1055]), ("stillframe.v1.Workspace", Vec::new())] {
            let expected = ExtensionNumberResponse { base_type_name: of.to_owned(), extension_number: numbers };
            let answer = dialogue.ask(Some(extensions(of))).await;
            assert_eq!(answer, MessageResponse::AllExtensionNumbersResponse(expected));
        }
        let MessageResponse::ListServicesResponse(list) =
            dialogue.ask(Some(MessageRequest::ListServices("*".to_owned()))).await
        else {
            panic!("no list")
        };
        for service in list.service {
            dialogue.file(symbol(&service.name)).await;
        }
        assert!(dialogue.end().await.is_none());
    }
    server.stop().await;
}

/// Behind the answers to what came before, and never as if all were well.
#[apply(on_directory!)]
async fn what_is_no_question_ends_the_stream_with_an_error() {
    let server = TestServer::start().await;
    let mut raw = Raw::connect(&server).await;
    let too_large =
        ServerReflectionRequest { message_request: Some(symbol(&"x".repeat(20 << 10))), ..Default::default() };
    let good =
        frame(0, &ServerReflectionRequest { message_request: Some(symbol("x")), ..Default::default() }.encode_to_vec());
    for (bad, code, reason) in [
        (frame(0, b"\xff\xff\xff"), Code::InvalidArgument, "MALFORMED_REQUEST"),
        (frame(0, b"\x22\x02\xff\xfe"), Code::InvalidArgument, "MALFORMED_REQUEST"),
        (frame(0, b"\x22\x7f"), Code::InvalidArgument, "MALFORMED_REQUEST"),
        (good[..good.len() - 1].to_vec(), Code::InvalidArgument, "MALFORMED_REQUEST"),
        (b"\0\0".to_vec(), Code::InvalidArgument, "MALFORMED_REQUEST"),
        (frame(0, &too_large.encode_to_vec()), Code::ResourceExhausted, "MESSAGE_TOO_LARGE"),
    ] {
        for path in PATHS {
            for before in [&b""[..], &good] {
                let answer = raw.send(post(path).body(()).unwrap(), [before, &bad].concat());
                let (bytes, status) = raw.whole(answer).await;
                assert_eq!(bytes > 0, !before.is_empty(), "{status:?}");
                let status = refused::<()>(Err(status), code, reason);
                assert!(!status.message().is_empty());
            }
        }
    }
    drop(raw);
    server.stop().await;
}

#[apply(on_directory!)]
async fn a_stop_ends_an_open_stream() {
    let server = TestServer::start().await;
    let mut dialogues = Vec::new();
    for path in PATHS {
        let mut dialogue = Dialogue::open(&server, path).await;
        dialogue.file(symbol("stillframe.v1.Workspace")).await;
        dialogues.push(dialogue);
    }
    let ended = async {
        for dialogue in &mut dialogues {
            refused(dialogue.next().await, Code::Unavailable, "SHUTTING_DOWN");
        }
    };
    tokio::join!(ended, server.stop());
}
