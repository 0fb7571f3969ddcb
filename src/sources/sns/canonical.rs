//! The string that SNS signs: chosen fields in a fixed order, each as its name and its value on a line of their own.

use super::envelope::Envelope;

/// The canonical string of an envelope, in UTF-8, the last line break included.
///
/// A Notification has no `SubscribeURL` and `Token`; `Subject` takes part only when it is there, and only in a
/// Notification. See "Verifying the signatures of Amazon SNS messages" in the SNS developer guide.
pub fn canonical_string(envelope: &Envelope) -> String {
    let mut lines = vec![("Message", envelope.message.as_str()), ("MessageId", &envelope.message_id)];
    match &envelope.confirmation {
        None => {
            lines.extend(envelope.subject.as_deref().map(|subject| ("Subject", subject)));
            lines.push(("Timestamp", &envelope.timestamp));
        }
        Some((url, token)) => {
            lines.extend([("SubscribeURL", url.as_str()), ("Timestamp", &envelope.timestamp), ("Token", token)])
        }
    }
    let message_type = match envelope.message_type {
        super::MessageType::Notification => "Notification",
        super::MessageType::SubscriptionConfirmation => "SubscriptionConfirmation",
        super::MessageType::UnsubscribeConfirmation => "UnsubscribeConfirmation",
    };
    lines.extend([("TopicArn", envelope.topic_arn.as_str()), ("Type", message_type)]);
    lines.iter().flat_map(|(name, value)| [*name, "\n", *value, "\n"]).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn canonical(body: serde_json::Value) -> String {
        canonical_string(&Envelope::read(&body).unwrap())
    }

    #[test]
    fn a_notification_with_and_without_subject() {
        let mut body = json!({"Type": "Notification", "MessageId": "m-1", "TopicArn": "arn:t", "Message": "{\"a\":\"\u{e9}\"}\n",
            "Timestamp": "2026-05-01T10:00:00.000Z", "SignatureVersion": "1", "Signature": "AA==", "SigningCertUrl": "u",
            "Token": "unsigned here", "SubscribeURL": "unsigned here", "Subject": null});
        assert_eq!(
            canonical(body.clone()),
            "Message\n{\"a\":\"\u{e9}\"}\n\nMessageId\nm-1\nTimestamp\n2026-05-01T10:00:00.000Z\nTopicArn\narn:t\nType\nNotification\n"
        );
        body["Subject"] = json!("");
        assert!(canonical(body).contains("MessageId\nm-1\nSubject\n\nTimestamp\n"), "an empty subject is a subject");
    }

    #[test]
    fn a_confirmation_signs_url_and_token() {
        for kind in ["SubscriptionConfirmation", "UnsubscribeConfirmation"] {
            let body = json!({"Type": kind, "MessageId": "m-2", "TopicArn": "arn:t", "Message": "hello", "Token": "tok",
                "SubscribeURL": "https://s", "Timestamp": "2026-05-01T10:00:00.000Z", "SignatureVersion": "2",
                "Signature": "AA==", "SigningCertURL": "u", "Subject": "not signed here"});
            assert_eq!(
                canonical(body),
                format!(
                    "Message\nhello\nMessageId\nm-2\nSubscribeURL\nhttps://s\nTimestamp\n2026-05-01T10:00:00.000Z\n\
                     Token\ntok\nTopicArn\narn:t\nType\n{kind}\n"
                )
            );
        }
    }
}
