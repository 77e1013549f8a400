//! Resource names are types: `name.to_string().parse() == Ok(name)`.

use std::{borrow::Borrow, fmt, str::FromStr};

use chrono::DateTime;
use uuid::Uuid;

/// Why a text is not the name of a resource.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The segments are not those of the pattern.
    #[error("must have the form {0}")]
    Shape(&'static str),
    /// One id in it is not an id.
    #[error("an id is 1 to 128 of A-Z a-z 0-9 _ -, and begins with a letter or digit")]
    Id,
}

/// The id of a resource inside its parent: `[A-Za-z0-9][A-Za-z0-9_-]{0,127}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(String);

/// The longest id, in bytes.
pub const MAX_ID_LEN: usize = 128;

impl Id {
    /// The text of the id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The workspace that always exists.
    #[must_use]
    pub fn commons() -> Self {
        Self("commons".to_owned())
    }

    /// The id of a resource that its caller left unnamed: when its uid was made, to the
    /// second of UTC, and six letters or digits of what that ends with,
    /// `20260131-235959-7k3f9q`. Such ids order by time.
    #[must_use]
    pub fn made_of(uid: Uuid) -> Self {
        let (seconds, _) = uid.get_timestamp().map_or((0, 0), |time| time.to_unix());
        let time = i64::try_from(seconds).ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0));
        let time = time.unwrap_or_default().format("%Y%m%d-%H%M%S").to_string();
        let end: String = (0..MADE_SIGNS).rev().map(|place| sign(uid.as_u128() >> (5 * place))).collect();
        // Times of which nobody writes four digits of the year have a sign before it.
        Self(format!("{}-{end}", time.trim_start_matches(['+', '-'])))
    }
}

/// How many letters or digits the end of a made id has.
const MADE_SIGNS: u32 = 6;
/// Those of Crockford's base 32, which nobody takes for one another.
const SIGNS: [char; 32] = [
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'j', 'k', 'm', 'n', 'p',
    'q', 'r', 's', 't', 'v', 'w', 'x', 'y', 'z',
];

/// The sign of the last five bits.
fn sign(bits: u128) -> char {
    let place = usize::try_from(bits % 32).unwrap_or_default();
    SIGNS.get(place).copied().unwrap_or('0')
}

/// Ids are looked up by their texts.
impl Borrow<str> for Id {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl FromStr for Id {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let first_ok = text.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric);
        let rest_ok = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        if first_ok && rest_ok && text.len() <= MAX_ID_LEN { Ok(Self(text.to_owned())) } else { Err(NameError::Id) }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

macro_rules! top_level {
    ($name:ident, $prefix:literal, $pattern:literal) => {
        #[doc = concat!("`", $pattern, "`.")]
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub Id);

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                let id = text.strip_prefix($prefix).ok_or(NameError::Shape($pattern))?;
                if id.contains('/') { Err(NameError::Shape($pattern)) } else { Ok(Self(id.parse()?)) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }
    };
}

top_level!(WorkspaceName, "workspaces/", "workspaces/{workspace}");
top_level!(ApiKeyName, "apiKeys/", "apiKeys/{api_key}");

/// The id of the workspace that a name lies in, whatever it names there.
#[must_use]
pub fn workspace_of(name: &str) -> Option<Id> {
    let rest = name.strip_prefix("workspaces/")?;
    rest.split('/').next()?.parse().ok()
}

macro_rules! child_of_workspace {
    ($name:ident, $collection:literal, $pattern:literal) => {
        #[doc = concat!("`", $pattern, "`.")]
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name {
            /// The workspace it is in.
            pub workspace: Id,
            /// Its own id.
            pub id: Id,
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                let mut parts = text.split('/');
                match (parts.next(), parts.next(), parts.next(), parts.next(), parts.next()) {
                    (Some("workspaces"), Some(workspace), Some($collection), Some(id), None) => {
                        Ok(Self { workspace: workspace.parse()?, id: id.parse()? })
                    }
                    _ => Err(NameError::Shape($pattern)),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!("workspaces/{}/", $collection, "/{}"), self.workspace, self.id)
            }
        }
    };
}

child_of_workspace!(CollectionName, "collections", "workspaces/{workspace}/collections/{collection}");
child_of_workspace!(SnapshotName, "snapshots", "workspaces/{workspace}/snapshots/{snapshot}");
child_of_workspace!(RestoreName, "restores", "workspaces/{workspace}/restores/{restore}");

/// `workspaces/{workspace}/collections/{collection}/sources/{source}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceName {
    /// The collection it is in.
    pub collection: CollectionName,
    /// Its own id.
    pub id: Id,
}

impl FromStr for SourceName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let shape = NameError::Shape("workspaces/{workspace}/collections/{collection}/sources/{source}");
        let (collection, id) = text.split_once("/sources/").ok_or(shape.clone())?;
        let collection = collection.parse().map_err(|error| match error {
            NameError::Shape(_) => shape.clone(),
            NameError::Id => NameError::Id,
        })?;
        if id.contains('/') { Err(shape) } else { Ok(Self { collection, id: id.parse()? }) }
    }
}

