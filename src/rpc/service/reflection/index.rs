//! Where each name of the contract is declared.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use prost::{DecodeError, Message};
use prost_types::{DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto};

/// A `FileDescriptorSet`, whose files stay as they are: decoded they would lose the
/// options that we have no types for.
#[derive(Clone, PartialEq, Message)]
struct EncodedSet {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    file: Vec<Bytes>,
}

struct File {
    encoded: Bytes,
    imports: Vec<String>,
}

/// Files, by all that is declared in them.
#[derive(Default)]
pub struct Index {
    files: Vec<File>,
    names: HashMap<String, usize>,
    symbols: HashMap<String, usize>,
    /// By the type that is extended, and the number.
    extensions: HashMap<String, BTreeMap<i32, usize>>,
    services: Vec<String>,
}

impl Index {
    /// Of these descriptor sets. A file that several have is the first one's.
    pub fn of(sets: impl IntoIterator<Item = &'static [u8]>) -> Result<Self, DecodeError> {
        let mut index = Self::default();
        for set in sets {
            for encoded in EncodedSet::decode(set)?.file {
                let file = FileDescriptorProto::decode(encoded.clone())?;
                if !index.names.contains_key(file.name()) {
                    index.add(file, encoded);
                }
            }
        }
        index.services.sort();
        Ok(index)
    }

    fn add(&mut self, file: FileDescriptorProto, encoded: Bytes) {
        let at = self.files.len();
        self.names.insert(file.name().to_owned(), at);
        let package = file.package();
        for service in &file.service {
            let service_name = join(package, service.name());
            for method in &service.method {
                self.symbol(&service_name, method.name(), at);
            }
            self.symbol(package, service.name(), at);
            self.services.push(service_name);
        }
        file.message_type.iter().for_each(|message| self.message(package, message, at));
        file.enum_type.iter().for_each(|kind| self.enumeration(package, kind, at));
        file.extension.iter().for_each(|extension| self.extension(package, extension, at));
        self.files.push(File { encoded, imports: file.dependency });
    }

    fn symbol(&mut self, scope: &str, name: &str, at: usize) {
        self.symbols.insert(join(scope, name), at);
    }

    fn message(&mut self, scope: &str, message: &DescriptorProto, at: usize) {
        self.symbol(scope, message.name(), at);
        let scope = &join(scope, message.name());
        message.field.iter().for_each(|field| self.symbol(scope, field.name(), at));
        message.oneof_decl.iter().for_each(|oneof| self.symbol(scope, oneof.name(), at));
        message.nested_type.iter().for_each(|nested| self.message(scope, nested, at));
        message.enum_type.iter().for_each(|kind| self.enumeration(scope, kind, at));
        message.extension.iter().for_each(|extension| self.extension(scope, extension, at));
    }

    /// Its values stand beside it, not in it, as in C++.
    fn enumeration(&mut self, scope: &str, kind: &EnumDescriptorProto, at: usize) {
        self.symbol(scope, kind.name(), at);
        kind.value.iter().for_each(|value| self.symbol(scope, value.name(), at));
    }

    fn extension(&mut self, scope: &str, extension: &FieldDescriptorProto, at: usize) {
        self.symbol(scope, extension.name(), at);
        let extended = extension.extendee().trim_start_matches('.').to_owned();
        self.extensions.entry(extended).or_default().insert(extension.number(), at);
    }

    /// How many files there are.
    pub fn files(&self) -> usize {
        self.files.len()
    }

    /// A file as it was compiled.
    pub fn encoded(&self, file: usize) -> &[u8] {
        &self.files[file].encoded
    }

    /// All files that one needs, and those that these need.
    pub fn needs(&self, file: usize) -> Vec<usize> {
        let mut found = vec![file];
        let mut next = 0;
        while let Some(at) = found.get(next) {
            for needed in self.files[*at].imports.iter().filter_map(|import| self.file(import)) {
                if !found.contains(&needed) {
                    found.push(needed);
                }
            }
            next += 1;
        }
        found.split_off(1)
    }

    /// The file of a name.
    pub fn file(&self, name: &str) -> Option<usize> {
        self.names.get(name).copied()
    }

    /// Where a full name is declared.
    pub fn file_of_symbol(&self, name: &str) -> Option<usize> {
        self.symbols.get(name).copied()
    }

    /// Where a type is extended with a number.
    pub fn file_of_extension(&self, extended: &str, number: i32) -> Option<usize> {
        self.extensions.get(extended)?.get(&number).copied()
    }

    /// With which numbers a type is extended; none if there is no such type.
    pub fn extensions_of(&self, extended: &str) -> Option<Vec<i32>> {
        match self.extensions.get(extended) {
            Some(numbers) => Some(numbers.keys().copied().collect()),
            None => self.symbols.contains_key(extended).then(Vec::new),
        }
    }

    /// The full names of all services, in order.
    pub fn services(&self) -> &[String] {
        &self.services
    }
}

fn join(scope: &str, name: &str) -> String {
    if scope.is_empty() { name.to_owned() } else { format!("{scope}.{name}") }
}
