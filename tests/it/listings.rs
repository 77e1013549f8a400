//! The List methods: filter, order, pages.

mod bad_input;
mod collections;
mod enums;
mod pages;
mod parents;
mod restores;
mod snapshots;
mod tokens;
mod workspaces;
