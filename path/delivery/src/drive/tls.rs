//! TLS as a client: with the certificate checked, or encrypted for whoever answers (RFC 7435 §3).
//!
//! Guards: where certificates of a file are trusted, no others are, also if the file can't be read.

use crate::settings::{ConnectorSettings, Settings};
use parking_lot::RwLock;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, ProtocolVersion, RootCertStore,
    SignatureScheme,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Larger files of certificates aren't read.
const TRUSTED_OCTETS_MAX: u64 = 8 * 1024 * 1024;

/// The ways to be a client, by whose certificates are trusted.
pub(super) struct Trust {
    /// The web's public authorities.
    public: Arc<ClientTls>,
    /// Those of a file alone.
    files: RwLock<HashMap<PathBuf, Arc<ClientTls>>>,
}

/// A file of trusted certificates can't be used.
#[derive(Debug, thiserror::Error)]
#[error("trusted-certificates: {} can't be used: {why}; {}", path.display(), if *stays { "what was in it before stays in force" } else { "nobody's certificate is trusted for want of it" })]
pub struct TrustFault {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub why: String,
    /// Whether it was read before.
    stays: bool,
}

impl Trust {
    /// With what these settings name, as far as it can be read. Blocks.
    pub(super) fn new(settings: &Settings) -> Self {
        let public = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        let trust = Self {
            public: Arc::new(ClientTls::trusting(public)),
            files: RwLock::default(),
        };
        trust.apply(settings);
        trust
    }

    /// Reads the files that these settings name, and tells which can't be used: of those, what was read before stays in force, and
    /// without that nobody is trusted. Blocks.
    pub(super) fn apply(&self, settings: &Settings) -> Vec<TrustFault> {
        let mut faults = Vec::new();
        let before = self.files.read().clone();
        let mut files = HashMap::new();
        let connectors = settings.connectors.values();
        for path in connectors.filter_map(|connector| connector.trusted_certificates.as_ref()) {
            if files.contains_key(path) {
                continue;
            }
            let tls = match read(path) {
                Ok(roots) => Arc::new(ClientTls::trusting(roots)),
                Err(why) => {
                    let known = before.get(path).filter(|known| known.verifier.is_ok());
                    let unread = || Arc::new(ClientTls::distrusting(path, &why));
                    let tls = known.cloned().unwrap_or_else(unread);
                    let (path, stays) = (path.clone(), known.is_some());
                    faults.push(TrustFault { path, why, stays });
                    tls
                }
            };
            files.insert(path.clone(), tls);
        }
        *self.files.write() = files;
        faults
    }

    /// How to be a client for a connector.
    pub(super) fn of(&self, connector: &ConnectorSettings) -> Arc<ClientTls> {
        let Some(path) = &connector.trusted_certificates else {
            return Arc::clone(&self.public);
        };
        let known = self.files.read().get(path).cloned();
        known.unwrap_or_else(|| Arc::new(ClientTls::distrusting(path, "it wasn't read")))
    }
}

fn read(path: &Path) -> Result<RootCertStore, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut text = Vec::new();
    let read = file.take(TRUSTED_OCTETS_MAX + 1).read_to_end(&mut text);
    let read = read.map_err(|error| error.to_string())?;
    if read as u64 > TRUSTED_OCTETS_MAX {
        return Err(format!("it is larger than {TRUSTED_OCTETS_MAX} octets"));
    }
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate = certificate.map_err(|error| error.to_string())?;
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    if roots.is_empty() {
        return Err("there is no certificate in it".to_owned());
    }
    Ok(roots)
}

/// The two ways to be a client, and what would be said of a certificate that was taken as it is.
pub(super) struct ClientTls {
    verifier: Result<Arc<WebPkiServerVerifier>, String>,
    pub(super) verifying: Result<Arc<ClientConfig>, String>,
    pub(super) accepting: Result<Arc<ClientConfig>, String>,
}

impl ClientTls {
    fn trusting(roots: RootCertStore) -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let roots = Arc::new(roots);
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider));
        let builder = || {
            ClientConfig::builder_with_provider(Arc::clone(&provider))
                .with_safe_default_protocol_versions()
                .map_err(|error| error.to_string())
        };
        let any = Arc::new(AnyCertificate(Arc::clone(&provider)));
        let verifying = builder().map(|b| b.with_root_certificates(roots).with_no_client_auth());
        let accepting = builder().map(|b| {
            b.dangerous()
                .with_custom_certificate_verifier(any)
                .with_no_client_auth()
        });
        Self {
            verifier: verifier.build().map_err(|error| error.to_string()),
            verifying: verifying.map(Arc::new),
            accepting: accepting.map(Arc::new),
        }
    }

    /// For want of the certificates that were to be trusted.
    fn distrusting(path: &Path, why: &str) -> Self {
        let why = format!(
            "the certificates to trust can't be read from {}: {why}",
            path.display()
        );
        Self {
            verifier: Err(why.clone()),
            verifying: Err(why),
            ..Self::trusting(RootCertStore::empty())
        }
    }

    /// The facts of an encrypted connection to a host, in words: version, cipher, and whether its certificate is valid for
    /// the name, whoever insists on that.
    pub(super) fn facts(&self, session: &ClientConnection, name: &ServerName<'_>) -> String {
        let certificate = match self.check(session, name) {
            Ok(()) => "certificate verified".to_owned(),
            Err(why) => format!("certificate not verified: {why}"),
        };
        format!("{}, {certificate}", spoken(session))
    }

    fn check(&self, session: &ClientConnection, name: &ServerName<'_>) -> Result<(), String> {
        let chain = session.peer_certificates().unwrap_or_default();
        let (first, others) = chain.split_first().ok_or("there is none")?;
        let verifier = self.verifier.as_ref().map_err(Clone::clone)?;
        let checked = verifier.verify_server_cert(first, others, name, &[], UnixTime::now());
        checked.map(drop).map_err(|error| {
            let text = error.to_string();
            let short = text.strip_prefix("invalid peer certificate: ");
            short.unwrap_or(&text).to_owned()
        })
    }
}

/// The same for a server of the organisation.
pub(super) fn facts_of_member(session: &ClientConnection, server: &str) -> String {
    format!("{}, member {server} proved by its key", spoken(session))
}

/// Version and cipher as a trace field names them.
pub(super) fn traced(session: &ClientConnection) -> String {
    let version = match session.protocol_version() {
        Some(ProtocolVersion::TLSv1_3) => "TLS1_3",
        _ => "TLS1_2",
    };
    match session.negotiated_cipher_suite() {
        Some(suite) => format!("{version} {:?}", suite.suite()),
        None => version.to_owned(),
    }
}

/// Version and cipher.
fn spoken(session: &ClientConnection) -> String {
    let version = match session.protocol_version() {
        Some(ProtocolVersion::TLSv1_3) => "TLS 1.3".to_owned(),
        Some(ProtocolVersion::TLSv1_2) => "TLS 1.2".to_owned(),
        other => format!("{other:?}"),
    };
    let cipher = session.negotiated_cipher_suite();
    let cipher = cipher.map(|cipher| format!("{:?}", cipher.suite()));
    format!("{version}, {}", cipher.unwrap_or_default())
}

/// Takes any certificate, but checks that the other side has its key: against listeners, not against impostors.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
