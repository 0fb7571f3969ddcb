//! The rules in their order: an operator's, the ESPs' own texts, Apple's, and the ESP's class last.

use std::borrow::Cow;

use super::apple::BuiltIn;
use super::matching::Said;
use super::{
    Diagnostic, EspClass, Reading, Report, Rule, RuleError, apple, esp, is_apple_domain, is_relay_capable, rule,
};
use crate::domain::event::{Kind, Scope};

/// The rule of a refusal at a relay-capable address whose text no rule knows.
pub const RELAY_UNKNOWN_TEXT: &str = "relay.unknown_text";

/// The rule of a refusal at a relay-capable address that came without a text: nothing can be concluded from the code.
pub const RELAY_NO_TEXT: &str = "relay.no_text";

/// Whether a rule's words say that the mailbox does not exist, which is more than a hard bounce in the recipient's scope:
/// a paused address bounces so too. No operator rule says it.
pub fn says_gone(rule: &str) -> bool {
    apple::GONE.contains(&rule)
}

/// The rules in the order in which they are tried. The default has the built-in ones.
#[derive(Debug, Clone, Default)]
pub struct RuleBook {
    operators: Vec<Rule>,
}

impl RuleBook {
    /// The built-in rules with an operator's before them.
    ///
    /// # Errors
    /// The first rule that cannot stand, by name and field.
    pub fn with_operator_rules(rules: Vec<Rule>) -> Result<Self, RuleError> {
        Ok(Self { operators: rule::checked(rules)? })
    }

