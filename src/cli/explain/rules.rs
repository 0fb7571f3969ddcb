//! One sentence for every rule that can decide what an event means.

/// What the rule of this name says; `None` for a rule that an operator wrote.
pub fn sentence(rule: &str) -> Option<&'static str> {
    let tables = [RELAY, CONSENT, LISTS, SES, SPARKPOST, BRAZE];
    tables.into_iter().flatten().find(|(name, _)| *name == rule).map(|(_, sentence)| *sentence)
}

type Table = &'static [(&'static str, &'static str)];

/// Apple's own words.
const RELAY: Table = &[
    (
        "apple.unauthorized_sender",
        "Apple does not know the sender: domain or address is not registered or not authenticated.",
    ),
    ("apple.bad_mailbox_name", "An older wording of Apple's for a sender it does not know."),
    (
        "apple.transformation_error",
        "Apple's relay could not rewrite the message. Its own fault, seen for nearly everybody at once.",
    ),
    ("apple.lookup_without_record", "A known fault of Apple's relay: it has said this of living addresses."),
    ("apple.relay_not_permitted", "Apple did not relay, and does not say whose doing that is."),
    ("apple.spf_and_dkim_failed", "Apple found neither SPF nor DKIM to pass for the sender's domain."),
    ("apple.local_policy", "Apple refused what the message contains."),
    ("apple.ip_reputation", "Apple refused the IP address that sent it."),
    ("apple.dmarc_policy", "The sender's own DMARC policy told Apple to refuse it."),
    ("apple.spamhaus_dbl", "A domain in the message stands on a blocklist of Spamhaus."),
    ("apple.spamhaus_sbl", "The sending IP address stands on a blocklist of Spamhaus."),
    ("apple.proofpoint_block", "The sending IP address stands on a blocklist of Proofpoint."),
    ("apple.sender_domain_not_found", "Apple could not find the domain of the envelope sender in DNS."),
    ("apple.too_many_errors", "Apple ended the connection because too many commands on it had failed."),
    ("apple.relay_access_denied", "Apple's server said that it does not take mail for this domain."),
    ("apple.not_accepting_connections", "Apple's server took no connections."),
    ("apple.service_unavailable", "Apple asked to try again later."),
    ("apple.excessive_volume", "Apple defers mail to this user because too much of it comes."),
    ("apple.over_quota", "The mailbox is full. It may empty again."),
    ("apple.user_not_found", "Apple says of this recipient that there is no such user."),
    ("apple.user_does_not_exist", "Apple says of this recipient that the user does not exist."),
    ("apple.unknown_alias", "Apple says of this recipient that the alias is unknown."),
    ("apple.no_longer_on_server", "Apple says that this recipient is no longer there."),
    ("apple.inactive_address", "The user has paused this address, and may take it up again."),
    (
        "apple.not_the_recipient",
        "The words are those for a missing user, but beside them stands another address than the recipient's.",
    ),
    ("relay.unknown_text", "A relay address was refused in words that no rule knows, so nobody is blamed."),
    (
        "relay.no_text",
        "A relay address was refused without a text. Apple gives one code for opposite things, so nobody is blamed.",
    ),
];

/// Apple's notifications.
const CONSENT: Table = &[
    ("apple.email_disabled", "Apple says: the user turned mail forwarding off."),
    ("apple.email_enabled", "Apple says: the user turned mail forwarding on."),
    ("apple.consent_revoked", "Apple says: the user stopped using Sign in with Apple for this app."),
    ("apple.account_deleted", "Apple says: the user deleted the Apple Account."),
];

/// The ESPs' own words when they did not try.
const LISTS: Table = &[
    ("esp.sparkpost_suppressed", "SparkPost did not try: the address stands on its suppression list."),
    ("esp.ses_suppressed", "Amazon SES did not try: the address stands on its global suppression list."),
    ("esp.ses_suppression_list", "Amazon SES did not try: the address stands on a suppression list."),
    ("esp.mailgun_bounced", "Mailgun did not try: the address bounced before."),
    ("esp.mailgun_unsubscribed", "Mailgun did not try: the address unsubscribed before."),
    ("esp.mailgun_complained", "Mailgun did not try: the user complained before."),
    ("esp.suppression_list", "The ESP did not try: the address stands on its suppression list."),
];

