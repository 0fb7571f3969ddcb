//! Where SNS may be met: which URLs may hold its certificates, and where a subscription is confirmed.

use std::borrow::Cow;
use std::collections::BTreeSet;

use url::form_urlencoded;

use super::region;
use super::topic::Topic;
use crate::config::ses::Emulator;

/// The places we are willing to meet SNS at: a list of regions, and for tests one emulator.
#[derive(Debug, Clone)]
pub struct Hosts {
    regions: BTreeSet<String>,
    emulator: Option<Emulator>,
}

/// The names a certificate may carry when it stands at a given URL. Empty: any (an emulator without a set name).
pub type Names = Vec<Cow<'static, str>>;

const BEFORE: &str = "/SimpleNotificationService-";
const AFTER: &str = ".pem";

impl Hosts {
    /// From a list of regions; `None` means every commercial region.
    pub fn new(regions: Option<&[String]>, emulator: Option<Emulator>) -> Self {
        let regions = match regions {
            Some(listed) => listed.iter().cloned().collect(),
            None => region::COMMERCIAL.iter().map(|r| (*r).to_owned()).collect(),
        };
        Self { regions, emulator }
    }

    /// The names to expect in the certificate at `url`; `None` when no certificate may come from there.
    ///
    /// The text is compared, not parsed: `https://sns.<listed region>.<suffix>/SimpleNotificationService-<id>.pem` and
    /// nothing else, so there is no second reading of ports, userinfo, escapes, dots or upper case to disagree about.
    pub fn certificate_names(&self, url: &str) -> Option<Names> {
        if let Some(emulator) = &self.emulator
            && url.strip_prefix(emulator.endpoint.trim_end_matches('/')).is_some_and(|path| path.starts_with('/'))
        {
            return Some(emulator.certificate_name.iter().map(|name| Cow::Owned(name.clone())).collect());
        }
        let (host, path) = url.strip_prefix("https://").and_then(|rest| Some(rest.split_at(rest.find('/')?)))?;
        let region = host.strip_prefix("sns.").and_then(|rest| rest.split('.').next())?;
        let id = path.strip_prefix(BEFORE).and_then(|rest| rest.strip_suffix(AFTER))?;
        let sound_id = (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        (sound_id && self.regions.contains(region) && host == region::host(region))
            .then(|| region::certificate_names(region))
    }

    /// The URL that confirms a subscription, built from the topic and the token alone: the `SubscribeURL` of the message
    /// is never looked at.
    ///
    /// # Errors
    /// When the topic is no SNS topic ARN or its region is not listed. The text names the field.
    pub fn confirmation_url(&self, topic_arn: &str, token: &str) -> Result<String, String> {
        let topic = Topic::parse(topic_arn).ok_or("TopicArn is not the ARN of an SNS topic")?;
        let base = match &self.emulator {
            Some(emulator) => emulator.endpoint.trim_end_matches('/').to_owned(),
            None if self.regions.contains(&topic.region) => format!("https://{}", region::host(&topic.region)),
            None => return Err(format!("TopicArn: region {} is not listed in sns.regions", topic.region)),
        };
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("Action", "ConfirmSubscription")
            .append_pair("TopicArn", topic_arn)
            .append_pair("Token", token)
            .finish();
        Ok(format!("{base}/?{query}"))
    }

    /// Whether this URL may be fetched at all: the certificates' places and the confirmation's. For the fetcher's own list.
    pub fn allows(&self, url: &str) -> bool {
        self.certificate_names(url).is_some() || self.is_confirmation(url)
    }

    fn is_confirmation(&self, url: &str) -> bool {
        url.strip_prefix("https://")
            .and_then(|rest| rest.split_once("/?Action=ConfirmSubscription&TopicArn="))
            .and_then(|(host, _)| host.strip_prefix("sns.").and_then(|h| h.split('.').next()).map(|r| (host, r)))
            .is_some_and(|(host, region)| self.regions.contains(region) && host == region::host(region))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0a1b2c3d4e5f60718293a4b5c6d7e8f9";

    fn hosts() -> Hosts {
        Hosts::new(None, None)
    }

    #[test]
    fn certificates_come_from_the_listed_hosts_only() {
        let good = format!("https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-{ID}.pem");
        assert_eq!(hosts().certificate_names(&good), Some(vec!["sns.amazonaws.com".into()]));
        let china = format!("https://sns.cn-north-1.amazonaws.com.cn/SimpleNotificationService-{ID}.pem");
        assert_eq!(hosts().certificate_names(&china), None, "not on the default list");
        let listed = Hosts::new(Some(&["cn-north-1".to_owned()]), None);
        assert_eq!(listed.certificate_names(&china), Some(vec!["sns-cn-north-1.amazonaws.com.cn".into()]));
        assert_eq!(listed.certificate_names(&good), None);
    }

    #[test]
    fn hostile_certificate_urls_are_refused() {
        let file = format!("SimpleNotificationService-{ID}.pem");
        let host = "sns.eu-west-1.amazonaws.com";
        for url in [
            format!("http://{host}/{file}"),
            format!("HTTPS://{host}/{file}"),
            format!("https://{host}:443/{file}"),
            format!("https://{host}:8443/{file}"),
            format!("https://user@{host}/{file}"),
            format!("https://user:pass@{host}/{file}"),
            format!("https://{host}@evil.example/{file}"),
            format!("https://evil.example/{file}"),
            format!("https://evil.example/https://{host}/{file}"),
            format!("https://evil.example#{host}/{file}"),
            format!("https://evil.example\\@{host}/{file}"),
            format!("https://{host}.evil.example/{file}"),
            format!("https://sns.eu-west-1.amazonaws.com.cn/{file}"),
            format!("https://{host}./{file}"),
            format!("https://SNS.eu-west-1.amazonaws.com/{file}"),
            format!("https://sns.EU-WEST-1.amazonaws.com/{file}"),
            format!("https://sns.\u{ff45}u-west-1.amazonaws.com/{file}"),
            format!("https://sns.eu-west-1\u{3002}amazonaws.com/{file}"),
            format!("https://sns.s3-ap-southeast-2.amazonaws.com/{file}"),
            format!("https://sns.s3.amazonaws.com/{file}"),
            format!("https://s3.eu-west-1.amazonaws.com/{file}"),
            format!("https://sns.amazonaws.com/{file}"),
            format!("https://sns.xx-nowhere-9.amazonaws.com/{file}"),
            format!("https://{host}/{file}?x=1"),
            format!("https://{host}/{file}#x"),
            format!("https://{host}/{file}/"),
            format!("https://{host}//{file}"),
            format!("https://{host}/x/{file}"),
            format!("https://{host}/../{file}"),
            format!("https://{host}/other.pem"),
            format!("https://{host}/SimpleNotificationService-.pem"),
            format!("https://{host}/SimpleNotificationService-a/b.pem"),
            format!("https://{host}/SimpleNotificationService-%61.pem"),
            format!("https://{host}/SimpleNotificationService-{ID}.pem.exe"),
            format!("https://{host}/SimpleNotificationService-{ID}.PEM"),
            format!(" https://{host}/{file}"),
            format!("https://{host}/{file}\n"),
            format!("https://{host}/?Action=ConfirmSubscription&TopicArn=/{file}"),
            format!("file:///{file}"),
            format!("//{host}/{file}"),
            String::new(),
        ] {
            assert_eq!(hosts().certificate_names(&url), None, "{url}");
        }
    }

    #[test]
    fn confirmation_is_built_from_topic_and_token() {
        let url = hosts().confirmation_url("arn:aws:sns:eu-west-1:123456789012:ses-events", "2336&Action=x y").unwrap();
        assert_eq!(
            url,
            "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription\
             &TopicArn=arn%3Aaws%3Asns%3Aeu-west-1%3A123456789012%3Ases-events&Token=2336%26Action%3Dx+y"
        );
        assert!(hosts().allows(&url));
        for arn in ["arn:aws:sns:cn-north-1:123456789012:t", "arn:aws-cn:sns:cn-north-1:123456789012:t", "x"] {
            assert!(hosts().confirmation_url(arn, "t").is_err(), "{arn}");
        }
    }

    #[test]
    fn the_fetcher_is_let_nowhere_else() {
        for url in [
            "https://evil.example/?Action=ConfirmSubscription&TopicArn=x",
            "https://sns.eu-west-1.amazonaws.com/?Action=Publish&TopicArn=x",
            "https://sns.eu-west-1.amazonaws.com:444/?Action=ConfirmSubscription&TopicArn=x",
            "https://u@sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=x",
            "http://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=x",
            "https://169.254.169.254/latest/meta-data",
        ] {
            assert!(!hosts().allows(url), "{url}");
        }
    }

    #[test]
    fn an_emulator_is_met_only_where_it_is_configured() {
        let emulator = Emulator { endpoint: "http://127.0.0.1:4566".into(), certificate_name: None };
        let hosts = Hosts::new(None, Some(emulator));
        assert_eq!(hosts.certificate_names("http://127.0.0.1:4566/_aws/sns/x.pem"), Some(vec![]));
        assert_eq!(hosts.certificate_names("http://127.0.0.1:4566@evil.example/x.pem"), None);
        assert_eq!(hosts.certificate_names("http://127.0.0.1:45660/x.pem"), None);
        let url = hosts.confirmation_url("arn:aws:sns:eu-west-1:000000000000:t", "tok").unwrap();
        assert!(url.starts_with("http://127.0.0.1:4566/?Action=ConfirmSubscription&"), "{url}");
        assert!(hosts.allows(&url));
    }
}