    /// The names of the built-in text rules, in their order. One name may stand for several texts.
    pub fn built_in_names() -> impl Iterator<Item = &'static str> {
        esp::RULES.iter().chain(&apple::RULES).map(|rule| rule.name).chain([RELAY_UNKNOWN_TEXT, RELAY_NO_TEXT])
    }

    /// What the report means.
    pub fn read(&self, report: &Report<'_>) -> Reading {
        let domain = report.recipient.map(|recipient| recipient.domain());
        self.judge(&Diagnostic::of(report), domain, report.class, report.class_rule)
    }

    /// What an already redacted reply means, for a recipient on this domain. Gives the same for a stored diagnostic as
    /// [`RuleBook::read`] gave for the report it came from.
    pub fn judge(&self, said: &Diagnostic, domain: Option<&str>, class: EspClass, class_rule: &str) -> Reading {
        let by_class = |kind, scope| Reading { kind, scope, fresh: true, rule: Cow::Owned(class_rule.to_owned()) };
        match class {
            // Nobody asked Apple, so no text can be Apple's.
            EspClass::Echo => return Reading { fresh: false, ..by_class(Kind::HardBounce, Scope::Esp) },
            // The mail arrived. The text is a person's, not a server's.
            EspClass::AutoReply => return Reading { fresh: false, ..by_class(Kind::SoftBounce, Scope::Recipient) },
            _ => {}
        }
        let said = Said::of(said);
        if let Some(reading) = self.by_text(&said, domain.is_some_and(is_apple_domain)) {
            return reading;
        }
        let refused = match said.smtp_class() {
            Some(4) => Kind::SoftBounce,
            _ => Kind::HardBounce,
        };
        match (class, domain) {
            (EspClass::Hard | EspClass::Block | EspClass::Content, None) => by_class(refused, Scope::Ambiguous),
            (EspClass::Hard, Some(domain)) if is_relay_capable(domain) => {
                let rule = if said.has_words() { RELAY_UNKNOWN_TEXT } else { RELAY_NO_TEXT };
                Reading { kind: refused, scope: Scope::Ambiguous, fresh: true, rule: Cow::Borrowed(rule) }
            }
            (EspClass::Hard, Some(domain)) if is_apple_domain(domain) => by_class(refused, Scope::Recipient),
            // Other providers' texts are not read here: the ESP's word stands, whatever the code.
            (EspClass::Hard, Some(_)) => by_class(Kind::HardBounce, Scope::Recipient),
            (EspClass::Block, Some(_)) => by_class(refused, Scope::Sender),
            (EspClass::Content, Some(_)) => by_class(refused, Scope::Content),
            (EspClass::Soft, Some(domain)) if !is_relay_capable(domain) => by_class(Kind::SoftBounce, Scope::Recipient),
            _ => by_class(Kind::SoftBounce, Scope::Ambiguous),
        }
    }

    /// The first text rule that fits. Apple's texts and an operator's mean something only where Apple answers.
    fn by_text(&self, said: &Said, at_apple: bool) -> Option<Reading> {
        let operators = self.operators.iter().filter(|_| at_apple);
        let operators = operators.filter(|r| said.fits(r.all.iter().map(String::as_str), r.party, r.code_class));
        let operators = operators.map(|r| (Cow::Owned(r.name.clone()), r.code_class, r.kind, r.scope));

        let built_in = esp::RULES.iter().chain(apple::RULES.iter().filter(|_| at_apple));
        let built_in = built_in.filter(|r| said.fits(r.all.iter().copied(), r.party, r.code_class));
        let built_in = built_in.map(|r: &BuiltIn| (Cow::Borrowed(r.name), r.code_class, r.kind, r.scope));

        let (rule, code_class, kind, scope) = operators.chain(built_in).next()?;
        let echo = scope == Scope::Esp;
        // "Not now" is not "no", whatever the words: unless the rule itself asked for that class.
        let not_now = said.smtp_class() == Some(4) && code_class.is_none() && !echo;
        let kind = if not_now { Kind::SoftBounce } else { kind };
        Some(Reading { kind, scope, fresh: !echo, rule })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::address::Address;
    use crate::domain::bounce::Party;

    const RELAY: &str = "6qj4xaisn4k@privaterelay.appleid.com";
    const VERP: &str = "bounce+b53c9e.27949-6qj4xaisn4k=privaterelay.appleid.com@test.x.domain.example";
    const SENDER: &str = "bounces@send.shop.example";

    struct Case<'a> {
        recipient: Option<&'a str>,
        mail_from: Option<&'a str>,
        text: Option<&'a str>,
        code: Option<u16>,
        class: EspClass,
    }

    impl Default for Case<'_> {
        fn default() -> Self {
            Self { recipient: Some(RELAY), mail_from: Some(SENDER), text: None, code: None, class: EspClass::Hard }
        }
    }

    fn read_with(book: &RuleBook, case: &Case<'_>) -> Reading {
        let (recipient, mail_from) = (case.recipient.and_then(Address::parse), case.mail_from.and_then(Address::parse));
        let report = Report {
            recipient: recipient.as_ref(),
            mail_from: mail_from.as_ref(),
            text: case.text,
            status: None,
            code: case.code,
            class: case.class,
            class_rule: "esp.class",
        };
        let reading = book.read(&report);
        let stored = Diagnostic::of(&report);
        let again = book.judge(&stored, recipient.as_ref().map(Address::domain), case.class, "esp.class");
        assert_eq!(again, reading, "a stored diagnostic reads the same: {stored:?}");
        reading
    }

    fn read(case: &Case<'_>) -> (String, Kind, Scope, bool) {
        let reading = read_with(&RuleBook::default(), case);
        (reading.rule.into_owned(), reading.kind, reading.scope, reading.fresh)
    }

    fn said(text: &str) -> (String, Kind, Scope) {
        let (rule, kind, scope, _) = read(&Case { text: Some(text), ..Case::default() });
        (rule, kind, scope)
    }

    /// Apple's texts as they were seen, with our own recipient (`{R}`) and sender (`{S}`) in them.
    const SEEN: [(&str, &str, Kind, Scope); 32] = {
        use Kind::{HardBounce as Hard, SoftBounce as Soft};
        use Scope::{Ambiguous, Content, Recipient, Relay, Sender};
        [
            ("550 5.1.1 <{R}>: user not found (in reply to RCPT TO command)", "apple.user_not_found", Hard, Recipient),
            ("5.1.1 <{S}>: unauthorized sender", "apple.unauthorized_sender", Hard, Sender),
            ("550 5.1.1 bad mailbox name", "apple.bad_mailbox_name", Hard, Sender),
            ("5.7.1 Email rejected due to transformation error", "apple.transformation_error", Hard, Relay),
            ("550 5.7.1 Relay not permitted for user", "apple.relay_not_permitted", Hard, Ambiguous),
            (
                "550 5.1.1 <{R}>: user lookup success but no user record found.",
                "apple.lookup_without_record",
                Hard,
                Relay,
            ),
            (
                "554 5.7.1 [HME1] This message was blocked for failing both SPF and DKIM authentication checks. See x",
                "apple.spf_and_dkim_failed",
                Hard,
                Sender,
            ),
            ("554 5.7.1 blocked for failing both SPF and DKIM checks", "apple.spf_and_dkim_failed", Hard, Sender),
            ("554 5.7.1 [CS01] Message rejected due to local policy.", "apple.local_policy", Hard, Content),
            ("550 5.7.1 Message rejected due to local policy.", "apple.local_policy", Hard, Content),
            ("550 5.7.1 [AB01] Your mail from 192.0.2.1 was rejected.", "apple.ip_reputation", Hard, Sender),
            (
                "554 5.7.1 Your message was rejected due to shop.example's DMARC policy.",
                "apple.dmarc_policy",
                Hard,
                Sender,
            ),
            (
                "550 5.7.1 Your email was rejected due to having a domain present in the Spamhaus DBL -- see x",
                "apple.spamhaus_dbl",
                Hard,
                Sender,
            ),
            (
                "550 5.7.1 Mail from IP 192.0.2.1 was rejected due to listing in Spamhaus SBL.",
                "apple.spamhaus_sbl",
                Hard,
                Sender,
            ),
            (
                "550 5.7.0 Blocked - see https://support.proofpoint.com/dnsbl-lookup.cgi?ip=192.0.2.1",
                "apple.proofpoint_block",
                Hard,
                Sender,
            ),
            (
                "450 4.1.8 <{S}>: Sender address rejected: Domain not found",
                "apple.sender_domain_not_found",
                Soft,
                Sender,
            ),
            ("421 4.7.0 me.com Error: too many errors", "apple.too_many_errors", Soft, Sender),
            ("554 5.7.1 <{R}>: Relay access denied", "apple.relay_access_denied", Hard, Relay),
            ("554 mx-smtpin001.me.com ESMTP not accepting connections", "apple.not_accepting_connections", Hard, Relay),
            ("451 4.7.1 Service unavailable - try again later", "apple.service_unavailable", Soft, Relay),
            (
                "421 4.7.1 Messages to {R} deferred due to excessive volume. Try again later - x",
                "apple.excessive_volume",
                Soft,
                Recipient,
            ),
            ("552 5.2.2 <{R}>: user is over quota (in reply to RCPT TO command)", "apple.over_quota", Soft, Recipient),
            ("450 4.2.2 user is overquota", "apple.over_quota", Soft, Recipient),
            ("550 5.1.1 <{S}>: user not found", "apple.not_the_recipient", Hard, Ambiguous),
            ("550 5.1.1 <{R}>: user does not exist", "apple.user_does_not_exist", Hard, Recipient),
            ("550 5.1.1 <{S}>: user does not exist", "apple.not_the_recipient", Hard, Ambiguous),
            ("550 5.1.1 unknown or illegal alias: {R}", "apple.unknown_alias", Hard, Recipient),
            ("550 5.1.1 unknown or illegal alias: {S}", "apple.not_the_recipient", Hard, Ambiguous),
            ("550 5.1.6 recipient no longer on server: {R}", "apple.no_longer_on_server", Hard, Recipient),
            ("550 5.1.6 recipient no longer on server: {S}", "apple.not_the_recipient", Hard, Ambiguous),
            ("550 5.1.1 <{R}>: inactive email address", "apple.inactive_address", Hard, Recipient),
            ("550 5.1.1 <{S}>: inactive email address", "apple.not_the_recipient", Hard, Ambiguous),
        ]
    };

    #[test]
    fn every_text_of_apple_picks_its_rule_on_every_domain_of_apple() {
        for domain in ["privaterelay.appleid.com", "private.icloud.com", "icloud.com", "me.com", "mac.com"] {
            let recipient = format!("6qj4xaisn4k@{domain}");
            for (text, rule, kind, scope) in SEEN {
                let text = text.replace("{R}", &recipient).replace("{S}", SENDER);
                for class in [EspClass::Hard, EspClass::Soft, EspClass::Block, EspClass::Undetermined] {
                    let case = Case { recipient: Some(&recipient), text: Some(&text), class, ..Case::default() };
                    assert_eq!(read(&case), (rule.to_owned(), kind, scope, true), "{class:?} {domain} {text}");
                }
            }
        }
    }

    #[test]
    fn every_built_in_rule_is_reached_and_well_formed() {
        for rule in &apple::RULES {
            assert!(
                SEEN.iter().any(|(_, name, kind, scope)| (*name, *kind, *scope) == (rule.name, rule.kind, rule.scope))
            );
        }
        for rule in apple::RULES.iter().chain(&esp::RULES) {
            assert!(rule.name.starts_with("apple.") || rule.name.starts_with("esp."), "{}", rule.name);
            for text in rule.all {
                assert_eq!(*text, super::super::matching::folded(text), "{}", rule.name);
            }
        }
        for name in apple::GONE {
            let rule = apple::RULES.iter().find(|r| r.name == name).unwrap();
            assert_eq!((rule.party, rule.scope), (Party::RecipientOrNone, Scope::Recipient));
            assert!(says_gone(name));
        }
        assert!(!says_gone("apple.inactive_address") && !says_gone("apple.not_the_recipient"));
    }

    #[test]
    fn a_verp_sender_in_brackets_does_not_convict_the_recipient_it_contains() {
        for sender in [
            VERP,
            "bounce-6qj4xaisn4k_at_privaterelay_appleid_com@test.x.domain.example",
            "b+6qj4xaisn4k=privaterelay.appleid.com@test.x.domain.example",
            "9f86d081884c@test.x.domain.example",
        ] {
            for mail_from in [Some(sender), Some("aaaa@test.x.domain.example"), None] {
                let read = |text: &str| read(&Case { mail_from, text: Some(text), ..Case::default() });
                let (rule, _, scope, _) = read(&format!("5.1.1 <{sender}>: unauthorized sender"));
                assert_eq!((rule.as_str(), scope), ("apple.unauthorized_sender", Scope::Sender), "{sender}");
                let (rule, _, scope, _) = read(&format!("550 5.1.1 <{sender}>: user not found"));
                assert_eq!((rule.as_str(), scope), ("apple.not_the_recipient", Scope::Ambiguous), "{sender}");
                let (rule, ..) = read(&format!("<{sender}>: host said: 550 5.1.1 <{RELAY}>: user not found"));
                assert_eq!(rule, "apple.user_not_found", "the party beside the words counts");
                let (rule, ..) = read(&format!("<{RELAY}>: host said: 550 5.1.1 <{sender}>: user not found"));
                assert_eq!(rule, "apple.not_the_recipient", "the party beside the words counts");
            }
        }
    }

    #[test]
    fn where_nobody_is_named_the_words_decide() {
        for text in
            ["550 5.1.1 <...@...>: user not found", "550 5.1.1 user not found", "<****@icloud.com>: User  Not Found"]
        {
            assert_eq!(said(text), ("apple.user_not_found".into(), Kind::HardBounce, Scope::Recipient), "{text}");
        }
        assert_eq!(said("550 5.1.1 <...@...>: unauthorized sender").2, Scope::Sender);
        assert_eq!(said("550 user not found, write to <postmaster@mx.example>").0, "apple.not_the_recipient");
    }

    #[test]
    fn shape_does_not_matter() {
        for text in [
            "550-5.1.1 <6qj4xaisn4k@privaterelay.appleid.com>: user\r\n550 5.1.1 not found",
            "smtp; 550 5.1.1 <6QJ4XAISN4K@PRIVATERELAY.APPLEID.COM>: USER\tNOT  FOUND",
            "6qj4xaisn4k@privaterelay.appleid.com: user not found",
        ] {
            assert_eq!(said(text).0, "apple.user_not_found", "{text}");
        }
    }

    #[test]
    fn not_now_is_soft_whatever_the_words_and_the_class() {
        assert_eq!(said("450 4.1.1 <6qj4xaisn4k@privaterelay.appleid.com>: user not found").1, Kind::SoftBounce);
        assert_eq!(said("421 something new").1, Kind::SoftBounce);
        assert_eq!(said("4.3.2 something new").1, Kind::SoftBounce);
        for class in [EspClass::Hard, EspClass::Block, EspClass::Content] {
            let case = Case { text: Some("something new"), code: Some(451), class, ..Case::default() };
            assert_eq!(read(&case).1, Kind::SoftBounce, "{class:?}");
        }
        let case = Case { text: Some("550 5.1.1 unauthorized sender"), code: Some(450), ..Case::default() };
        assert_eq!(read(&case).1, Kind::HardBounce, "the text's own code comes before the one beside it");
    }

    #[test]
    fn an_unknown_text_or_none_is_ambiguous_where_a_relay_may_stand_behind() {
        for (recipient, relay) in [
            (RELAY, true),
            ("a1b2c@private.icloud.com", true),
            ("jane@icloud.com", true),
            ("jane@me.com", false),
            ("jane@b.example", false),
        ] {
            for (text, rule) in [
                (Some("550 5.1.1 mailbox unavailable"), RELAY_UNKNOWN_TEXT),
                (Some("smtp; 550 5.1.1"), RELAY_NO_TEXT),
                (Some(" "), RELAY_NO_TEXT),
                (None, RELAY_NO_TEXT),
            ] {
                let want = match relay {
                    true => (rule.to_owned(), Kind::HardBounce, Scope::Ambiguous, true),
                    false => ("esp.class".to_owned(), Kind::HardBounce, Scope::Recipient, true),
                };
                assert_eq!(
                    read(&Case { recipient: Some(recipient), text, ..Case::default() }),
                    want,
                    "{recipient} {text:?}"
                );
            }
        }
    }

    #[test]
    fn the_class_decides_where_no_text_does() {
        use EspClass::{AutoReply, Block, Content, Echo, Hard, Soft, Undetermined};
        let (relay, other, none) = (Some(RELAY), Some("jane@b.example"), None);
        for (class, recipient, kind, scope, fresh) in [
            (Echo, relay, Kind::HardBounce, Scope::Esp, false),
            (Echo, other, Kind::HardBounce, Scope::Esp, false),
            (AutoReply, relay, Kind::SoftBounce, Scope::Recipient, false),
            (Undetermined, relay, Kind::SoftBounce, Scope::Ambiguous, true),
            (Undetermined, other, Kind::SoftBounce, Scope::Ambiguous, true),
            (Block, relay, Kind::HardBounce, Scope::Sender, true),
            (Content, other, Kind::HardBounce, Scope::Content, true),
            (Soft, relay, Kind::SoftBounce, Scope::Ambiguous, true),
            (Soft, other, Kind::SoftBounce, Scope::Recipient, true),
            (Hard, none, Kind::HardBounce, Scope::Ambiguous, true),
            (Block, none, Kind::HardBounce, Scope::Ambiguous, true),
            (Soft, none, Kind::SoftBounce, Scope::Ambiguous, true),
        ] {
            let got = read(&Case { recipient, class, text: Some("something new"), ..Case::default() });
            assert_eq!(got, ("esp.class".to_owned(), kind, scope, fresh), "{class:?} {recipient:?}");
        }
    }

    #[test]
    fn an_echo_is_one_before_any_text_of_apple() {
        let text = Some("550 5.1.1 <6qj4xaisn4k@privaterelay.appleid.com>: user not found");
        let (rule, kind, scope, fresh) = read(&Case { text, class: EspClass::Echo, ..Case::default() });
        assert_eq!((rule.as_str(), kind, scope, fresh), ("esp.class", Kind::HardBounce, Scope::Esp, false));
    }

    #[test]
    fn an_esps_own_words_are_an_echo_for_every_domain_and_class() {
        for (text, rule) in [
            (
                "554 5.7.1 [internal] recipient address was suppressed due to customer policy",
                "esp.sparkpost_suppressed",
            ),
            ("554 5.7.1 - Recipient address was suppressed due to system policy", "esp.sparkpost_suppressed"),
            (
                "Amazon SES has suppressed sending to this address because it has a recent history of bouncing",
                "esp.ses_suppressed",
            ),
            (
                "Amazon SES did not send the message to this address because it is on the suppression list for your tenant.",
                "esp.ses_suppression_list",
            ),
            ("Not delivering to previously bounced address", "esp.mailgun_bounced"),
            ("Not delivering to unsubscribed address", "esp.mailgun_unsubscribed"),
            ("Not delivering to a user who marked your messages as spam", "esp.mailgun_complained"),
            (
                "The recipient's email address is on the suppression list because of an earlier bounce",
                "esp.suppression_list",
            ),
        ] {
            for recipient in [Some(RELAY), Some("jane@b.example"), None] {
                for class in [EspClass::Hard, EspClass::Soft, EspClass::Block, EspClass::Undetermined] {
                    let got = read(&Case { recipient, text: Some(text), class, ..Case::default() });
                    assert_eq!(got, (rule.to_owned(), Kind::HardBounce, Scope::Esp, false), "{text}");
                }
            }
        }
    }

    #[test]
    fn apples_texts_mean_nothing_elsewhere() {
        let case =
            Case { recipient: Some("jane@b.example"), text: Some("550 5.1.1 unauthorized sender"), ..Case::default() };
        assert_eq!(read(&case), ("esp.class".to_owned(), Kind::HardBounce, Scope::Recipient, true));
    }

    #[test]
    fn an_operators_rule_goes_first_and_only_for_apple() {
        let rule = Rule {
            name: "ops.relay_hiccup".into(),
            all: vec!["User Not  Found".into()],
            party: Party::Recipient,
            code_class: Some(5),
            kind: Kind::HardBounce,
            scope: Scope::Relay,
        };
        let book = RuleBook::with_operator_rules(vec![rule]).unwrap();
        let read = |text: &str, recipient| {
            let reading = read_with(&book, &Case { recipient, text: Some(text), ..Case::default() });
            (reading.rule.into_owned(), reading.scope)
        };
        let text = "550 5.1.1 <6qj4xaisn4k@privaterelay.appleid.com>: user not found";
        assert_eq!(read(text, Some(RELAY)), ("ops.relay_hiccup".into(), Scope::Relay));
        assert_eq!(read(text, Some("jane@b.example")).0, "esp.class");
        assert_eq!(read("550 5.1.1 user not found", Some(RELAY)).0, "apple.user_not_found", "the party differs");
        assert_eq!(read("user not found", Some(RELAY)).0, "apple.user_not_found", "the code class is not known");
    }

    #[test]
    fn a_local_part_that_is_a_word_of_a_rule_does_not_hide_the_rule() {
        for local in ["sender", "found", "quota", "alias"] {
            let recipient = format!("{local}@icloud.com");
            let read = |text: &str| read(&Case { recipient: Some(&recipient), text: Some(text), ..Case::default() }).0;
            assert_eq!(read("550 5.1.1 unauthorized sender"), "apple.unauthorized_sender");
            assert_eq!(read(&format!("550 5.1.1 <{recipient}>: user not found")), "apple.user_not_found");
            assert_eq!(read(&format!("550 5.1.1 unknown or illegal alias: {recipient}")), "apple.unknown_alias");
        }
    }
}
