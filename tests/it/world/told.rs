//! Events with defaults, so that a test states only what matters to it.

use std::sync::atomic::{AtomicU64, Ordering};

use relaywatch::domain::address::Address;
use relaywatch::domain::bounce::{EspClass, Report, RuleBook};
use relaywatch::domain::event::{Decision, Event, Evidence, Identity, Kind, Origin, Scope, Source, Who};
use relaywatch::domain::ids::{AppId, Esp, StreamName, Sub, TeamId};
use relaywatch::domain::record::OverrideAction;
use relaywatch::domain::time::Timestamp;

use super::TEAM;

/// One way of sending, as an ESP's report shows it.
#[derive(Debug, Clone, Copy)]
pub struct Way {
    pub esp: &'static str,
    pub from: &'static str,
    /// The registered stream it belongs to.
    pub stream: &'static str,
}

/// The newsletter, over SparkPost.
pub const NEWS: Way = Way { esp: "sparkpost", from: "news.shop.example", stream: "news" };
/// Receipts and password resets, over Amazon SES.
pub const RECEIPTS: Way = Way { esp: "ses", from: "shop.example", stream: "receipts" };
/// What nobody registered.
pub const NOBODYS: Way = Way { esp: "ses", from: "forgotten.example", stream: "unregistered" };

/// An event as somebody tells it; without a time it happens when it is received.
#[derive(Debug, Clone)]
pub struct Told {
    event: Event,
    at: Option<Timestamp>,
}

/// What Apple answers to a dead address.
pub fn user_not_found(address: &str) -> Told {
    bounce(address, &format!("550 5.1.1 <{address}>: user not found"), EspClass::Hard)
}

/// What Apple answers to a sender that is not registered with it, with the same code.
pub fn unauthorized_sender(address: &str) -> Told {
    bounce(address, "550 5.1.1 <bounces@news.shop.example>: unauthorized sender", EspClass::Hard)
}

/// What Apple answers for an address that its owner paused.
pub fn paused(address: &str) -> Told {
    bounce(address, &format!("550 5.1.1 <{address}>: inactive email address"), EspClass::Hard)
}

/// A refusal whose words nobody knows.
pub fn unknown_words(address: &str) -> Told {
    bounce(address, "550 5.1.1 something nobody has seen", EspClass::Hard)
}

/// The ESP did not try: its own list holds the address.
pub fn echo(address: &str) -> Told {
    bounce(address, "554 5.7.1 recipient address was suppressed due to customer policy", EspClass::Echo)
}

fn bounce(address: &str, text: &str, class: EspClass) -> Told {
    let (recipient, mail_from) = (Address::parse(address), Address::parse("bounces@news.shop.example"));
    let report = Report {
        recipient: recipient.as_ref(),
        mail_from: mail_from.as_ref(),
        text: Some(text),
        status: None,
        code: None,
        class,
        class_rule: "sparkpost.class",
    };
    let reading = RuleBook::default().read(&report);
    let mut told = of_mail(address, reading.kind, reading.scope);
    told.event.fresh = reading.fresh;
    told.event.rule = reading.rule;
    told
}

pub fn delivered(address: &str) -> Told {
    of_mail(address, Kind::Delivered, Scope::Recipient)
}

pub fn sent(address: &str) -> Told {
    of_mail(address, Kind::Sent, Scope::Recipient)
}

pub fn complaint(address: &str) -> Told {
    of_mail(address, Kind::Complaint, Scope::Recipient)
}

pub fn unsubscribed(address: &str) -> Told {
    of_mail(address, Kind::Unsubscribed, Scope::Recipient)
}

pub fn opted_in(address: &str) -> Told {
    of_mail(address, Kind::OptedIn, Scope::Recipient)
}

pub fn unlisted(address: &str) -> Told {
    of_mail(address, Kind::EspUnlisted, Scope::Esp)
}

/// Apple: the user turned forwarding off.
pub fn forwarding_off(sub: &str, address: &str) -> Told {
    of_apple(Kind::ForwardingDisabled, sub, Some(address))
}

/// Apple: the user turned forwarding on.
pub fn forwarding_on(sub: &str, address: &str) -> Told {
    of_apple(Kind::ForwardingEnabled, sub, Some(address))
}

