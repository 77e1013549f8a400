//! The paths that an item names.

use std::collections::BTreeSet;

use syn::{
    Block, ImplItemFn, ItemUse, Macro, Path, Stmt, UseTree,
    visit::{self, Visit},
};

use super::modules::is_for_tests;

/// What an item names.
#[derive(Default)]
pub struct Named {
    pub paths: BTreeSet<Vec<String>>,
    /// By `use` within it.
    pub taken: Vec<UseTree>,
}

impl<'a> Visit<'a> for Named {
    fn visit_path(&mut self, path: &'a Path) {
        let segments: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if segments.len() > 1 {
            self.paths.insert(segments);
        }
        visit::visit_path(self, path);
    }

    /// What a macro is given is only looked through for paths from the root.
    fn visit_macro(&mut self, given: &'a Macro) {
        let text = given.tokens.to_string().replace(" :: ", "::");
        for word in text.split(|c: char| !c.is_alphanumeric() && c != '_' && c != ':') {
            if word.starts_with("crate::") {
                self.paths.insert(word.split("::").map(str::to_owned).collect());
            }
        }
        visit::visit_macro(self, given);
    }

    fn visit_item_use(&mut self, taken: &'a ItemUse) {
        self.taken.push(taken.tree.clone());
    }

    fn visit_impl_item_fn(&mut self, function: &'a ImplItemFn) {
        if !is_for_tests(&function.attrs) {
            visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_block(&mut self, block: &'a Block) {
        for statement in &block.stmts {
            let attributes = match statement {
                Stmt::Local(local) => &local.attrs,
                _ => &Vec::new(),
            };
            if !is_for_tests(attributes) {
                self.visit_stmt(statement);
            }
        }
    }
}
