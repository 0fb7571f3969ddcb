//! The closed list of findings. A code is never renamed: alerts, dashboards and scripts match it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Area, Severity};

macro_rules! codes {
    ($($(#[doc = $doc:literal])* $code:ident = $word:literal, $area:ident, $severity:ident, $rfc:literal;)*) => {
        /// Which fact a finding states.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Code {
            $($(#[doc = $doc])* #[serde(rename = $word)] $code,)*
        }

        impl Code {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$code),*];

            /// The word for it, as alerts and scripts match it.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$code => $word,)* }
            }

            /// What it says, in a sentence or two.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$code => concat!($($doc),*).trim_ascii(),)* }
            }

            /// What it is about.
            pub fn area(self) -> Area {
                match self { $(Self::$code => Area::$area,)* }
            }

            /// How much it matters, unless the case says otherwise.
            pub fn severity(self) -> Severity {
                match self { $(Self::$code => Severity::$severity,)* }
            }

            /// Number and section of the RFC that says so; `Apple` where it is Apple's own rule.
            pub fn rfc(self) -> &'static str {
                match self { $(Self::$code => $rfc,)* }
            }
        }
    };
}

codes! {
    /// What is registered is not a domain name.
    DomainInvalid = "domain_invalid", Dns, Error, "1035 2.3.4";
    /// The domain does not exist.
    DomainNxdomain = "domain_nxdomain", Dns, Critical, "1035 4.1.1";
    /// The name servers answered that they could not answer, or made no sense. Leaves its area unknown.
    DnsServfail = "dns_servfail", Dns, Info, "1035 4.1.1";
    /// No answer came in time. Leaves its area unknown.
    DnsTimeout = "dns_timeout", Dns, Info, "1035 4.2.1";
    /// The name servers refused to answer. Leaves its area unknown.
    DnsRefused = "dns_refused", Dns, Info, "1035 4.1.1";
    /// No SPF record where one is needed.
    SpfMissing = "spf_missing", Spf, Error, "7208 4.5";
    /// A record that would be SPF but for white space before it.
    SpfLeadingSpace = "spf_leading_space", Spf, Info, "7208 4.5";
    /// A record that would be SPF but for a quotation mark that somebody typed.
    SpfQuoted = "spf_quoted", Spf, Info, "7208 4.5";
    /// A record of the dead type SPF (99).
    SpfType99 = "spf_type99", Spf, Info, "7208 3.1";
    /// A leftover of Sender ID (spf2.0).
    SpfSenderid = "spf_senderid", Spf, Info, "7208 3.1";
    /// Two or more SPF records: a permanent error at receivers.
    SpfMultiple = "spf_multiple", Spf, Error, "7208 4.5";
    /// A term that is not SPF: a permanent error at receivers.
    SpfSyntax = "spf_syntax", Spf, Error, "7208 4.6";
    /// More than ten terms that ask the DNS.
    SpfLookupsExceeded = "spf_lookups_exceeded", Spf, Error, "7208 4.6.4";
    /// Eight to ten terms that ask the DNS.
    SpfLookupsNearLimit = "spf_lookups_near_limit", Spf, Info, "7208 4.6.4";
    /// More than two questions of which nothing comes back.
    SpfVoidExceeded = "spf_void_exceeded", Spf, Error, "7208 4.6.4";
    /// A question of which nothing comes back.
    SpfVoidPresent = "spf_void_present", Spf, Info, "7208 4.6.4";
    /// An `mx` with more than ten exchanges.
    SpfMxLimit = "spf_mx_limit", Spf, Error, "7208 4.6.4";
    /// An `include` or `redirect` that leads back to itself.
    SpfIncludeLoop = "spf_include_loop", Spf, Error, "7208 5.2";
    /// An `include` of a name without an SPF record.
    SpfIncludeNoRecord = "spf_include_no_record", Spf, Error, "7208 5.2";
    /// A `redirect` to a name without an SPF record.
    SpfRedirectNoRecord = "spf_redirect_no_record", Spf, Error, "7208 6.1";
    /// A `redirect` beside `all`.
    SpfRedirectIgnored = "spf_redirect_ignored", Spf, Warning, "7208 6.1";
    /// Terms after `all`, which nobody reads.
    SpfTermsAfterAll = "spf_terms_after_all", Spf, Warning, "7208 5.1";
    /// A record that allows nobody.
    SpfNoAuthorisedSenders = "spf_no_authorised_senders", Spf, Error, "7208 5.1";
    /// The provider's name is not in the record.
    SpfProviderMissing = "spf_provider_missing", Spf, Error, "7208 5.2";
    /// A sending address that the record does not pass.
    SpfIpNotAuthorised = "spf_ip_not_authorised", Spf, Error, "7208 2.6";
    /// The record passes everybody.
    SpfPlusAll = "spf_plus_all", Spf, Error, "7208 5.1";
    /// A network that is too wide.
    SpfOverbroad = "spf_overbroad", Spf, Error, "7208 5.6";
    /// The record ends in `?all`.
    SpfNeutralAll = "spf_neutral_all", Spf, Warning, "7208 5.1";
    /// The record ends without `all` or `redirect`.
    SpfAllMissing = "spf_all_missing", Spf, Warning, "7208 4.7";
    /// The record uses `ptr`, which should not be published.
    SpfPtr = "spf_ptr", Spf, Warning, "7208 5.5";
    /// A record of more than 450 characters.
    SpfLong = "spf_long", Spf, Info, "7208 3.4";
    /// An answer that does not fit UDP.
    SpfResponseLarge = "spf_response_large", Spf, Info, "7208 3.4";
    /// No selector is registered: DKIM cannot be judged.
    DkimNotConfigured = "dkim_not_configured", Dkim, Info, "6376 3.1";
    /// No key at the selector.
    DkimSelectorMissing = "dkim_selector_missing", Dkim, Error, "6376 3.6.2";
    /// The selector leads to a name without a key.
    DkimCnameDangling = "dkim_cname_dangling", Dkim, Error, "6376 3.6.2";
    /// The key stands at the name with the domain typed twice.
    DkimNameDoubled = "dkim_name_doubled", Dkim, Info, "6376 3.6.2.1";
    /// Several records at the selector.
    DkimMultiple = "dkim_multiple", Dkim, Error, "6376 3.6.2.2";
    /// Not a list of tags.
    DkimSyntax = "dkim_syntax", Dkim, Error, "6376 3.2";
    /// A `v=` that is not first or not `DKIM1`.
    DkimVersion = "dkim_version", Dkim, Error, "6376 3.6.1";
    /// An empty `p=`: the key was revoked.
    DkimRevoked = "dkim_revoked", Dkim, Error, "6376 3.6.1";
    /// A `p=` that is no key.
    DkimKeyUndecodable = "dkim_key_undecodable", Dkim, Error, "6376 3.6.1";
    /// A `k=` that nobody knows.
    DkimKeyTypeUnknown = "dkim_key_type_unknown", Dkim, Error, "6376 3.6.1";
    /// An RSA key below 1024 bits: verifiers must not accept it.
    DkimKeyTooShort = "dkim_key_too_short", Dkim, Error, "8301 3.2";
    /// An `h=` without sha256.
    DkimHashRestricted = "dkim_hash_restricted", Dkim, Error, "6376 3.6.1";
    /// An `s=` that leaves out email.
    DkimServiceType = "dkim_service_type", Dkim, Error, "6376 3.6.1";
    /// An RSA key of 1024 to 2047 bits.
    DkimKeyWeak = "dkim_key_weak", Dkim, Warning, "8301 3.2";
    /// A bare RSAPublicKey, which many verifiers do not read.
    DkimKeyPkcs1 = "dkim_key_pkcs1", Dkim, Warning, "6376 3.6.1";
    /// Only Ed25519 keys, which major receivers do not verify.
    DkimEd25519Only = "dkim_ed25519_only", Dkim, Warning, "8463 3";
    /// `t=y`: receivers treat the mail as unsigned.
    DkimTesting = "dkim_testing", Dkim, Warning, "6376 3.6.1";
    /// A `d=` that does not align with the From domain.
    DkimUnaligned = "dkim_unaligned", Dkim, Warning, "9989 4.4.1";
    /// An ESP reports signatures with a `d=` that no stream of the team registers.
    DkimObservedUnregistered = "dkim_observed_unregistered", Dkim, Warning, "6376 3.5";
    /// No DMARC record applies.
    DmarcMissing = "dmarc_missing", Dmarc, Warning, "9989 4.10";
    /// A DMARC record at the domain instead of `_dmarc`.
    DmarcWrongLocation = "dmarc_wrong_location", Dmarc, Info, "9989 4.1";
    /// Several DMARC records at one name: none counts.
    DmarcMultiple = "dmarc_multiple", Dmarc, Error, "9989 4.10";
    /// A `p=` that is no policy.
    DmarcPInvalid = "dmarc_p_invalid", Dmarc, Error, "9989 4.7";
    /// An `sp=` or `np=` that is no policy.
    DmarcSpInvalid = "dmarc_sp_invalid", Dmarc, Error, "9989 4.7";
    /// No `p=`.
    DmarcPMissing = "dmarc_p_missing", Dmarc, Warning, "9989 4.7";
    /// A tag whose value receivers ignore.
    DmarcTagInvalid = "dmarc_tag_invalid", Dmarc, Warning, "9989 4.7";
    /// A tag that stands twice.
    DmarcDuplicateTag = "dmarc_duplicate_tag", Dmarc, Warning, "6376 3.2";
    /// `t=y`: the policy counts one step lower.
    DmarcTestMode = "dmarc_test_mode", Dmarc, Warning, "9989 4.7";
    /// `psd=y` on a domain that is no public suffix.
    DmarcPsdY = "dmarc_psd_y", Dmarc, Warning, "9989 4.7";
    /// A report address that is none.
    DmarcRuaInvalid = "dmarc_rua_invalid", Dmarc, Warning, "9990 2";
    /// A report address elsewhere that has not agreed.
    DmarcRuaExternalUnauthorised = "dmarc_rua_external_unauthorised", Dmarc, Warning, "9990 4";
    /// `p=none`: nothing is enforced.
    DmarcPolicyNone = "dmarc_policy_none", Dmarc, Info, "9989 4.7";
    /// `sp=` is weaker than `p=`.
    DmarcSpWeaker = "dmarc_sp_weaker", Dmarc, Info, "9989 4.7";
    /// `np=` is weaker than what applies to subdomains.
    DmarcNpWeaker = "dmarc_np_weaker", Dmarc, Info, "9989 4.7";
    /// Nobody is told who fails.
    DmarcRuaMissing = "dmarc_rua_missing", Dmarc, Info, "9989 4.7";
    /// A tag that RFC 9989 has removed.
    DmarcTagRemoved = "dmarc_tag_removed", Dmarc, Info, "9989 A.6";
    /// Receivers with a public suffix list find another organizational domain.
    DmarcOrgDiffersPsl = "dmarc_org_differs_psl", Dmarc, Info, "9989 4.10";
    /// Neither SPF nor any signature aligns: DMARC cannot pass.
    DmarcNoAlignedPath = "dmarc_no_aligned_path", Dmarc, Critical, "9989 4.4";
    /// The envelope domain does not exist.
    MailfromNxdomain = "mailfrom_nxdomain", Mailfrom, Error, "5321 2.3.5";
    /// The envelope domain says that it takes no mail.
    MailfromNullMx = "mailfrom_null_mx", Mailfrom, Error, "7505 3";
    /// The envelope domain has no MX.
    MailfromMxMissing = "mailfrom_mx_missing", Mailfrom, Error, "5321 5.1";
    /// The envelope domain has more MX records than the provider accepts.
    MailfromMxMultiple = "mailfrom_mx_multiple", Mailfrom, Error, "5321 5.1";
    /// The MX of the envelope domain is not the provider's.
    MailfromMxWrong = "mailfrom_mx_wrong", Mailfrom, Error, "5321 5.1";
    /// The provider's own envelope domain is used.
    MailfromNotOwnDomain = "mailfrom_not_own_domain", Mailfrom, Warning, "5321 2.3.11";
    /// The envelope domain does not align with the From domain.
    MailfromUnaligned = "mailfrom_unaligned", Mailfrom, Warning, "9989 4.4.2";
    /// An ESP reports mail of the stream with an envelope domain that no stream of the team registers.
    MailfromObservedUnregistered = "mailfrom_observed_unregistered", Mailfrom, Warning, "5321 2.3.11";
    /// The From domain is not registered with Apple.
    RelayFromUnregistered = "relay_from_unregistered", Relay, Warning, "Apple";
    /// The envelope domain is not registered with Apple.
    RelayMailfromUnregistered = "relay_mailfrom_unregistered", Relay, Warning, "Apple";
    /// Apple's SPF path is closed.
    RelaySpfPathBroken = "relay_spf_path_broken", Relay, Warning, "Apple";
    /// Apple's DKIM path is closed.
    RelayDkimPathBroken = "relay_dkim_path_broken", Relay, Warning, "Apple";
    /// A TXT record that people take for part of the relay's set-up.
    RelayTxtIrrelevant = "relay_txt_irrelevant", Relay, Info, "Apple";
    /// Both of Apple's paths are closed: mail to the relay bounces.
    RelayNoPath = "relay_no_path", Relay, Critical, "Apple";
}

impl Code {
    /// Whether it says that an answer is missing, which leaves its area unknown.
    pub fn leaves_unknown(self) -> bool {
        self.is_unanswered() || self == Self::DkimNotConfigured
    }

    /// Whether it says that a question was not answered.
    pub fn is_unanswered(self) -> bool {
        matches!(self, Self::DnsServfail | Self::DnsTimeout | Self::DnsRefused)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_their_area_and_fact_in_lower_case_and_stand_once() {
        let mut words: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        for code in Code::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
            let prefix = code.as_str().split('_').next().unwrap();
            assert!(prefix == code.area().as_str() || prefix == "domain", "{code}");
        }
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Code::ALL.len());
    }
}
