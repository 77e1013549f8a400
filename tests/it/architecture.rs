//! What the modules of the service may know of each other.

mod graph;
mod modules;
mod paths;
mod reasons;

use std::collections::BTreeSet;

use self::{
    graph::{circles, rooms},
    modules::Modules,
};

/// Of the modules that share a parent none leads back to itself. A module counts with all that
/// is in it, but its own children may take from it what they need.
#[test]
fn no_module_depends_on_itself_by_way_of_its_siblings() {
    let modules = Modules::read();
    let found: Vec<_> = rooms(&modules).iter().flat_map(circles).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Each of these libraries is behind one door.
#[test]
fn libraries_are_named_where_they_belong() {
    let modules = Modules::read();
    for (library, rooms) in [
        ("tonic", &["demo", "rpc"][..]),
        ("hyper", &["rpc"]),
        ("tower", &["rpc"]),
        ("sled", &["records"]),
        ("slatedb", &["documents"]),
    ] {
        // The root has what is generated.
        let named: BTreeSet<_> = modules.that_name(library).into_iter().filter(|module| !module.is_empty()).collect();
        let others: Vec<_> = named.iter().filter(|module| !rooms.iter().any(|room| module.starts_with(room))).collect();
        assert!(others.is_empty(), "{library} is named in {others:?}");
        assert!(!named.is_empty(), "nobody names {library}");
    }
}
