//! TLS between members: mutual, and standing on keys alone.
//!
//! Guards: TLS 1.3 only; both sides show a certificate, of which nothing counts but the key in it; the handshake is signed with that
//! key (RFC 8446 §4.4.3). No session is resumed, so that a key that was taken out of the directory is out at the next connection.

use crate::own_key::OwnKey;
use crate::roster::Roster;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, Resumption};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, NoServerSessionStorage, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{
    CertificateError, ClientConfig, CommonState, DigitallySignedStruct, DistinguishedName,
    OtherError, PeerMisbehaved, ServerConfig, SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use std::error::Error;
use std::io;
use std::sync::Arc;

/// What a member offers in ALPN (RFC 7301), and nobody else.
pub const ALPN: &[u8] = b"bridgehead-member/1";

/// What stands before the 32 octets of an Ed25519 key in a SubjectPublicKeyInfo (RFC 8410 §4).
const BEFORE_KEY: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// Names that a refusal lists.
const NAMES_SHOWN: usize = 5;

/// A TLS configuration can't be made.
#[derive(Debug, thiserror::Error)]
#[error("TLS between servers of the organisation can't be set up")]
pub struct ConfigError(#[from] rustls::Error);

/// Why the other side isn't who it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unproved {
    /// It has an ordinary certificate: it doesn't know members, or doesn't know that it is one.
    #[error("it shows an ordinary certificate, not the key of a server of the organisation")]
    Ordinary,
    /// The key isn't one of the server that was to be reached.
    #[error("its key isn't one that the directory names (revoked, replaced, or not there yet)")]
    OtherKey,
    /// The key is nobody's. With the servers of which the directory has no key.
    #[error("its key isn't one that the directory names (revoked, replaced, or not there yet){0}")]
    Stranger(String),
    /// More than one server has this key in the directory.
    #[error("its key is in the directory under more than one server")]
    Disputed,
}

/// The configuration to reach a server with one of these keys.
///
/// # Errors
/// If the library refuses it; it has no reason to.
pub fn client_config(
    own: &OwnKey,
    expected: &[[u8; 32]],
) -> Result<Arc<ClientConfig>, ConfigError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Expecting {
        keys: expected.to_vec(),
        provider: Arc::clone(&provider),
    };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_cert_resolver(Arc::new(Own(Arc::clone(&own.certified))));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    config.enable_sni = false;
    Ok(Arc::new(config))
}

/// The configuration to be reached by the servers of the roster.
///
/// # Errors
/// If the library refuses it; it has no reason to.
pub fn server_config(own: &OwnKey, roster: Arc<Roster>) -> Result<Arc<ServerConfig>, ConfigError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = OfRoster {
        roster,
        provider: Arc::clone(&provider),
    };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_cert_resolver(Arc::new(Own(Arc::clone(&own.certified))));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// The key that the other side of a connection has proved to have.
#[must_use]
pub fn peer_key(connection: &CommonState) -> Option<[u8; 32]> {
    let certificate = connection.peer_certificates()?.first()?;
    key_of(certificate)
}

/// Whether both sides have agreed that this is a connection between members.
#[must_use]
pub fn chose_members(connection: &CommonState) -> bool {
    connection.alpn_protocol() == Some(ALPN)
}

/// Why a handshake failed, in words for an operator.
#[must_use]
pub fn why(error: &io::Error) -> String {
    let inner = error.get_ref();
    let inner = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidCertificate(CertificateError::Other(other))) => {
            other.0.to_string()
        }
        Some(rustls::Error::AlertReceived(alert)) => {
            format!(
                "the other server broke the handshake off ({alert:?}); does it know the key of this one?"
            )
        }
        Some(rustls::Error::NoCertificatesPresented) => "it shows no key".to_owned(),
        _ => error.to_string(),
    }
}

/// The Ed25519 key in a certificate.
fn key_of(certificate: &CertificateDer<'_>) -> Option<[u8; 32]> {
    let parsed = ParsedCertificate::try_from(certificate).ok()?;
    let info = parsed.subject_public_key_info();
    info.strip_prefix(&BEFORE_KEY)?.try_into().ok()
}

fn unproved(why: Unproved) -> rustls::Error {
    let why: Arc<dyn Error + Send + Sync> = Arc::new(why);
    CertificateError::Other(OtherError(why)).into()
}

/// RFC 8446 §4.4.3: who has the certificate's key has signed what was said in this handshake.
fn signed(
    provider: &CryptoProvider,
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signature: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, rustls::Error> {
    let known = &provider.signature_verification_algorithms;
    verify_tls13_signature(message, certificate, signature, known)
}

/// Only TLS 1.3 is spoken, so that this is never asked.
fn never() -> Result<HandshakeSignatureValid, rustls::Error> {
    Err(PeerMisbehaved::SelectedUnofferedCipherSuite.into())
}

/// The certificate of this server, whoever asks.
#[derive(Debug)]
struct Own(Arc<CertifiedKey>);

impl ResolvesClientCert for Own {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

impl ResolvesServerCert for Own {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// Checks that the other side is the server that was to be reached.
#[derive(Debug)]
struct Expecting {
    keys: Vec<[u8; 32]>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Expecting {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let key = key_of(certificate).ok_or_else(|| unproved(Unproved::Ordinary))?;
        match self.keys.contains(&key) {
            true => Ok(ServerCertVerified::assertion()),
            false => Err(unproved(Unproved::OtherKey)),
        }
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        never()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        signed(&self.provider, message, certificate, signature)
    }

    /// All that are known, so that a server with an ordinary certificate gets as far as to show it, and can be told from others.
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// Checks that the other side is one of the servers of the organisation.
#[derive(Debug)]
struct OfRoster {
    roster: Arc<Roster>,
    provider: Arc<CryptoProvider>,
}

impl OfRoster {
    fn stranger(&self) -> Unproved {
        let mut names: Vec<&str> = self.roster.keyless().take(NAMES_SHOWN + 1).collect();
        let more = names.len() > NAMES_SHOWN;
        names.truncate(NAMES_SHOWN);
        Unproved::Stranger(match (names.is_empty(), more) {
            (true, _) => String::new(),
            (false, more) => format!(
                "; the directory has no key of {}{}",
                names.join(", "),
                if more { " and others" } else { "" }
            ),
        })
    }
}

impl ClientCertVerifier for OfRoster {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let key = key_of(certificate).ok_or_else(|| unproved(Unproved::Ordinary))?;
        match self.roster.identify(&key) {
            Some(_) => Ok(ClientCertVerified::assertion()),
            None if self.roster.is_disputed(&key) => Err(unproved(Unproved::Disputed)),
            None => Err(unproved(self.stranger())),
        }
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        never()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        signed(&self.provider, message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}
