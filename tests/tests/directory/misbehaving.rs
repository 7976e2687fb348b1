//! A server that answers slowly, not at all, cut off, in another language, without end, in pieces: each costs a clear word
//! of trouble and nothing else.

use crate::followed::{Followed, found};
use bridgehead_directory::{Acceptance, Found};
use bridgehead_ldap_directory::{LdapSettings, ServerUrl};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const BIND: u8 = 0x60;
const SEARCH: u8 = 0x63;

/// A request: its number, its tag, and its octets as text, to look for names in.
struct Asked {
    id: u8,
    tag: u8,
    text: String,
}

/// What to send for a request.
type Script = dyn Fn(&Asked) -> Vec<u8> + Send + Sync;

/// Listens until it is dropped; each connection runs the script until the client has enough.
struct Misbehaving {
    port: u16,
    over: Arc<AtomicBool>,
}

impl Misbehaving {
    fn new(script: impl Fn(&Asked) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let over = Arc::new(AtomicBool::new(false));
        let (ended, script): (_, Arc<Script>) = (Arc::clone(&over), Arc::new(script));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if ended.load(Ordering::Acquire) {
                    return;
                }
                let script = Arc::clone(&script);
                std::thread::spawn(move || serve(stream, &*script));
            }
        });
        Self { port, over }
    }

    fn followed(&self) -> Followed {
        let url = format!("ldap://127.0.0.1:{}", self.port);
        let servers = vec![ServerUrl::parse(&url).unwrap()];
        Followed::new(LdapSettings {
            start_tls: false,
            clear_text_on_loopback: true,
            timeout: Duration::from_millis(500),
            poll: Duration::from_millis(200),
            ..LdapSettings::new(servers, "dc=lab,dc=test", "cn=x", "x")
        })
    }
}

impl Drop for Misbehaving {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn serve(mut stream: TcpStream, script: &Script) -> Option<()> {
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .ok()?;
    loop {
        let request = read_request(&mut stream).ok()?;
        let answer = script(&asked(&request)?);
        if answer.is_empty() {
            // Silence, until the client goes.
            let _ = stream.read(&mut [0; 1]);
            return None;
        }
        stream.write_all(&answer).ok()?;
    }
}

fn read_request(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut head = [0; 2];
    stream.read_exact(&mut head)?;
    let mut length = usize::from(head[1]);
    if length >= 0x80 {
        let mut octets = vec![0; length & 0x7f];
        stream.read_exact(&mut octets)?;
        length = octets
            .iter()
            .fold(0, |length, octet| length << 8 | usize::from(*octet));
    }
    let mut content = vec![0; length];
    stream.read_exact(&mut content)?;
    Ok(content)
}

fn asked(content: &[u8]) -> Option<Asked> {
    let [2, 1, id, tag, ..] = content else {
        return None;
    };
    Some(Asked {
        id: *id,
        tag: *tag,
        text: String::from_utf8_lossy(content).into_owned(),
    })
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag, 0x83];
    out.extend_from_slice(&u32::try_from(content.len()).unwrap().to_be_bytes()[1..]);
    out.extend_from_slice(content);
    out
}

fn message(id: u8, operation: &[u8]) -> Vec<u8> {
    element(0x30, &[&[2, 1, id], operation].concat())
}

fn done(id: u8, tag: u8) -> Vec<u8> {
    message(id, &element(tag, &[10, 1, 0, 4, 0, 4, 0]))
}

fn entry(id: u8, name: &str, attributes: &[(&str, &[&str])]) -> Vec<u8> {
    let mut list = Vec::new();
    for (attribute, values) in attributes {
        let values: Vec<u8> = values
            .iter()
            .flat_map(|one| element(4, one.as_bytes()))
            .collect();
        let both = [element(4, attribute.as_bytes()), element(0x31, &values)].concat();
        list.extend(element(0x30, &both));
    }
    let content = [element(4, name.as_bytes()), element(0x30, &list)].concat();
    message(id, &element(0x64, &content))
}

/// Binds, tells its root, and does what is wanted with the first search below it.
fn after_the_root(then: impl Fn(&Asked) -> Vec<u8> + Send + Sync + 'static) -> Misbehaving {
    Misbehaving::new(move |asked| match asked.tag {
        BIND => done(asked.id, 0x61),
        SEARCH if asked.text.contains("namingContexts") => {
            let root = entry(asked.id, "", &[("namingContexts", &["dc=lab,dc=test"])]);
            [root, done(asked.id, 0x65)].concat()
        }
        _ => then(asked),
    })
}

