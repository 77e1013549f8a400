//! The files of a snapshot or of a restore.

use std::collections::{HashMap, HashSet};

use prost::Message;
use ulid::Ulid;
use uuid::Uuid;

use crate::{
    documents::{object_hash::ObjectHash, paths, root::Root},
    error::Error,
    stored,
};

/// The files of a snapshot, with their sizes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files(HashMap<Ulid, i64>);

impl Files {
    /// Those of these sizes.
    pub(in crate::documents) fn of(sizes: HashMap<Ulid, i64>) -> Self {
        Self(sizes)
    }

    /// Their ids.
    pub fn ids(&self) -> impl Iterator<Item = Ulid> + '_ {
        self.0.keys().copied()
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> i64 {
        i64::try_from(self.0.len()).unwrap_or(i64::MAX)
    }

    /// Their bytes.
    #[must_use]
    pub fn bytes(&self) -> i64 {
        // A damaged list may say anything.
        self.0.values().fold(0, |all: i64, bytes| all.saturating_add(*bytes))
    }

    /// The size of one.
    #[must_use]
    pub fn size(&self, id: Ulid) -> Option<i64> {
        self.0.get(&id).copied()
    }

    /// All but those.
    #[must_use]
    pub fn without(&self, others: &HashSet<Ulid>) -> Self {
        Self(self.0.iter().filter(|(id, _)| !others.contains(id)).map(|(id, bytes)| (*id, *bytes)).collect())
    }

    /// The bytes of those that are not in `others`.
    #[must_use]
    pub fn bytes_without(&self, others: &HashSet<Ulid>) -> i64 {
        self.without(others).bytes()
    }

    pub(in crate::documents) fn encode(&self) -> Vec<u8> {
        let mut files: Vec<_> = self.0.iter().collect();
        files.sort_unstable();
        let files = files
            .into_iter()
            .map(|(id, size)| stored::File { id: id.to_bytes().to_vec(), size_bytes: *size })
            .collect();
        stored::FileList { files }.encode_to_vec()
    }

    pub(in crate::documents) fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let damaged = |_| Error::DataLoss("a file list names a file by a damaged id".to_owned());
        let list = stored::FileList::decode(bytes)?;
        let files = list.files.into_iter().map(|file| {
            let id: [u8; 16] = file.id.try_into().map_err(damaged)?;
            Ok((Ulid::from_bytes(id), file.size_bytes))
        });
        files.collect::<Result<_, Error>>().map(Self)
    }

    /// Reads a file list under a root, and holds it against the hash in its record.
    pub async fn load(root: &Root, owner: Uuid, hash: Option<ObjectHash>) -> Result<Self, Error> {
        let path = paths::files(owner);
        let Some(bytes) = root.get(&path).await? else {
            return Err(Error::DataLoss(format!("{path} is missing")));
        };
        if hash.is_some_and(|hash| hash != ObjectHash::of(&bytes)) {
            return Err(Error::DataLoss(format!("{path} is not what was written")));
        }
        Self::decode(&bytes).map_err(|error| match error {
            Error::DataLoss(why) => Error::DataLoss(format!("{path} cannot be read: {why}")),
            other => other,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_list_reads_back_and_counts_what_others_have_not() {
        let [a, b] = [1, 2].map(|n| Ulid::from_parts(n, 0));
        let files = Files([(a, 10), (b, 200)].into());
        assert_eq!(Files::decode(&files.encode()).unwrap(), files);
        assert_eq!((files.count(), files.bytes(), files.bytes_without(&[a].into())), (2, 210, 200));
        assert!(Files::decode(b"\x0a\x02\x0a\x00").is_err(), "an empty id");
    }
}
