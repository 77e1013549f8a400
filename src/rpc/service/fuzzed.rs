//! What holds of any request and of any stored record on its way out, for the
//! fuzz targets. The one file that calls the conversions from outside.

#![allow(clippy::expect_used, clippy::panic, reason = "so a target fails")]

use std::{fmt::Debug, time::Duration};

use prost::Message;
use tonic::{Code, Status};
use tonic_types::pb as rich;

use super::{
    access, collection, convert, document,
    listing::{List, page},
    restore, snapshot, source, workspace,
};
use crate::{
    access::{Caller, State, View as KeyView},
    collection::Stats,
    documents::Totals,
    error::{Error, Violations},
    listing::Listed,
    names::{
        ApiKeyName, CollectionName, ListParent, RestoreName, SnapshotName, SourceName, SourceParent, WorkspaceName,
    },
    pb,
    records::{self, Cached, Record},
    restore::{Plan, Progress},
    rpc::status,
    source::{View, Visible},
};

/// Some clients refuse an answer whose headers have more than 8 KiB in all; this
/// leaves room for the others.
const LARGEST_STATUS: usize = 7 << 10;

/// A request of the kind that its first byte says. Refused, it is the caller's
/// fault, and the answer says so in a form that a client can read.
pub(crate) fn request(kind: u8, bytes: &[u8]) {
    let minute = Duration::from_secs(60);
    let caller = Caller::anybody();
    let converted = match kind {
        b'K' => on(bytes, |sent| access::create(sent, &caller).map(drop)),
        b'W' => on(bytes, |sent| workspace::create(sent, &caller).map(drop)),
        b'w' => on(bytes, |sent| workspace::update(sent).map(drop)),
        b'C' => on(bytes, |sent| collection::create(sent, &caller, minute).map(drop)),
        b'c' => on(bytes, |sent| collection::update(sent).map(drop)),
        b'S' => on(bytes, |sent| snapshot::create(sent, &caller).map(drop)),
        b's' => on(bytes, |sent| snapshot::update(sent).map(drop)),
        b'R' => on(bytes, |sent| restore::create(sent, &caller).map(drop)),
        b'F' => on(bytes, |sent| source::create::create(sent, &caller, minute).map(drop)),
        b'D' => on(bytes, document::fuzzed::writes),
        b'd' => on(bytes, document::fuzzed::selection),
        b'l' => on(bytes, list),
        b't' => on(bytes, time).and(on(bytes, span)),
        b'n' => std::str::from_utf8(bytes).map_or(Ok(()), names),
        _ => return,
    };
    match converted {
        Ok(()) => {}
        Err(error) => is_refused(error),
    }
}

/// Bytes that are no message do not come this far: tonic refuses them.
fn on<M: Message + Default>(bytes: &[u8], convert: impl FnOnce(M) -> Result<(), Error>) -> Result<(), Error> {
    M::decode(bytes).map_or(Ok(()), convert)
}

fn is_refused(error: Error) {
    let status = Status::from(error);
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    let details = rich::Status::decode(status.details()).expect("details");
    assert_eq!((details.code, details.message.as_str()), (Code::InvalidArgument.into(), status.message()));
    is_an_answer(&details);
    for detail in details.details.iter().filter(|detail| detail.type_url.ends_with("/google.rpc.BadRequest")) {
        let bad = rich::BadRequest::decode(detail.value.as_slice()).expect("a BadRequest");
        bad.field_violations.iter().for_each(names_its_field_once);
    }
    let is_plain = |byte: &u8| byte.is_ascii_graphic() && *byte != b'%' || *byte == b' ';
    let message: usize = status.message().bytes().map(|byte| if is_plain(&byte) { 1 } else { 3 }).sum();
    let size = message + status.details().len().div_ceil(3) * 4;
    assert!(size <= LARGEST_STATUS, "{size} bytes: {}", status.message());
}

/// What is wrong with a field does not begin with its name again.
fn names_its_field_once(violation: &rich::bad_request::FieldViolation) {
    let last = violation.field.rsplit('.').next().unwrap_or_default();
    let rest = violation.description.strip_prefix(last).filter(|_| !last.is_empty());
    let is_named = rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'));
    assert!(!is_named, "{violation:?}");
}

/// Programs branch on the one reason in it, people read the rest.
pub(in crate::rpc) fn is_an_answer(status: &rich::Status) {
    let infos = status.details.iter().filter(|detail| detail.type_url.ends_with("/google.rpc.ErrorInfo"));
    let infos: Vec<_> =
        infos.map(|info| rich::ErrorInfo::decode(info.value.as_slice()).expect("an ErrorInfo")).collect();
    let [info] = infos.as_slice() else { panic!("{} ErrorInfos", infos.len()) };
    assert!(info.domain == status::DOMAIN && !info.reason.is_empty() && !status.message.is_empty(), "{status:?}");
}

/// A time that is taken is the same time, to the microsecond.
fn time(sent: prost_types::Timestamp) -> Result<(), Error> {
    let micros = convert::micros_of(&sent).map_err(|why| Error::invalid("time", why))?;
    assert_eq!(convert::timestamp(micros), prost_types::Timestamp { nanos: sent.nanos / 1000 * 1000, ..sent });
    Ok(())
}

/// So is a span.
fn span(sent: prost_types::Duration) -> Result<(), Error> {
    let micros = convert::span_of(&sent).map_err(|why| Error::invalid("span", why))?;
    assert_eq!(convert::proto_duration(micros), prost_types::Duration { nanos: sent.nanos / 1000 * 1000, ..sent });
    Ok(())
}

