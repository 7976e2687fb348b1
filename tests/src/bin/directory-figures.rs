//! What the directory costs: memory and lookups with a million recipients, the expansion of a large group, the first
//! copy from a slapd, and one LDAP search for each recipient beside it, as mail servers do that have no copy.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_precision_loss,
    missing_docs,
    reason = "a measurement that can't go on says why and stops"
)]

use bridgehead_categorizer::categorize;
use bridgehead_directory::{
    Acceptance, Directory, Entry, EntryId, Follower, Mailbox, Member, Name, News, Object,
    Resolution, Wish,
};
use bridgehead_ldap_directory::{LdapDirectory, LdapSettings, ServerUrl};
use bridgehead_mail::{Address, Envelope, Recipient, ReversePath, Timestamp};
use bridgehead_tests::slapd::{ADMIN, BASE, SECRET, Slapd};
use bridgehead_tests::tools;
use clap::Parser;
use std::fmt::Write;
use std::process::Command;
use std::time::{Duration, Instant};

/// As in the server.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Debug, Parser)]
struct Options {
    /// Recipients in the copy
    #[arg(long, default_value_t = 1_000_000)]
    recipients: u32,
    /// Recipients in the slapd
    #[arg(long, default_value_t = 100_000)]
    entries: u32,
    /// How often each lookup is done; the fastest round counts
    #[arg(long, default_value_t = 3)]
    rounds: u32,
}

const CONFIGURATION: &str = "[organization]\nname = \"Lab\"\npostmaster = \"postmaster@lab.test\"\n\n\
                             [[accepted-domain]]\nname = \"lab.test\"\n";
const PROTOTYPE: &str = "[[mailbox]]\nname = \"x\"\naddresses = [\"x@lab.test\", \"y@lab.test\"]\n\
                         display-name = \"Given Surname\"\ngiven-name = \"Given\"\nsurname = \"Surname\"\n\
                         department = \"Department of Something\"\n";

fn main() {
    let options = Options::parse();
    let load = std::fs::read_to_string("/proc/loadavg").unwrap();
    println!("load at the start: {}", load.trim());
    copy(options.recipients, options.rounds);
    group(100_000);
    if let Err(reason) = Slapd::is_possible() {
        println!("no figures of slapd: {reason}");
        return;
    }
    slapd(options.entries);
}

fn now() -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000)
}

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<u64>()
        .unwrap()
        * 1024
}

fn opened(folder: &std::path::Path) -> (Directory, Follower) {
    let (directory, follower) = Directory::open_following(folder, "bench", None).unwrap();
    let applied = directory.apply(&Wish {
        text: CONFIGURATION,
        file: "org.toml",
        who: "bench",
        why: "",
        now: now(),
        expected: None,
        dry_run: false,
        trial_on: &[],
    });
    applied.unwrap();
    (directory, follower)
}

fn prototype() -> Mailbox {
    match Object::parse(PROTOTYPE) {
        Some(Object::Mailbox(mailbox)) => mailbox,
        other => panic!("{other:?}"),
    }
}

fn address(local: &str, number: u32) -> Address {
    Address::parse(&format!("{local}{number}@lab.test")).unwrap()
}

fn put(follower: &mut Follower, number: u32, content: Object) {
    let entry = Entry {
        id: EntryId(format!("00000000-0000-0000-0000-{number:012x}").into()),
        place: format!("CN=user{number},OU=People,OU=Site,DC=lab,DC=test").into(),
        content: Ok(content),
    };
    follower.take(News::Put(Box::new(entry)), now()).unwrap();
}

fn put_mailbox(follower: &mut Follower, prototype: &Mailbox, number: u32) {
    let mailbox = Mailbox {
        name: Name::parse(&format!("user{number}")).unwrap(),
        addresses: vec![address("user", number), address("given.surname", number)],
        ..prototype.clone()
    };
    put(follower, number, Object::Mailbox(mailbox));
}

/// Addresses per second in the fastest of some rounds; for each of them `holds` must.
fn fastest(asked: &[Address], rounds: u32, holds: impl Fn(&Address) -> bool) -> f64 {
    let round = |_| {
        let begun = Instant::now();
        assert_eq!(asked.iter().filter(|one| holds(one)).count(), asked.len());
        asked.len() as f64 / begun.elapsed().as_secs_f64()
    };
    (0..rounds.max(1)).map(round).fold(0.0, f64::max)
}

fn copy(recipients: u32, rounds: u32) {
    let folder = tempfile::tempdir().unwrap();
    let (directory, mut follower) = opened(folder.path());
    let before = resident();
    let begun = Instant::now();
    let prototype = prototype();
    follower.take(News::Full, now()).unwrap();
    for number in 0..recipients {
        put_mailbox(&mut follower, &prototype, number);
    }
    follower.take(News::Commit(b"1".to_vec()), now()).unwrap();
    let took = begun.elapsed();
    let each = (resident().saturating_sub(before)) / u64::from(recipients);
    println!(
        "{recipients} recipients stored and in force in {took:.1?}; {each} octets of memory each"
    );

    let snapshot = directory.snapshot();
    let asked: Vec<Address> = (0..200_000_u32)
        .map(|number| address("given.surname", number.wrapping_mul(7_919) % recipients))
        .collect();
    let rate = fastest(&asked, rounds, |one| {
        snapshot.accept(one) == Acceptance::Recipient
    });
    println!("said whether mail is taken for {rate:.0} recipients per second on one core");
    let rate = fastest(&asked, rounds, |one| {
        matches!(snapshot.resolve(one), Resolution::Object(..))
    });
    println!("resolved {rate:.0} recipients per second to their objects on one core");

    let begun = Instant::now();
    for number in 0..200 {
        put_mailbox(&mut follower, &prototype, recipients + number);
        follower
            .take(News::Commit(number.to_be_bytes().to_vec()), now())
            .unwrap();
    }
    println!(
        "one change is stored and in force after {:.1?}",
        begun.elapsed() / 200
    );
    drop((snapshot, directory, follower));
    let begun = Instant::now();
    let (directory, _) = Directory::open_following(folder.path(), "bench", None).unwrap();
    let all = directory.snapshot();
    assert_eq!(all.accept(&address("user", 0)), Acceptance::Recipient);
    println!("a restart has them again after {:.1?}", begun.elapsed());
}

