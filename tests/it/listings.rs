//! The List methods: filter, order, pages.

mod bad_input;
mod collections;
mod pages;
mod parents;
mod restores;
mod snapshots;
mod tokens;
mod workspaces;
