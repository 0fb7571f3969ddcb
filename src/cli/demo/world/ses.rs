//! Writes the inner events of SES in their documented shape, in both forms.

use serde_json::{Value, json};

use crate::domain::time::Timestamp;

/// The two feeds of SES.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A feedback notification of an identity (`notificationType`).
    Notification,
    /// An event published by a configuration set (`eventType`), with tags.
    Published,
}

/// A message that was sent through SES.
#[derive(Debug, Clone)]
pub struct SentMail {
    /// SES's id.
    pub message_id: String,
    /// When SES took it.
    pub at: Timestamp,
    /// Address of the header From.
    pub from: String,
    /// The envelope sender given to SES.
    pub source: String,
    /// To whom it went.
    pub to: Vec<String>,
}

/// What a bounce or a delay says of one recipient.
#[derive(Debug, Clone)]
pub struct Refused {
    /// The recipient.
    pub address: String,
    /// `action` of the delivery report, e.g. `failed`.
    pub action: String,
    /// Enhanced status code.
    pub status: String,
    /// The reply, without its type.
    pub reply: String,
}

impl Refused {
    /// A recipient refused for good.
    pub fn new(address: &str, status: &str, reply: &str) -> Self {
        let action = if status.starts_with('4') { "delayed" } else { "failed" };
        Self { address: address.into(), action: action.into(), status: status.into(), reply: reply.into() }
    }
}

impl SentMail {
    /// A bounce of these recipients.
    pub fn bounce(
        &self,
        form: Form,
        (main, sub): (&str, &str),
        refused: &[Refused],
        feedback_id: &str,
        at: Timestamp,
    ) -> Value {
        let recipients: Vec<Value> = refused
            .iter()
            .map(|r| {
                json!({"emailAddress": r.address, "action": r.action, "status": r.status,
                    "diagnosticCode": format!("smtp; {}", r.reply)})
            })
            .collect();
        let mut bounce = json!({"feedbackId": feedback_id, "bounceType": main, "bounceSubType": sub,
            "bouncedRecipients": recipients, "timestamp": at, "reportingMTA": "dns; b1-7.smtp-out.eu-west-1.amazonses.com"});
        if form == Form::Notification {
            bounce["remoteMtaIp"] = json!("192.0.2.25");
        }
        self.event(form, "Bounce", "bounce", bounce)
    }

    /// A complaint that may come from any of `complained`.
    pub fn complaint(&self, form: Form, complained: &[&str], feedback_id: &str, at: Timestamp) -> Value {
        let recipients: Vec<Value> = complained.iter().map(|address| json!({"emailAddress": address})).collect();
        let complaint = json!({"feedbackId": feedback_id, "complaintSubType": null, "complainedRecipients": recipients,
            "timestamp": at, "userAgent": "ExampleCorp Feedback Loop (V0.01)", "complaintFeedbackType": "abuse",
            "arrivalDate": at});
        self.event(form, "Complaint", "complaint", complaint)
    }

    /// A delivery to everybody it was sent to.
    pub fn delivery(&self, form: Form, at: Timestamp) -> Value {
        let mut delivery = json!({"timestamp": at, "processingTimeMillis": 512, "recipients": self.to,
            "smtpResponse": "250 2.6.0 Message received", "reportingMTA": "b1-7.smtp-out.eu-west-1.amazonses.com"});
        if form == Form::Notification {
            delivery["remoteMtaIp"] = json!("192.0.2.25");
        }
        self.event(form, "Delivery", "delivery", delivery)
    }

    /// The sending itself. Published only.
    pub fn send(&self) -> Value {
        self.event(Form::Published, "Send", "send", json!({}))
    }

    /// A delay of these recipients. Published only.
    pub fn delay(&self, delay_type: &str, delayed: &[Refused], at: Timestamp) -> Value {
        let recipients: Vec<Value> = delayed
            .iter()
            .map(|d| json!({"emailAddress": d.address, "status": d.status, "diagnosticCode": format!("smtp; {}", d.reply)}))
            .collect();
        let delay = json!({"timestamp": at, "delayType": delay_type, "delayedRecipients": recipients,
            "expirationTime": at.plus(std::time::Duration::from_secs(50_400)),
            "reportingMTA": "b1-7.smtp-out.eu-west-1.amazonses.com"});
        self.event(Form::Published, "DeliveryDelay", "deliveryDelay", delay)
    }

    fn event(&self, form: Form, name: &str, key: &str, details: Value) -> Value {
        let type_key = if form == Form::Published { "eventType" } else { "notificationType" };
        json!({type_key: name, "mail": self.mail(form), key: details})
    }

    fn mail(&self, form: Form) -> Value {
        let to = self.to.join(", ");
        let date = "Fri, 01 May 2026 09:59:50 +0000";
        let mut mail = json!({
            "timestamp": self.at,
            "messageId": self.message_id,
            "source": self.source,
            "sourceArn": "arn:aws:ses:eu-west-1:123456789012:identity/news.example.com",
            "sendingAccountId": "123456789012",
            "destination": self.to,
            "headersTruncated": false,
            "headers": [
                {"name": "From", "value": self.from},
                {"name": "To", "value": to},
                {"name": "Subject", "value": "Your weekly news"},
                {"name": "Date", "value": date},
                {"name": "MIME-Version", "value": "1.0"},
                {"name": "Content-Type", "value": "text/plain; charset=UTF-8"}
            ],
            "commonHeaders": {"from": [self.from], "to": self.to, "date": date, "subject": "Your weekly news",
                "messageId": self.message_id}
        });
        if form == Form::Published {
            mail["tags"] = json!({
                "ses:configuration-set": ["news"],
                "ses:source-ip": ["192.0.2.7"],
                "ses:from-domain": [self.from.rsplit('@').next().unwrap_or_default().trim_end_matches('>')],
                "ses:caller-identity": ["mailer"],
                "ses:operation": ["SendEmail"]
            });
        } else {
            mail["sourceIp"] = json!("192.0.2.7");
            mail["callerIdentity"] = json!("mailer");
        }
        mail
    }
}
