//! A page of `ListObjectsV2`, as it is: no key is judged here.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use percent_encoding::percent_decode_str;
use quick_xml::{Reader, events::Event};

use crate::{documents::object_store::ObjectMeta, source::feed::Version};

/// A key of S3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// As it should be.
    Text(String),
    /// What is not UTF-8.
    Bytes(Vec<u8>),
}

/// What is known of an object without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Which it is.
    pub key: Key,
    /// With its quotes.
    pub etag: Option<String>,
    /// In bytes.
    pub size: u64,
    /// When it was written.
    pub modified: DateTime<Utc>,
}

impl Default for Entry {
    fn default() -> Self {
        Self { key: Key::Text(String::new()), etag: None, size: 0, modified: DateTime::UNIX_EPOCH }
    }
}

impl From<ObjectMeta> for Entry {
    fn from(object: ObjectMeta) -> Self {
        let ObjectMeta { location, last_modified, size, e_tag, version: _ } = object;
        Self { key: Key::Text(location.into()), etag: e_tag, size, modified: last_modified }
    }
}

impl Entry {
    /// What tells its content from another one.
    pub fn version(&self) -> Version {
        self.etag.clone().unwrap_or_else(|| self.time_and_size())
    }

    /// Whether it is what was listed so.
    pub fn is(&self, version: &str) -> bool {
        self.etag.as_deref() == Some(version) || self.time_and_size() == version
    }

    /// For stores whose lists have no etags. To the second: that is as much as the
    /// header of an object says.
    fn time_and_size(&self) -> Version {
        format!("{}-{}", self.modified.timestamp(), self.size)
    }
}

/// Some of the objects, and where the others are.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// In the order of the server.
    pub entries: Vec<Entry>,
    /// What to ask for next.
    pub next: Option<String>,
}

