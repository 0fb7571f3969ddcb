//! Marked people in whatever a provider may post, sound and not.

use relaywatch::cli::demo::world::apple::{AppleSigner, body, departure, forwarding};
use relaywatch::cli::demo::world::braze;
use relaywatch::cli::demo::world::ses::{Form, Refused, SentMail};
use relaywatch::cli::demo::world::sparkpost::{Batch, Mail, Report};
use serde_json::{Value, json};

use crate::feeds::{APP, FROM, Post, TOPIC, apple_post, braze_post, mail_to, now, sparkpost_post, unique};
use crate::privacy::Marked;
use crate::stage::Stage;

/// What is posted, and what it is called when it fails.
type Named = (String, Post);

/// The people who are known by the time the posts have been taken; the rest are only named in what cannot be read.
pub const KNOWN: usize = 60;

/// Everything that is answered 200: what can be read, and what is authentic and cannot.
pub fn taken(stage: &Stage, people: &Marked) -> Vec<Named> {
    let mut posts = Vec::new();
    ses(stage, people, &mut posts);
    sparkpost(people, &mut posts);
    braze(people, &mut posts);
    apple(stage, people, &mut posts);
    posts
}

/// The replies in which servers name people, in all spellings that are known.
fn replies(address: &str) -> Vec<String> {
    let (local, domain) = address.split_once('@').unwrap();
    vec![
        format!("550 5.1.1 <{address}>: user not found"),
        format!("550 5.1.1 {address} unauthorized sender"),
        format!("550 5.1.1 <{}>... User unknown", address.to_uppercase()),
        format!("550 5.1.1 {local}: user not found in {domain}"),
        format!("550 unknown recipient {local} @ {domain}"),
        format!("554 5.7.1 rejected: mailto:{local}%40{domain} see https://support.example/?a={local}%40{domain}"),
        format!("550 5.1.1 bounce+{local}={domain}@bounces.example.com relaying denied for rfc822;{address}"),
        format!("451 4.7.1 try later, \"{local}\"@{domain} (state 14)"),
    ]
}

fn ses(stage: &Stage, people: &Marked, posts: &mut Vec<Named>) {
    let feeds = &stage.feeds;
    let mut put = |what: &str, inner: Value| posts.push((format!("SES {what}"), feeds.ses(&inner)));
    for n in 0..8 {
        let reply = &replies(&people.address(n))[n];
        let refused = [Refused::new(&people.address(n), "5.1.1", reply)];
        let verp = people.address(n).replace('@', "=");
        let mail = SentMail { source: format!("bounce+{verp}@news.example.com"), ..mail_to(&people.address(n)) };
        put(reply, mail.bounce(Form::Published, ("Permanent", "General"), &refused, &unique(), now()));
    }
    let mail = SentMail { to: (8..11).map(|n| people.address(n)).collect(), ..mail_to(&people.address(8)) };
    put(
        "complaint of several",
        mail.complaint(Form::Notification, &[&people.address(8), &people.address(9)], &unique(), now()),
    );
    put("delivery of several", mail.delivery(Form::Published, now()));
    put("send", mail.send());
    put(
        "delay",
        mail.delay("InternalFailure", &[Refused::new(&people.address(9), "4.4.1", &people.address(9))], now()),
    );
    let echo = [Refused::new(&people.address(10), "5.1.1", &format!("not sent to {}", people.address(10)))];
    put("echo", mail.bounce(Form::Published, ("Permanent", "OnAccountSuppressionList"), &echo, &unique(), now()));

    // From here on SES says what it never would.
    let bounce = |n: usize| {
        // Without a status of its own in the words, so that the one beside them counts.
        let refused = [Refused::new(&people.address(n), "5.1.1", "550 user not found")];
        mail_to(&people.address(n)).bounce(Form::Published, ("Permanent", "General"), &refused, &unique(), now())
    };
    for (n, pointer) in (11..).zip([
        "/eventType",
        "/bounce/feedbackId",
        "/bounce/bounceType",
        "/bounce/timestamp",
        "/bounce/bouncedRecipients/0/status",
        "/bounce/bouncedRecipients/0/action",
        "/bounce/bouncedRecipients",
        "/bounce",
        "/mail/messageId",
        "/mail/timestamp",
        "/mail/commonHeaders/from",
        "/mail/source",
        "/mail",
    ]) {
        let mut inner = bounce(n);
        *inner.pointer_mut(pointer).expect(pointer) = json!(people.address(n));
        put(&format!("with an address at {pointer}"), inner);
    }
    let mut named = bounce(24);
    named["bounce"]["bouncedRecipients"][0]["emailAddress"] = json!(format!("{} and more", people.address(24)));
    put("with an unreadable recipient", named);
    put("unknown kind", json!({"eventType": people.address(25), people.address(25): {"to": people.sub(25)}}));
    let text = |message: &str, subject: Option<&str>, id: &str| {
        feeds.sns_message(&feeds.sns.notification(TOPIC, message, subject, now(), id))
    };
    let inner = bounce(26).to_string();
    posts.push(("SNS message cut".to_owned(), text(&inner[..inner.len() - 9], None, &unique())));
    posts.push(("SNS message no JSON".to_owned(), text(&format!("hello {}", people.address(26)), None, &unique())));
    posts.push(("SNS subject and id".to_owned(), text("{}", Some(&people.address(26)), &people.address(26))));
    let end = feeds.sns.unsubscribe_confirmation(TOPIC, &people.address(26), now(), &people.sub(26));
    posts.push(("SNS token".to_owned(), feeds.sns_message(&end)));
}

