//! Who may do what: API keys, roles and workspaces.

mod bad_input;
mod bootstrap;
mod keys;
mod late;
mod matrix;
pub mod requests;
mod restores;
mod server_info;
mod streams;
mod visible;
