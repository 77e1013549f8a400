//! The contract as other people's generators take it.

mod annotations;
mod etags;
mod ids;
mod options;
mod pages;
mod refusals;
mod words;

use prost_reflect::{DescriptorPool, DynamicMessage, FileDescriptor, MessageDescriptor, Value};

/// All files that reflection tells of the contract.
fn pool() -> DescriptorPool {
    DescriptorPool::decode(stillframe::pb::DESCRIPTOR).unwrap()
}

/// The files that are ours.
fn files(pool: &DescriptorPool) -> Vec<FileDescriptor> {
    let files: Vec<_> = pool.files().filter(|file| file.package_name() == "stillframe.v1").collect();
    assert!(files.len() >= 7, "the descriptor is read");
    files
}

/// Our messages, nested ones too, without those that stand for the entries of maps.
fn messages(pool: &DescriptorPool) -> Vec<MessageDescriptor> {
    let ours = |message: &MessageDescriptor| message.package_name() == "stillframe.v1" && !message.is_map_entry();
    let messages: Vec<_> = pool.all_messages().filter(ours).collect();
    assert!(messages.len() > 60, "the descriptor is read");
    messages
}

/// The value of an extension among options, if it is there.
fn extension(pool: &DescriptorPool, options: &DynamicMessage, name: &str) -> Option<Value> {
    let extension = pool.get_extension_by_name(name).unwrap();
    options.has_extension(&extension).then(|| options.get_extension(&extension).into_owned())
}

/// A text within a message.
fn text(message: &DynamicMessage, field: &str) -> String {
    message.get_field_by_name(field).unwrap().as_str().unwrap().to_owned()
}
