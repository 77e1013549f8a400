//! What is refused, with which words.

use super::*;
use crate::listing::fixture::{Item, refused};

fn parse(text: &str) -> Result<Filter, FilterError> {
    Filter::parse::<Item>(text)
}

#[test]
fn what_is_left_out_is_named() {
    refused(&[
        ("name = (a)", "a parenthesis as a value at character 8 is not supported: write comparisons"),
        ("f(a)", "a function at character 1 "),
        ("name = a, b", "a list at character 9 "),
    ]);
}

#[test]
fn the_shape_is_terms_joined_by_and_or_and_not() {
    refused(&[
        ("name = a and name = b", "at character 10: write `and` in capitals"),
        ("name = a Or name = b", "write `Or` in capitals, or in quotes to look for it; supported are comparisons"),
        ("name = a AND", "expected a field or a text to look for, found the end"),
        ("name = a OR", "expected a field or a text to look for, found the end"),
        ("NOT", "expected a field or a text to look for, found the end"),
        ("NOT NOT name = a", "expected a field or a text to look for, found `NOT`"),
        ("AND name = a", "expected a field or a text to look for, found `AND`"),
        ("name = a AND OR name = b", "expected a field or a text to look for, found `OR`"),
        ("OR", "expected a field or a text to look for, found `OR`"),
        ("= 3", "expected a field or a text to look for, found `=`"),
        ("()", "expected a field or a text to look for, found `)`"),
        ("(name = a", "at character 1: the closing parenthesis is missing"),
        ("name = a)", "expected AND, OR or the end, found `)`"),
        ("- name = a", "at character 1: `-` stands directly before what it negates"),
        ("'name' = a", "expected a field, found `'name'`"),
        ("name", "expected an operator, found the end"),
        ("name a", "expected an operator, found `a`"),
        ("labels.team", "expected an operator, found the end"),
        ("name =", "expected a value; words such as AND need quotes, found the end"),
        ("name = AND", "expected a value; words such as AND need quotes, found `AND`"),
        ("''", "a text to look for is not empty"),
        ("a*b", "a star stands only at its start or end"),
    ]);
}

#[test]
fn unknown_fields_list_the_known() {
    let known = "supported are name, description, labels.KEY, state, size_bytes, end_time";
    refused(&[("nam = a", known), ("name.a = b", known), ("Name = a", known), ("uid = a", known)]);
}

#[test]
fn size_number_and_depth_are_limited() {
    for (term, join) in [("name != a", " AND "), ("name != a", " OR "), ("a", " ")] {
        let many = |n| vec![term; n].join(join);
        assert!(parse(&many(Filter::MAX_COMPARISONS)).is_ok());
        refused(&[(&many(Filter::MAX_COMPARISONS + 1), "at most 32 are supported")]);
    }
    let long = |bytes| format!("name = {}", "a".repeat(bytes - 7));
    assert!(parse(&long(filter::MAX_BYTES)).is_ok());
    refused(&[(&long(filter::MAX_BYTES + 1), "has 4097 bytes: at most 4096 are supported")]);
    let deep = |n| format!("{}a{}", "(".repeat(n), ")".repeat(n));
    assert!(parse(&deep(filter::MAX_DEPTH)).is_ok());
    refused(&[(&deep(filter::MAX_DEPTH + 1), "parentheses in one another: at most 16 are supported")]);
    refused(&[(&"(".repeat(filter::MAX_BYTES), "at most 16 are supported")]);
}
