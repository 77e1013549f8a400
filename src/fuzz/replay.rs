//! The kept corpus goes through the targets whenever the tests run.

use std::{
    collections::BTreeSet,
    fs,
    panic::catch_unwind,
    path::{Path, PathBuf},
};

type Target = fn(&[u8]);

const TARGETS: [(&str, Target); 10] = [
    ("csv", super::csv),
    ("filter", super::filter),
    ("json_array", super::json_array),
    ("json_body", super::json_body),
    ("ndjson", super::ndjson),
    ("packed", super::packed),
    ("page_token", super::page_token),
    ("patch", super::patch),
    ("request_conversion", super::request_conversion),
    ("stored_records", super::stored_records),
];

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

/// What is in a folder of `fuzz/`, in order.
fn entries(folder: &str) -> Vec<PathBuf> {
    let listed = fs::read_dir(fuzz().join(folder)).unwrap_or_else(|error| panic!("fuzz/{folder}: {error}"));
    let mut paths: Vec<_> = listed.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn replay(target: &str) {
    let (_, run) = TARGETS.iter().find(|(name, _)| *name == target).expect("a target");
    let files = entries(&format!("corpus/{target}"));
    assert!(!files.is_empty(), "fuzz/corpus/{target} is empty");
    for file in files {
        let data = fs::read(&file).unwrap();
        // Its own message is printed before this one.
        let passed = catch_unwind(|| run(&data)).is_ok();
        assert!(passed, "fuzz/corpus/{target}/{} fails", file.file_name().unwrap_or_default().display());
    }
}

macro_rules! replayed {
    ($($target:ident)*) => {
        $(
            #[test]
            fn $target() {
                replay(stringify!($target));
            }
        )*
    };
}

replayed!(csv filter json_array json_body ndjson packed page_token patch request_conversion stored_records);

/// Each has a function, a file for the fuzzer and a folder with its corpus.
#[test]
fn no_target_is_forgotten() {
    let stems = |paths: Vec<PathBuf>| -> BTreeSet<String> {
        paths.iter().filter_map(|path| path.file_stem()).map(|stem| stem.to_string_lossy().into_owned()).collect()
    };
    let known: BTreeSet<_> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(stems(entries("fuzz_targets")), known);
    assert_eq!(stems(entries("corpus")), known);
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    let built = manifest.lines().filter_map(|line| line.strip_prefix("path = \"fuzz_targets/")?.strip_suffix(".rs\""));
    assert_eq!(built.map(str::to_owned).collect::<BTreeSet<_>>(), known);
}
