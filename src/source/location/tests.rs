use proptest::{collection::vec, prelude::*};

use super::*;

fn at(text: &str) -> Location {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refused(text: &str) -> LocationError {
    text.parse::<Location>().expect_err(text)
}

#[test]
fn both_schemes_are_normalised() {
    for (text, shown, segments) in [
        ("s3://bucket", "s3://bucket", &[][..]),
        ("s3://bucket/", "s3://bucket", &[]),
        ("s3://my.bucket-1/a/b/", "s3://my.bucket-1/a/b", &["a", "b"]),
        ("s3://bucket/a%20b/%C3%A4", "s3://bucket/a%20b/%C3%A4", &["a b", "ä"]),
        ("s3://bucket/a b/ä", "s3://bucket/a%20b/%C3%A4", &["a b", "ä"]),
        ("s3://bucket/%61", "s3://bucket/a", &["a"]),
        ("s3://bucket/%252e%252e", "s3://bucket/%252e%252e", &["%2e%2e"]),
        ("s3://bucket/x@y:z+w=1", "s3://bucket/x@y:z+w=1", &["x@y:z+w=1"]),
        ("file:///", "file:///", &[]),
        ("file:///data/in/", "file:///data/in", &["data", "in"]),
        ("file:///a,b/...", "file:///a%2Cb/...", &["a,b", "..."]),
    ] {
        let location = at(text);
        assert_eq!(location.to_string(), shown);
        assert_eq!(location.segments(), segments, "{text}");
    }
    assert_eq!(at("s3://bucket/a/b/").path(), "a/b");
    assert_eq!(at("s3://abc/d").store(), &Store::S3 { bucket: "abc".into() });
}

#[test]
fn what_is_not_a_plain_absolute_path_is_refused() {
    use LocationError as E;
    for text in ["", "bucket/a", "/data", "gs://b/a", "S3://bucket", "https://h/x", "file:/data", "file:data", "s3:/a"]
    {
        assert_eq!(refused(text), E::Scheme, "{text}");
    }
    for text in ["file://", "file://data", "file://host/data", "file://localhost/data", "file://./a", "file://~/a"] {
        assert_eq!(refused(text), E::NotAbsolute, "{text}");
    }
    for text in ["s3://user@bucket/a", "s3://key:secret@bucket/a", "file://u@/a"] {
        assert_eq!(refused(text), E::UserInfo, "{text}");
    }
    for text in ["s3://bucket//a", "s3://bucket/a//b", "s3://bucket/a//", "s3://bucket//", "file:////a", "file:////"] {
        assert_eq!(refused(text), E::EmptySegment, "{text}");
    }
    for text in
        ["file:///a/../b", "file:///..", "s3://bucket/.", "s3://bucket/%2e%2E/x", "file:///a/.%2e", "file:///./"]
    {
        assert!(matches!(refused(text), E::Relative(_)), "{text}");
    }
    for text in ["s3://bucket/a?b", "s3://bucket/a#b", "file:///a\\b", "file:///a\nb", "file:///\u{85}", "s3://b\0/"] {
        assert!(matches!(refused(text), E::Reserved { .. }), "{text}");
    }
    for text in ["file:///a%2Fb", "file:///a%5cb", "s3://bucket/a%00", "s3://bucket/%0a", "s3://bucket/%C2%85"] {
        assert!(matches!(refused(text), E::Character(_)), "{text}");
    }
    for text in ["s3://bucket/100%", "s3://bucket/%4", "s3://bucket/%zz", "s3://bucket/%%41", "s3://bucket/%ä"] {
        assert_eq!(refused(text), E::Escape, "{text}");
    }
    for text in ["s3://bucket/%ff", "s3://bucket/%c3", "s3://bucket/%ED%A0%80"] {
        assert_eq!(refused(text), E::NotUtf8, "{text}");
    }
    assert_eq!(refused(&format!("file:///{}", "a".repeat(4089))), E::TooLong { length: 4097 });
    assert!(at(&format!("file:///{}", "a".repeat(4088))).segments().len() == 1);
    // As it is shown, each of them is six letters.
    assert_eq!(refused(&format!("file:///{}", "ä".repeat(1000))), E::TooLong { length: 6008 });
}

#[test]
fn bucket_names_follow_the_rules() {
    for good in ["abc", "0ab", "a.b", "a-b", "xn--abc", &"a".repeat(63)] {
        assert!(format!("s3://{good}/a").parse::<Location>().is_ok(), "{good}");
    }
    let long = "a".repeat(64);
    for bad in ["", "ab", "-ab", "ab-", ".ab", "a..b", "a_b", "ABC", "bucket:80", "b%63d", "bäb", "10.0.0.1", &long] {
        assert_eq!(refused(&format!("s3://{bad}/a")), LocationError::Bucket, "{bad}");
    }
}

#[test]
fn a_directory_is_taken_literally() {
    let from = |path: &str| Location::from_directory(Path::new(path));
    assert_eq!(from("/a%20b/c"), Ok(at("file:///a%2520b/c")));
    assert_eq!(from("/"), Ok(at("file:///")));
    assert_eq!(from("//a/./b/"), Ok(at("file:///a/b")));
    assert_eq!(from("a"), Err(LocationError::NotAbsolute));
    assert_eq!(from("/a/../b"), Err(LocationError::Relative("..".into())));
    assert_eq!(from("/a\\b"), Err(LocationError::Character('\\')));
}

proptest! {
    #[test]
    fn locations_round_trip(s3: bool, segments in vec("[^/\\\\\\pC]{1,12}|%|%41|\\.\\.\\.", 0..5)) {
        prop_assume!(segments.iter().all(|s| s != "." && s != ".."));
        let store = if s3 { Store::S3 { bucket: "bucket".into() } } else { Store::File };
        let location = Location { store, segments };
        prop_assume!(location.to_string().len() <= MAX_LOCATION_BYTES);
        prop_assert_eq!(location.to_string().parse(), Ok(location.clone()));
        prop_assert_eq!(format!("{location}/").parse::<Location>().ok(), Some(location).filter(|l| s3 || !l.segments.is_empty()));
    }

    #[test]
    fn foreign_text_never_panics_and_never_escapes(text in "(s3://|file:///)?(bucket)?(/|%2[eEfF]|\\.|[a%]|%5c|\\PC){0,20}") {
        if let Ok(location) = text.parse::<Location>() {
            for segment in location.segments() {
                prop_assert!(!segment.is_empty() && segment != "." && segment != ".." && !segment.contains(['/', '\\', '\0']));
            }
            prop_assert_eq!(location.to_string().parse(), Ok(location));
        }
    }
}
