//! What the two ESPs report, in their own shapes: events of SparkPost's in batches, and messages of Amazon SES's.

use crate::cli::demo::chance::Chance;
use crate::cli::demo::parcel::Parcel;
use crate::cli::demo::world::ses::{Form, Refused, SentMail};
use crate::cli::demo::world::sparkpost::{Batch, Mail, Report};
use crate::domain::time::Timestamp;

/// How many events SparkPost puts into a batch.
const BATCH: usize = 350;

/// SparkPost's ids begin here.
const FIRST_ID: u64 = 7_300_000_000_000_000;

/// A way of sending: header From and envelope domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Way {
    /// Address of the header From.
    pub from: &'static str,
    /// Domain of the envelope sender.
    pub envelope: &'static str,
}

/// The newsletter, over SparkPost; registered.
pub const NEWS: Way = Way { from: "news@news.shop.example", envelope: "bounces.news.shop.example" };

/// The offers, over SparkPost: somebody began to send them from a name that nobody registered with Apple.
pub const OFFERS: Way = Way { from: "offers@offers.shop.example", envelope: "bounces.offers.shop.example" };

/// Receipts, over Amazon SES; registered.
pub const RECEIPTS: Way = Way { from: "receipts@shop.example", envelope: "mail.shop.example" };

impl Way {
    /// The envelope sender of one mail. It names the recipient, as many do (VERP): a reader that takes any address in a
    /// reply for the recipient convicts the wrong one.
    pub fn envelope_sender(self, recipient: &str, n: u64) -> String {
        format!("bounce+{:06x}-{}@{}", n & 0xff_ffff, recipient.replacen('@', "=", 1), self.envelope)
    }
}

/// What SparkPost reports of one mail.
#[derive(Clone)]
pub enum News {
    /// Accepted by Apple.
    Delivered,
    /// Refused, with SparkPost's class and the reply.
    Refused(u16, String),
    /// The recipient used the header to leave the list.
    LeftByHeader,
    /// Likewise, by a link.
    LeftByLink,
}

/// One event of SparkPost's, not yet in a batch.
#[derive(Clone)]
struct Note {
    id: u64,
    way: Way,
    recipient: String,
    at: Timestamp,
    what: News,
}

/// Collects SparkPost's events and puts them into batches.
pub struct SparkPost {
    notes: Vec<Note>,
    next_id: u64,
}

impl SparkPost {
    /// With ids that no other collection of the same demo has.
    pub fn new(collection: u64) -> Self {
        Self { notes: Vec::new(), next_id: FIRST_ID + collection * 1_000_000 }
    }

    /// Adds one event.
    pub fn note(&mut self, way: Way, recipient: &str, at: Timestamp, what: News) {
        self.notes.push(Note { id: self.next_id, way, recipient: recipient.to_owned(), at, what });
        self.next_id += 1;
    }

    /// Refuses one mail for a reason that may name the recipient as `{R}` and the envelope sender as `{S}`.
    pub fn refuse(&mut self, way: Way, recipient: &str, at: Timestamp, class: u16, text: &str) {
        let sender = way.envelope_sender(recipient, self.next_id);
        let text = text.replace("{R}", recipient).replace("{S}", &sender);
        self.note(way, recipient, at, News::Refused(class, text));
    }

    /// All of it in batches: in disorder, about one in ten events and one in ten batches twice.
    pub fn batches(mut self, chance: &mut Chance, unreadable: &[&[u8]]) -> Vec<Parcel> {
        chance.disorder(&mut self.notes);
        let mut spare = unreadable.iter();
        let mut parcels: Vec<Parcel> = self
            .notes
            .chunks(BATCH)
            .map(|notes| {
                let mut batch = Batch::with_capacity(notes.len() + 1);
                // The first of each batch, so that it has siblings to cost.
                spare.next().into_iter().for_each(|element| batch.push_raw(element));
                notes.iter().for_each(|note| note.write(&mut batch));
                let events = batch.len();
                let id = format!("{:016x}{:016x}", chance.next(), chance.next());
                Parcel::SparkPost { batch: id, body: batch.finish(), events }
            })
            .collect();
        chance.disorder(&mut parcels);
        parcels
    }
}

