//! `WorkspaceService`.

mod bad_input;
mod commons;
mod etag;
mod gates;
mod lifecycle;
mod mask;
mod not_empty;
mod request_id;
