//! Which certificates are taken: those of the system's authorities, or only those of a file.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;

/// A setting that cannot be used. Names the section and the field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unusable(pub String);

/// How TLS is spoken with one server. `section` is where its configuration stands, for the error.
///
/// # Errors
/// Names the field: a file that cannot be read or holds no authority; or a system without any.
pub(super) fn client(section: &str, ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, Unusable> {
    let unusable = |why: &str| Unusable(format!("{section}: {why}"));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| unusable("TLS cannot be set up"))?;
    let Some(file) = ca_file else {
        let builder = builder.with_platform_verifier().map_err(|_| unusable("the system has no TLS roots"))?;
        return Ok(Arc::new(builder.with_no_client_auth()));
    };
    let in_file = |why: &str| Unusable(format!("{section}.ca_file: {}: {why}", file.display()));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|_| in_file("cannot be read"))? {
        let certificate = certificate.map_err(|_| in_file("is not PEM"))?;
        roots.add(certificate).map_err(|_| in_file("holds a certificate that is no authority"))?;
    }
    if roots.is_empty() {
        return Err(in_file("holds no certificate"));
    }
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}
