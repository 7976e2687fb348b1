//! TLS as a client: with the certificate checked, or encrypted for whoever answers (RFC 7435 §3).

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, ProtocolVersion, RootCertStore,
    SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use std::sync::Arc;

/// The two ways to be a client, and what would be said of a certificate that was taken as it is.
pub(super) struct ClientTls {
    verifier: Option<Arc<WebPkiServerVerifier>>,
    pub(super) verifying: Option<Arc<ClientConfig>>,
    pub(super) accepting: Option<Arc<ClientConfig>>,
}

impl ClientTls {
    pub(super) fn new() -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        let known = Arc::new(roots.clone());
        let verifier =
            WebPkiServerVerifier::builder_with_provider(known, Arc::clone(&provider)).build();
        let builder = || {
            ClientConfig::builder_with_provider(Arc::clone(&provider))
                .with_safe_default_protocol_versions()
                .ok()
        };
        let any = Arc::new(AnyCertificate(Arc::clone(&provider)));
        let verifying = builder().map(|b| b.with_root_certificates(roots).with_no_client_auth());
        let accepting = builder().map(|b| {
            b.dangerous()
                .with_custom_certificate_verifier(any)
                .with_no_client_auth()
        });
        Self {
            verifier: verifier.ok(),
            verifying: verifying.map(Arc::new),
            accepting: accepting.map(Arc::new),
        }
    }
}

impl ClientTls {
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
        let verifier = self.verifier.as_ref().ok_or("nothing to check it with")?;
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
