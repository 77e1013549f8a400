//! The examples of AIP-160, on fields of ours.

use std::collections::BTreeMap;

use super::*;
use crate::listing::fixture::{Item, refused};

fn item() -> Item {
    let labels = [("env", "nonprod"), ("foo", "42x")].map(|(key, value)| (key.to_owned(), value.to_owned()));
    Item {
        name: "notes.txt".to_owned(),
        description: Some("Victor Hugo, 42".to_owned()),
        state: Some("CREATED"),
        size_bytes: 42,
        end_time: Some(1_335_022_200_000_000),
        labels: BTreeMap::from(labels),
        ..Item::default()
    }
}

#[test]
fn each_example_means_what_the_text_says() {
    for (text, expected) in [
        // Literals, alone and side by side.
        ("Hugo", true),
        ("42", true),
        ("Hugo Victor", true),
        ("Hugo Balzac", false),
        ("\"Victor Hugo\"", true),
        ("\"Hugo Victor\"", false),
        // Logical operators; OR first.
        ("Hugo AND Balzac OR Victor", true),
        ("Balzac AND Hugo OR Victor", false),
        ("Hugo Victor OR Balzac", true),
        ("NOT Balzac", true),
        ("-Hugo", false),
        ("(Hugo Balzac) OR Victor", true),
        // Comparisons.
        ("size_bytes = 42", true),
        ("size_bytes != 42", false),
        ("size_bytes < 42 OR size_bytes >= 42", true),
        ("name > \"foo\"", true),
        ("name = \"*.txt\"", true),
        ("name = \"*.foo\"", false),
        ("state = CREATED", true),
        ("end_time = 2012-04-21T11:30:00-04:00", true),
        ("end_time <= \"2012-04-21T15:30:00Z\"", true),
        ("end_time:2012-04-21T15:30:01Z", false),
        // Maps: the key, any value of it, one value of it; never a part of one.
        ("labels:foo", true),
        ("labels:fo", false),
        ("labels.foo:*", true),
        ("labels.bar:*", false),
        ("labels.foo:42", false),
        ("labels.foo:42x", true),
        ("labels.env:prod", false),
        ("labels.env = prod", false),
        ("labels.env:nonprod", true),
        // What is not there is skipped, also for !=.
        ("labels.bar != 42", false),
        ("labels.foo != 42", true),
        ("NOT labels.bar:42", true),
    ] {
        let filter = Filter::parse::<Item>(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(filter.matches(&item()), expected, "{text}");
    }
}

#[test]
fn what_is_not_supported_is_told() {
    refused(&[
        ("regex(name, '^.*prod.*$')", "a function at character 1 is not supported"),
        ("size_bytes < math.mem('30mb')", "use a whole number of 64 bits"),
        ("experiment.rollout <= cohort", "supported are name"),
        ("size_bytes = 2.997e9", "use a whole number of 64 bits"),
        ("state = created", "use one of REQUESTED, CREATED"),
    ]);
}