fn sparkpost(people: &Marked, posts: &mut Vec<Named>) {
    let (ordinary, at_icloud) = (people.address_at(39, "mail.example.org"), people.address_at(39, "icloud.com"));
    let mut id = 0;
    let mut mail = |recipient| {
        id += 1;
        let (friendly_from, msg_from, at) = (FROM, recipient, now().secs());
        Mail { event_id: id, message_id: id, recipient, friendly_from, msg_from, at }
    };
    let mut batch = Batch::default();
    let addresses: Vec<_> = (30..40).map(|n| people.address_at(n, "private.icloud.com")).collect();
    for n in 0..8 {
        let recipient = &addresses[n % 3];
        let reason = &replies(recipient)[n];
        for report in [
            Report::Bounce { class: 10, code: 550, reason },
            Report::OutOfBand { class: 90, code: 550, reason },
            Report::Delay { class: 20, code: 451, reason },
            Report::PolicyRejection { reason },
            Report::GenerationRejection { reason },
        ] {
            batch.push(&mail(recipient), report);
        }
    }
    let reports = [
        Report::Injection,
        Report::Delivery,
        Report::SpamComplaint { fbtype: "abuse" },
        Report::ListUnsubscribe,
        Report::LinkUnsubscribe,
        Report::Open,
    ];
    for (report, recipient) in reports.into_iter().zip(&addresses[3..]) {
        batch.push(&mail(recipient), report);
    }
    // Ordinary recipients leave no address at all, those at iCloud one for a week.
    batch.push(&mail(&ordinary), Report::Delivery);
    batch.push(&mail(&at_icloud), Report::Bounce { class: 10, code: 550, reason: "550 no" });
    let whole = batch.finish();
    posts.push(("SparkPost batch".to_owned(), sparkpost_post(whole.clone())));
    posts.push((
        "SparkPost batch named".to_owned(),
        sparkpost_post(whole.clone()).with("x-messagesystems-batch-id", &addresses[0]),
    ));
    posts.push(("SparkPost batch cut".to_owned(), sparkpost_post(whole[..whole.len() / 2].to_vec())));
    posts.push(("SparkPost no JSON".to_owned(), sparkpost_post(addresses[0].clone().into_bytes())));

    let (address, sub) = (people.address(38), people.sub(38));
    let event = |field: &str, value: Value| {
        let mut event = json!({"type": "bounce", "event_id": unique(), "message_id": unique(), "timestamp": now().secs(),
            "rcpt_to": address, "raw_reason": "550 5.1.1 user not found", "friendly_from": FROM, "bounce_class": "10"});
        event[field] = value;
        event
    };
    let mut odd = vec![
        json!({"msys": {&address: event("type", json!("bounce"))}}),
        json!({&address: &sub}),
        json!({"msys": &address}),
        json!([&address, {"to": &sub}]),
        json!(address),
    ];
    for field in [
        "type",
        "event_id",
        "message_id",
        "timestamp",
        "bounce_class",
        "error_code",
        "friendly_from",
        "fbtype",
        "rcpt_meta",
    ] {
        odd.push(json!({"msys": {"message_event": event(field, json!(address))}}));
    }
    odd.push(json!({"msys": {"message_event": event("rcpt_to", json!([address, sub]))}}));
    odd.push(json!({"msys": {"message_event": event("rcpt_to", json!(format!("{address}, {address}")))}}));
    odd.push(json!({"msys": {"message_event": event("rcpt_meta", json!({"apple": &sub}))}}));
    posts.push(("SparkPost odd elements".to_owned(), sparkpost_post(json!(odd).to_string().into_bytes())));
}