fn group(members: u32) {
    let folder = tempfile::tempdir().unwrap();
    let (directory, mut follower) = opened(folder.path());
    let prototype = prototype();
    follower.take(News::Full, now()).unwrap();
    for number in 0..members {
        put_mailbox(&mut follower, &prototype, number);
    }
    let text = "[[group]]\nname = \"all\"\naddresses = [\"all@lab.test\"]\nmembers = []\n";
    let Some(Object::Group(mut group)) = Object::parse(text) else {
        panic!("a group");
    };
    let place = |number| format!("CN=user{number},OU=People,OU=Site,DC=lab,DC=test");
    group.members = (0..members)
        .map(|number| Member::Entry(place(number).into()))
        .collect();
    put(&mut follower, members, Object::Group(group));
    follower.take(News::Commit(b"1".to_vec()), now()).unwrap();
    let envelope = envelope("all@lab.test");
    let begun = Instant::now();
    let known = categorize(&directory.snapshot(), &envelope, None);
    let took = begun.elapsed();
    assert_eq!(known.addressees.len(), members as usize);
    println!("a group of {members} members is expanded in {took:.1?}");
}

fn envelope(to: &str) -> Envelope {
    Envelope {
        handling: bridgehead_mail::Handling::default(),
        reverse_path: ReversePath::Address(Address::parse("x@elsewhere.test").unwrap()),
        recipients: vec![Recipient::plain(Address::parse(to).unwrap())],
        body: bridgehead_mail::BodyKind::SevenBit,
        smtputf8: false,
        ret: None,
        envid: None,
        origin: bridgehead_mail::Origin {
            virtual_server: "bench".into(),
            client: None,
            helo: "".into(),
            protocol: bridgehead_mail::Protocol {
                extended: true,
                tls: false,
                authenticated: false,
                utf8: false,
            },
            tls: None,
            user: None,
        },
        accepted: now(),
        journey: None,
    }
}

fn slapd(entries: u32) {
    let mut ldif = String::new();
    for number in 0..entries {
        write!(
            ldif,
            "dn: cn=user{number},ou=people,{BASE}\nobjectClass: inetOrgPerson\ncn: user{number}\n\
             uid: user{number}\nsn: Surname\ngivenName: Given\nmail: user{number}@lab.test\n\n"
        )
        .unwrap();
    }
    let slapd = Slapd::start(&ldif);
    let settings = LdapSettings {
        ca_file: Some(slapd.ca_file()),
        ..LdapSettings::new(
            vec![ServerUrl::parse(&slapd.url()).unwrap()],
            BASE,
            ADMIN,
            SECRET,
        )
    };
    let folder = tempfile::tempdir().unwrap();
    let (directory, follower) = opened(folder.path());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let ldap = LdapDirectory::new(settings).unwrap();
    let begun = Instant::now();
    let keeping = runtime.spawn(async move { ldap.keep_up(follower, now).await });
    while !directory.snapshot().is_complete() {
        std::thread::sleep(Duration::from_millis(5));
        assert!(
            begun.elapsed() < Duration::from_secs(600),
            "the copy never comes"
        );
    }
    println!(
        "first copy of {entries} entries from slapd: {:.1?}",
        begun.elapsed()
    );
    assert_eq!(directory.view().mailboxes, u64::from(entries));
    let change = format!(
        "dn: cn=user7,ou=people,{BASE}\nchangetype: modify\nreplace: mail\nmail: new7@lab.test\n"
    );
    let new = Address::parse("new7@lab.test").unwrap();
    slapd.change(&change);
    let begun = Instant::now();
    while directory.snapshot().accept(&new) != Acceptance::Recipient {
        std::thread::sleep(Duration::from_millis(1));
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "the change never comes"
        );
    }
    println!(
        "a change in slapd is in force {:.1?} after it was made",
        begun.elapsed()
    );
    keeping.abort();
    searches(&slapd, entries);
}

/// One search for each recipient over one connection, as fast as OpenLDAP's own client does it.
fn searches(slapd: &Slapd, entries: u32) {
    let count = 20_000.min(entries);
    let mut numbers = String::new();
    for number in 0..count {
        writeln!(numbers, "{}", number.wrapping_mul(7_919) % entries).unwrap();
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), numbers).unwrap();
    let mut command = Command::new("ldapsearch");
    command
        .args([
            "-x",
            "-LLL",
            "-H",
            &slapd.url(),
            "-D",
            ADMIN,
            "-w",
            SECRET,
            "-b",
            BASE,
            "-f",
        ])
        .arg(file.path())
        .args(["(mail=user%s@lab.test)", "mail"]);
    let begun = Instant::now();
    tools::run_within(command, b"", Duration::from_secs(300)).good();
    let rate = f64::from(count) / begun.elapsed().as_secs_f64();
    println!("beside it, one LDAP search for each recipient: {rate:.0} per second");
}
