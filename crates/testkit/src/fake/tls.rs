//! TLS for fakes: a certificate for 127.0.0.1 that only one root vouches for, made for these tests and
//! valid for a hundred years.

use std::sync::Arc;

use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        RootCertStore, ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

const ROOT: &[u8] = include_bytes!("keys/root.pem");
const SERVER: &[u8] = include_bytes!("keys/server.pem");

/// The root that vouches for fakes with TLS.
///
/// # Errors
/// When the certificate does not read.
pub fn roots() -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ROOT)?)?;
    Ok(roots)
}

pub(super) fn acceptor() -> anyhow::Result<TlsAcceptor> {
    let key = PrivateKeyDer::from_pem_slice(SERVER)?;
    let certificate = CertificateDer::from_pem_slice(SERVER)?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