fn braze(people: &Marked, posts: &mut Vec<Named>) {
    let id = unique();
    let subs: Vec<_> = (0..KNOWN).map(|n| people.sub(n)).collect();
    let addresses: Vec<_> = (0..KNOWN).map(|n| people.address(n)).collect();
    let event = |n: usize, id: &str, report: braze::Report<'_>| {
        let (external_user_id, recipient) = (subs[n].as_str(), addresses[n].as_str());
        let (from_domain, esp, at) = ("news.example.com", "SendGrid", now().secs());
        braze::event(&braze::Mail { id, external_user_id, recipient, from_domain, esp, at }, report)
    };
    let mut events = Vec::new();
    let ids: Vec<_> = (0..32).map(|n| format!("{id}-{n}")).collect();
    for (n, reason) in replies(&addresses[40]).iter().enumerate() {
        events.push(event(40, &ids[n], braze::Report::Bounce { reason: Some(reason), is_drop: n % 2 == 1 }));
        events.push(event(40, &ids[n + 8], braze::Report::Deferral { reason, attempt_count: 2 }));
    }
    for (n, report) in
        [braze::Report::Delivery, braze::Report::MarkAsSpam, braze::Report::Unsubscribe, braze::Report::Send]
            .into_iter()
            .enumerate()
    {
        events.push(event(41 + n, &ids[n + 16], report));
    }
    posts.push(("Braze batch".to_owned(), braze_post(&events)));
    let mut odd = Vec::new();
    for pointer in [
        "/event_type",
        "/id",
        "/time",
        "/user",
        "/properties/esp",
        "/properties/from_domain",
        "/properties/dispatch_id",
        "/properties",
    ] {
        let id = unique();
        let mut odd_event =
            event(45, &id, braze::Report::Bounce { reason: Some("550 user not found"), is_drop: false });
        *odd_event.pointer_mut(pointer).expect(pointer) = json!(addresses[45]);
        odd.push(odd_event);
    }
    let mut unreadable = event(45, &ids[30], braze::Report::Delivery);
    unreadable["properties"]["email_address"] = json!(format!("{0} {0}", addresses[45]));
    odd.push(unreadable);
    odd.push(json!(addresses[45]));
    odd.push(json!({&addresses[45]: &subs[45]}));
    posts.push(("Braze odd events".to_owned(), braze_post(&odd)));
    let mut post = braze_post(&[]);
    post.body = json!({"events": &addresses[45]}).to_string().into();
    posts.push(("Braze odd body".to_owned(), post));
}