/// Apple: the user revoked consent. Names no address.
pub fn revoked(sub: &str) -> Told {
    of_apple(Kind::ConsentRevoked, sub, None)
}

/// Apple: the account was deleted. Names no address.
pub fn deleted(sub: &str) -> Told {
    of_apple(Kind::AccountDeleted, sub, None)
}

/// The import: a subject authorized the app, with this address.
pub fn authorized(sub: &str, address: &str) -> Told {
    imported(Kind::Authorized, sub, address)
}

/// The import: the address is the subject's, without word of an authorization.
pub fn linked(sub: &str, address: &str) -> Told {
    imported(Kind::Linked, sub, address)
}

/// An operator's decision.
pub fn decided(address: &str, action: OverrideAction, until: Option<Timestamp>) -> Told {
    let mut told = told(Kind::OperatorOverride, Source::Operator, Scope::Recipient);
    told.event.who.address = Address::parse(address);
    told.event.decision = Some(Decision { action, who: "ops".into(), why: "a ticket".into(), until });
    told
}

fn of_mail(address: &str, kind: Kind, scope: Scope) -> Told {
    let mut told = told(kind, Source::Sparkpost, scope).by(NEWS);
    told.event.who.address = Some(Address::parse(address).expect("an address"));
    told.event.who.named = 1;
    told
}

fn of_apple(kind: Kind, sub: &str, address: Option<&str>) -> Told {
    let mut told = told(kind, Source::Apple, Scope::Recipient).app("shop");
    told.event.who.sub = Sub::parse(sub);
    told.event.who.address = address.map(|a| Address::parse(a).expect("an address"));
    told.event.who.is_private = address.map(|_| true);
    told
}

fn imported(kind: Kind, sub: &str, address: &str) -> Told {
    let mut told = told(kind, Source::Import, Scope::Recipient).app("shop");
    told.event.who.sub = Sub::parse(sub);
    told.event.who.address = Some(Address::parse(address).expect("an address"));
    told
}

fn told(kind: Kind, source: Source, scope: Scope) -> Told {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed).to_string();
    let event = Event {
        identity: Identity::new("told", &[&number]),
        source,
        kind,
        scope,
        fresh: true,
        rule: format!("{source}.{kind}").into(),
        who: Who::default(),
        origin: Origin::of_team(TeamId::new(TEAM)),
        evidence: Evidence { provider_id: Some(number), ..Evidence::default() },
        occurred_at: Timestamp::default(),
        decision: None,
    };
    Told { event, at: None }
}

impl Told {
    /// When the source says it happened.
    pub fn at(mut self, at: Timestamp) -> Self {
        self.at = Some(at);
        self
    }

    /// By which way the mail went.
    pub fn by(mut self, way: Way) -> Self {
        self.event.origin.esp = Some(Esp::new(way.esp));
        self.event.origin.from_domain = Some(way.from.to_owned());
        self.event.source = if way.esp == "ses" { Source::Ses } else { Source::Sparkpost };
        self
    }

    /// By no way that the report names: it concerns the address as a whole.
    pub fn by_no_way(mut self) -> Self {
        self.event.origin.from_domain = None;
        self
    }

    /// Which app it concerns.
    pub fn app(mut self, app: &str) -> Self {
        self.event.origin.app = Some(AppId::new(app));
        self
    }

    /// The stream, named by the report itself.
    pub fn stream(mut self, stream: &str) -> Self {
        self.event.origin.stream = Some(StreamName::new(stream));
        self
    }

    /// Whether Apple's flag says that the address is private.
    pub fn private(mut self, flag: bool) -> Self {
        self.event.who.is_private = Some(flag);
        self
    }

    /// How many people the report names.
    pub fn naming(mut self, people: usize) -> Self {
        self.event.who.named = people;
        self
    }

    /// The provider's identity.
    pub fn identity(mut self, text: &str) -> Self {
        self.event.identity = Identity::new("told", &["named", text]);
        self
    }

    /// Any other change.
    pub fn but(mut self, change: impl FnOnce(&mut Event)) -> Self {
        change(&mut self.event);
        self
    }

    /// The event, for one received at `now`.
    pub fn event(&self, now: Timestamp) -> Event {
        Event { occurred_at: self.at.unwrap_or(now), ..self.event.clone() }
    }
}
