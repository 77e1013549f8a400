//! The modules of the service, as their files say.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use syn::{Attribute, Item, UseTree, visit::Visit};

use super::paths::Named;

/// Where a module is, from the crate's root.
pub type Place = Vec<String>;

/// All but those that are for tests alone.
pub struct Modules(BTreeMap<Place, Module>);

#[derive(Default)]
pub struct Module {
    /// What it defines.
    items: BTreeSet<String>,
    /// What it takes from elsewhere, by the name that it has here.
    taken: BTreeMap<String, Vec<String>>,
    /// Modules and types of which it takes everything.
    taken_whole: Vec<Vec<String>>,
    /// The paths that it names.
    pub named: BTreeSet<Vec<String>>,
}

impl Modules {
    /// Reads the sources.
    pub fn read() -> Self {
        let mut modules = Self(BTreeMap::new());
        modules.add(Vec::new(), &Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs"));
        assert!(modules.0.len() > 100, "the modules were found");
        modules
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Place, &Module)> {
        self.0.iter()
    }

    /// Those that name a library.
    pub fn that_name(&self, library: &str) -> Vec<String> {
        let naming = self.0.iter().filter(|(_, module)| {
            let taken = module.taken.values().chain(&module.taken_whole);
            taken.chain(&module.named).any(|path| path.first().is_some_and(|first| first == library))
        });
        naming.map(|(place, _)| place.join("::")).collect()
    }

    fn add(&mut self, place: Place, file: &Path) {
        let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let parsed = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let folder = match file.file_stem() {
            Some(stem) if !place.is_empty() => file.with_file_name(stem),
            _ => file.parent().map(PathBuf::from).unwrap(),
        };
        let mut module = Module::default();
        for item in parsed.items {
            match item {
                Item::Mod(child) if is_for_tests(&child.attrs) => {}
                Item::Mod(child) if child.content.is_none() => {
                    let name = child.ident.to_string();
                    let inside = [&place[..], std::slice::from_ref(&name)].concat();
                    self.add(inside, &folder.join(format!("{name}.rs")));
                }
                item => module.add(&item),
            }
        }
        self.0.insert(place, module);
    }

    /// The module that defines what a path leads to, if that is one of ours.
    pub fn owner(&self, from: &Place, path: &[String]) -> Option<Place> {
        let (place, rest) = self.start(from, path)?;
        self.find(place, rest, &mut BTreeSet::new())
    }

    fn start<'p>(&self, from: &Place, path: &'p [String]) -> Option<(Place, &'p [String])> {
        let mut place = from.clone();
        let mut rest = path;
        match path.first().map(String::as_str)? {
            "crate" => (place, rest) = (Vec::new(), &path[1..]),
            "self" => rest = &path[1..],
            "super" => {
                while rest.first().is_some_and(|first| first == "super") {
                    place.pop();
                    rest = &rest[1..];
                }
            }
            first => {
                let child = [&place[..], &[first.to_owned()]].concat();
                self.0.get(&child)?;
            }
        }
        Some((place, rest))
    }

    fn find(&self, place: Place, rest: &[String], seen: &mut BTreeSet<(Place, Vec<String>)>) -> Option<Place> {
        let Some((first, others)) = rest.split_first() else { return Some(place) };
        if !seen.insert((place.clone(), rest.to_vec())) {
            return None;
        }
        let module = self.0.get(&place)?;
        let child = [&place[..], std::slice::from_ref(first)].concat();
        if self.0.contains_key(&child) {
            return self.find(child, others, seen);
        }
        if module.items.contains(first) {
            return Some(place);
        }
        if let Some(path) = module.taken.get(first) {
            let (at, path) = self.start(&place, path)?;
            return self.find(at, &[path, others].concat(), seen);
        }
        module.taken_whole.iter().find_map(|path| {
            let (at, path) = self.start(&place, path)?;
            self.find(at, &[path, rest].concat(), seen)
        })
    }
}

impl Module {
    fn add(&mut self, item: &Item) {
        let (attributes, name) = match item {
            Item::Const(item) => (&item.attrs, Some(&item.ident)),
            Item::Enum(item) => (&item.attrs, Some(&item.ident)),
            Item::Fn(item) => (&item.attrs, Some(&item.sig.ident)),
            Item::Macro(item) => (&item.attrs, item.ident.as_ref()),
            Item::Mod(item) => (&item.attrs, Some(&item.ident)),
            Item::Static(item) => (&item.attrs, Some(&item.ident)),
            Item::Struct(item) => (&item.attrs, Some(&item.ident)),
            Item::Trait(item) => (&item.attrs, Some(&item.ident)),
            Item::Type(item) => (&item.attrs, Some(&item.ident)),
            Item::Union(item) => (&item.attrs, Some(&item.ident)),
            Item::Impl(item) => (&item.attrs, None),
            Item::Use(item) if !is_for_tests(&item.attrs) => return self.take(&mut Vec::new(), &item.tree),
            _ => return,
        };
        if is_for_tests(attributes) {
            return;
        }
        self.items.extend(name.map(ToString::to_string));
        let mut named = Named::default();
        named.visit_item(item);
        self.named.extend(named.paths);
        for tree in &named.taken {
            self.take(&mut Vec::new(), tree);
        }
    }

    fn take(&mut self, before: &mut Vec<String>, tree: &UseTree) {
        match tree {
            UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.take(before, &path.tree);
                before.pop();
            }
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.take(before, tree)),
            UseTree::Glob(_) => self.taken_whole.push(before.clone()),
            UseTree::Name(name) => self.take_one(before, &name.ident.to_string(), None),
            UseTree::Rename(rename) => {
                self.take_one(before, &rename.ident.to_string(), Some(rename.rename.to_string()));
            }
        }
    }

    fn take_one(&mut self, before: &[String], name: &str, here: Option<String>) {
        let mut path = before.to_vec();
        if name != "self" {
            path.push(name.to_owned());
        }
        let here = here.or_else(|| path.last().cloned()).unwrap_or_default();
        self.named.insert(path.clone());
        self.taken.insert(here, path);
    }
}

/// Whether something is there in tests alone, or for fuzzing.
pub fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let syn::Meta::List(list) = &attribute.meta else { return false };
        let text = list.tokens.to_string();
        list.path.is_ident("cfg") && !text.contains("not") && (text.contains("test") || text.contains("fuzz"))
    })
}
