//! The shape of one element of a batch: `{"msys":{"<class>":{…}}}`, read lazily and with every type wobble.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use crate::sources::loose::{Key, loose_fields, mend};

loose_fields!(
    /// The members of an event that are read. All others, such as the customer's `rcpt_meta`, are skipped unread.
    Fields {
        kind = "type",
        event_id = "event_id",
        message_id = "message_id",
        timestamp = "timestamp",
        rcpt_to = "rcpt_to",
        raw_rcpt_to = "raw_rcpt_to",
        bounce_class = "bounce_class",
        error_code = "error_code",
        raw_reason = "raw_reason",
        reason = "reason",
        fbtype = "fbtype",
        friendly_from = "friendly_from",
        msg_from = "msg_from",
        sending_ip = "sending_ip",
        subject = "subject",
    }
);

/// One class of an element. An element has one as a rule, none in the creation test, and more than one now and then.
#[derive(Debug)]
pub(super) struct Part<'a> {
    /// The class, e.g. `message_event`.
    pub(super) class: Cow<'a, str>,
    /// The event; `None` for a class whose events are not read.
    pub(super) fields: Option<Fields<'a>>,
}

/// An element with more classes than this is no event of SparkPost's.
const MOST_CLASSES: usize = 16;

/// Whether the events of a class are about mail sent to somebody.
pub(super) fn is_read(class: &str) -> bool {
    matches!(class, "message_event" | "gen_event" | "unsubscribe_event")
}

/// What could not be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unreadable {
    /// JSON pointer below the element.
    pub(super) at: &'static str,
    /// Why. Holds no value.
    pub(super) because: String,
}

/// Reads an element and hands its parts to `take`.
///
/// The first try reads the text as it is. Only when that fails, the text is repaired (lone surrogates, invalid UTF-8), or
/// the fault is named.
pub(super) fn read<'a>(element: &'a [u8], mut take: impl FnMut(Part<'_>)) -> Result<(), Unreadable> {
    let straight = |text: &'a [u8]| serde_json::from_str::<Element<'a>>(std::str::from_utf8(text).ok()?).ok();
    if let Some(Element { msys: Some(Msys(parts)) }) = straight(element) {
        parts.into_iter().for_each(take);
        return Ok(());
    }
    let value = mend(element).map_err(|because| Unreadable { at: "", because })?;
    inspect(&value)?;
    let repaired = value.to_string();
    let unreadable = |_| Unreadable { at: "/msys", because: "not readable even after repair".to_owned() };
    let element: Element<'_> = serde_json::from_str(&repaired).map_err(unreadable)?;
    element.msys.into_iter().flat_map(|msys| msys.0).for_each(&mut take);
    Ok(())
}

/// Names what is wrong with the shape.
fn inspect(element: &Value) -> Result<(), Unreadable> {
    let Value::Object(members) = element else {
        return Err(Unreadable { at: "", because: "the element is not an object".to_owned() });
    };
    let Some(msys) = members.get("msys") else {
        return Err(Unreadable { at: "", because: "`msys` is missing".to_owned() });
    };
    let Value::Object(classes) = msys else {
        return Err(Unreadable { at: "/msys", because: "`msys` is not an object".to_owned() });
    };
    if classes.len() > MOST_CLASSES {
        return Err(Unreadable { at: "/msys", because: format!("`msys` has more than {MOST_CLASSES} classes") });
    }
    match classes.iter().find(|(class, event)| is_read(class) && !event.is_object()) {
        Some((class, _)) => Err(Unreadable { at: "/msys", because: format!("`{class}` is not an object") }),
        None => Ok(()),
    }
}

#[derive(Deserialize)]
struct Element<'a> {
    #[serde(borrow)]
    msys: Option<Msys<'a>>,
}

