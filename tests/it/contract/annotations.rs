//! Every field says how it is used, and what it names if it names a resource: generated
//! documentation, command lines and consoles go by it.

use std::collections::BTreeMap;

use prost_reflect::{DescriptorPool, FieldDescriptor, Kind};

use super::{extension, messages, pool, text};

/// How a field is used, as `google.api.field_behavior` says.
pub fn behaviours(pool: &DescriptorPool, field: &FieldDescriptor) -> Vec<String> {
    let kind = pool.get_enum_by_name("google.api.FieldBehavior").unwrap();
    let found = extension(pool, &field.options(), "google.api.field_behavior");
    let numbers = found.iter().flat_map(|list| list.as_list().unwrap()).map(|value| value.as_enum_number().unwrap());
    numbers.map(|number| kind.get_value(number).unwrap().name().to_owned()).collect()
}

/// The kinds of resource with their patterns, by the last part of their types in the case of
/// fields.
fn resources(pool: &DescriptorPool) -> BTreeMap<String, (String, String)> {
    let mut resources = BTreeMap::new();
    for message in messages(pool) {
        let Some(resource) = extension(pool, &message.options(), "google.api.resource") else { continue };
        let resource = resource.as_message().unwrap();
        let patterns = resource.get_field_by_name("pattern").unwrap();
        let [pattern] = patterns.as_list().unwrap() else { panic!("{}: one pattern", message.name()) };
        let pattern = pattern.as_str().unwrap().to_owned();
        assert_eq!(text(resource, "type"), format!("stillframe/{}", message.name()));
        assert_eq!(behaviours(pool, &message.get_field_by_name("name").unwrap()), ["IDENTIFIER"]);
        let singular = pattern.rsplit_once('{').unwrap().1.trim_end_matches('}').to_owned();
        resources.insert(singular, (text(resource, "type"), pattern));
    }
    resources
}

/// Which kind a field names, by its reference; or of whose parent.
fn reference(pool: &DescriptorPool, field: &FieldDescriptor) -> Option<(&'static str, String)> {
    let found = extension(pool, &field.options(), "google.api.resource_reference")?;
    let found = found.as_message().unwrap();
    let [kind, child] = ["type", "child_type"].map(|name| text(found, name));
    assert!(kind.is_empty() != child.is_empty(), "{}", field.full_name());
    Some(if child.is_empty() { ("type", kind) } else { ("child_type", child) })
}

/// The comment before a field.
fn comment(field: &FieldDescriptor) -> String {
    let file = field.parent_file();
    let places = &file.file_descriptor_proto().source_code_info.as_ref().unwrap().location;
    let place = places.iter().find(|place| place.path == field.path()).unwrap();
    place.leading_comments().to_owned()
}

#[test]
fn every_field_has_a_behaviour() {
    let pool = pool();
    for message in messages(&pool) {
        for field in message.fields() {
            let all = behaviours(&pool, &field);
            let is = |name: &str| all.iter().any(|found| found == name);
            let uses =
                ["OPTIONAL", "REQUIRED", "OUTPUT_ONLY", "IDENTIFIER"].into_iter().filter(|name| is(name)).count();
            assert_eq!(uses, 1, "{}: one of them: {all:?}", field.full_name());
            if message.name().ends_with("Request") {
                assert!(is("OPTIONAL") || is("REQUIRED"), "{}: it is sent", field.full_name());
            }
            if message.name().ends_with("Response") {
                assert!(is("OUTPUT_ONLY"), "{}: it is answered", field.full_name());
            }
        }
    }
}

#[test]
fn every_field_that_names_a_resource_says_of_which_kind() {
    let pool = pool();
    let resources = resources(&pool);
    assert_eq!(resources.len(), 6, "{resources:?}");
    for message in messages(&pool) {
        let is_resource = extension(&pool, &message.options(), "google.api.resource").is_some();
        for field in message.fields().filter(|field| field.kind() == Kind::String && !field.is_map()) {
            let (name, comment) = (field.name(), comment(&field));
            let by_name = resources.keys().any(|kind| name == kind || name.ends_with(&format!("_{kind}")));
            let by_comment = resources.values().any(|(_, pattern)| comment.contains(&format!("`{pattern}`")));
            let own_name = is_resource && name == "name";
            let names_one = by_name || by_comment || matches!(name, "name" | "parent" | "created_by");
            let found = reference(&pool, &field);
            assert_eq!(found.is_some(), names_one && !own_name, "{}", field.full_name());
            let Some((how, kind)) = found else { continue };
            assert!(resources.values().any(|(known, _)| *known == kind), "{}: {kind}", field.full_name());
            assert_eq!(how == "child_type", name == "parent", "{}", field.full_name());
        }
    }
}
