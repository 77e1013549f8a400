//! What a message takes in memory, from its bytes and its descriptor.

use std::{collections::HashMap, sync::LazyLock};

use prost::{
    Message,
    encoding::{WireType, decode_key, decode_varint},
};
use prost_types::{
    DescriptorProto, FileDescriptorSet,
    field_descriptor_proto::{Label, Type},
};

use crate::pb;

/// What `malloc` adds to each piece, and rounds it up by.
const PIECE: usize = 32;
/// A text, bytes, a list or a map, without what is in it.
const HANDLE: usize = 32;
/// The places in a node of a map, which is made whole for its first entry.
const NODE: usize = 12;
/// Nobody unpacks what is deeper.
const DEEPEST: usize = 101;

/// The messages of the contract, and of what it is made of.
static CONTRACT: LazyLock<Contract> = LazyLock::new(Contract::new);

#[derive(Default)]
struct Contract {
    requests: HashMap<String, usize>,
    messages: Vec<Shape>,
}

/// A message, as it is in memory.
#[derive(Default)]
struct Shape {
    /// What stands in it, not behind it.
    size: usize,
    /// Whether it is an entry of a map.
    is_entry: bool,
    /// By their numbers.
    fields: HashMap<u32, Field>,
}

#[derive(Clone, Copy)]
enum Field {
    Message {
        shape: usize,
        is_repeated: bool,
    },
    Text,
    /// Numbers, of which a list is packed into bytes.
    Numbers,
}

impl Contract {
    fn new() -> Self {
        // It was made by our own build.
        let files = FileDescriptorSet::decode(pb::DESCRIPTOR).unwrap_or_default().file;
        let mut found = Vec::new();
        for file in &files {
            for message in &file.message_type {
                collect(format!("{}.{}", file.package(), message.name()), message, &mut found);
            }
        }
        let requests = files.iter().flat_map(|file| &file.service).flat_map(|service| &service.method);
        let requests: Vec<_> = requests.map(|method| method.input_type().trim_start_matches('.')).collect();
        let names: HashMap<String, usize> =
            found.iter().enumerate().map(|(index, (name, _))| (name.clone(), index)).collect();
        let shapes = found.iter().map(|(_, message)| shape(message, &names));
        let sizes = (0..found.len()).map(|index| size(&found, &names, index, 0));
        let messages = shapes.zip(sizes).map(|(shape, size)| Shape { size, ..shape }).collect();
        let requests = requests.into_iter().filter_map(|name| Some((name.to_owned(), *names.get(name)?))).collect();
        Self { requests, messages }
    }
}

/// A message and those that are declared in it, by their whole names.
fn collect<'a>(name: String, message: &'a DescriptorProto, found: &mut Vec<(String, &'a DescriptorProto)>) {
    for nested in &message.nested_type {
        collect(format!("{name}.{}", nested.name()), nested, found);
    }
    found.push((name, message));
}

fn shape(message: &DescriptorProto, names: &HashMap<String, usize>) -> Shape {
    let fields = message.field.iter().filter_map(|field| {
        let number = u32::try_from(field.number()).ok()?;
        let kind = match field.r#type() {
            Type::Message | Type::Group => {
                let shape = *names.get(field.type_name().trim_start_matches('.'))?;
                Field::Message { shape, is_repeated: field.label() == Label::Repeated }
            }
            Type::String | Type::Bytes => Field::Text,
            _ => Field::Numbers,
        };
        Some((number, kind))
    });
    let is_entry = message.options.as_ref().is_some_and(prost_types::MessageOptions::map_entry);
    Shape { size: 0, is_entry, fields: fields.collect() }
}