impl Note {
    fn write(&self, batch: &mut Batch) {
        let sender = self.way.envelope_sender(&self.recipient, self.id);
        let mail = Mail {
            event_id: self.id,
            message_id: self.id ^ 0x5a5a,
            recipient: &self.recipient,
            friendly_from: self.way.from,
            msg_from: &sender,
            at: self.at.secs(),
        };
        let report = match &self.what {
            News::Delivered => Report::Delivery,
            News::Refused(class, reason) => Report::Bounce { class: *class, code: 550, reason },
            News::LeftByHeader => Report::ListUnsubscribe,
            News::LeftByLink => Report::LinkUnsubscribe,
        };
        batch.push(&mail, report);
    }
}

/// Collects Amazon SES's messages.
pub struct Ses {
    parcels: Vec<Parcel>,
    collection: u64,
}

impl Ses {
    /// With ids that no other collection of the same demo has.
    pub fn new(collection: u64) -> Self {
        Self { parcels: Vec::new(), collection }
    }

    /// A receipt that Apple accepted.
    pub fn delivered(&mut self, recipient: &str, at: Timestamp) {
        let mail = self.sent(&[recipient], at);
        self.put(mail.delivery(Form::Published, at).to_string(), at);
    }

    /// A receipt that was refused, with SES's subtype of `Permanent`.
    pub fn refused(&mut self, recipient: &str, at: Timestamp, sub_type: &str, text: &str) {
        let mail = self.sent(&[recipient], at);
        let refused = [Refused::new(recipient, "5.1.1", &text.replace("{R}", recipient))];
        let feedback = format!("0102-{}-feedback", mail.message_id);
        self.put(mail.bounce(Form::Notification, ("Permanent", sub_type), &refused, &feedback, at).to_string(), at);
    }

    /// A complaint that may come from any of the recipients.
    pub fn complained(&mut self, recipients: &[&str], at: Timestamp) {
        let mail = self.sent(recipients, at);
        let feedback = format!("0102-{}-complaint", mail.message_id);
        self.put(mail.complaint(Form::Notification, recipients, &feedback, at).to_string(), at);
    }

    /// The messages, in disorder and about one in ten twice.
    pub fn messages(mut self, chance: &mut Chance) -> Vec<Parcel> {
        chance.disorder(&mut self.parcels);
        self.parcels
    }

    fn sent(&self, recipients: &[&str], at: Timestamp) -> SentMail {
        let n = self.parcels.len();
        SentMail {
            message_id: format!("0102018f{:04x}{n:08x}-demo-000000", self.collection),
            at,
            from: RECEIPTS.from.to_owned(),
            source: format!("bounces@{}", RECEIPTS.envelope),
            to: recipients.iter().map(|r| (*r).to_owned()).collect(),
        }
    }

    fn put(&mut self, message: String, at: Timestamp) {
        let id = format!("{:08x}-demo-{:08x}", self.collection, self.parcels.len());
        self.parcels.push(Parcel::Ses { message, id, at });
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn batches_repeat_but_never_lose() {
        let mut sparkpost = SparkPost::new(1);
        for n in 0..1_000 {
            let recipient = format!("r{n}@privaterelay.appleid.com");
            sparkpost.note(NEWS, &recipient, Timestamp::from_secs(1_790_000_000 + n), News::Delivered);
        }
        let junk: &[u8] = b"{}";
        let parcels = sparkpost.batches(&mut Chance::new(3), &[junk]);
        let mut seen = BTreeSet::new();
        let (mut elements, mut unreadable) = (0, 0);
        for parcel in &parcels {
            let Parcel::SparkPost { body, events, .. } = parcel else { panic!("another parcel") };
            let read: Vec<serde_json::Value> = serde_json::from_slice(body).unwrap();
            assert_eq!(read.len(), *events);
            elements += read.len();
            for element in read {
                match element["msys"]["message_event"]["rcpt_to"].as_str() {
                    Some(recipient) => drop(seen.insert(recipient.to_owned())),
                    None => unreadable += 1,
                }
            }
        }
        assert_eq!(seen.len(), 1_000);
        assert!(elements > 1_050 && unreadable >= 1, "{elements} {unreadable}");
    }

    #[test]
    fn the_envelope_names_the_recipient_and_is_one_address() {
        let sender = OFFERS.envelope_sender("abc@private.icloud.com", 7);
        assert_eq!(sender, "bounce+000007-abc=private.icloud.com@bounces.offers.shop.example");
        assert!(crate::domain::address::Address::parse(&sender).is_some());
    }
}
