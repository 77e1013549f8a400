//! The records of each kind: what they are, what they are stored as, where they live and
//! what they are found by.

/// An enum, which is stored as the one of its name: without what older versions and readers
/// take for nothing.
macro_rules! stored_as {
    ($kind:ident, $field:literal: $($variant:ident),+) => {
        impl $kind {
            fn read(stored: i32) -> Result<Self, Damage> {
                match stored::$kind::try_from(stored) {
                    $(Ok(stored::$kind::$variant) => Ok(Self::$variant),)+
                    _ => Err(Damage($field)),
                }
            }

            const fn stored(self) -> stored::$kind {
                match self {
                    $(Self::$variant => stored::$kind::$variant,)+
                }
            }
        }
    };
}

mod access;
mod api_key;
mod collection;
mod expected;
#[cfg(any(test, feature = "fuzz"))]
pub mod fixture;
mod manifest;
mod request_id;
mod restore;
mod retired;
mod snapshot;
mod source;
mod source_position;
mod workspace;

pub use self::{
    access::{AccessPolicy, BootstrapSecret},
    api_key::{ApiKey, Role, RoleBinding, Scope},
    collection::{Collection, CollectionState, RestoreInfo},
    expected::Expected,
    manifest::{Holder, Manifest},
    request_id::RequestId,
    restore::{Restore, RestoreState, Verification},
    retired::{Intent, Retired, RetiredSource},
    snapshot::{Contents, Snapshot, SnapshotState},
    source::{Source, SourceState},
    source_position::SourcePosition,
    workspace::Workspace,
};