fn apple(stage: &Stage, people: &Marked, posts: &mut Vec<Named>) {
    let feeds = &stage.feeds;
    let mut put = |what: &str, event: Value| {
        posts.push((format!("Apple {what}"), feeds.notification(event, &unique())));
    };
    for n in 50..54 {
        put("forwarding", forwarding(n % 2 == 0, &people.sub(n), &people.address(n), now()));
    }
    put("consent", departure("consent-revoked", &people.sub(50), now()));
    put("deletion", departure("account-deleted", &people.sub(51), now()));
    put("deletion of a stranger", departure("account-delete", &people.sub(54), now()));
    put("unknown type", departure(&people.address(55), &people.sub(55), now()));
    put(
        "time",
        json!({"type": "email-disabled", "sub": people.sub(55), "email": people.address(55), "event_time": people.address(55)}),
    );
    put("no address", forwarding(true, &people.sub(56), &format!("{0},{0}", people.address(56)), now()));
    put("no subject", departure("consent-revoked", &people.sub(56).repeat(9), now()));
    put(
        "odd flag",
        json!({"type": "email-enabled", "sub": people.sub(57), "email": people.address(57), "is_private_email": people.address(57)}),
    );
    put("no object", json!([people.address(57)]));
    let event = || forwarding(true, &people.sub(58), &people.address(58), now());
    posts.push(("Apple jti".to_owned(), feeds.notification(event(), &people.address(58))));
    posts.push(("Apple audience".to_owned(), feeds.notification_for(&people.address(58), event(), &unique())));
    let claims =
        json!({"iss": "https://appleid.apple.com", "aud": APP, "iat": people.address(59), "events": people.sub(59)});
    let token = feeds.apple.sign(&feeds.apple.header(), claims.to_string().as_bytes());
    posts.push(("Apple odd claims".to_owned(), apple_post(&body(&token))));
}

/// Everything that is refused.
pub fn refused(stage: &Stage, people: &Marked) -> Vec<Named> {
    let feeds = &stage.feeds;
    let (address, sub) = (people.address(70), people.sub(70));
    let inner = mail_to(&address).delivery(Form::Published, now()).to_string();
    let sns = |topic: &str| feeds.sns_message(&feeds.sns.notification(topic, &inner, None, now(), &unique()));
    let with = |field: &str| {
        let mut envelope: Value = serde_json::from_slice(&sns(TOPIC).body).unwrap();
        envelope[field] = json!(address);
        (format!("SNS with an address as {field}"), feeds.sns_message(envelope.to_string().as_bytes()))
    };
    let mut posts: Vec<_> =
        ["Type", "TopicArn", "Message", "Timestamp", "SignatureVersion", "Signature", "SigningCertURL"]
            .map(with)
            .into();
    posts.push(("SNS foreign topic".to_owned(), sns("arn:aws:sns:eu-west-1:999999999999:other")));
    posts.push(("SNS no JSON".to_owned(), feeds.sns_message(format!("{{\"{address}\"").as_bytes())));
    posts.push(("SES raw".to_owned(), feeds.sns_message(inner.as_bytes())));

    let event = forwarding(true, &sub, &address, now());
    let stranger = AppleSigner::new();
    let signed = |header: Value| apple_post(&body(&stranger.sign(&header, event.to_string().as_bytes())));
    posts.push(("Apple key".to_owned(), signed(json!({"alg": "RS256", "kid": address}))));
    posts.push(("Apple algorithm".to_owned(), signed(json!({"alg": address, "kid": "demo-1"}))));
    posts.push(("Apple extension".to_owned(), signed(json!({"alg": "RS256", "kid": "demo-1", "crit": [sub]}))));
    posts.push(("Apple payload".to_owned(), apple_post(&body(&format!("{address}.{sub}.x")))));
    posts.push(("Apple body".to_owned(), apple_post(json!({"payload": [address], &sub: 1}).to_string().as_bytes())));
    posts.push(("Apple event unsigned".to_owned(), apple_post(event.to_string().as_bytes())));
    posts.push(("Apple issuer".to_owned(), {
        let claims = json!({"iss": address, "aud": APP, "iat": now().secs(), "events": event});
        apple_post(&body(&feeds.apple.sign(&feeds.apple.header(), claims.to_string().as_bytes())))
    }));

    let batch = || sparkpost_post(json!([{"msys": {"message_event": {"rcpt_to": address}}}]).to_string().into_bytes());
    posts.push(("SparkPost secret".to_owned(), batch().with("authorization", &format!("Basic {address}"))));
    posts.push(("SparkPost scheme".to_owned(), batch().with("authorization", &format!("{address} {sub}"))));
    posts.push(("Braze secret".to_owned(), braze_post(&[event]).with("authorization", &format!("Bearer {address}"))));
    let fill = format!("[\"{address}\"],").repeat((1 << 20) / address.len());
    posts.push(("SNS too large".to_owned(), feeds.sns_message(fill.as_bytes())));
    posts.push(("SparkPost too large".to_owned(), sparkpost_post(fill.repeat(17).into_bytes())));
    posts
}
