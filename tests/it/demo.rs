//! `stillframe demo`, as its users run it.

use std::process::{Command, Output};

fn demo(temporary: &std::path::Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_stillframe")).arg("demo").env("TMPDIR", temporary).output().unwrap()
}

#[test]
fn the_demo_does_the_main_job_and_leaves_nothing_behind() {
    let temporary = tempfile::tempdir().unwrap();
    let output = demo(temporary.path());
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    for fact in [
        "ingested 4,644 documents",
        "REQUESTED -> CREATED",
        r#"{"count":9223372036854775807,"#,
        "SUCCEEDED DONE",
        "VERIFIED",
        "compared 4,645 restored documents with the input",
        "deleted the source",
        "All of it held",
    ] {
        assert!(said.contains(fact), "{fact:?} is not in:\n{said}");
    }
    assert_eq!(output.stderr, b"", "it is quiet");
    let left: Vec<_> = std::fs::read_dir(temporary.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_demo_that_cannot_run_says_so() {
    let temporary = tempfile::tempdir().unwrap();
    let output = demo(&temporary.path().join("missing"));
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().starts_with("stillframe: "));
}
