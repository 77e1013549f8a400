//! Where everything is: the part of the command line that the server and the commands
//! beside it have in common.

use std::path::PathBuf;

use clap::Args;

use crate::{app::Config, documents::Storage};

/// Where everything is.
#[derive(Clone, Debug, Args)]
pub struct PlaceArgs {
    /// Where the index of the records and, by default, everything else is.
    #[arg(long, env = "STILLFRAME_DATA_DIR", default_value = "./data")]
    pub data_dir: PathBuf,
    /// The storage root: a directory, `file:///directory`, or `s3://bucket/prefix` with endpoint, region and
    /// credentials in the usual `AWS_` variables. Default: `storage` in the data directory.
    #[arg(long, env = "STILLFRAME_STORAGE")]
    pub storage: Option<Storage>,
}

impl PlaceArgs {
    /// The storage root.
    pub fn root(&self) -> Storage {
        Config { storage: self.storage.clone(), ..Config::new(self.data_dir.clone()) }.storage()
    }
}