/// Why a page cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// It is not XML.
    #[error("the list is not XML: {0}")]
    Xml(#[from] quick_xml::Error),
    /// It is not UTF-8.
    #[error("the list is not UTF-8: {0}")]
    Encoding(#[from] quick_xml::encoding::EncodingError),
    /// It is XML of something else.
    #[error("the answer is not a list")]
    NotAList,
    /// It is cut, or has a value that it cannot have.
    #[error("the list has {0}")]
    Odd(String),
}

impl Page {
    /// Reads it. Names count and name spaces do not, as they differ among servers.
    pub fn parse(xml: &[u8]) -> Result<Self, PageError> {
        let mut reader = Reader::from_reader(xml);
        let mut page = Self::default();
        let (mut within, mut text) = (Vec::<Vec<u8>>::new(), String::new());
        // It may stand behind the keys.
        let (mut is_encoded, mut is_list) = (false, false);
        let mut entry = Entry::default();
        loop {
            match reader.read_event()? {
                Event::Start(start) => {
                    within.push(start.local_name().as_ref().to_vec());
                    text.clear();
                }
                Event::Text(part) => text.push_str(&part.decode()?),
                Event::CData(part) => text.push_str(&part.decode()?),
                Event::GeneralRef(name) => match name.resolve_char_ref()? {
                    Some(character) => text.push(character),
                    None => text.push_str(entity(&name.decode()?)?),
                },
                Event::End(_) => {
                    let path: Vec<_> = within.iter().map(Vec::as_slice).collect();
                    match path.as_slice() {
                        [b"ListBucketResult"] => is_list = true,
                        [_, b"EncodingType"] => is_encoded = text == "url",
                        [_, b"NextContinuationToken"] => {
                            page.next = Some(text.clone()).filter(|token| !token.is_empty());
                        }
                        [_, b"Contents"] => page.entries.push(std::mem::take(&mut entry)),
                        [_, b"Contents", field] => entry.set(field, &text)?,
                        _ => {}
                    }
                    within.pop();
                    text.clear();
                }
                Event::Eof => break,
                _ => {}
            }
        }
        if !within.is_empty() {
            return Err(PageError::Odd("no end".to_owned()));
        }
        if is_encoded {
            page.entries.iter_mut().for_each(|entry| entry.key.decode());
        }
        if is_list { Ok(page) } else { Err(PageError::NotAList) }
    }
}

impl Entry {
    fn set(&mut self, field: &[u8], text: &str) -> Result<(), PageError> {
        let odd = |what: &str| PageError::Odd(format!("{what} {text:?}"));
        match field {
            b"Key" => self.key = Key::Text(text.to_owned()),
            b"ETag" => self.etag = Some(text.to_owned()).filter(|etag| !etag.is_empty()),
            b"Size" => self.size = text.trim().parse().map_err(|_| odd("the size"))?,
            b"LastModified" => self.modified = text.trim().parse().map_err(|_| odd("the time"))?,
            _ => {}
        }
        Ok(())
    }
}

impl Key {
    /// As forms are encoded: S3 writes a blank as a plus, and a plus as `%2B`.
    fn decode(&mut self) {
        let Self::Text(text) = self else { return };
        let blank = text.replace('+', " ");
        let bytes = Cow::<[u8]>::from(percent_decode_str(&blank)).into_owned();
        *self = String::from_utf8(bytes).map_or_else(|error| Self::Bytes(error.into_bytes()), Self::Text);
    }
}

fn entity(name: &str) -> Result<&'static str, PageError> {
    quick_xml::escape::resolve_xml_entity(name).ok_or_else(|| PageError::Odd(format!("the entity {name:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(contents: &str) -> Page {
        let xml = format!(
            "<?xml version=\"1.0\"?><ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{contents}</ListBucketResult>"
        );
        Page::parse(xml.as_bytes()).unwrap()
    }

    fn keys(page: Page) -> Vec<Key> {
        page.entries.into_iter().map(|entry| entry.key).collect()
    }

    #[test]
    fn a_page_has_what_the_server_says() {
        let page = page(concat!(
            "<Prefix>data/</Prefix><KeyCount>1</KeyCount><NextContinuationToken>a&amp;b</NextContinuationToken>\n",
            "<Contents><Key>data/a</Key><LastModified>2026-01-02T03:04:05.678Z</LastModified>",
            "<ETag>&quot;abc&quot;</ETag><Size>7</Size><Owner><ID>Key</ID></Owner></Contents>",
            "<Contents><Key>data/b</Key><Size>0</Size></Contents>",
            "<CommonPrefixes><Prefix>x</Prefix></CommonPrefixes>",
        ));
        let modified = "2026-01-02T03:04:05.678Z".parse().unwrap();
        let entry = Entry { key: Key::Text("data/a".to_owned()), etag: Some("\"abc\"".to_owned()), size: 7, modified };
        assert_eq!((entry.version().as_str(), entry.is("\"abc\""), entry.is("1767323045-7")), ("\"abc\"", true, true));
        let other = Entry { key: Key::Text("data/b".to_owned()), ..Entry::default() };
        assert_eq!((other.version().as_str(), other.is("\"abc\"")), ("0-0", false));
        assert_eq!(page, Page { entries: vec![entry, other], next: Some("a&b".to_owned()) });
    }

    #[test]
    fn keys_come_as_they_are_whatever_the_server_escapes() {
        let contents = "<Contents><Key> a+%41&#xA;&#13;&#x1;&lt;<![CDATA[<&]]>  </Key></Contents>";
        let text = |text: &str| Key::Text(text.to_owned());
        assert_eq!(keys(page(contents)), [text(" a+%41\n\r\u{1}<<&  ")]);
        let encoded = "<Contents><Key>a+b%2B%0A//%2E%C3%A9</Key></Contents><Contents><Key>%E9</Key></Contents>";
        let encoded = page(&format!("{encoded}<EncodingType>url</EncodingType>"));
        assert_eq!(keys(encoded), [text("a b+\n//.é"), Key::Bytes(vec![0xE9])]);
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for xml in [
            "",
            "<html></html>",
            "<Error><Code>x</Code></Error>",
            "<ListBucketResult><Contents>",
            "<ListBucketResult><Contents><Size>x</Size></Contents></ListBucketResult>",
            "<ListBucketResult>&nbsp;</ListBucketResult>",
            "</ListBucketResult>",
        ] {
            assert!(Page::parse(xml.as_bytes()).is_err(), "{xml}");
        }
    }
}