fn list(request: pb::ListSnapshotsRequest) -> Result<(), Error> {
    let arguments = request.page();
    // A refusal of one is a refusal; all of them read the same arguments.
    let all = [
        page(&arguments, || Ok(vec![records::fixture::workspace(); 3])).map(drop),
        page(&arguments, || Ok(vec![records::fixture::collection(); 3])).map(drop),
        page(&arguments, || Ok(vec![records::fixture::snapshot(); 3])).map(drop),
        page(&arguments, || Ok(vec![records::fixture::restore(); 3])).map(drop),
        page(&arguments, || Ok(vec![view(records::fixture::source())])).map(drop),
    ];
    all.into_iter().filter_map(Result::err).for_each(is_refused);
    request.parent.parse::<ListParent>().map(drop).map_err(|why| Error::invalid("parent", why))
}

/// A name has one text.
fn names(text: &str) -> Result<(), Error> {
    let mut bad = Violations::default();
    macro_rules! name {
        ($kind:ty) => {
            if let Some(name) = bad.check("name", text.parse::<$kind>()) {
                assert_eq!(name.to_string(), text);
            }
        };
    }
    name!(ApiKeyName);
    name!(WorkspaceName);
    name!(CollectionName);
    name!(SnapshotName);
    name!(RestoreName);
    name!(SourceName);
    bad.check("parent", text.parse::<SourceParent>());
    bad.check("uid", convert::uid_of(text));
    if let Ok(etag) = text.parse::<crate::digest::Etag>() {
        assert_eq!(etag.to_string(), text);
    }
    if let Some(location) = bad.check("location", text.parse::<crate::source::location::Location>()) {
        assert_eq!(location.to_string().parse(), Ok(location));
    }
    if let Some(pattern) = bad.check("pattern", text.parse::<crate::source::pattern::Pattern>()) {
        assert!(pattern.to_string() == text && text.starts_with(pattern.directory()));
        let _ = pattern.matches(text);
    }
    bad.finish()
}

/// A record of the kind that its first byte says: it is read and written again
/// without a loss, has a place, and can be shown and listed.
pub(crate) fn record(kind: u8, bytes: &[u8]) {
    match kind {
        b'w' => shown(bytes, |record: records::Workspace| listed(&record, pb::Workspace::from)),
        b'c' => shown(bytes, |record: records::Collection| {
            let stats = Stats { totals: Totals::default(), stored_bytes: 0, expired_count: 0 };
            listed(&record, |record| collection::resource(record, Ok(stats.clone()), Vec::new()));
        }),
        b's' => shown(bytes, |record: records::Snapshot| listed(&record, pb::Snapshot::from)),
        b'r' => shown(bytes, |record: records::Restore| {
            restore::progress_message(&Progress::at_rest(&record), 0).encoded_len();
            listed(&record, |record| restore::resource(Plan::of(record)));
        }),
        b'o' => shown(bytes, |record: records::Source| {
            crate::source::fuzzed::record(&record);
            listed(&view(record), pb::Source::from);
        }),
        b'k' => shown(bytes, |record: records::ApiKey| {
            let key = KeyView { state: State::of(&record, 1), last_used_time: Some(1), record };
            listed(&key, pb::ApiKey::from);
        }),
        b'u' => cached::<records::ApiKeyUse>(bytes),
        b'p' => shown(bytes, |_: records::AccessPolicy| ()),
        b'b' => cached::<records::ClockSeen>(bytes),
        b't' => shown(bytes, |_: records::Expected| ()),
        b'x' => shown(bytes, |_: records::Retired| ()),
        b'y' => shown(bytes, |_: records::RetiredSource| ()),
        b'n' => shown(bytes, |_: records::Intent| ()),
        b'P' => shown(bytes, |record: records::SourcePosition| drop(pb::collection::SourcePosition::from(record))),
        b'h' => shown(bytes, |_: records::BootstrapSecret| ()),
        b'q' => shown(bytes, |_: records::RequestId| ()),
        _ => {}
    }
}

fn shown<R: Record + PartialEq + Debug>(bytes: &[u8], show: impl FnOnce(R)) {
    let read = |bytes: &[u8]| R::read(R::Message::decode(bytes).ok()?).ok();
    let Some(record) = read(bytes) else { return };
    // What is never in a record is left out when it is written.
    let written = read(&record.message().encode_to_vec()).expect("what was written can be read");
    assert_eq!(read(&written.message().encode_to_vec()).as_ref(), Some(&written));
    let _ = record.key();
    show(record);
}

fn cached<C: Cached + PartialEq + Debug>(bytes: &[u8]) {
    let Ok(value) = C::decode(bytes) else { return };
    assert_eq!(C::decode(value.encode_to_vec().as_slice()).as_ref(), Ok(&value));
    let _ = value.key();
}

fn listed<T: Listed + Clone, M: Message + PartialEq + Default + Debug>(record: &T, message: impl FnOnce(T) -> M) {
    for field in T::FIELDS {
        let _ = record.value(field.name);
    }
    let message = message(record.clone());
    assert_eq!(M::decode(message.encode_to_vec().as_slice()), Ok(message));
}

fn view(record: records::Source) -> View {
    let mark = records::SourceMark::default();
    View { record, state: Visible::Watching, error: None, mark, pending: 1, last_scan_time: None, deleted: false }
}
