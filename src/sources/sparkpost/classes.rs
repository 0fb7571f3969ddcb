//! SparkPost's bounce classes and what each may do, where no text of the remote server decides.

use crate::domain::bounce::EspClass;

/// What a bounce class stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// A bounce of this class.
    Bounce(EspClass),
    /// The recipient asked by mail not to be mailed.
    Unsubscribed,
    /// An administrative message; no news.
    Nothing,
}

/// What decides between two readings of one class.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    /// Whether the text says that a suppression list stopped the mail.
    pub(super) suppressed: bool,
    /// Whether the event names a recipient.
    pub(super) recipient: bool,
}

/// The meaning of a class and the name of the rule that says so. A class that is not in SparkPost's table is recorded
/// and suppresses nobody.
///
/// Source: SparkPost, "Bounce classification codes".
pub(super) fn meaning(class: Option<i64>, seen: Seen) -> (Meaning, &'static str) {
    use EspClass::{AutoReply, Block, Content, Echo, Hard, Soft, Undetermined};
    let (class, rule) = match class {
        Some(1) => (Undetermined, "sparkpost.undetermined"),
        Some(10) => (Hard, "sparkpost.invalid_recipient"),
        Some(20) => (Soft, "sparkpost.soft_bounce"),
        Some(21) => (Soft, "sparkpost.dns_failure"),
        Some(22) => (Soft, "sparkpost.mailbox_full"),
        Some(23) => (Soft, "sparkpost.too_large"),
        Some(24) => (Soft, "sparkpost.timeout"),
        Some(25) if seen.suppressed => (Echo, "sparkpost.suppressed"),
        Some(25) => (Undetermined, "sparkpost.admin_failure"),
        Some(30) if seen.recipient => (Hard, "sparkpost.no_recipient_determined"),
        Some(30) => (Undetermined, "sparkpost.no_recipient_determined"),
        Some(40) => (Soft, "sparkpost.generic_bounce"),
        Some(50) => (Block, "sparkpost.mail_block"),
        Some(51) => (Block, "sparkpost.spam_block"),
        Some(52) => (Content, "sparkpost.spam_content"),
        Some(53) => (Content, "sparkpost.prohibited_attachment"),
        Some(54) => (Block, "sparkpost.relaying_denied"),
        Some(60) => (AutoReply, "sparkpost.auto_reply"),
        Some(70) => (Soft, "sparkpost.transient_failure"),
        Some(80) => return (Meaning::Nothing, "sparkpost.subscribe"),
        Some(90) => return (Meaning::Unsubscribed, "sparkpost.unsubscribe"),
        Some(100) => (Soft, "sparkpost.challenge_response"),
        Some(_) => (Undetermined, "sparkpost.unknown_class"),
        None => (Undetermined, "sparkpost.no_class"),
    };
    (Meaning::Bounce(class), rule)
}

/// Whether SparkPost's own text says that one of its lists stopped the mail ("recipient address was suppressed due to
/// customer policy").
pub(super) fn says_suppressed(text: &str) -> bool {
    const WORD: &[u8] = b"suppress";
    text.as_bytes().windows(WORD.len()).any(|window| window.eq_ignore_ascii_case(WORD))
}

#[cfg(test)]
mod tests {
    use super::*;

    macro_rules! rows {
        ($($name:ident: $class:expr, suppressed $suppressed:literal, recipient $recipient:literal => $meaning:expr, $rule:literal;)+) => {
            $(#[test]
            fn $name() {
                let seen = Seen { suppressed: $suppressed, recipient: $recipient };
                assert_eq!(meaning($class, seen), ($meaning, concat!("sparkpost.", $rule)));
            })+
        };
    }

    use EspClass::{AutoReply, Block, Content, Echo, Hard, Soft, Undetermined};
    use Meaning::{Bounce, Nothing, Unsubscribed};

    rows! {
        class_1: Some(1), suppressed false, recipient true => Bounce(Undetermined), "undetermined";
        class_10: Some(10), suppressed false, recipient true => Bounce(Hard), "invalid_recipient";
        class_20: Some(20), suppressed false, recipient true => Bounce(Soft), "soft_bounce";
        class_21: Some(21), suppressed false, recipient true => Bounce(Soft), "dns_failure";
        class_22: Some(22), suppressed false, recipient true => Bounce(Soft), "mailbox_full";
        class_23: Some(23), suppressed false, recipient true => Bounce(Soft), "too_large";
        class_24: Some(24), suppressed false, recipient true => Bounce(Soft), "timeout";
        class_25_suppressed: Some(25), suppressed true, recipient true => Bounce(Echo), "suppressed";
        class_25_otherwise: Some(25), suppressed false, recipient true => Bounce(Undetermined), "admin_failure";
        class_30: Some(30), suppressed false, recipient true => Bounce(Hard), "no_recipient_determined";
        class_30_of_nobody: Some(30), suppressed false, recipient false => Bounce(Undetermined), "no_recipient_determined";
        class_40: Some(40), suppressed false, recipient true => Bounce(Soft), "generic_bounce";
        class_50: Some(50), suppressed false, recipient true => Bounce(Block), "mail_block";
        class_51: Some(51), suppressed false, recipient true => Bounce(Block), "spam_block";
        class_52: Some(52), suppressed false, recipient true => Bounce(Content), "spam_content";
        class_53: Some(53), suppressed false, recipient true => Bounce(Content), "prohibited_attachment";
        class_54: Some(54), suppressed false, recipient true => Bounce(Block), "relaying_denied";
        class_60: Some(60), suppressed false, recipient true => Bounce(AutoReply), "auto_reply";
        class_70: Some(70), suppressed false, recipient true => Bounce(Soft), "transient_failure";
        class_80: Some(80), suppressed false, recipient true => Nothing, "subscribe";
        class_90: Some(90), suppressed false, recipient true => Unsubscribed, "unsubscribe";
        class_100: Some(100), suppressed false, recipient true => Bounce(Soft), "challenge_response";
        class_15_seen_in_the_wild: Some(15), suppressed false, recipient true => Bounce(Undetermined), "unknown_class";
        class_26_seen_in_the_wild: Some(26), suppressed true, recipient true => Bounce(Undetermined), "unknown_class";
        class_999: Some(999), suppressed false, recipient true => Bounce(Undetermined), "unknown_class";
        class_missing: None, suppressed false, recipient true => Bounce(Undetermined), "no_class";
    }

    #[test]
    fn only_class_10_and_30_are_hard_and_only_25_is_an_echo() {
        for class in 0..=1000 {
            let (meaning, _) = meaning(Some(class), Seen { suppressed: true, recipient: true });
            assert_eq!(meaning == Bounce(Hard), matches!(class, 10 | 30), "{class}");
            assert_eq!(meaning == Bounce(Echo), class == 25, "{class}");
        }
    }

    #[test]
    fn knows_the_words_of_a_suppression() {
        assert!(says_suppressed("554 5.7.1 recipient address was Suppressed due to system policy"));
        assert!(!says_suppressed("550 5.7.1 message rejected: policy") && !says_suppressed(""));
    }
}
