//! Libraries in C that stand between a process and the machine, by `LD_PRELOAD`.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// Builds one into a directory.
pub fn build_shim(into: &Path, name: &str, source: &str) -> PathBuf {
    build_c(into, name, source, &["-shared", "-fPIC"])
}

/// Builds a program or a library from its source, in a directory.
pub fn build_c(into: &Path, name: &str, source: &str, options: &[&str]) -> PathBuf {
    let (source_file, built) = (into.join(name), into.join(name).with_extension("so"));
    std::fs::write(into.join("real.h"), include_str!("shims/real.h")).unwrap();
    std::fs::write(&source_file, source).unwrap();
    let mut compiler = Command::new("cc");
    compiler.arg("-O2").args(options).arg("-o").args([&built, &source_file]).args(["-ldl", "-lpthread"]);
    let compiled = compiler.output().unwrap();
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    built
}
