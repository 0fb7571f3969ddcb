//! AWS regions: on which host SNS stands in each, under which name it signs, and to which partition it belongs.

use std::borrow::Cow;

/// The regions of the commercial partition, the default list. A region that is not listed here can be configured.
pub const COMMERCIAL: [&str; 34] = [
    "af-south-1",
    "ap-east-1",
    "ap-east-2",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-south-2",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-6",
    "ap-southeast-7",
    "ca-central-1",
    "ca-west-1",
    "eu-central-1",
    "eu-central-2",
    "eu-north-1",
    "eu-south-1",
    "eu-south-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "mx-central-1",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
];

/// The commercial regions that are older than opt-in: all of them sign as `sns.amazonaws.com`. Every later commercial
/// region has a name of its own (`SnsHostProvider` of the AWS SDK for Java 2).
const CLASSIC: [&str; 17] = [
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ca-central-1",
    "eu-central-1",
    "eu-north-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
];

/// Partitions other than the commercial one: how their regions begin, their name in an ARN, their DNS suffix.
const PARTITIONS: [(&str, &str, &str); 7] = [
    ("cn-", "aws-cn", "amazonaws.com.cn"),
    ("us-gov-", "aws-us-gov", "amazonaws.com"),
    ("us-iso-", "aws-iso", "c2s.ic.gov"),
    ("us-isob-", "aws-iso-b", "sc2s.sgov.gov"),
    ("us-isof-", "aws-iso-f", "csp.hci.ic.gov"),
    ("eu-isoe-", "aws-iso-e", "cloud.adc-e.uk"),
    ("eusc-", "aws-eusc", "amazonaws.eu"),
];

/// Whether the text has the shape of a region name, e.g. `eu-central-1`. `s3-eu-central-1` has not: a bucket named `sns`
/// would answer at `sns.s3-eu-central-1.amazonaws.com`.
pub fn is_region_shaped(text: &str) -> bool {
    let mut labels = text.split('-').rev();
    let number = labels.next().unwrap_or_default();
    let words: Vec<&str> = labels.collect();
    matches!(number.len(), 1 | 2)
        && number.bytes().all(|b| b.is_ascii_digit())
        && (2..=4).contains(&words.len())
        && words.iter().all(|w| (2..=16).contains(&w.len()) && w.bytes().all(|b| b.is_ascii_lowercase()))
}

/// The partition's name in an ARN, e.g. `aws-cn`.
pub fn partition(region: &str) -> &'static str {
    other_partition(region).map_or("aws", |(name, _)| name)
}

/// The host of SNS in a region, e.g. `sns.eu-central-1.amazonaws.com`.
pub fn host(region: &str) -> String {
    format!("sns.{region}.{}", suffix(region))
}

/// The names under which SNS may sign in a region. One for every region known; two for one that is newer than this list.
pub fn certificate_names(region: &str) -> Vec<Cow<'static, str>> {
    let own = || Cow::from(format!("sns-signing.{region}.{}", suffix(region)));
    match region {
        "cn-north-1" => vec!["sns-cn-north-1.amazonaws.com.cn".into()],
        "cn-northwest-1" => vec!["sns-cn-northwest-1.amazonaws.com.cn".into()],
        "us-gov-west-1" | "us-gov-east-1" => vec!["sns-us-gov-west-1.amazonaws.com".into()],
        "us-iso-east-1" => vec!["sns-us-iso-east-1.c2s.ic.gov".into()],
        "us-isob-east-1" => vec!["sns-us-isob-east-1.sc2s.sgov.gov".into()],
        "us-isof-east-1" | "us-isof-south-1" | "eu-isoe-west-1" | "eusc-de-east-1" => vec![own()],
        _ if CLASSIC.contains(&region) => vec!["sns.amazonaws.com".into()],
        _ if COMMERCIAL.contains(&region) => vec![own()],
        _ => vec![format!("sns.{}", suffix(region)).into(), own()],
    }
}

fn suffix(region: &str) -> &'static str {
    other_partition(region).map_or("amazonaws.com", |(_, suffix)| suffix)
}

fn other_partition(region: &str) -> Option<(&'static str, &'static str)> {
    PARTITIONS.iter().find(|(prefix, ..)| region.starts_with(prefix)).map(|(_, name, suffix)| (*name, *suffix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_region_has_the_shape_and_one_name() {
        for region in COMMERCIAL {
            assert!(is_region_shaped(region), "{region}");
            assert_eq!((certificate_names(region).len(), partition(region)), (1, "aws"), "{region}");
        }
        assert!(CLASSIC.iter().all(|r| COMMERCIAL.contains(r)));
    }

    #[test]
    fn knows_the_names_outside_the_old_regions() {
        for (region, host_name, name, arn) in [
            ("eu-west-1", "sns.eu-west-1.amazonaws.com", "sns.amazonaws.com", "aws"),
            ("eu-south-2", "sns.eu-south-2.amazonaws.com", "sns-signing.eu-south-2.amazonaws.com", "aws"),
            ("cn-north-1", "sns.cn-north-1.amazonaws.com.cn", "sns-cn-north-1.amazonaws.com.cn", "aws-cn"),
            ("us-gov-east-1", "sns.us-gov-east-1.amazonaws.com", "sns-us-gov-west-1.amazonaws.com", "aws-us-gov"),
            ("us-isob-east-1", "sns.us-isob-east-1.sc2s.sgov.gov", "sns-us-isob-east-1.sc2s.sgov.gov", "aws-iso-b"),
            (
                "eusc-de-east-1",
                "sns.eusc-de-east-1.amazonaws.eu",
                "sns-signing.eusc-de-east-1.amazonaws.eu",
                "aws-eusc",
            ),
        ] {
            assert!(is_region_shaped(region), "{region}");
            assert_eq!(host(region), host_name);
            assert_eq!(certificate_names(region), [name]);
            assert_eq!(partition(region), arn);
        }
        assert_eq!(
            certificate_names("eu-north-7"),
            ["sns.amazonaws.com", "sns-signing.eu-north-7.amazonaws.com"],
            "a region newer than this list may sign under either name"
        );
    }

    #[test]
    fn buckets_and_paths_are_no_regions() {
        for text in [
            "s3-ap-southeast-2",
            "s3",
            "",
            "-",
            "eu-1",
            "EU-west-1",
            "eu-west-1.evil",
            "eu-west-",
            "eu--1",
            "us-east-1-1",
        ] {
            assert!(!is_region_shaped(text), "{text}");
        }
    }
}
