//! Compiles the contract and gRPC's health protocol (with their descriptor sets, for
//! reflection) and the stored records (with theirs, to show them), without `protoc`.

use std::{env, error::Error, fs, path::PathBuf};

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
    let out = PathBuf::from(env::var("OUT_DIR")?);

    let mut compiler = protox::Compiler::new(CONTRACT)?;
    compiler.include_source_info(true).include_imports(true);
    compiler.open_files(PUBLIC)?;
    let public = compiler.file_descriptor_set();
    fs::write(out.join("stillframe.bin"), compiler.encode_file_descriptor_set())?;
    tonic_prost_build::configure()
        // Ordered maps, so that equal requests have equal bytes.
        .btree_map(".")
        .bytes(".stillframe.v1")
        .extern_path(".google.rpc", "::tonic_types::pb")
        .compile_fds(public)?;

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
