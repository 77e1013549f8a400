//! The reasons of errors: those of the code, of the README's table, and of the tables in the
//! contract.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

/// The codes of each reason.
type Reasons = BTreeMap<String, BTreeSet<String>>;

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn is_reason(word: &str) -> bool {
    word.len() > 4 && word.chars().all(|c| c.is_ascii_uppercase() || c == '_')
}

/// `FailedPrecondition` as `FAILED_PRECONDITION`.
fn upper(code: &str) -> String {
    let parts = code.chars().enumerate().map(|(at, c)| match c {
        'A'..='Z' if at > 0 => format!("_{c}"),
        c => c.to_ascii_uppercase().to_string(),
    });
    parts.collect()
}

/// What a file of the code gives reasons to, each behind its code.
fn of_code(text: &str) -> Reasons {
    let mut reasons = Reasons::new();
    let mut code = String::new();
    for piece in text.split_inclusive(|c: char| c == '"' || c == ',' || c == '(' || c.is_whitespace()) {
        if let Some(named) = piece.strip_prefix("Code::") {
            code = upper(named.trim_end_matches(|c: char| !c.is_alphanumeric()));
        } else if let Some(word) = piece.strip_suffix('"').filter(|word| is_reason(word) && !code.is_empty()) {
            reasons.entry(word.to_owned()).or_default().insert(code.clone());
        }
    }
    reasons
}

fn of_readme() -> Reasons {
    let readme = read("README.md");
    let table = readme.split("\n## Errors\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let mut reasons = Reasons::new();
    for row in table.lines().filter(|line| line.starts_with("| `")) {
        let mut cells = row.trim_matches('|').split('|').map(str::trim);
        let (named, code) = (cells.next().unwrap(), cells.next().unwrap());
        for reason in named.split(", ") {
            let codes = reasons.entry(reason.trim_matches('`').to_owned()).or_default();
            assert!(codes.insert(code.to_owned()), "{reason} has two rows");
        }
    }
    reasons
}

/// Those of the tables in the comments of the contract, with the files that have them.
fn of_contract() -> BTreeMap<(String, String), String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("proto/api/stillframe/v1");
    let mut rows = BTreeMap::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        for line in std::fs::read_to_string(&path).unwrap().lines() {
            let Some(row) = line.trim_start().strip_prefix("//   ") else { continue };
            let mut cells = row.split_whitespace();
            if let (Some(code), Some(reason)) = (cells.next(), cells.next())
                && is_reason(code)
                && is_reason(reason)
                && row.starts_with(code)
            {
                let place = path.file_name().unwrap().to_string_lossy().into_owned();
                rows.insert((reason.to_owned(), code.to_owned()), place);
            }
        }
    }
    rows
}

#[test]
fn code_readme_and_contract_have_the_same_reasons() {
    let (ours, transport) = (of_code(&read("src/error.rs")), of_code(&read("src/rpc/status/transport.rs")));
    assert!(ours.len() > 50 && transport.len() > 4, "{ours:?} {transport:?}");
    let readme = of_readme();
    for (reason, codes) in &ours {
        assert_eq!(readme.get(reason), Some(codes), "README's row of {reason}");
    }
    for reason in readme.keys() {
        let is_known = ours.contains_key(reason) || transport.contains_key(reason);
        assert!(is_known, "README has {reason}, and nobody else");
    }
    for reason in transport.keys().filter(|reason| !ours.contains_key(*reason)) {
        assert!(readme.contains_key(reason), "README has no row of {reason}");
    }
    let contract = of_contract();
    assert!(contract.len() > 40, "{contract:?}");
    for ((reason, code), file) in contract {
        let codes = readme.get(&reason);
        assert!(codes.is_some_and(|codes| codes.contains(&code)), "{file} has {reason} with {code}, README {codes:?}");
    }
}
