//! Octets of real messages, and any octets at all.

#![allow(clippy::unwrap_used)]

use bridgehead_ldap::{
    BerError, Control, DirSync, Filter, Request, Response, Scope, Search, SyncInfo, SyncPhase,
    SyncState, decode, encode, escape, frame, paged_cookie,
};
use proptest::prelude::*;

fn octets(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(pair).collect()
}

#[test]
fn a_bind_has_the_octets_of_the_standard() {
    let bind = Request::Bind {
        name: "cn=a",
        password: b"b",
    };
    let expected = octets("30 0f 02 01 01 60 0a 02 01 03 04 04 636e3d61 80 01 62");
    // The outer lengths: 3 + 2 + 3 + 6 + 3.
    let mut expected = expected;
    expected[1] = 0x11;
    expected[6] = 0x0c;
    assert_eq!(encode(1, &bind, &[]), expected);
}

#[test]
fn an_answer_is_read_with_its_controls() {
    let done = octets(
        "30 28 02 01 02 65 07 0a 01 00 04 00 04 00 a0 1a 30 18 \
         04 16 312e322e3834302e3131333535362e312e342e3331 39",
    );
    // The OID above has 22 octets; a paged control without a value is malformed where its cookie is asked for.
    let message = decode(&done);
    assert!(message.is_ok(), "{message:?}");
    let message = message.unwrap();
    assert_eq!(message.id, 2);
    assert!(matches!(&message.response, Response::SearchDone(result) if result.code == 0));
    assert_eq!(message.controls[0].oid, "1.2.840.113556.1.4.319");
    assert!(paged_cookie(&message.controls).is_err());
}

#[test]
fn an_entry_is_read() {
    let entry =
        octets("30 1c 02 01 03 64 17 04 04 636e3d61 30 0f 30 0d 04 04 6d61696c 31 05 04 03 614062");
    let Response::Entry(entry) = decode(&entry).unwrap().response else {
        panic!("an entry");
    };
    assert_eq!(
        (entry.name.as_str(), entry.text("MAIL")),
        ("cn=a", Some("a@b"))
    );
    assert_eq!(entry.values("sn"), &[] as &[Vec<u8>]);
}

#[test]
fn a_frame_is_known_when_its_length_is_and_refused_when_it_is_too_large() {
    assert_eq!(frame(&[], 100), Ok(None));
    assert_eq!(frame(&octets("30"), 100), Ok(None));
    assert_eq!(frame(&octets("30 82 01"), 1000), Ok(None));
    assert_eq!(frame(&octets("30 05 02"), 100), Ok(Some(7)));
    assert_eq!(frame(&octets("30 82 01 00"), 1000), Ok(Some(260)));
    assert_eq!(
        frame(&octets("30 84 7fffffff"), 1000),
        Err(BerError::Large { most: 1000 })
    );
    assert_eq!(frame(&octets("30 80"), 1000), Err(BerError::Length));
    assert_eq!(frame(b"HTTP/1.1", 1000), Err(BerError::Tag { found: b'H' }));
}

#[test]
fn sync_states_and_infos_are_read() {
    let control = Control {
        oid: "1.3.6.1.4.1.4203.1.9.1.2".to_owned(),
        critical: false,
        value: Some(octets(
            "30 19 0a 01 01 04 10 000102030405060708090a0b0c0d0e0f 04 02 6363",
        )),
    };
    let state = SyncState::read(&[control]).unwrap().unwrap();
    assert_eq!(state.phase, SyncPhase::Add);
    assert_eq!(state.uuid[15], 15);
    assert_eq!(state.cookie.as_deref(), Some(b"cc".as_slice()));
    // 1.3.6.1.4.1.4203.1.9.1.4 with refreshDelete, done left out.
    let name = b"1.3.6.1.4.1.4203.1.9.1.4";
    let mut content = vec![0x80, 24];
    content.extend(name);
    content.extend(octets("81 06 a1 04 04 02 6363"));
    let mut message = octets("30 00 02 01 05 79 00");
    message[6] = u8::try_from(content.len()).unwrap();
    message[1] = u8::try_from(content.len() + 5).unwrap();
    message.extend(content);
    let info = SyncInfo::read(&decode(&message).unwrap()).unwrap().unwrap();
    let cookie = Some(b"cc".to_vec());
    assert_eq!(info, SyncInfo::Deleted { cookie, done: true });
}

#[test]
fn filters_are_read_and_faults_are_told() {
    for good in [
        "(mail=a@b)",
        "(&(objectClass=user)(|(mail=*)(proxyAddresses=smtp:*@b))(!(cn=x)))",
        "(userAccountControl:1.2.840.113556.1.4.803:=2)",
        "(cn=a*b*c)",
        "(uSNChanged>=12)",
        "(cn=\\28x\\29)",
        "(&)",
    ] {
        assert!(Filter::parse(good).is_ok(), "{good}");
    }
    for bad in [
        "",
        "mail=a",
        "(mail=a",
        "(mail)",
        "(mail=a)b",
        "(!)",
        "(cn=\\2)",
        "(=a)",
        "(cn=a(b)",
    ] {
        assert!(Filter::parse(bad).is_err(), "{bad}");
    }
    let deep = "(!".repeat(100) + "(a=b)" + &")".repeat(100);
    assert!(Filter::parse(&deep).is_err());
}

#[test]
fn a_value_cant_change_what_is_asked() {
    let evil = "a)(|(objectClass=*)";
    let text = format!("(mail={})", escape(evil.as_bytes()));
    assert_eq!(
        Filter::parse(&text).unwrap(),
        Filter::equal("mail", evil.as_bytes())
    );
}

proptest! {
    #[test]
    fn no_octets_make_it_panic(octets in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = frame(&octets, 200);
        let _ = decode(&octets);
        let control = |oid: &str| [Control {
            oid: oid.to_owned(),
            critical: false,
            value: Some(octets.clone()),
        }];
        let _ = paged_cookie(&control("1.2.840.113556.1.4.319"));
        let _ = SyncState::read(&control("1.3.6.1.4.1.4203.1.9.1.2"));
        let _ = DirSync::read(&control("1.2.840.113556.1.4.841"));
    }

    #[test]
    fn any_value_is_itself_in_a_filter(value in prop::collection::vec(any::<u8>(), 0..40)) {
        let text = format!("(mail={})", escape(&value));
        prop_assert_eq!(Filter::parse(&text).unwrap(), Filter::equal("mail", &value));
    }

    #[test]
    fn a_request_is_one_frame(base in ".{0,300}", size in any::<u16>()) {
        let filter = Filter::parse("(a=b)").unwrap();
        let search = Search { base: &base, scope: Scope::Subtree, filter: &filter, attributes: &["x"] };
        let octets = encode(7, &Request::Search(search), &[bridgehead_ldap::paged(size, b"c")]);
        prop_assert_eq!(frame(&octets, 100_000).unwrap(), Some(octets.len()));
    }
}