const SES: Table = &[
    ("ses.suppressed", "SES did not try: the address stands on its global suppression list."),
    ("ses.on_account_suppression_list", "SES did not try: the address stands on the account's suppression list."),
    ("ses.on_tenant_suppression_list", "SES did not try: the address stands on the tenant's suppression list."),
    ("ses.email_validation_suppressed", "SES did not try: its validation found the address unlikely to take mail."),
    ("ses.suppressed_otherwise", "SES did not try: a suppression that this version does not know by name."),
    ("ses.permanent_general", "No text decided; SES calls it permanent."),
    ("ses.permanent_no_email", "No text decided; SES says that the address does not exist."),
    ("ses.permanent", "No text decided; SES calls it permanent, of a kind that this version does not know."),
    (
        "ses.permanent_but_delayed",
        "SES calls the report permanent, but of this recipient it says that mail is still on its way.",
    ),
    (
        "ses.permanent_but_delivered",
        "SES calls the report permanent, but of this recipient it says that the mail arrived.",
    ),
    ("ses.automatic_reply", "An automatic reply, such as out of office. The mail arrived."),
    ("ses.transient_general", "No text decided; SES calls it temporary."),
    ("ses.transient_mailbox_full", "The mailbox is full, SES says."),
    ("ses.transient_message_too_large", "The message is too large for the receiver, SES says."),
    ("ses.transient_content_rejected", "The receiver refused what the message contains, SES says."),
    ("ses.transient_attachment_rejected", "The receiver refused an attachment, SES says."),
    ("ses.transient_custom_timeout_exceeded", "SES gave up at the time limit that you set."),
    ("ses.transient", "No text decided; SES calls it temporary, of a kind that this version does not know."),
    ("ses.undetermined", "SES could not tell what the reply means, and no text rule could."),
    ("ses.unknown_type", "A type of bounce that this version does not know, and no text decided."),
    ("ses.complaint", "The recipient called the mail spam, and the report names nobody else."),
    (
        "ses.complaint_names_several",
        "Somebody called the mail spam, and the report names several people: nobody can tell who.",
    ),
    ("ses.complaint_not_spam", "The recipient said that the mail is no spam."),
    (
        "ses.complaint_auth_failure",
        "A machine reports that the mail failed authentication. The recipient said nothing.",
    ),
    ("ses.complaint_virus", "A machine reports a virus. The recipient said nothing."),
    (
        "ses.complaint_on_account_suppression_list",
        "SES did not try: the account's suppression list holds the address for a complaint.",
    ),
    ("ses.delivery", "The next server took the mail. Of Apple's relay that is no proof that it forwarded it."),
    ("ses.delay", "SES is still trying, for a reason that this version does not know."),
    ("ses.delay_internal_failure", "SES is still trying; it has trouble of its own."),
    ("ses.delay_sending_deferral", "SES is still trying; it defers the mail itself."),
    ("ses.delay_ip_failure", "SES is still trying; its own IP address is refused."),
    ("ses.delay_byoip_host_name", "SES is still trying; the host name of your own IP address cannot be looked up."),
    ("ses.delay_spam_detected", "SES is still trying; the receiver finds a lot of unwanted mail from the account."),
    ("ses.delay_mailbox_full", "SES is still trying; the mailbox is full."),
    ("ses.delay_recipient_server_error", "SES is still trying; the receiving server has an error."),
    ("ses.delay_transient_communication_failure", "SES is still trying; the connection to the receiver failed."),
    ("ses.delay_general", "SES is still trying and does not say why."),
    ("ses.delay_undetermined", "SES is still trying and could not tell why."),
    ("ses.send", "SES took the message from you. Nothing is known of its arrival."),
    ("ses.reject", "SES refused the message itself: it found malware. Nothing was sent."),
    ("ses.rendering_failure", "The template could not be filled in. Nothing was sent."),
    ("ses.open", "An image was loaded. Mail programs and proxies do that as well, so it proves nothing."),
    ("ses.click", "A link was opened. Scanners do that as well, so it proves nothing."),
    ("ses.subscription_left", "The recipient left a list, or all of them."),
    ("ses.subscription_names_several", "Somebody left a list, but the message went to several people."),
    ("ses.subscription", "The recipient changed preferences without leaving anything."),
];

