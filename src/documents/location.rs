//! Where a storage root is, as operators say it.

use std::{fmt, path::PathBuf, str::FromStr};

use super::settings::Tuning;

/// Where a storage root is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Storage {
    /// A local directory.
    Directory(PathBuf),
    /// A bucket of S3, or of what speaks its protocol.
    S3(Bucket),
}

/// A bucket, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// The bucket, which must exist.
    pub name: String,
    /// The prefix of all objects; empty for the whole bucket.
    pub prefix: String,
    /// How it is reached.
    pub environment: Environment,
}

/// Endpoint, region and credentials of S3, by the names of the environment
/// variables: `AWS_ENDPOINT`, `AWS_REGION`, `AWS_ACCESS_KEY_ID` and so on.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment(pub Vec<(String, String)>);

impl Environment {
    /// That of this process. What is empty is not set: files of settings write it so.
    #[must_use]
    pub fn of_process() -> Self {
        let is_set = |(name, value): &(String, String)| name.starts_with("AWS_") && !value.is_empty();
        Self(
            std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
                .filter(is_set)
                .collect(),
        )
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Some of the values are secrets.
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

impl fmt::Display for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(directory) => write!(f, "{}", directory.display()),
            Self::S3(bucket) => bucket.fmt(f),
        }
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.name, self.prefix)
    }
}

impl Storage {
    /// How databases are run there.
    #[must_use]
    pub fn tuning(&self) -> Tuning {
        match self {
            Self::Directory(_) => Tuning::DIRECTORY,
            Self::S3(_) => Tuning::S3,
        }
    }
}

impl FromStr for Storage {
    type Err = String;

    /// Reads `DIRECTORY`, `file:///DIRECTORY` or `s3://BUCKET/PREFIX`; settings of
    /// a bucket are this process's environment variables.
    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once("://") {
            None => Ok(Self::Directory(text.into())),
            Some(("file", path)) if path.starts_with('/') => Ok(Self::Directory(path.into())),
            Some(("s3", rest)) if cfg!(feature = "s3") => {
                let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
                let prefix = prefix.trim_matches('/');
                if name.is_empty() || prefix.split('/').any(|part| matches!(part, "." | "..")) || prefix.contains("//")
                {
                    return Err("must be s3://BUCKET or s3://BUCKET/PREFIX".to_owned());
                }
                let environment = Environment::of_process();
                Ok(Self::S3(Bucket { name: name.to_owned(), prefix: prefix.to_owned(), environment }))
            }
            Some((scheme, _)) => {
                Err(format!("{scheme}:// is not available; a directory, file:///directory or s3://bucket/prefix is"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_are_directories_or_buckets() {
        let directory = |path: &str| Ok(Storage::Directory(path.into()));
        assert_eq!("data/storage".parse(), directory("data/storage"));
        assert_eq!("file:///srv/data".parse(), directory("/srv/data"));
        for (text, name, prefix) in [("s3://b", "b", ""), ("s3://b/", "b", ""), ("s3://b/x/y/", "b", "x/y")] {
            match text.parse() {
                Ok(Storage::S3(bucket)) => assert_eq!((bucket.name.as_str(), bucket.prefix.as_str()), (name, prefix)),
                other => panic!("{text}: {other:?}"),
            }
        }
        for bad in ["s3://", "s3:///x", "s3://b/x/../y", "s3://b/x//y", "gs://b", "file://relative"] {
            assert!(bad.parse::<Storage>().is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_printed_of_a_bucket_has_no_secret() {
        let environment = Environment(vec![("AWS_SECRET_ACCESS_KEY".to_owned(), "hush".to_owned())]);
        let bucket = Storage::S3(Bucket { name: "b".to_owned(), prefix: "p".to_owned(), environment });
        assert_eq!(bucket.to_string(), "s3://b/p");
        assert!(!format!("{bucket:?}").contains("hush"));
    }
}
