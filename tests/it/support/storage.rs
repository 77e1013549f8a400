//! Where the storage root of a test's servers is: a parameter of each test.
//!
//! `#[apply(on_each_storage!)]` on an `async fn` makes two tests of it, `directory`
//! and `s3`, in a module of its name; `on_directory!` and `on_s3!` make one. All run
//! on two threads, so that handlers run truly at once.

use std::pin::Pin;

/// Where a storage root is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Root {
    /// A directory, `storage` in the data directory.
    Directory,
    /// A bucket of the S3 server that the tests bring along.
    S3,
}

tokio::task_local! {
    static ROOT: Root;
}

impl Root {
    /// That of the test which runs here.
    pub fn current() -> Self {
        ROOT.try_with(|root| *root).expect("a test says where its root is")
    }

    /// Runs a test on it.
    ///
    /// The test is boxed, so that what runs it is compiled once and not for each.
    pub fn run(self, test: Pin<Box<dyn Future<Output = ()> + '_>>) {
        log();
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        runtime.worker_threads(2).enable_all().build().unwrap().block_on(ROOT.scope(self, test));
    }
}

/// Shows what the servers in this process log, if `STILLFRAME_TEST_LOG` says what.
fn log() {
    if let Ok(filter) = std::env::var("STILLFRAME_TEST_LOG") {
        // Another test may have begun it.
        let _ = tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init();
    }
}

/// A test on a directory.
macro_rules! on_directory {
    ($(#[$meta:meta])* async fn $name:ident() $body:block) => {
        $(#[$meta])*
        #[test]
        fn $name() {
            $crate::support::Root::Directory.run(Box::pin(async $body));
        }
    };
}

/// A test on S3.
macro_rules! on_s3 {
    ($(#[$meta:meta])* async fn $name:ident() $body:block) => {
        $(#[$meta])*
        #[cfg(feature = "s3")]
        #[test]
        fn $name() {
            $crate::support::Root::S3.run(Box::pin(async $body));
        }
    };
}

/// A test on a directory and one on S3.
macro_rules! on_each_storage {
    ($(#[$meta:meta])* async fn $name:ident() $body:block) => {
        async fn $name() $body

        mod $name {
            $(#[$meta])*
            #[test]
            fn directory() {
                $crate::support::Root::Directory.run(Box::pin(super::$name()));
            }

            $(#[$meta])*
            #[cfg(feature = "s3")]
            #[test]
            fn s3() {
                $crate::support::Root::S3.run(Box::pin(super::$name()));
            }
        }
    };
}
