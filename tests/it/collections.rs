//! `CollectionService`.

mod bad_input;
mod delete;
mod etag;
mod lifecycle;
mod mask;
mod request_id;
mod restoring;
mod retention;
mod stats;
