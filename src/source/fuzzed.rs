//! What holds of any bytes that are read as a record or a mark of a source, for
//! the fuzz targets.

use prost::Message;

use super::spec::Spec;
use crate::records::{ObjectMark, Source, SourceMark};

/// What a record says is checked again when it is read: it may be damaged.
pub(crate) fn record(record: &Source) {
    let Ok(spec) = Spec::of(record) else { return };
    assert_eq!(spec.location.to_string().parse(), Ok(spec.location.clone()));
    let _ = spec.fields();
}

/// A mark is read and written again without a loss.
pub(crate) fn marks(bytes: &[u8]) {
    if let Ok(mark) = SourceMark::decode(bytes) {
        assert_eq!(SourceMark::decode(mark.encode_to_vec().as_slice()), Ok(mark));
    }
    if let Ok(mark) = ObjectMark::decode(bytes) {
        assert_eq!(ObjectMark::decode(mark.encode_to_vec().as_slice()), Ok(mark));
    }
}
