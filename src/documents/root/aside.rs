//! Moves what is damaged out of the way, as it is.

use bytes::Bytes;
use slatedb::object_store::{Error as StoreError, ObjectStoreExt, path::Path};

use super::Root;
use crate::error::Error;

impl Root {
    /// Moves an object, whatever is in it, to a place where nobody looks for any. It is
    /// there for good before it goes from here. Another one that is there stays: then this
    /// one gets a number. Done again after a crash it ends in the same way. Says where it
    /// is now; nowhere if there is none.
    pub async fn set_aside(&self, from: &Path, to: &Path) -> Result<Option<Path>, Error> {
        let bytes = match self.below.get(from).await {
            Ok(found) => found.bytes().await?,
            Err(StoreError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let mut place = to.clone();
        let mut number = 0_u32;
        while !self.is_put(&place, &bytes).await? {
            number += 1;
            place = Path::from(format!("{to}.{number}"));
        }
        self.delete_durably(from).await?;
        Ok(Some(place))
    }

    async fn is_put(&self, path: &Path, bytes: &Bytes) -> Result<bool, Error> {
        Ok(self.put_new(path, bytes.clone()).await? || self.get(path).await?.as_ref() == Some(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_aside_already_stays() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::local(dir.path()).unwrap();
        let (from, to) = (Path::from("here/1"), Path::from("damaged/1"));
        for (bytes, place) in [("a", "damaged/1"), ("b", "damaged/1.1"), ("a", "damaged/1"), ("", "damaged/1.2")] {
            root.put(&from, bytes.as_bytes().to_vec()).await.unwrap();
            assert_eq!(root.set_aside(&from, &to).await.unwrap(), Some(Path::from(place)));
            assert_eq!(root.get(&from).await.unwrap(), None);
            assert_eq!(root.get(&Path::from(place)).await.unwrap().unwrap(), bytes);
        }
        assert_eq!(root.set_aside(&from, &to).await.unwrap(), None);
    }
}
