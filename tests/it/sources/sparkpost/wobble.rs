//! Types, times, identities and characters that wobble between deliveries: the meaning stays.

use super::{RECIPIENT, element, now, one, post};

#[test]
fn types_wobble_and_the_meaning_stays() {
    let want = one(r#""bounce_class":"10","error_code":"550","event_id":"92356927693813857""#);
    for class in ["10", "\"10\"", "10.0", "\" 10 \""] {
        for code in ["550", "\"550\""] {
            for id in ["92356927693813857", "\"92356927693813857\""] {
                for time in
                    ["1760000000", "\"1760000000\"", "1760000000.0", "\"2025-10-09T08:53:20.000Z\"", "1760000000000"]
                {
                    let got = one(&format!(
                        r#""bounce_class":{class},"error_code":{code},"event_id":{id},"timestamp":{time}"#
                    ));
                    assert_eq!(
                        (got.identity, got.rule, got.evidence, got.occurred_at),
                        (want.identity.clone(), want.rule.clone(), want.evidence.clone(), want.occurred_at),
                        "{class} {code} {id} {time}"
                    );
                }
            }
        }
    }
    // Neighbours above 2^53 would be one number as floats.
    assert_ne!(one(r#""event_id":92356927693813857"#).identity, one(r#""event_id":92356927693813858"#).identity);
    let uuid = one(r#""event_id":"2f7c9a10-5b0e-4c1e-9d55-1a2b3c4d5e6f""#);
    assert_eq!(uuid.evidence.provider_id.as_deref(), Some("2f7c9a10-5b0e-4c1e-9d55-1a2b3c4d5e6f"));
}

#[test]
fn fields_of_absurd_type_count_as_missing() {
    let event = one(
        r#""bounce_class":{"a":1},"error_code":true,"raw_reason":[1],"friendly_from":{"a":7},"timestamp":[],"fbtype":null"#,
    );
    assert_eq!((event.evidence.code, event.origin.from_domain.as_deref()), (None, None));
    assert_eq!((event.occurred_at, event.rule.as_ref()), (now(), "sparkpost.no_class"));
}

#[test]
fn time_stays_between_2010_and_the_receipt() {
    for (time, want) in [("0", now()), ("\"1970-01-01T00:00:00Z\"", now()), ("4102444800", now()), ("\"soon\"", now())]
    {
        assert_eq!(one(&format!(r#""timestamp":{time}"#)).occurred_at, want, "{time}");
    }
}

#[test]
fn identity_is_event_type_and_recipient() {
    let id = |members: &str| one(members).identity;
    let want = id(r#""event_id":"5""#);
    assert_eq!(want, id(r#""event_id":5,"timestamp":"1760000500","reason":"x""#), "time and text are no part of it");
    assert_eq!(want, id(&format!(r#""event_id":5,"rcpt_to":"{}""#, RECIPIENT.to_uppercase())));
    assert_ne!(want, id(r#""event_id":"6""#));
    assert_ne!(want, id(r#""event_id":"5","type":"out_of_band""#), "an id shared by two types");
    assert_ne!(want, id(r#""event_id":"5","rcpt_to":"other@private.icloud.com""#));
    let message = |members: &str| id(&format!(r#""event_id":null,"message_id":"m1",{members}"#));
    assert_eq!(message(r#""timestamp":1760000000"#), message(r#""timestamp":"2025-10-09T08:53:20Z""#));
    assert_ne!(message(r#""timestamp":1760000000"#), message(r#""timestamp":1760000001"#));
}

#[test]
fn the_address_as_sent_serves_when_the_other_is_missing() {
    let raw = one(&format!(r#""rcpt_to":"","raw_rcpt_to":"{}""#, RECIPIENT.to_uppercase()));
    assert_eq!(raw.who.address.unwrap().expose(), RECIPIENT);
}

#[test]
fn broken_characters_cost_no_event() {
    for subject in [&b"\xff\xfe"[..], br"\ud800", b"\xc3"] {
        let element = element("\"subject\":\"@@\",\"raw_reason\":\"words @@\"");
        let mut body = vec![b'['];
        for piece in element.split_inclusive("@@") {
            body.extend_from_slice(piece.trim_end_matches("@@").as_bytes());
            if piece.ends_with("@@") {
                body.extend_from_slice(subject);
            }
        }
        body.push(b']');
        let read = post(body);
        assert_eq!((read.events.len(), read.quarantined.len()), (1, 0), "{:?}", read.quarantined);
        assert!(read.events[0].evidence.diagnostic.as_ref().unwrap().starts_with("words \u{fffd}"));
    }
}
