//! Of shared budgets: whose part.

/// Whose part of what there is is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// All that there is.
    Server,
    /// A workspace's.
    Workspace,
    /// A key's.
    Key,
}

impl Whose {
    /// Its word in an error's metadata.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Workspace => "workspace",
            Self::Key => "key",
        }
    }

    pub(super) const fn among(self) -> &'static str {
        match self {
            Self::Server => "",
            Self::Workspace => ", of which the workspace has its share",
            Self::Key => ", of which the key has its share",
        }
    }
}
