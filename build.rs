//! Compiles the contract and gRPC's health protocol (with their descriptor sets, for
//! reflection) and the stored records (with theirs, to show them), without `protoc`. Finds
//! out which commit it is, if it can.
#![allow(clippy::print_stdout, reason = "cargo reads it")]

use std::{
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const CONTRACT: &[&str] = &["proto/api", "proto/googleapis"];
const PUBLIC: &[&str] = &[
    "stillframe/v1/access.proto",
    "stillframe/v1/workspace.proto",
    "stillframe/v1/collection.proto",
    "stillframe/v1/document.proto",
    "stillframe/v1/snapshot.proto",
    "stillframe/v1/restore.proto",
    "stillframe/v1/source.proto",
    "stillframe/v1/server.proto",
    // No file needs it, but clients that ask for an error's details do.
    "google/rpc/error_details.proto",
];
const HEALTH: &[&str] = &["grpc/health/v1/health.proto"];
const STORED: &[&str] = &["stillframe/storage/v1/records.proto"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    println!("cargo:rustc-env=STILLFRAME_BUILT_FROM={}", commit().as_deref().unwrap_or("unknown"));
    let out = PathBuf::from(env::var("OUT_DIR")?);

    let mut compiler = protox::Compiler::new(CONTRACT)?;
    compiler.include_source_info(true).include_imports(true);
    compiler.open_files(PUBLIC)?;
    let public = compiler.file_descriptor_set();
    fs::write(out.join("stillframe.bin"), compiler.encode_file_descriptor_set())?;
    // Whoever counts a message before it is unpacked finds its descriptor by its name.
    let mut config = tonic_prost_build::Config::new();
    config.enable_type_names();
    tonic_prost_build::configure()
        // Ordered maps, so that equal requests have equal bytes.
        .btree_map(".")
        .bytes(".stillframe.v1")
        .codec_path("crate::rpc::codec::Counted")
        .extern_path(".google.rpc", "::tonic_types::pb")
        // As objects in memory it takes up to a hundred times its bytes.
        .extern_path(".google.protobuf.Struct", "crate::json::fields::Fields")
        .compile_fds_with_config(public, config)?;

    let mut compiler = protox::Compiler::new(["proto/grpc"])?;
    compiler.include_source_info(true).include_imports(true);
    compiler.open_files(HEALTH)?;
    fs::write(out.join("health.bin"), compiler.encode_file_descriptor_set())?;
    tonic_prost_build::configure().btree_map(".").compile_fds(compiler.file_descriptor_set())?;

    let mut compiler = protox::Compiler::new(["proto/storage"])?;
    compiler.include_source_info(true).include_imports(true);
    compiler.open_files(STORED)?;
    let stored = compiler.file_descriptor_set();
    // Nobody reads the comments at run time.
    fs::write(out.join("stored.bin"), compiler.include_source_info(false).encode_file_descriptor_set())?;
    tonic_prost_build::configure().btree_map(".").build_client(false).build_server(false).compile_fds(stored)?;
    Ok(())
}

/// What a packager says, who may have no checkout, or else the commit of ours.
fn commit() -> Option<String> {
    println!("cargo:rerun-if-env-changed=STILLFRAME_COMMIT");
    env::var("STILLFRAME_COMMIT").ok().and_then(a_word).or_else(checked_out)
}

/// The commit of this checkout. A tree that lies in another's is not of that one's commit.
fn checked_out() -> Option<String> {
    if !Path::new(".git").exists() {
        return None;
    }
    let commit = git(&["rev-parse", "HEAD"]).and_then(a_word)?;
    if env::var("PROFILE").as_deref() != Ok("release") {
        // Whoever commits and tests by turns is not to wait for tests that are built again: it
        // is this commit, or what was made of it.
        return Some(format!("{commit}-dev"));
    }
    // It gets a line with each commit and each checkout. What is not there would make every
    // build begin anew.
    if let Some(moves) = git(&["rev-parse", "--git-path", "logs/HEAD"]).filter(|path| Path::new(path).exists()) {
        println!("cargo:rerun-if-changed={moves}");
    }
    Some(commit)
}

/// The first line that git says, if there is a git.
fn git(arguments: &[&str]) -> Option<String> {
    let said = Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(said.stdout).ok()?.lines().next()?.to_owned())
}

fn a_word(text: String) -> Option<String> {
    let is_word = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    is_word.then_some(text)
}
