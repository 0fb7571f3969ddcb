//! What Braze Currents would post: batches of mail events in the shape of its custom HTTP connector.

use serde_json::{Value, json};

/// The body with which Braze tries a connector.
pub const TEST: &str = r#"{"events":[]}"#;

/// The mail an event is about.
#[derive(Debug, Clone, Copy)]
pub struct Mail<'a> {
    /// Braze's id of the event; every event has its own.
    pub id: &'a str,
    /// The workspace's id of the user.
    pub external_user_id: &'a str,
    /// The recipient.
    pub recipient: &'a str,
    /// The sending domain.
    pub from_domain: &'a str,
    /// The provider Braze sends through, e.g. `SendGrid`.
    pub esp: &'a str,
    /// When it happened, in Unix seconds.
    pub at: i64,
}

/// What is reported of it: the last part of `event_type`, and what that kind has beside the rest.
#[derive(Debug, Clone, Copy)]
pub enum Report<'a> {
    /// `Send`.
    Send,
    /// `Delivery`: the next hop said 250.
    Delivery,
    /// `Bounce`: refused for good; `is_drop` when an earlier suppression stopped it.
    Bounce {
        /// The reply; Braze may leave it out.
        reason: Option<&'a str>,
        /// Whether nobody was asked.
        is_drop: bool,
    },
    /// `SoftBounce`.
    SoftBounce {
        /// The reply.
        reason: &'a str,
    },
    /// `Deferral`: still trying.
    Deferral {
        /// The reply.
        reason: &'a str,
        /// How often it was tried.
        attempt_count: u32,
    },
    /// `MarkAsSpam`.
    MarkAsSpam,
    /// `Unsubscribe`.
    Unsubscribe,
    /// `Open`.
    Open,
}

/// One event.
pub fn event(mail: &Mail<'_>, report: Report<'_>) -> Value {
    let (kind, own) = match report {
        Report::Send => ("Send", json!({})),
        Report::Delivery => ("Delivery", json!({})),
        Report::Bounce { reason: Some(reason), is_drop } => {
            ("Bounce", json!({"bounce_reason": reason, "is_drop": is_drop}))
        }
        Report::Bounce { reason: None, is_drop } => ("Bounce", json!({"is_drop": is_drop})),
        Report::SoftBounce { reason } => ("SoftBounce", json!({"bounce_reason": reason})),
        Report::Deferral { reason, attempt_count } => {
            let domain = mail.recipient.rsplit_once('@').map_or("", |(_, domain)| domain);
            let own = json!({"deferral_reason": reason, "attempt_count": attempt_count, "recipient_domain": domain});
            ("Deferral", own)
        }
        Report::MarkAsSpam => ("MarkAsSpam", json!({"user_agent": "Feedback/1.0 (invented)"})),
        Report::Unsubscribe => ("Unsubscribe", json!({})),
        Report::Open => ("Open", json!({"user_agent": "Mozilla/5.0 (invented)"})),
    };
    let mut properties = json!({
        "app_group_id": "5f1c0de0aa00bb11cc22dd33",
        "campaign_id": "0b7d6f2e-3a55-4f0c-9d6b-1f5a2c7e9a01",
        "campaign_name": "Welcome",
        "message_variation_id": "7a2e0f4c-11d2-4b7e-8a77-2d9be35c6f10",
        "dispatch_id": "9c5d0b8a7e6f41324c3b2a1908f7e6d5",
        "send_id": "welcome-2026",
        "email_address": mail.recipient,
        "from_domain": mail.from_domain,
        "esp": mail.esp,
        "ip_pool": "main",
        "sending_ip": "198.51.100.7",
    });
    if let (Value::Object(properties), Value::Object(own)) = (&mut properties, own) {
        properties.extend(own);
    }
    json!({
        "event_type": format!("users.messages.email.{kind}"),
        "id": mail.id,
        "time": mail.at,
        "user": {
            "user_id": "64b0c1d2e3f4a5b6c7d8e9f0",
            "external_user_id": mail.external_user_id,
            "device_id": null,
            "timezone": "Europe/Lisbon",
        },
        "properties": properties,
    })
}

/// The body to post; Braze puts at most 100 events into one.
pub fn batch(events: &[Value]) -> Vec<u8> {
    json!({"events": events}).to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_stands_where_its_kind_has_it() {
        let mail = Mail {
            id: "e1",
            external_user_id: "u1",
            recipient: "a@private.icloud.com",
            from_domain: "shop.example",
            esp: "SendGrid",
            at: 1_760_000_000,
        };
        let deferral = event(&mail, Report::Deferral { reason: "451 later", attempt_count: 2 });
        assert_eq!(deferral["event_type"], "users.messages.email.Deferral");
        assert_eq!(deferral["properties"]["deferral_reason"], "451 later");
        assert_eq!(deferral["properties"]["recipient_domain"], "private.icloud.com");
        let bounce = event(&mail, Report::Bounce { reason: None, is_drop: true });
        assert_eq!(bounce["properties"]["is_drop"], true);
        assert_eq!(bounce["properties"].get("bounce_reason"), None);
        let body: Value = serde_json::from_slice(&batch(&[bounce, deferral])).unwrap();
        assert_eq!(body["events"][1]["user"]["external_user_id"], "u1");
    }
}
