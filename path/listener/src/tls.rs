//! TLS of a virtual server: its identity, its own session tickets.
//!
//! Guards: no virtual server resumes a session of another (each has a ticket key and a cache of its own); what is
//! older than TLS 1.2 is not spoken.

use crate::certificate;
use crate::error::CertificateError;
use crate::settings::CertificateFiles;
use bridgehead_mail::Domain;
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use std::path::PathBuf;
use std::sync::Arc;

/// What all virtual servers need for TLS.
#[derive(Clone, Debug)]
pub struct Tls {
    folder: PathBuf,
    provider: Arc<CryptoProvider>,
}

impl Tls {
    /// Keeps self-signed certificates in `folder`, which is made if need be.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            provider: Arc::new(aws_lc_rs::default_provider()),
        }
    }

    /// The configuration of one virtual server. Blocks.
    pub(crate) fn configuration(
        &self,
        files: Option<&CertificateFiles>,
        hostname: &Domain,
    ) -> Result<Arc<ServerConfig>, CertificateError> {
        let own;
        let files = match files {
            Some(files) => files,
            None => {
                own = certificate::self_signed(&self.folder, hostname)?;
                &own
            }
        };
        let (chain, key) = certificate::read(files)?;
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        config.ticketer = aws_lc_rs::Ticketer::new()?;
        Ok(Arc::new(config))
    }
}
