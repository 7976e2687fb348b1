//! What sessions cost that say nothing: thousands of them, in clear and inside TLS.

use crate::organization::Organization;
use crate::process::resident;
use crate::server::Server;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// What they cost.
#[derive(Clone, Copy, Debug)]
pub struct Idle {
    /// Octets of resident memory of the server for each.
    pub in_clear: u64,
    pub in_tls: u64,
}

/// Opens so many sessions of each kind, which say EHLO and nothing more, and looks at the memory of the server.
pub fn idle(binary: &Path, sessions: usize) -> Idle {
    let limits = "max-sessions = 20000\nmax-sessions-per-client = 20000\n";
    let organization = Organization::new().inbound(limits).with(&format!(
        "[[virtual-server]]\nname = \"inside\"\nserver = \"mail1\"\nrole = \"submission\"\n\
         listen = [\"127.0.0.1:0\"]\nimplicit-tls = true\n{limits}"
    ));
    let server = Server::start_binary(binary, &organization);
    let pid = server.process_id();
    let each = |before: u64| (settled(pid).saturating_sub(before)) / sessions as u64;
    let before = settled(pid);
    let open: Vec<TcpStream> = (0..sessions)
        .map(|_| greeted(connected(server.inbound())))
        .collect();
    let in_clear = each(before);
    drop(open);
    // A server of its own, so that memory which is given back late doesn't hide what the others take.
    drop(server);
    let server = Server::start_binary(binary, &organization);
    let pid = server.process_id();
    let configuration = Arc::new(trusting());
    let address = server.address("inside");
    // The first handshakes make what all share.
    let first = greeted(inside(address, &configuration));
    let before = settled(pid);
    let open: Vec<_> = (0..sessions)
        .map(|_| greeted(inside(address, &configuration)))
        .collect();
    let in_tls = (settled(pid).saturating_sub(before)) / sessions as u64;
    drop((open, first));
    Idle { in_clear, in_tls }
}

/// Resident memory, once it doesn't change.
fn settled(pid: u32) -> u64 {
    let mut last = resident(pid);
    for _ in 0..50 {
        std::thread::sleep(Duration::from_millis(200));
        let now = resident(pid);
        if now == last {
            break;
        }
        last = now;
    }
    last
}

fn connected(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    stream
}

fn inside(
    address: SocketAddr,
    configuration: &Arc<ClientConfig>,
) -> StreamOwned<ClientConnection, TcpStream> {
    let name = ServerName::try_from("mail1.example.test").unwrap();
    let session = ClientConnection::new(Arc::clone(configuration), name).unwrap();
    StreamOwned::new(session, connected(address))
}

/// Reads the greeting, says EHLO and reads the reply.
fn greeted<S: Read + Write>(mut stream: S) -> S {
    reply(&mut stream);
    stream.write_all(b"EHLO idle.example.org\r\n").unwrap();
    reply(&mut stream);
    stream
}

fn reply(stream: &mut impl Read) {
    let mut text = Vec::new();
    let mut buffer = [0; 1024];
    loop {
        let count = stream.read(&mut buffer).unwrap();
        assert!(count > 0, "the server hung up");
        text.extend_from_slice(&buffer[..count]);
        let last = text.split(|octet| *octet == b'\n').rev().nth(1);
        if text.ends_with(b"\r\n") && last.is_some_and(|line| line.get(3) == Some(&b' ')) {
            return;
        }
    }
}

/// A client that doesn't ask who the server is: only its memory is of interest.
fn trusting() -> ClientConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
        .with_no_client_auth()
}

#[derive(Debug)]
struct Anybody(Arc<rustls::crypto::CryptoProvider>);

impl ServerCertVerifier for Anybody {
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
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
