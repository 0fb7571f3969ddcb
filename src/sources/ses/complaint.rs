//! Complaints: who may have complained, what about, and whether anybody did.

use super::mail::text;
use super::reader::{Reader, Report, plain};
use crate::domain::event::{Evidence, Kind, Scope};

/// Reads a `complaint`. Its list holds everybody at the complaining provider to whom the message went: when that is one
/// person it is he, when they are several nobody can tell.
pub fn read(reader: &mut Reader<'_>) {
    let Some(complaint) = reader.object("complaint") else { return };
    let (recipients, named) = reader.recipients("complaint", "complainedRecipients");
    let word = |name| text(complaint, name).map(|word: &str| word.replace('_', "").to_ascii_lowercase());
    let (kind, scope, fresh, rule) =
        match (word("complaintSubType").as_deref(), word("complaintFeedbackType").as_deref()) {
            // SES did not send, because of an earlier complaint or bounce. Not news, and not a guess: these stand on its list.
            (Some("onaccountsuppressionlist"), _) => {
                (Kind::Complaint, Scope::Esp, false, "ses.complaint_on_account_suppression_list")
            }
            (_, Some("not-spam")) => (Kind::Other, Scope::Recipient, false, "ses.complaint_not_spam"),
            // Reports of machines: the recipient's will is not in them.
            (_, Some("auth-failure")) => (Kind::Complaint, Scope::Sender, true, "ses.complaint_auth_failure"),
            (_, Some("virus")) => (Kind::Complaint, Scope::Content, true, "ses.complaint_virus"),
            _ if named > 1 => (Kind::Complaint, Scope::Ambiguous, true, "ses.complaint_names_several"),
            _ => (Kind::Complaint, Scope::Recipient, true, "ses.complaint"),
        };
    let report = Report {
        word: "complaint",
        feedback_id: text(complaint, "feedbackId"),
        at: text(complaint, "timestamp"),
        named,
    };
    for recipient in recipients {
        reader.add(&report, recipient.address, plain(kind, scope, fresh, rule), Evidence::default());
    }
}
