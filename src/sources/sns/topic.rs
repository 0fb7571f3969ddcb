//! The ARN of an SNS topic: the name a signed message carries, and what an endpoint's list is made of.

use super::region;

/// The parts of `arn:<partition>:sns:<region>:<account>:<name>` that matter here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// The region, e.g. `eu-central-1`; its partition is the ARN's.
    pub region: String,
}

impl Topic {
    /// Reads an ARN. `None` when it is not one of a topic, or when its partition is not that of its region.
    pub fn parse(arn: &str) -> Option<Self> {
        let mut parts = arn.split(':');
        let mut next = || parts.next().unwrap_or_default();
        let (scheme, partition, service, region, account, name) = (next(), next(), next(), next(), next(), next());
        let sound = scheme == "arn"
            && service == "sns"
            && region::is_region_shaped(region)
            && partition == region::partition(region)
            && account.len() == 12
            && account.bytes().all(|b| b.is_ascii_digit())
            && (1..=256).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
            && parts.next().is_none();
        sound.then(|| Self { region: region.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_topic_and_nothing_else() {
        let topic = Topic::parse("arn:aws:sns:eu-west-1:123456789012:ses-events").unwrap();
        assert_eq!(topic.region, "eu-west-1");
        assert!(Topic::parse("arn:aws-cn:sns:cn-north-1:123456789012:t_1").is_some());
        for arn in [
            "",
            "arn:aws:sns:eu-west-1:123456789012",
            "arn:aws:sns:eu-west-1:123456789012:t:6b0e71bd-7e97-4d97-80ce-4a0994e55286",
            "arn:aws:sqs:eu-west-1:123456789012:t",
            "arn:aws-cn:sns:eu-west-1:123456789012:t",
            "arn:aws:sns:eu-west-1.evil:123456789012:t",
            "arn:aws:sns:eu-west-1:12345678901:t",
            "arn:aws:sns:eu-west-1:123456789012:",
            "arn:aws:sns:eu-west-1:123456789012:*",
            "arn:aws:sns:eu-west-1:123456789012:t\n",
        ] {
            assert_eq!(Topic::parse(arn), None, "{arn}");
        }
    }
}