/// What stands in a message: of alternatives the largest, of messages in messages all but those
/// that are put behind a pointer because they contain themselves.
fn size(found: &[(String, &DescriptorProto)], names: &HashMap<String, usize>, index: usize, depth: usize) -> usize {
    const DEEPEST: usize = 4;
    let Some((_, message)) = found.get(index) else { return 0 };
    let mut alternatives: HashMap<i32, usize> = HashMap::new();
    let mut sum = 0;
    for field in &message.field {
        let inner = names.get(field.type_name().trim_start_matches('.'));
        let own = match (field.r#type(), inner) {
            _ if field.label() == Label::Repeated => HANDLE,
            (Type::Message | Type::Group, Some(inner)) if depth < DEEPEST => 8 + size(found, names, *inner, depth + 1),
            (Type::String | Type::Bytes, _) => HANDLE,
            _ => 16,
        };
        match field.oneof_index {
            Some(alternative) if !field.proto3_optional() => {
                let largest = alternatives.entry(alternative).or_default();
                *largest = own.max(*largest);
            }
            _ => sum += own,
        }
    }
    sum + alternatives.values().sum::<usize>()
}

/// About how many bytes a message takes in memory, unless they are more than `most`. Of one
/// that is not of the contract's requests, or is none at all, as much as can be told.
pub fn unpacked_bytes(name: &str, bytes: &[u8], most: usize) -> Option<usize> {
    let contract = &*CONTRACT;
    let Some(shape) = contract.requests.get(name) else { return Some(bytes.len()) };
    let mut left = most;
    spend(&mut left, contract.messages.get(*shape).map_or(0, |shape| shape.size))?;
    walk(contract, *shape, bytes, 0, &mut left)?;
    Some(most - left)
}

fn spend(left: &mut usize, bytes: usize) -> Option<()> {
    *left = left.checked_sub(bytes)?;
    Some(())
}

/// Adds up what is behind a message. What cannot be read ends it: whoever decodes it will say so.
fn walk(contract: &Contract, shape: usize, mut bytes: &[u8], depth: usize, left: &mut usize) -> Option<()> {
    let Some(shape) = contract.messages.get(shape) else { return Some(()) };
    let mut has_map = false;
    while !bytes.is_empty() && depth <= DEEPEST {
        let Ok((number, wire)) = decode_key(&mut bytes) else { return Some(()) };
        if wire != WireType::LengthDelimited {
            let Some(rest) = skip(wire, bytes) else { return Some(()) };
            bytes = rest;
            continue;
        }
        let Ok(length) = decode_varint(&mut bytes) else { return Some(()) };
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let Some((inner, rest)) = bytes.split_at_checked(length) else { return Some(()) };
        bytes = rest;
        match shape.fields.get(&number) {
            Some(Field::Message { shape, is_repeated }) => {
                if let Some(inner) = contract.messages.get(*shape) {
                    let own = match (inner.is_entry, is_repeated) {
                        // The first makes a whole node.
                        (true, _) if !std::mem::replace(&mut has_map, true) => NODE * inner.size + PIECE,
                        // Lists grow to twice what is in them, nodes are half full.
                        (true, _) | (_, true) => 2 * inner.size,
                        // Counted in what it stands in, or behind a pointer.
                        (false, false) => 0,
                    };
                    spend(left, own)?;
                }
                walk(contract, *shape, inner, depth + 1, left)?;
            }
            Some(Field::Text) => spend(left, PIECE + length)?,
            Some(Field::Numbers) => spend(left, PIECE + 16 * length)?,
            // Of nobody knows what, which is passed over.
            None => {}
        }
    }
    Some(())
}

/// What is behind a field that has no length of its own, whose key has been read.
fn skip(wire: WireType, mut bytes: &[u8]) -> Option<&[u8]> {
    match wire {
        WireType::Varint => decode_varint(&mut bytes).ok().map(|_| bytes),
        WireType::SixtyFourBit => bytes.get(8..),
        WireType::ThirtyTwoBit => bytes.get(4..),
        // Groups: nothing of the contract has any, and what is in them is passed over.
        WireType::StartGroup | WireType::EndGroup => Some(bytes),
        WireType::LengthDelimited => None,
    }
}
