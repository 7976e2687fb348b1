//! Answers of a directory: never a panic, a frame is known from its beginning however it is cut, and an entry is an object,
//! a fault or nobody. Texts of filters: what is read is written back as the same octets.

#![no_main]

use bridgehead_ldap::{
    DirSync, Filter, Response, SyncDone, SyncInfo, SyncState, decode, escape, frame, paged_cookie,
};
use bridgehead_ldap_directory::{Mapped, map};
use libfuzzer_sys::fuzz_target;

const OCTETS_MAX: usize = 64 * 1024;

fuzz_target!(|octets: &[u8]| {
    framing(octets);
    if let Ok(message) = decode(octets) {
        let _ = paged_cookie(&message.controls);
        let _ = DirSync::read(&message.controls);
        let _ = SyncState::read(&message.controls);
        let _ = SyncDone::read(&message.controls);
        let _ = SyncInfo::read(&message);
        if let Response::Entry(entry) = &message.response
            && let Mapped::Object(object) = map(entry, "00000000-0000-0000-0000-000000000001")
        {
            assert!(!object.name().is_empty());
            assert!(!object.to_text().is_empty());
        }
    }
    if let Ok(text) = std::str::from_utf8(octets) {
        let _ = Filter::parse(text);
    }
    // What is escaped is one value, whatever is in it.
    let escaped = Filter::parse(&format!("(cn={})", escape(octets)));
    if !octets.is_empty() {
        assert_eq!(escaped.ok(), Some(Filter::equal("cn", octets)));
    }
});

/// As long as a message isn't whole, its length is unknown or longer than what is there.
fn framing(octets: &[u8]) {
    let Ok(Some(whole)) = frame(octets, OCTETS_MAX) else {
        return;
    };
    assert!(whole <= OCTETS_MAX);
    for cut in 0..octets.len().min(8) {
        let known = frame(&octets[..cut], OCTETS_MAX);
        assert!(matches!(known, Ok(None)) || known == Ok(Some(whole)), "{known:?}");
    }
}
