//! A body as CEL values, straight from its text; strings without escapes are borrowed from it.

use std::collections::HashMap;

use cel::common::types::{CelBool, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString, CelUInt};
use cel::common::value::Val;

use super::check::DocUse;
use crate::json::body::{BodyError, utf8};
use crate::json::scan::{Cursor, Kind};

type Boxed<'a> = Box<dyn Val + 'a>;

/// The map `doc`, with only the members that the filter can see.
pub(super) fn read<'a>(body: &'a [u8], doc: &DocUse) -> Result<Boxed<'a>, BodyError> {
    let mut cursor = Cursor::new(utf8(body)?);
    let map = map(&mut cursor, |name| match doc {
        DocUse::None => false,
        DocUse::Fields(fields) => fields.iter().any(|field| field == name),
        DocUse::Whole => true,
    })?;
    cursor.finish()?;
    Ok(map)
}

fn map<'a>(cursor: &mut Cursor<'a>, wanted: impl Fn(&str) -> bool) -> Result<Boxed<'a>, BodyError> {
    let mut members: HashMap<CelMapKey<'a>, Boxed<'a>> = HashMap::new();
    cursor.object(|cursor, key, _| {
        let name = key.decode();
        if wanted(&name) {
            let value = value(cursor)?;
            members.insert(CelMapKey::String(CelString::from(name)), value);
            return Ok(());
        }
        Ok::<(), BodyError>(cursor.skip()?)
    })?;
    Ok(Box::new(CelMap::from(members)))
}

fn value<'a>(cursor: &mut Cursor<'a>) -> Result<Boxed<'a>, BodyError> {
    Ok(match cursor.kind()? {
        Kind::Object => map(cursor, |_| true)?,
        Kind::Array => {
            let mut items: Vec<Boxed<'a>> = Vec::new();
            cursor.array(|cursor, _| {
                items.push(value(cursor)?);
                Ok::<(), BodyError>(())
            })?;
            Box::new(CelList::from(items))
        }
        Kind::String => Box::new(CelString::from(cursor.string()?.decode())),
        Kind::Number => number(cursor.number()?),
        Kind::Bool => Box::new(CelBool::from(cursor.boolean()?)),
        Kind::Null => {
            cursor.null()?;
            Box::new(CelNull)
        }
    })
}

/// See the module `filter` for the rule. `1e999` becomes infinite, which compares as one expects.
fn number<'a>(text: &str) -> Boxed<'a> {
    if !text.contains(['.', 'e', 'E']) {
        if let Ok(int) = text.parse::<i64>() {
            return Box::new(CelInt::from(int));
        }
        if let Ok(uint) = text.parse::<u64>() {
            return Box::new(CelUInt::from(uint));
        }
    }
    Box::new(CelDouble::from(text.parse::<f64>().unwrap_or(f64::NAN)))
}
