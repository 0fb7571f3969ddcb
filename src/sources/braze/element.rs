//! The shape of one Currents event: `event_type`, `id`, `time`, `user{…}`, `properties{…}`, read lazily.

use std::borrow::Cow;

use serde_json::Value;

use crate::sources::loose::{Loose, loose_fields, mend};

loose_fields!(
    /// The members of an event. Currents' files for storage have those of `user` and `properties` beside them; the HTTP
    /// connector has them inside. Both are read.
    Fields {
        event_type = "event_type",
        id = "id",
        time = "time",
        user = "user",
        properties = "properties",
        external_user_id = "external_user_id",
        email_address = "email_address",
        bounce_reason = "bounce_reason",
        deferral_reason = "deferral_reason",
        is_drop = "is_drop",
        esp = "esp",
        from_domain = "from_domain",
        sending_ip = "sending_ip",
        dispatch_id = "dispatch_id",
        send_id = "send_id",
    }
);

impl<'a> Fields<'a> {
    /// Takes what `user` and `properties` hold up to the top.
    fn unfold(mut self) -> Self {
        for inner in [self.user, self.properties] {
            let Some(inner) = inner.and_then(|inner| serde_json::from_str::<Fields<'a>>(inner.0.get()).ok()) else {
                continue;
            };
            self.external_user_id = inner.external_user_id.or(self.external_user_id);
            self.email_address = inner.email_address.or(self.email_address);
            self.bounce_reason = inner.bounce_reason.or(self.bounce_reason);
            self.deferral_reason = inner.deferral_reason.or(self.deferral_reason);
            self.is_drop = inner.is_drop.or(self.is_drop);
            self.esp = inner.esp.or(self.esp);
            self.from_domain = inner.from_domain.or(self.from_domain);
            self.sending_ip = inner.sending_ip.or(self.sending_ip);
            self.dispatch_id = inner.dispatch_id.or(self.dispatch_id);
            self.send_id = inner.send_id.or(self.send_id);
        }
        self
    }
}

/// Reads an event and hands it to `take`. A first failure is met with repair (lone surrogates, invalid UTF-8).
///
/// # Errors
/// Why it is unreadable, without a value.
pub(super) fn read<T>(element: &[u8], take: impl FnOnce(&Fields<'_>) -> T) -> Result<T, String> {
    let straight = std::str::from_utf8(element).ok().and_then(|text| serde_json::from_str::<Fields<'_>>(text).ok());
    if let Some(fields) = straight {
        return Ok(take(&fields.unfold()));
    }
    let value = mend(element)?;
    if !matches!(value, Value::Object(_)) {
        return Err("the event is not an object".to_owned());
    }
    let repaired = value.to_string();
    let fields: Fields<'_> =
        serde_json::from_str(&repaired).map_err(|_| "not readable even after repair".to_owned())?;
    Ok(take(&fields.unfold()))
}

/// The text of a field.
pub(super) fn text<'a>(field: Option<Loose<'a>>) -> Option<Cow<'a, str>> {
    field.and_then(Loose::text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn recipient(element: &str) -> Result<Option<String>, String> {
        read(element.as_bytes(), |fields| text(fields.email_address).map(|t| t.into_owned()))
    }

    #[test]
    fn both_layouts_are_read() {
        let want = Ok(Some("a@private.icloud.com".to_owned()));
        assert_eq!(recipient(r#"{"properties":{"email_address":"a@private.icloud.com"}}"#), want);
        assert_eq!(recipient(r#"{"email_address":"a@private.icloud.com"}"#), want);
        assert_eq!(recipient(r#"{"email_address":"a@private.icloud.com","user":null,"properties":[]}"#), want);
    }

    #[test]
    fn a_missing_part_is_no_fault() {
        assert_eq!(recipient(r#"{"properties":null}"#), Ok(None));
        assert_eq!(recipient("{}"), Ok(None));
    }

    #[test]
    fn a_fault_is_named_without_its_value() {
        assert_eq!(recipient("\"who@example.org\""), Err("the event is not an object".to_owned()));
        assert_eq!(recipient(r#"{"id":who@example.org}"#), Err("not JSON (line 1, column 7)".to_owned()));
    }

    #[test]
    fn a_broken_character_costs_nothing() {
        for broken in [&b"\xff"[..], br"\ud800"] {
            let parts = [&br#"{"properties":{"campaign_name":""#[..], broken, br#"","email_address":"a@b.example"}}"#];
            let read = read(&parts.concat(), |fields| text(fields.email_address).map(|t| t.into_owned()));
            assert_eq!(read, Ok(Some("a@b.example".to_owned())));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_return(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes, |_| ());
        }
    }
}
