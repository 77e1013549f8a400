//! Patches. The input is a document on the first line and an operation on each
//! other one: `add /a/b {"x":1}`, `copy /a /b`. Lines that say nothing are left
//! out.
//!
//! A patch that succeeds leaves a document that the door lets in, within the
//! limits; operations at once do what they do one by one; and each does what it
//! says, with every number that it does not touch as it was written.

use serde_json::Value;

use crate::json::{
    body::{MAX_DEPTH, lift},
    patch::{self, Document, PatchError, PatchOp, PatchReason, Pointer, Work, depth, work_of},
    value,
};

/// Small, so that it is reached.
const LIMIT: usize = 2048;

pub fn patch(data: &[u8]) {
    let mut lines = data.split(|byte| *byte == b'\n');
    let first = lines.next().unwrap_or_default();
    let Some(document) = lift(first).ok().and_then(|lifted| value::parse(&lifted.body).ok()) else { return };
    let steps: Vec<_> = lines.filter_map(|line| step(std::str::from_utf8(line).ok()?)).take(64).collect();

    let mut one_by_one = document.clone();
    let failed = steps.iter().enumerate().find_map(|(index, step)| {
        let before = one_by_one.clone();
        match single(&mut one_by_one, &step.op) {
            Ok(()) => {
                step.does_what_it_says(&before, &one_by_one);
                None
            }
            Err(reason) => Some((index, reason)),
        }
    });

    let mut at_once = document.clone();
    let ops: Vec<_> = steps.into_iter().map(|step| step.op).collect();
    match (apply(&mut at_once, &ops), failed) {
        (Ok(()), None) => {
            assert_eq!(at_once.to_string(), one_by_one.to_string());
            is_a_body(&at_once, if ops.is_empty() { first.len() } else { LIMIT });
        }
        // Only the work of all operations together is bounded.
        (Err(PatchError::Failed { reason: PatchReason::TooMuchWork, index }), failed) => {
            assert!(failed.is_none_or(|(first, _)| index <= first));
        }
        (Err(PatchError::Failed { index, reason }), Some(failed)) => assert_eq!((index, reason), failed),
        (together, failed) => panic!("{together:?}, but one by one {failed:?}"),
    }
}

/// The document behind all operations; after an error it is what it was.
fn apply(document: &mut Value, ops: &[PatchOp]) -> Result<(), PatchError> {
    let mut parsed = Document::parse(&document.to_string().into()).expect("a body");
    if let Some(text) = patch::apply(&mut parsed, ops, LIMIT, &mut Work::new(work_of(LIMIT)))? {
        assert!(parsed.is_whole() && parsed.bytes() == text.len());
        *document = value::parse(&text).expect("what was written can be read");
    }
    Ok(())
}

fn single(document: &mut Value, op: &PatchOp) -> Result<(), PatchReason> {
    apply(document, std::slice::from_ref(op)).map_err(|error| match error {
        PatchError::Failed { index: 0, reason } => reason,
        other => panic!("{other:?} of one operation"),
    })
}

/// What it left is stored without another look.
fn is_a_body(document: &Value, limit: usize) {
    let text = document.to_string();
    assert!(text.len() <= limit && depth(document) <= MAX_DEPTH, "{} bytes", text.len());
    let lifted = lift(text.as_bytes()).expect("a patched body is a body");
    assert_eq!((lifted.body.as_ref(), lifted.id, lifted.event_time), (text.as_bytes(), None, None));
    assert_eq!(value::parse(text.as_bytes()).as_ref(), Ok(document));
}

/// An operation, and its pointers as they were written.
struct Step<'a> {
    op: PatchOp,
    from: &'a str,
    path: &'a str,
}

fn step(line: &str) -> Option<Step<'_>> {
    let (name, rest) = line.split_once(' ')?;
    let (first, second) = rest.split_once(' ').unwrap_or((rest, ""));
    let (from, path) = if matches!(name, "copy" | "move") { (first, second) } else { ("", first) };
    let pointer = |text: &str| text.parse::<Pointer>().ok();
    let value = || value::parse(second.as_bytes()).ok();
    let op = match name {
        "add" => PatchOp::Add { path: pointer(path)?, value: value()? },
        "replace" => PatchOp::Replace { path: pointer(path)?, value: value()? },
        "test" => PatchOp::Test { path: pointer(path)?, value: value()? },
        "increment" => PatchOp::Increment { path: pointer(path)?, value: value()? },
        "remove" => PatchOp::Remove { path: pointer(path)? },
        "copy" => PatchOp::Copy { from: pointer(from)?, path: pointer(path)? },
        "move" => PatchOp::Move { from: pointer(from)?, path: pointer(path)? },
        _ => return None,
    };
    Some(Step { op, from, path })
}

impl Step<'_> {
    fn does_what_it_says(&self, before: &Value, after: &Value) {
        let Self { op, from, path } = self;
        // The place behind the last is another one afterwards.
        let is_fixed = !path.ends_with("/-");
        match op {
            PatchOp::Add { value, .. } if is_fixed => {
                assert!(holds(after, path, value));
                self.can_be_undone(before, after);
            }
            PatchOp::Replace { value, .. } => assert!(holds(after, path, value)),
            PatchOp::Test { .. } => assert_eq!(after.to_string(), before.to_string()),
            PatchOp::Remove { .. } => assert!(is_in_array(before, path) || after.pointer(path).is_none()),
            PatchOp::Copy { .. } | PatchOp::Move { .. } if is_fixed => {
                assert!(holds(after, path, before.pointer(from).expect("it was there")));
            }
            PatchOp::Increment { value, .. } => increments(before.pointer(path), value, after.pointer(path)),
            PatchOp::Add { .. } | PatchOp::Copy { .. } | PatchOp::Move { .. } => {}
        }
    }

    /// What was not there before can be taken away again.
    fn can_be_undone(&self, before: &Value, after: &Value) {
        let is_new = before.pointer(self.path).is_none() || is_in_array(before, self.path);
        let Some(path) = self.path.parse().ok().filter(|_| is_new) else { return };
        let mut undone = after.clone();
        match single(&mut undone, &PatchOp::Remove { path }) {
            Ok(()) => assert_eq!(undone.to_string(), before.to_string()),
            Err(reason) => assert!(matches!(reason, PatchReason::TooMuchWork), "{reason}"),
        }
    }
}

/// Integers stay exact.
fn increments(before: Option<&Value>, by: &Value, after: Option<&Value>) {
    let exact = |value: &Value| value.to_string().parse::<i128>().ok();
    let (before, after) = before.zip(after).expect("it is there");
    if let Some((before, by)) = exact(before).zip(exact(by)) {
        assert_eq!(after.to_string(), (before + by).to_string());
    }
}

/// To the byte: numbers keep their text.
fn holds(document: &Value, path: &str, value: &Value) -> bool {
    document.pointer(path).map(Value::to_string) == Some(value.to_string())
}

fn is_in_array(document: &Value, path: &str) -> bool {
    path.rsplit_once('/').and_then(|(parent, _)| document.pointer(parent)).is_some_and(Value::is_array)
}
