//! The two versions of the protocol: other types, the same fields.

use std::{pin::Pin, sync::Arc};

use futures::{Stream, StreamExt};
use prost::Message;
use tonic::{Request, Response, Status, Streaming};

use super::{Answer, Conversation, Question, ReflectionRpc};
use crate::rpc::{layer::admission::questions, service::watching::until_stopped, status::of_transport};

macro_rules! version {
    ($version:ident) => {
        mod $version {
            use tonic_reflection::pb::$version::{
                ErrorResponse, ExtensionNumberResponse, ExtensionRequest, FileDescriptorResponse, ListServiceResponse,
                ServerReflectionRequest, ServerReflectionResponse, ServiceResponse,
                server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
                server_reflection_server::ServerReflection,
            };

            use super::*;

            #[tonic::async_trait]
            impl ServerReflection for ReflectionRpc {
                type ServerReflectionInfoStream =
                    Pin<Box<dyn Stream<Item = Result<ServerReflectionResponse, Status>> + Send>>;

                async fn server_reflection_info(
                    &self,
                    request: Request<Streaming<ServerReflectionRequest>>,
                ) -> Result<Response<Self::ServerReflectionInfoStream>, Status> {
                    let (memory, requests) = questions(request)?;
                    let mut conversation = Conversation::with(Arc::clone(&self.index));
                    let answers = requests.map(move |request| {
                        let request = request.map_err(of_transport)?;
                        memory.raise(request.encoded_len())?;
                        let response = response(request, &mut conversation);
                        // It stays in memory until the client takes it.
                        memory.raise(response.encoded_len())?;
                        Ok(response)
                    });
                    Ok(Response::new(until_stopped(answers, self.stop.clone()).boxed()))
                }
            }

            fn response(request: ServerReflectionRequest, conversation: &mut Conversation) -> ServerReflectionResponse {
                let answer = conversation.answer(question(request.message_request.clone()));
                ServerReflectionResponse {
                    valid_host: request.host.clone(),
                    original_request: Some(request),
                    message_response: Some(message(answer)),
                }
            }

            fn question(asked: Option<MessageRequest>) -> Question {
                match asked {
                    Some(MessageRequest::FileByFilename(name)) => Question::File(name),
                    Some(MessageRequest::FileContainingSymbol(name)) => Question::FileOfSymbol(name),
                    Some(MessageRequest::FileContainingExtension(asked)) => {
                        let ExtensionRequest { containing_type, extension_number } = asked;
                        Question::FileOfExtension { extended: containing_type, number: extension_number }
                    }
                    Some(MessageRequest::AllExtensionNumbersOfType(name)) => Question::ExtensionsOf(name),
                    Some(MessageRequest::ListServices(_)) => Question::Services,
                    None => Question::Unknown,
                }
            }

            fn message(answer: Answer) -> MessageResponse {
                match answer {
                    Answer::Files(file_descriptor_proto) => {
                        MessageResponse::FileDescriptorResponse(FileDescriptorResponse { file_descriptor_proto })
                    }
                    Answer::Extensions { extended, numbers } => {
                        MessageResponse::AllExtensionNumbersResponse(ExtensionNumberResponse {
                            base_type_name: extended,
                            extension_number: numbers,
                        })
                    }
                    Answer::Services(names) => MessageResponse::ListServicesResponse(ListServiceResponse {
                        service: names.into_iter().map(|name| ServiceResponse { name }).collect(),
                    }),
                    Answer::Error(code, text) => {
                        MessageResponse::ErrorResponse(ErrorResponse { error_code: code.into(), error_message: text })
                    }
                }
            }
        }
    };
}

version!(v1);
version!(v1alpha);
