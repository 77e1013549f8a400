//! gRPC's reflection: tells clients the contract, in both versions of its protocol. A
//! question that has no answer is answered with an error, and the next may follow; what
//! is no question ends the stream.

mod index;
mod versions;

use std::sync::Arc;

use prost::DecodeError;
use tokio_util::sync::CancellationToken;
use tonic::Code;

use self::index::Index;
use crate::rpc::{
    layer::streams::SERVED,
    status::{LONGEST_MESSAGE, cut},
};

/// The service.
#[derive(Clone)]
pub struct ReflectionRpc {
    index: Arc<Index>,
    /// Cancelled when the service stops.
    stop: CancellationToken,
}

impl ReflectionRpc {
    /// Tells what is served.
    pub fn new(stop: CancellationToken) -> Result<Self, DecodeError> {
        Ok(Self { index: Arc::new(Index::of(SERVED)?), stop })
    }
}

/// What can be asked.
enum Question {
    File(String),
    FileOfSymbol(String),
    FileOfExtension {
        extended: String,
        number: i32,
    },
    ExtensionsOf(String),
    Services,
    /// Of a kind that a later version of the protocol may have.
    Unknown,
}

/// What is answered.
enum Answer {
    /// The file that was asked for, and those that it needs.
    Files(Vec<Vec<u8>>),
    Extensions {
        extended: String,
        numbers: Vec<i32>,
    },
    Services(Vec<String>),
    Error(Code, String),
}

/// The questions of one stream. Files that others need go out once in it.
struct Conversation {
    index: Arc<Index>,
    sent: Vec<bool>,
}

impl Conversation {
    fn with(index: Arc<Index>) -> Self {
        Self { sent: vec![false; index.files()], index }
    }

    fn answer(&mut self, question: Question) -> Answer {
        match question {
            Question::File(name) => self.files(self.index.file(&name), || format!("there is no file {name}")),
            Question::FileOfSymbol(name) => {
                self.files(self.index.file_of_symbol(&name), || format!("there is no symbol {name}"))
            }
            Question::FileOfExtension { extended, number } => {
                let missing = || format!("there is no extension {number} of {extended}");
                self.files(self.index.file_of_extension(&extended, number), missing)
            }
            Question::ExtensionsOf(extended) => match self.index.extensions_of(&extended) {
                Some(numbers) => Answer::Extensions { extended, numbers },
                None => error(Code::NotFound, format!("there is no type {extended}")),
            },
            Question::Services => Answer::Services(self.index.services().to_vec()),
            Question::Unknown => error(Code::InvalidArgument, "the request asks for nothing that is known".to_owned()),
        }
    }

    fn files(&mut self, found: Option<usize>, missing: impl FnOnce() -> String) -> Answer {
        let Some(found) = found else { return error(Code::NotFound, missing()) };
        let mut files = vec![self.index.encoded(found).to_vec()];
        self.sent[found] = true;
        for needed in self.index.needs(found) {
            if !std::mem::replace(&mut self.sent[needed], true) {
                files.push(self.index.encoded(needed).to_vec());
            }
        }
        Answer::Files(files)
    }
}

fn error(code: Code, text: String) -> Answer {
    Answer::Error(code, cut(text, LONGEST_MESSAGE))
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use prost_types::FileDescriptorProto;

    use super::*;

    fn conversation() -> Conversation {
        Conversation::with(ReflectionRpc::new(CancellationToken::new()).unwrap().index)
    }

    fn files(answer: Answer) -> Vec<String> {
        let Answer::Files(files) = answer else { panic!("no files") };
        files.iter().map(|file| FileDescriptorProto::decode(file.as_slice()).unwrap().name().to_owned()).collect()
    }

    #[test]
    fn what_a_file_needs_comes_along_once() {
        let mut conversation = conversation();
        let symbol = |name: &str| Question::FileOfSymbol(name.to_owned());
        let first = files(conversation.answer(symbol("stillframe.v1.WorkspaceService")));
        assert_eq!(first[0], "stillframe/v1/workspace.proto");
        for needed in ["google/api/field_behavior.proto", "google/protobuf/descriptor.proto"] {
            assert!(first.iter().any(|name| name == needed), "{first:?}");
        }
        assert_eq!(files(conversation.answer(symbol("stillframe.v1.Workspace"))), ["stillframe/v1/workspace.proto"]);
        let file = Question::File("google/api/field_behavior.proto".to_owned());
        assert_eq!(files(conversation.answer(file)), ["google/api/field_behavior.proto"]);
    }

    /// All that a client can be led to is there, and small enough for one message.
    #[test]
    fn no_file_needs_one_that_is_missing() {
        let conversation = conversation();
        let mut bytes = 0;
        for file in 0..conversation.index.files() {
            let encoded = conversation.index.encoded(file);
            bytes += encoded.len();
            for import in FileDescriptorProto::decode(encoded).unwrap().dependency {
                assert!(conversation.index.file(&import).is_some(), "{import}");
            }
        }
        assert!(bytes < crate::rpc::MAX_RESPONSE_BYTES, "{bytes}");
    }
}