impl fmt::Display for SourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/sources/{}", self.collection, self.id)
    }
}

/// The parent of a list of sources: one collection, those of one workspace
/// (`workspaces/{workspace}/collections/-`), or all (`workspaces/-/collections/-`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceParent {
    /// One collection.
    One(CollectionName),
    /// The collections of one workspace, or of all.
    Each(ListParent),
}

impl SourceParent {
    /// What the names of the sources begin with.
    #[must_use]
    pub fn prefix(&self) -> String {
        match self {
            Self::One(collection) => format!("{collection}/sources/"),
            Self::Each(workspaces) => workspaces.prefix_of("collections"),
        }
    }
}

impl FromStr for SourceParent {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        match text.strip_suffix("/collections/-") {
            Some(workspaces) => Ok(Self::Each(workspaces.parse()?)),
            None => Ok(Self::One(text.parse()?)),
        }
    }
}

/// The parent of a list: one workspace, or all of them (`workspaces/-`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListParent {
    /// `workspaces/{workspace}`.
    One(WorkspaceName),
    /// `workspaces/-`.
    All,
}

impl ListParent {
    /// What the names of its children of a kind begin with.
    #[must_use]
    pub fn prefix_of(&self, children: &str) -> String {
        match self {
            Self::One(workspace) => format!("{workspace}/{children}/"),
            Self::All => "workspaces/".to_owned(),
        }
    }
}

impl FromStr for ListParent {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text == "workspaces/-" { Ok(Self::All) } else { Ok(Self::One(text.parse()?)) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn names_round_trip(workspace in "[A-Za-z0-9][A-Za-z0-9_-]{0,127}", id in "[A-Za-z0-9][A-Za-z0-9_-]{0,127}") {
            let name = SnapshotName { workspace: workspace.parse().unwrap(), id: id.parse().unwrap() };
            prop_assert_eq!(name.to_string().parse(), Ok(name.clone()));
            prop_assert_eq!(workspace_of(&name.to_string()), Some(name.workspace.clone()));
            let collection = CollectionName { workspace: name.workspace, id: name.id.clone() };
            let source = SourceName { collection, id: name.id };
            prop_assert_eq!(source.to_string().parse(), Ok(source));
        }

        #[test]
        fn foreign_text_never_panics_and_never_changes(text in "\\PC{0,300}") {
            if let Ok(name) = text.parse::<CollectionName>() { prop_assert_eq!(name.to_string(), text); }
        }
    }

    #[test]
    fn ids_end_at_their_limits() {
        for good in ["a", "0", "A-b_c", &"x".repeat(128)] {
            assert!(good.parse::<Id>().is_ok(), "{good}");
        }
        for bad in ["", "-a", "_a", "a.b", "a b", "ä", "a/b", "a\n", &"x".repeat(129)] {
            assert_eq!(bad.parse::<Id>(), Err(NameError::Id), "{bad}");
        }
    }

    #[test]
    fn made_ids_are_ids_and_say_when() {
        let uid = |hexadecimal: &str| Uuid::parse_str(hexadecimal).unwrap();
        let id = Id::made_of(uid("019c167f-c893-7000-8000-00000f39dd36"));
        assert_eq!(id.as_str(), "20260131-235959-7kkq9p");
        for uid in [Uuid::nil(), Uuid::max(), uid("ffffffff-ffff-7fff-bfff-ffffffffffff")] {
            let id = Id::made_of(uid);
            assert_eq!(id.as_str().parse(), Ok(id.clone()), "{id}");
        }
    }

    #[test]
    fn shapes_are_exact() {
        for bad in [
            "",
            "collections/a",
            "workspaces/a/collections/",
            "workspaces/a/collections/b/",
            "/workspaces/a/collections/b",
        ] {
            assert!(bad.parse::<CollectionName>().is_err(), "{bad}");
        }
        for bad in ["", "workspaces/a/collections/b/sources/", "workspaces/a/collections/b/sources/c/d", "b/sources/c"]
        {
            assert!(bad.parse::<SourceName>().is_err(), "{bad}");
        }
        assert_eq!("workspaces/-/collections/-".parse(), Ok(SourceParent::Each(ListParent::All)));
        assert!("workspaces/-/collections/b".parse::<SourceParent>().is_err());
        assert_eq!("workspaces/-".parse(), Ok(ListParent::All));
        assert_eq!("apiKeys/a".parse().map(|ApiKeyName(id)| id), "a".parse());
        for bad in ["apiKeys/", "apiKeys/a/b", "apikeys/a", "workspaces/a"] {
            assert!(bad.parse::<ApiKeyName>().is_err(), "{bad}");
        }
        assert!("workspaces/a/b".parse::<ListParent>().is_err());
    }
}
