//! What SparkPost would post: batches of events in its documented shape, written straight into bytes.

use std::io::Write;

/// The body with which SparkPost tries a new webhook.
pub const CREATION_TEST: &str = r#"[{"msys":{}}]"#;

/// The mail an event is about.
#[derive(Debug, Clone, Copy)]
pub struct Mail<'a> {
    /// SparkPost's id of the event; every event has its own.
    pub event_id: u64,
    /// SparkPost's id of the message.
    pub message_id: u64,
    /// The recipient.
    pub recipient: &'a str,
    /// The header From, an address.
    pub friendly_from: &'a str,
    /// The envelope sender, an address.
    pub msg_from: &'a str,
    /// When it happened, in Unix seconds.
    pub at: i64,
}

/// What is reported of it.
#[derive(Debug, Clone, Copy)]
pub enum Report<'a> {
    /// `injection`: SparkPost took the message.
    Injection,
    /// `delivery`: the next hop said 250.
    Delivery,
    /// `delay`: refused for now.
    Delay {
        /// The class, see SparkPost's table.
        class: u16,
        /// SMTP reply code.
        code: u16,
        /// The reply.
        reason: &'a str,
    },
    /// `bounce`: refused.
    Bounce {
        /// The class, see SparkPost's table.
        class: u16,
        /// SMTP reply code.
        code: u16,
        /// The reply.
        reason: &'a str,
    },
    /// `out_of_band`: accepted at first, returned by mail later.
    OutOfBand {
        /// The class, see SparkPost's table.
        class: u16,
        /// SMTP reply code.
        code: u16,
        /// The reply.
        reason: &'a str,
    },
    /// `policy_rejection`: SparkPost refused the message.
    PolicyRejection {
        /// SparkPost's words.
        reason: &'a str,
    },
    /// `generation_rejection`: SparkPost refused to build the message.
    GenerationRejection {
        /// SparkPost's words.
        reason: &'a str,
    },
    /// `spam_complaint`, with the feedback type of the report.
    SpamComplaint {
        /// `abuse`, `not-spam` and so on (RFC 5965 section 7.3).
        fbtype: &'a str,
    },
    /// `list_unsubscribe`: by the header.
    ListUnsubscribe,
    /// `link_unsubscribe`: by a link in the message.
    LinkUnsubscribe,
    /// `open`.
    Open,
}

impl Report<'_> {
    fn class_and_type(self) -> (&'static str, &'static str) {
        match self {
            Self::Injection => ("message_event", "injection"),
            Self::Delivery => ("message_event", "delivery"),
            Self::Delay { .. } => ("message_event", "delay"),
            Self::Bounce { .. } => ("message_event", "bounce"),
            Self::OutOfBand { .. } => ("message_event", "out_of_band"),
            Self::PolicyRejection { .. } => ("message_event", "policy_rejection"),
            Self::SpamComplaint { .. } => ("message_event", "spam_complaint"),
            Self::GenerationRejection { .. } => ("gen_event", "generation_rejection"),
            Self::ListUnsubscribe => ("unsubscribe_event", "list_unsubscribe"),
            Self::LinkUnsubscribe => ("unsubscribe_event", "link_unsubscribe"),
            Self::Open => ("track_event", "open"),
        }
    }
}

/// A batch under construction.
#[derive(Debug, Clone)]
pub struct Batch {
    body: Vec<u8>,
    events: usize,
}

impl Default for Batch {
    fn default() -> Self {
        Self::with_capacity(0)
    }
}

impl Batch {
    /// With room for this many events.
    pub fn with_capacity(events: usize) -> Self {
        let mut body = Vec::with_capacity(events * 1400 + 2);
        body.push(b'[');
        Self { body, events: 0 }
    }

    /// How many elements it has.
    pub fn len(&self) -> usize {
        self.events
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.events == 0
    }