const SPARKPOST: Table = &[
    ("sparkpost.undetermined", "SparkPost could not tell what the reply means (class 1), and no text rule could."),
    ("sparkpost.invalid_recipient", "No text decided; SparkPost calls the recipient invalid (class 10)."),
    ("sparkpost.soft_bounce", "No text decided; SparkPost calls it temporary (class 20)."),
    ("sparkpost.dns_failure", "The receiver's domain could not be looked up, SparkPost says (class 21)."),
    ("sparkpost.mailbox_full", "The mailbox is full, SparkPost says (class 22)."),
    ("sparkpost.too_large", "The message is too large for the receiver, SparkPost says (class 23)."),
    ("sparkpost.timeout", "The receiver did not answer in time, SparkPost says (class 24)."),
    ("sparkpost.suppressed", "SparkPost did not try: one of its lists holds the address."),
    ("sparkpost.admin_failure", "SparkPost's own configuration stopped the mail (class 25)."),
    (
        "sparkpost.no_recipient_determined",
        "SparkPost took a report for a hard bounce without being sure of the recipient (class 30).",
    ),
    ("sparkpost.generic_bounce", "No text decided; SparkPost gives no reason (class 40)."),
    ("sparkpost.mail_block", "The receiver blocks the sender, SparkPost says (class 50)."),
    ("sparkpost.spam_block", "The receiver blocks the sender as a source of spam, SparkPost says (class 51)."),
    ("sparkpost.spam_content", "The receiver took the content for spam, SparkPost says (class 52)."),
    ("sparkpost.prohibited_attachment", "The receiver refused an attachment, SparkPost says (class 53)."),
    (
        "sparkpost.relaying_denied",
        "The receiver does not take mail for this domain from the sender, SparkPost says (class 54).",
    ),
    ("sparkpost.auto_reply", "An automatic reply, such as out of office (class 60). The mail arrived."),
    ("sparkpost.transient_failure", "The mail was delayed for a while, SparkPost says (class 70)."),
    ("sparkpost.subscribe", "A mail that asked to subscribe (class 80). No news."),
    ("sparkpost.unsubscribe", "The recipient asked by mail not to be mailed (class 90)."),
    ("sparkpost.challenge_response", "The receiver asks the sender to prove to be a person (class 100)."),
    ("sparkpost.unknown_class", "A bounce class that is not in SparkPost's table, and no text decided."),
    ("sparkpost.no_class", "SparkPost gave no bounce class, and no text decided."),
    ("sparkpost.delay", "SparkPost is still trying, and no text rule knows why."),
    ("sparkpost.delivery", "The next server took the mail. Of Apple's relay that is no proof that it forwarded it."),
    ("sparkpost.injection", "SparkPost took the message from you. Nothing is known of its arrival."),
    ("sparkpost.policy_rejection", "SparkPost refused the message by its policy. Nobody asked the receiver."),
    ("sparkpost.generation_rejection", "SparkPost refused to build the message. Nobody asked the receiver."),
    ("sparkpost.generation_failure", "SparkPost could not build the message. Nobody asked the receiver."),
    ("sparkpost.spam_complaint", "The recipient called the mail spam."),
    ("sparkpost.not_spam", "The recipient said that the mail is no spam."),
    ("sparkpost.list_unsubscribe", "The recipient left by the List-Unsubscribe header."),
    ("sparkpost.link_unsubscribe", "The recipient left by a link in the message."),
];

const BRAZE: Table = &[
    ("braze.drop", "The ESP behind Braze did not try: an earlier suppression stopped the mail."),
    ("braze.bounce", "No text decided; Braze calls it a hard bounce."),
    ("braze.soft_bounce", "No text decided; Braze calls it a soft bounce."),
    ("braze.deferral", "The ESP behind Braze is still trying, and no text rule knows why."),
    ("braze.mark_as_spam", "The recipient called the mail spam."),
    ("braze.unsubscribe", "The recipient unsubscribed."),
    ("braze.delivery", "The next server took the mail. Of Apple's relay that is no proof that it forwarded it."),
    ("braze.send", "Braze handed the message to its ESP. Nothing is known of its arrival."),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;
    use crate::domain::bounce::RuleBook;

    /// The names of rules that the readers of bounces and the sources spell out.
    fn spelled(folder: &Path, names: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                spelled(&path, names);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap();
            for literal in code.split('"').skip(1).step_by(2) {
                let Some((head, tail)) = literal.split_once('.') else { continue };
                let word = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
                if ["apple", "relay", "esp", "ses", "sparkpost", "braze"].contains(&head) && word(tail) {
                    names.insert(literal.to_owned());
                }
            }
        }
    }

    #[test]
    fn every_rule_has_its_sentence_and_every_sentence_its_rule() {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut names = BTreeSet::new();
        spelled(&source.join("sources"), &mut names);
        spelled(&source.join("domain/bounce"), &mut names);
        names.extend(RuleBook::built_in_names().map(str::to_owned));
        assert!(names.len() > 100, "only {} rules were found", names.len());
        let silent: Vec<_> = names.iter().filter(|name| sentence(name).is_none()).collect();
        assert!(silent.is_empty(), "without a sentence: {silent:?}");
        let told = [RELAY, CONSENT, LISTS, SES, SPARKPOST, BRAZE].concat();
        let idle: Vec<_> = told.iter().filter(|(name, _)| !names.contains(*name)).collect();
        assert!(idle.is_empty(), "no such rule: {idle:?}");
        assert_eq!(told.len(), told.iter().map(|(name, _)| name).collect::<BTreeSet<_>>().len(), "a name stands twice");
        assert_eq!(sentence("ops.held"), None);
    }
}
