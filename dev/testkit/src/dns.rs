//! A DNS server that knows exactly what a test tells it: MX, A, nothing, or trouble. UDP and TCP, on a free loopback port;
//! it ends when it is dropped.

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, CNAME, MX, SOA, SRV};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Short, so that a test that changes its mind isn't answered from a cache.
const TTL: u32 = 1;
const DATAGRAM_OCTETS_MAX: usize = 4096;
/// A resolver that says nothing for this long over TCP is forgotten.
const SILENCE: Duration = Duration::from_millis(500);

/// What is known about a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Its mail exchangers with their preferences; `.` with preference 0 alone is the null MX (RFC 7505).
    Mx(Vec<(u16, String)>),
    /// Servers of a service: priority, weight, port and host (RFC 2782).
    Srv(Vec<(u16, u16, u16, String)>),
    /// Its addresses.
    A(Vec<Ipv4Addr>),
    /// Its IPv6 addresses.
    Aaaa(Vec<Ipv6Addr>),
    /// Its canonical name; what is known about that one is added to the answer.
    Cname(String),
    /// What else is known of the name is too much for a datagram: it is said over TCP only.
    Large,
    /// The server can't say.
    Trouble,
    /// The server doesn't want to say.
    Refused,
    /// The server says nothing at all.
    Silence,
    /// What the server says is no DNS message.
    Garbage,
}

/// The server; dropping it stops it.
#[derive(Debug)]
pub struct DnsServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    zone: Mutex<HashMap<String, Vec<Answer>>>,
    asked: Mutex<Vec<String>>,
    closing: AtomicBool,
}

impl DnsServer {
    /// Starts one that knows nothing.
    ///
    /// # Errors
    /// No port could be had.
    pub fn start() -> io::Result<Self> {
        let (socket, listener) = one_port_for_both()?;
        let address = socket.local_addr()?;
        let shared = Arc::new(Shared::default());
        let (one, two) = (Arc::clone(&shared), Arc::clone(&shared));
        let threads = vec![
            std::thread::spawn(move || serve(&socket, &one)),
            std::thread::spawn(move || serve_tcp(&listener, &two)),
        ];
        Ok(Self {
            address,
            shared,
            threads,
        })
    }

    /// Tells it something about a name, in addition to what it knows. A name that it was told nothing about doesn't
    /// exist.
    pub fn know(&self, name: &str, answer: Answer) {
        let mut zone = self.shared.zone.lock();
        zone.entry(fold(name)).or_default().push(answer);
    }

    /// Mail exchangers for a domain.
    pub fn mx(&self, domain: &str, exchangers: &[(u16, &str)]) {
        let exchangers = exchangers
            .iter()
            .map(|(preference, host)| (*preference, (*host).to_owned()));
        self.know(domain, Answer::Mx(exchangers.collect()));
    }

    /// An address for a host.
    pub fn a(&self, host: &str, address: Ipv4Addr) {
        self.know(host, Answer::A(vec![address]));
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it was asked, as `example.net MX`.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        self.shared.asked.lock().clone()
    }
}

impl Drop for DnsServer {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::SeqCst);
        if let Ok(socket) = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)) {
            // Wakes the threads that wait.
            let _ = socket.send_to(b"", self.address);
        }
        let _ = TcpStream::connect(self.address);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// A port that is free for UDP may be taken by somebody's TCP connection: then another is tried.