struct Msys<'a>(Vec<Part<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for Msys<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Classes;
        impl<'de> Visitor<'de> for Classes {
            type Value = Msys<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of event classes")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut parts = Vec::new();
                while let Some(Key(class)) = map.next_key()? {
                    if parts.len() == MOST_CLASSES {
                        return Err(serde::de::Error::custom("too many classes"));
                    }
                    let fields = if is_read(&class) {
                        Some(map.next_value()?)
                    } else {
                        map.next_value::<IgnoredAny>()?;
                        None
                    };
                    parts.push(Part { class, fields });
                }
                Ok(Msys(parts))
            }
        }
        deserializer.deserialize_map(Classes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Class and event id of every part.
    fn parts(element: &[u8]) -> Result<Vec<(String, Option<String>)>, Unreadable> {
        let mut seen = Vec::new();
        read(element, |part| {
            let id = part.fields.and_then(|f| f.event_id).and_then(|id| id.text().map(Cow::into_owned));
            seen.push((part.class.into_owned(), id));
        })?;
        Ok(seen)
    }

    fn part(class: &str, id: Option<&str>) -> (String, Option<String>) {
        (class.to_owned(), id.map(str::to_owned))
    }

    #[test]
    fn reads_one_class_none_and_two() {
        assert_eq!(parts(br#"{"msys":{}}"#), Ok(vec![]));
        assert_eq!(
            parts(br#"{"msys":{"message_event":{"event_id":"7"}},"cust":{"id":"4"}}"#),
            Ok(vec![part("message_event", Some("7"))])
        );
        assert_eq!(
            parts(br#"{"msys":{"gen_event":{"event_id":1},"relay_event":[],"track_event":{"event_id":2}}}"#),
            Ok(vec![part("gen_event", Some("1")), part("relay_event", None), part("track_event", None)])
        );
    }

    #[test]
    fn a_broken_character_costs_nothing() {
        for subject in [&b"\xff\xfe"[..], br"\ud800", br"\ud83d\ude00", b"\xf0\x9f\x98\x80"] {
            let element =
                [br#"{"msys":{"message_event":{"subject":""#, subject, br#"","event_id":"92356927693813857"}}}"#];
            assert_eq!(parts(&element.concat()), Ok(vec![part("message_event", Some("92356927693813857"))]));
        }
    }

    #[test]
    fn absurd_nesting_in_the_metadata_costs_nothing() {
        let meta = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let element = format!(r#"{{"msys":{{"message_event":{{"rcpt_meta":{meta},"event_id":"7"}}}}}}"#);
        assert_eq!(parts(element.as_bytes()), Ok(vec![part("message_event", Some("7"))]));
    }

    #[test]
    fn a_fault_is_named_without_its_value() {
        for (element, at, because) in [
            ("", "", "not JSON (line 1, column 0)"),
            ("\"who@example.org\"", "", "the element is not an object"),
            ("{}", "", "`msys` is missing"),
            (r#"{"msys":null}"#, "/msys", "`msys` is not an object"),
            (r#"{"msys":["who@example.org"]}"#, "/msys", "`msys` is not an object"),
            (r#"{"msys":{"message_event":"who@example.org"}}"#, "/msys", "`message_event` is not an object"),
        ] {
            let unreadable = parts(element.as_bytes()).unwrap_err();
            assert_eq!((unreadable.at, unreadable.because.as_str()), (at, because), "{element}");
        }
    }

    #[test]
    fn an_element_of_a_million_classes_or_bytes_is_refused_cheaply() {
        let classes: Vec<String> = (0..17).map(|n| format!(r#""c{n}":0"#)).collect();
        let element = format!(r#"{{"msys":{{{}}}}}"#, classes.join(","));
        assert_eq!(parts(element.as_bytes()).unwrap_err().because, "`msys` has more than 16 classes");
        let element = format!("[{}]", "0,".repeat(1 << 20));
        assert_eq!(parts(element.as_bytes()).unwrap_err().because, "not readable as it is, and too large to repair");
    }

    proptest! {
        #[test]
        fn any_bytes_return(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parts(&bytes);
        }
    }
}
