//! What an RSA key is, read from its DER by hand: how many bits, and in which of the two wrappings (RFC 5280 4.1.2.7, RFC 8017 A.1.1).

/// An RSA public key, as far as a checker needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RsaKey {
    /// The length of the modulus.
    pub bits: usize,
    /// Whether it stands bare (`RSAPublicKey`), without the `SubjectPublicKeyInfo` around it.
    pub bare: bool,
}

/// Why bytes are no RSA key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoKey {
    /// More is announced than is there: mostly a record that was cut.
    #[error("the key is cut off: {missing} octets are missing")]
    Cut {
        /// How many octets are missing, at least.
        missing: usize,
    },
    /// There is more after the key.
    #[error("{octets} octets follow after the key")]
    Trailing {
        /// How many.
        octets: usize,
    },
    /// A `SubjectPublicKeyInfo` of another algorithm.
    #[error("the key is of another algorithm than RSA")]
    NotRsa,
    /// Something else.
    #[error("the octets are not the DER of an RSA public key")]
    NotDer,
}

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const SEQUENCE: u8 = 0x30;
/// `AlgorithmIdentifier` of rsaEncryption, 1.2.840.113549.1.1.1, with its NULL.
const RSA_ENCRYPTION: &[u8] =
    &[0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
/// The object identifier alone, with its tag and length.
const RSA_OID: &[u8] = RSA_ENCRYPTION.split_at(2).1.split_at(11).0;
/// An Ed25519 `SubjectPublicKeyInfo` up to its 32 octets (RFC 8410 section 4).
const ED25519_SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Reads a key in either wrapping.
pub fn rsa_key(der: &[u8]) -> Result<RsaKey, NoKey> {
    let mut outer = Reader(der);
    let mut inner = Reader(outer.value(SEQUENCE)?);
    if !outer.0.is_empty() {
        return Err(NoKey::Trailing { octets: outer.0.len() });
    }
    if inner.0.first() == Some(&INTEGER) {
        return Ok(RsaKey { bits: inner.modulus()?, bare: true });
    }
    let algorithm = inner.value(SEQUENCE)?;
    if !algorithm.starts_with(RSA_OID) {
        return Err(NoKey::NotRsa);
    }
    // The first octet of a BIT STRING counts the unused bits.
    let Some((0, key)) = inner.value(BIT_STRING)?.split_first() else { return Err(NoKey::NotDer) };
    let mut key = Reader(key);
    Ok(RsaKey { bits: Reader(key.value(SEQUENCE)?).modulus()?, bare: false })
}

/// The bare key with the `SubjectPublicKeyInfo` around it that verifiers expect.
pub fn wrapped(bare: &[u8]) -> Vec<u8> {
    let bits = framed(BIT_STRING, &[&[0], bare].concat());
    framed(SEQUENCE, &[RSA_ENCRYPTION, &bits].concat())
}

/// The 32 octets of an Ed25519 key that was wrapped although RFC 8463 section 4 wants it bare.
pub fn unwrapped_ed25519(der: &[u8]) -> Option<&[u8]> {
    der.strip_prefix(&ED25519_SPKI).filter(|key| key.len() == 32)
}

fn framed(tag: u8, value: &[u8]) -> Vec<u8> {
    let length = value.len().to_be_bytes();
    let length = &length[length.iter().take_while(|&&b| b == 0).count()..];
    let mut framed = vec![tag];
    match length {
        [] => framed.push(0),
        [short @ 0..=0x7f] => framed.push(*short),
        // At most eight octets of length.
        long => {
            framed.push(0x80 | long.len() as u8);
            framed.extend_from_slice(long);
        }
    }
    framed.extend_from_slice(value);
    framed
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// The value of the next element, which has to have that tag.
    fn value(&mut self, tag: u8) -> Result<&'a [u8], NoKey> {
        let (&first, rest) = self.0.split_first().ok_or(NoKey::Cut { missing: 1 })?;
        if first != tag {
            return Err(NoKey::NotDer);
        }
        let (&short, mut rest) = rest.split_first().ok_or(NoKey::Cut { missing: 1 })?;
        let mut length = usize::from(short);
        if short >= 0x80 {
            // Four octets of length would be a key of 16 MB; none is the indefinite form, which is not DER.
            let octets = usize::from(short & 0x7f);
            if !(1..=3).contains(&octets) {
                return Err(NoKey::NotDer);
            }
            let (long, after) =
                rest.split_at_checked(octets).ok_or(NoKey::Cut { missing: octets.saturating_sub(rest.len()) })?;
            length = long.iter().fold(0, |length, &octet| length << 8 | usize::from(octet));
            rest = after;
        }
        let (value, after) =
            rest.split_at_checked(length).ok_or(NoKey::Cut { missing: length.saturating_sub(rest.len()) })?;
        self.0 = after;
        Ok(value)
    }

    /// The length in bits of the modulus; an exponent has to follow it.
    fn modulus(&mut self) -> Result<usize, NoKey> {
        let modulus = self.value(INTEGER)?;
        let exponent = self.value(INTEGER)?;
        let positive = |number: &[u8]| number.first().is_some_and(|first| *first < 0x80);
        if !positive(modulus) || !positive(exponent) {
            return Err(NoKey::NotDer);
        }
        let leading = modulus.iter().take_while(|&&octet| octet == 0).count();
        Ok(modulus.get(leading).map_or(0, |first| (modulus.len() - leading) * 8 - first.leading_zeros() as usize))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;

    /// A bare key of so many bits. Its modulus is the largest number of that length.
    pub fn bare(bits: usize) -> Vec<u8> {
        let mut modulus = vec![0xff; bits.div_ceil(8)];
        modulus[0] >>= (8 - bits % 8) % 8;
        if modulus[0] >= 0x80 {
            modulus.insert(0, 0);
        }
        let numbers = [framed(INTEGER, &modulus), framed(INTEGER, &[1, 0, 1])].concat();
        framed(SEQUENCE, &numbers)
    }

    #[test]
    fn a_key_says_its_bits_and_its_wrapping() {
        for bits in [512, 768, 1023, 1024, 1025, 2048, 4096] {
            assert_eq!(rsa_key(&bare(bits)), Ok(RsaKey { bits, bare: true }));
            assert_eq!(rsa_key(&wrapped(&bare(bits))), Ok(RsaKey { bits, bare: false }));
        }
    }

    #[test]
    fn a_key_that_was_cut_says_by_how_much() {
        let key = wrapped(&bare(2048));
        assert_eq!(key.len(), 294);
        assert_eq!(rsa_key(&key[..189]), Err(NoKey::Cut { missing: 105 }));
        assert_eq!(rsa_key(&[]), Err(NoKey::Cut { missing: 1 }));
        assert_eq!(rsa_key(&[key.as_slice(), b"xy"].concat()), Err(NoKey::Trailing { octets: 2 }));
    }

    #[test]
    fn what_is_no_rsa_key_is_told_apart() {
        let ed25519 = [ED25519_SPKI.as_slice(), &[7; 32]].concat();
        assert_eq!(rsa_key(&ed25519), Err(NoKey::NotRsa));
        assert_eq!(unwrapped_ed25519(&ed25519), Some([7; 32].as_slice()));
        assert_eq!(unwrapped_ed25519(&[7; 44]), None);
        assert_eq!(rsa_key(b"-----BEGIN"), Err(NoKey::NotDer));
        assert_eq!(rsa_key(&[0x30, 0x80, 0, 0]), Err(NoKey::NotDer));
        let negative = framed(SEQUENCE, &[framed(INTEGER, &[0xff; 128]), framed(INTEGER, &[3])].concat());
        assert_eq!(rsa_key(&negative), Err(NoKey::NotDer));
        assert_eq!(rsa_key(&framed(SEQUENCE, &framed(INTEGER, &[1; 128]))), Err(NoKey::Cut { missing: 1 }));
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: None,
            rng_seed: RngSeed::Fixed(0x5eed),
            ..ProptestConfig::default()
        })]

        #[test]
        fn any_octets_return(octets in proptest::collection::vec(any::<u8>(), 0..80), at in 0usize..294, octet: u8) {
            let _ = rsa_key(&octets);
            let mut key = wrapped(&bare(2048));
            key[at] = octet;
            let _ = rsa_key(&key);
        }
    }
}
