//! Addresses, local parts and domains: never a panic; what was taken, written out, reads back as itself.

#![no_main]

use bridgehead_mail::{Address, Domain, LocalPart};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(address) = Address::parse(text) {
        let written = address.to_string();
        assert!(!written.chars().any(char::is_control), "{written:?}");
        assert_eq!(
            Address::parse(&written).as_ref(),
            Ok(&address),
            "{written:?}"
        );
        let _ = address.needs_smtputf8();
    }
    if let Ok(domain) = Domain::parse(text) {
        assert_eq!(Domain::parse(domain.as_str()).as_ref(), Ok(&domain));
        assert!(domain.is_within(&domain));
        let _ = domain.literal();
    }
    if let Ok(local) = LocalPart::parse(text) {
        assert_eq!(LocalPart::parse(&local.to_string()).as_ref(), Ok(&local));
    }
    let _ = LocalPart::from_plain(text);
    let _ = Address::from_parts(text, "example.test");
    let _ = Address::from_parts("a", text);
});
