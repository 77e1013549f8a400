//! Every file says where its code goes in each language. Set later, they would move what
//! people have built upon.

use super::{files, pool};

/// `stillframe/v1/document.proto` -> `Document`.
fn pascal_case(file: &str) -> String {
    let stem = file.rsplit_once('/').unwrap().1.trim_end_matches(".proto");
    let word = |word: &str| word[..1].to_uppercase() + &word[1..];
    stem.split('_').map(word).collect()
}

#[test]
fn every_file_has_the_options_of_each_language() {
    for file in files(&pool()) {
        let options = file.file_descriptor_proto().options.clone().unwrap();
        let outer = format!("{}Proto", pascal_case(file.name()));
        assert_eq!(options.go_package(), "stillframe/v1;stillframev1", "{}", file.name());
        assert_eq!(options.java_package(), "stillframe.v1", "{}", file.name());
        assert!(options.java_multiple_files(), "{}", file.name());
        assert_eq!(options.java_outer_classname(), outer, "{}", file.name());
        assert_eq!(options.csharp_namespace(), "Stillframe.V1", "{}", file.name());
        assert_eq!(options.objc_class_prefix(), "STF", "{}", file.name());
        assert_eq!(options.php_namespace(), "Stillframe\\V1", "{}", file.name());
        assert_eq!(options.ruby_package(), "Stillframe::V1", "{}", file.name());
    }
}
