//! Which variable a setting came from that no store can be made of.

use slatedb::object_store::{
    ClientOptions, Error as StoreError,
    aws::{AmazonS3Builder, AmazonS3ConfigKey},
};

use crate::documents::{location::Bucket, root::unusable::innermost};

/// A setting that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{name}: {why}")]
pub struct WrongSetting {
    name: String,
    why: String,
}

/// An endpoint that no request could go to.
pub fn no_endpoint(bucket: &Bucket) -> Option<WrongSetting> {
    find(bucket, |key, value| {
        let is_wrong = matches!(key, AmazonS3ConfigKey::Endpoint) && !is_url(value);
        is_wrong.then(|| "must be a URL, such as https://s3.example.com".to_owned())
    })
}

/// The first of which, by itself, no store can be made. The store does not tell which.
pub fn refused(bucket: &Bucket) -> Option<WrongSetting> {
    find(bucket, |key, value| refusal(key, value).map(|error| innermost(&error)))
}

fn find(bucket: &Bucket, why: impl Fn(AmazonS3ConfigKey, &str) -> Option<String>) -> Option<WrongSetting> {
    bucket.environment.0.iter().find_map(|(name, value)| {
        let key = name.to_ascii_lowercase().parse().ok()?;
        Some(WrongSetting { name: name.clone(), why: why(key, value)? })
    })
}

fn is_url(value: &str) -> bool {
    ["http://", "https://"].iter().any(|scheme| value.strip_prefix(scheme).is_some_and(|host| !host.is_empty()))
}

fn refusal(key: AmazonS3ConfigKey, value: &str) -> Option<StoreError> {
    // One of a key and its secret is none.
    let alone = AmazonS3Builder::new().with_bucket_name("bucket").with_access_key_id("a").with_secret_access_key("b");
    let alone = match key {
        AmazonS3ConfigKey::Client(key) => alone.with_client_options(ClientOptions::new().with_config(key, value)),
        key => alone.with_config(key, value),
    };
    alone.build().err()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::documents::Environment;

    #[test]
    fn the_variable_is_named_and_a_good_one_is_not() {
        let told = |settings: &[(&str, &str)]| {
            let pairs = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            let environment = Environment(pairs.collect());
            let bucket = Bucket { name: "b".to_owned(), prefix: String::new(), environment };
            no_endpoint(&bucket).or_else(|| refused(&bucket)).map(|wrong| wrong.to_string())
        };
        let good = [
            ("AWS_REGION", "x"),
            ("AWS_ENDPOINT", "http://127.0.0.1:9"),
            ("AWS_ALLOW_HTTP", "1"),
            ("AWS_PROFILE", "x"),
        ];
        assert_eq!(told(&good), None);
        for (name, value) in [
            ("AWS_ALLOW_HTTP", "perhaps"),
            ("AWS_DISABLE_BULK_DELETE", "perhaps"),
            ("AWS_CONDITIONAL_PUT", "perhaps"),
            ("AWS_TIMEOUT", "soon"),
            ("AWS_ENDPOINT", "localhost:9000"),
            ("AWS_ENDPOINT_URL", "https://"),
        ] {
            let why = told(&[good[0], (name, value)]).unwrap_or_else(|| panic!("{name}={value} is taken"));
            assert!(why.starts_with(&format!("{name}: ")), "{why}");
        }
    }
}