fn bob(id: u8) -> Vec<u8> {
    let attributes: [(&str, &[&str]); 3] = [
        ("objectClass", &["inetOrgPerson"]),
        ("uid", &["bob"]),
        ("mail", &["bob@lab.test"]),
    ];
    entry(id, "uid=bob,dc=lab,dc=test", &attributes)
}

fn troubled(server: &Misbehaving, words: &str) {
    let followed = server.followed();
    let trouble = followed.trouble();
    assert!(trouble.contains(words), "{trouble}");
    assert!(trouble.contains("ldap://127.0.0.1:"), "{trouble}");
    assert_eq!(followed.accept("bob@lab.test"), Acceptance::Unsure);
}

#[test]
fn a_server_that_says_nothing_is_given_up() {
    troubled(
        &Misbehaving::new(|_| Vec::new()),
        "no answer to a bind in time",
    );
    troubled(
        &after_the_root(|_| Vec::new()),
        "no answer to a search in time",
    );
}

#[test]
fn a_server_of_another_protocol_is_told_apart() {
    let server = Misbehaving::new(|_| b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec());
    troubled(&server, "unexpected tag");
}

#[test]
fn an_enormous_answer_is_refused_before_it_is_read() {
    let server = after_the_root(|_| vec![0x30, 0x84, 0x7f, 0xff, 0xff, 0xff]);
    troubled(&server, "more than");
}

#[test]
fn an_answer_that_is_cut_off_brings_nothing_into_force() {
    let server = after_the_root(|asked| {
        let whole = bob(asked.id);
        [whole.clone(), whole[..whole.len() / 2].to_vec()].concat()
    });
    troubled(&server, "in time");
}

#[test]
fn malformed_entries_and_answers_of_the_wrong_kind_are_named() {
    let bad_text = |asked: &Asked| {
        let name = element(4, &[0xff, 0xfe]);
        message(
            asked.id,
            &element(0x64, &[name, element(0x30, &[])].concat()),
        )
    };
    troubled(&after_the_root(bad_text), "a value in the message is wrong");
    troubled(
        &after_the_root(|asked| done(asked.id, 0x69)),
        "unexpected answer to a search",
    );
    let refused = |asked: &Asked| {
        message(
            asked.id,
            &element(0x65, &[10, 1, 50, 4, 0, 4, 2, b'n', b'o']),
        )
    };
    troubled(&after_the_root(refused), "was refused with code 50: no");
}

#[test]
fn a_refused_bind_is_told_with_the_servers_words() {
    let server = Misbehaving::new(|asked| {
        message(
            asked.id,
            &element(0x61, &[10, 1, 49, 4, 0, 4, 3, b'b', b'a', b'd']),
        )
    });
    troubled(&server, "a bind was refused with code 49: bad");
}

#[test]
fn references_are_ignored_and_values_in_ranges_are_fetched() {
    let member = |number: u32| format!("uid=u{number},dc=lab,dc=test");
    let server = after_the_root(move |asked| {
        let group = "cn=all,dc=lab,dc=test";
        let (first, second): (Vec<String>, Vec<String>) = (
            (0..1500).map(member).collect(),
            (1500..2000).map(member).collect(),
        );
        let texts = |all: &[String]| -> Vec<u8> {
            all.iter()
                .flat_map(|one| element(4, one.as_bytes()))
                .collect()
        };
        let members = |id: u8, range: &str, all: &[String]| {
            let attribute = |name: &str, values: Vec<u8>| {
                element(
                    0x30,
                    &[element(4, name.as_bytes()), element(0x31, &values)].concat(),
                )
            };
            let list = [
                attribute("objectClass", element(4, b"groupOfNames")),
                attribute("cn", element(4, b"all")),
                attribute("mail", element(4, b"all@lab.test")),
                attribute(range, texts(all)),
            ]
            .concat();
            let content = [element(4, group.as_bytes()), element(0x30, &list)].concat();
            message(id, &element(0x64, &content))
        };
        if asked.text.contains("member;range=1500-*") {
            let rest = members(asked.id, "member;range=1500-*", &second);
            return [rest, done(asked.id, 0x65)].concat();
        }
        let reference = message(asked.id, &element(0x73, &element(4, b"ldap://else.test/")));
        let all = members(asked.id, "member;range=0-1499", &first);
        [reference, all, bob(asked.id), done(asked.id, 0x65)].concat()
    });
    let followed = server.followed();
    followed.until("bob@lab.test", Acceptance::Recipient);
    let Found::Group(group) = found(&followed.snapshot(), "all@lab.test") else {
        panic!("a group");
    };
    assert_eq!(group.members.len(), 2000);
}