fn one_port_for_both() -> io::Result<(UdpSocket, TcpListener)> {
    const TRIES: usize = 100;
    let mut last = io::Error::other("no port was tried");
    for _ in 0..TRIES {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        match UdpSocket::bind(listener.local_addr()?) {
            Ok(socket) => return Ok((socket, listener)),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn fold(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

fn serve(socket: &UdpSocket, shared: &Shared) {
    let mut buffer = vec![0; DATAGRAM_OCTETS_MAX];
    while let Ok((count, from)) = socket.recv_from(&mut buffer) {
        if shared.closing.load(Ordering::SeqCst) {
            return;
        }
        let answer = buffer
            .get(..count)
            .and_then(|octets| answer(octets, shared, true));
        if let Some(octets) = answer {
            // A resolver that has gone away asks again.
            let _ = socket.send_to(&octets, from);
        }
    }
}

fn serve_tcp(listener: &TcpListener, shared: &Shared) {
    for stream in listener.incoming() {
        if shared.closing.load(Ordering::SeqCst) {
            return;
        }
        // A resolver that goes away in the middle asks again.
        let _ = stream.and_then(|mut stream| talk(&mut stream, shared));
    }
}

/// RFC 1035 §4.2.2: each message has its length before it.
fn talk(stream: &mut TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_read_timeout(Some(SILENCE))?;
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut question = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut question)?;
    if let Some(reply) = answer(&question, shared, false) {
        let length = u16::try_from(reply.len()).unwrap_or(u16::MAX);
        stream.write_all(&[&length.to_be_bytes(), reply.as_slice()].concat())?;
    }
    Ok(())
}

fn answer(octets: &[u8], shared: &Shared, datagram: bool) -> Option<Vec<u8>> {
    let question = Message::from_vec(octets).ok()?;
    let query = question.queries.first()?.clone();
    let (name, kind) = (query.name().clone(), query.query_type());
    shared
        .asked
        .lock()
        .push(format!("{} {kind}", fold(&name.to_ascii())));
    let mut reply = Message::response(question.metadata.id, question.metadata.op_code);
    reply.metadata.recursion_desired = question.metadata.recursion_desired;
    reply.metadata.recursion_available = true;
    reply.add_query(query);
    let zone = shared.zone.lock();
    let known = zone.get(&fold(&name.to_ascii()));
    match known {
        Some(answers) if answers.contains(&Answer::Silence) => return None,
        Some(answers) if answers.contains(&Answer::Garbage) => return Some(b"no DNS".to_vec()),
        Some(answers) if datagram && answers.contains(&Answer::Large) => {
            reply.metadata.truncation = true;
            return reply.to_vec().ok();
        }
        Some(answers) if answers.contains(&Answer::Refused) => {
            reply.metadata.response_code = ResponseCode::Refused;
        }
        Some(answers) if answers.contains(&Answer::Trouble) => {
            reply.metadata.response_code = ResponseCode::ServFail;
        }
        Some(answers) => {
            for data in answers.iter().flat_map(|answer| records(answer, kind)) {
                let canonical = match &data {
                    RData::CNAME(canonical) => Some(canonical.0.clone()),
                    _ => None,
                };
                reply.add_answer(Record::from_rdata(name.clone(), TTL, data));
                let Some(canonical) = canonical else { continue };
                let behind = zone.get(&fold(&canonical.to_ascii()));
                for data in behind
                    .into_iter()
                    .flatten()
                    .flat_map(|answer| records(answer, kind))
                {
                    reply.add_answer(Record::from_rdata(canonical.clone(), TTL, data));
                }
            }
        }
        None => reply.metadata.response_code = ResponseCode::NXDomain,
    }
    let code = reply.metadata.response_code;
    let denies = matches!(code, ResponseCode::NoError | ResponseCode::NXDomain);
    if reply.answers.is_empty() && denies {
        // RFC 2308 §2: a denial is only believed with the start of authority.
        let start = SOA::new(name.clone(), name.clone(), 1, 60, 60, 60, TTL);
        reply.add_authority(Record::from_rdata(name, TTL, RData::SOA(start)));
    }
    reply.to_vec().ok()
}

fn records(answer: &Answer, kind: RecordType) -> Vec<RData> {
    match (answer, kind) {
        (Answer::Mx(exchangers), RecordType::MX) => exchangers
            .iter()
            .filter_map(|(preference, host)| {
                let host = Name::from_ascii(format!("{}.", host.trim_end_matches('.'))).ok()?;
                Some(RData::MX(MX::new(*preference, host)))
            })
            .collect(),
        (Answer::Srv(servers), RecordType::SRV) => servers
            .iter()
            .filter_map(|(priority, weight, port, host)| {
                let host = Name::from_ascii(format!("{}.", host.trim_end_matches('.'))).ok()?;
                Some(RData::SRV(SRV::new(*priority, *weight, *port, host)))
            })
            .collect(),
        (Answer::A(addresses), RecordType::A) => addresses
            .iter()
            .map(|address| RData::A(A(*address)))
            .collect(),
        (Answer::Aaaa(addresses), RecordType::AAAA) => addresses
            .iter()
            .map(|address| RData::AAAA(AAAA(*address)))
            .collect(),
        (Answer::Cname(canonical), _) => Name::from_ascii(format!("{canonical}."))
            .map(|name| RData::CNAME(CNAME(name)))
            .into_iter()
            .collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_proto::op::{MessageType, OpCode, Query};

    fn ask(server: &DnsServer, name: &str, kind: RecordType) -> Message {
        let mut question = Message::new(7, MessageType::Query, OpCode::Query);
        question.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket
            .send_to(&question.to_vec().unwrap(), server.address())
            .unwrap();
        let mut buffer = [0; DATAGRAM_OCTETS_MAX];
        let count = socket.recv(&mut buffer).unwrap();
        Message::from_vec(&buffer[..count]).unwrap()
    }

    #[test]
    fn it_says_what_it_was_told() {
        let server = DnsServer::start().unwrap();
        server.mx(
            "Example.NET",
            &[(10, "mx1.example.net"), (20, "mx2.example.net")],
        );
        server.a("mx1.example.net", Ipv4Addr::new(127, 0, 0, 2));
        let reply = ask(&server, "example.net.", RecordType::MX);
        assert_eq!(reply.answers.len(), 2);
        let reply = ask(&server, "mx1.example.net.", RecordType::A);
        assert_eq!(reply.answers.len(), 1);
        let reply = ask(&server, "mx1.example.net.", RecordType::AAAA);
        assert!(reply.answers.is_empty());
        assert_eq!(reply.metadata.response_code, ResponseCode::NoError);
        assert_eq!(server.asked().len(), 3);
    }

    #[test]
    fn it_knows_nothing_else_and_has_trouble_on_request() {
        let server = DnsServer::start().unwrap();
        server.know("sick.example", Answer::Trouble);
        let reply = ask(&server, "other.example.", RecordType::MX);
        assert_eq!(reply.metadata.response_code, ResponseCode::NXDomain);
        let reply = ask(&server, "sick.example.", RecordType::MX);
        assert_eq!(reply.metadata.response_code, ResponseCode::ServFail);
    }

    #[test]
    fn the_null_mx_is_the_root() {
        let server = DnsServer::start().unwrap();
        server.mx("null.example", &[(0, ".")]);
        let reply = ask(&server, "null.example.", RecordType::MX);
        let RData::MX(mx) = &reply.answers[0].data else {
            panic!("{reply:?}");
        };
        assert!(mx.exchange.is_root());
    }
}