    /// Adds one event.
    pub fn push(&mut self, mail: &Mail<'_>, report: Report<'_>) {
        self.next();
        let (class, kind) = report.class_and_type();
        put(&mut self.body, format_args!(r#"{{"msys":{{"{class}":{{"type":"{kind}","#));
        self.about(mail);
        match report {
            Report::Bounce { class, code, reason }
            | Report::OutOfBand { class, code, reason }
            | Report::Delay { class, code, reason } => {
                put(&mut self.body, format_args!(r#","bounce_class":"{class}","error_code":"{code}","#));
                self.reason(reason);
            }
            Report::PolicyRejection { reason } | Report::GenerationRejection { reason } => {
                put(&mut self.body, format_args!(r#","error_code":"554","#));
                self.reason(reason);
            }
            Report::SpamComplaint { fbtype } => {
                self.member(",\"fbtype\":", fbtype);
                put(
                    &mut self.body,
                    format_args!(r#","report_by":"feedback.example.net","report_to":"abuse.example.net""#),
                );
            }
            Report::ListUnsubscribe => self.member(",\"mailfrom\":", mail.recipient),
            Report::Delivery => {
                put(&mut self.body, format_args!(r#","queue_time":"812","outbound_tls":"1","recv_method":"rest""#));
            }
            Report::Injection | Report::LinkUnsubscribe => {}
            Report::Open => put(&mut self.body, format_args!(r#","user_agent":"Mozilla/5.0 (invented)""#)),
        }
        self.body.extend_from_slice(br#"}},"cust":{"id":"4711"}}"#);
    }

    /// Adds an element as it stands, sound or not.
    pub fn push_raw(&mut self, element: &[u8]) {
        self.next();
        self.body.extend_from_slice(element);
    }

    /// The body to post.
    pub fn finish(mut self) -> Vec<u8> {
        self.body.push(b']');
        self.body
    }

    fn next(&mut self) {
        if self.events > 0 {
            self.body.push(b',');
        }
        self.events += 1;
    }

    /// The members that every event has.
    fn about(&mut self, mail: &Mail<'_>) {
        let domain = mail.recipient.rsplit_once('@').map_or("", |(_, domain)| domain);
        put(
            &mut self.body,
            format_args!(
                r#""event_id":"{}","message_id":"{:020x}","transmission_id":"{}","timestamp":"{}","injection_time":"{}","#,
                mail.event_id,
                mail.message_id,
                mail.message_id,
                mail.at,
                mail.at - 2,
            ),
        );
        self.member("\"rcpt_to\":", &mail.recipient.to_lowercase());
        self.member(",\"raw_rcpt_to\":", mail.recipient);
        self.member(",\"friendly_from\":", mail.friendly_from);
        self.member(",\"msg_from\":", mail.msg_from);
        self.member(",\"routing_domain\":", domain);
        self.member(",\"recipient_domain\":", domain);
        self.body.extend_from_slice(
            concat!(
                r#","rcpt_type":"to","rcpt_tags":["spring"],"rcpt_meta":{"order":"A-1","locale":"en"},"customer_id":"4711","#,
                r#""subaccount_id":"3","campaign_id":"welcome","template_id":"welcome-1","template_version":"4","#,
                r#""subject":"Good to have you","num_retries":"0","msg_size":"20480","ip_address":"192.0.2.25","#,
                r#""sending_ip":"198.51.100.7","ip_pool":"main","delv_method":"esmtp","mailbox_provider":"Apple","#,
                r#""mailbox_provider_region":"Global","open_tracking":true,"click_tracking":true,"transactional":"0""#,
            )
            .as_bytes(),
        );
    }

    fn reason(&mut self, reason: &str) {
        self.member("\"raw_reason\":", reason);
        self.member(",\"reason\":", &masked(reason));
    }

    fn member(&mut self, name: &str, value: &str) {
        self.body.extend_from_slice(name.as_bytes());
        serde_json::to_writer(&mut self.body, value).expect("a vector takes every byte");
    }
}

/// SparkPost's `reason`: the words with every address masked.
fn masked(reason: &str) -> String {
    let words = reason.split(' ').map(|word| if word.contains('@') { "...@..." } else { word });
    words.collect::<Vec<_>>().join(" ")
}

fn put(body: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    body.write_fmt(text).expect("a vector takes every byte");
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn every_report_is_sound_json_of_its_class() {
        let mail = Mail {
            event_id: u64::MAX,
            message_id: 7,
            recipient: "Quoted\"x@privaterelay.appleid.com",
            friendly_from: "news@shop.example",
            msg_from: "b+1@bounce.shop.example",
            at: 1_760_000_000,
        };
        let reason = "550 5.1.1 <x@privaterelay.appleid.com>: user \"not\" found";
        let reports = [
            Report::Injection,
            Report::Delivery,
            Report::Delay { class: 20, code: 451, reason },
            Report::Bounce { class: 10, code: 550, reason },
            Report::OutOfBand { class: 10, code: 550, reason },
            Report::PolicyRejection { reason },
            Report::GenerationRejection { reason },
            Report::SpamComplaint { fbtype: "abuse" },
            Report::ListUnsubscribe,
            Report::LinkUnsubscribe,
            Report::Open,
        ];
        let mut batch = Batch::default();
        reports.iter().for_each(|report| batch.push(&mail, *report));
        assert_eq!(batch.len(), reports.len());
        let read: Vec<Value> = serde_json::from_slice(&batch.finish()).unwrap();
        for (element, report) in read.iter().zip(reports) {
            let (class, kind) = report.class_and_type();
            let event = &element["msys"][class];
            assert_eq!((&event["type"], &event["event_id"]), (&kind.into(), &u64::MAX.to_string().into()), "{element}");
            assert_eq!(event["raw_rcpt_to"], mail.recipient);
        }
        assert_eq!(read[3]["msys"]["message_event"]["reason"], "550 5.1.1 ...@... user \"not\" found");
        assert_eq!(serde_json::from_slice::<Vec<Value>>(&Batch::default().finish()).unwrap().len(), 0);
    }
}
