//! Both configuration files: never a panic; every fault has a reason; what was taken, written out, reads back as itself.

#![no_main]

use bridgehead_config::ServerFile;
use bridgehead_directory::parse_organisation;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Err(faults) = ServerFile::parse(text, "server.toml") {
        assert!(!faults.is_empty());
        assert!(faults.iter().all(|fault| !fault.reason.is_empty()));
    }
    match parse_organisation(text, "org.toml") {
        Ok((organisation, _)) => {
            let written = organisation.to_text();
            let (again, _) = parse_organisation(&written, "org.toml")
                .unwrap_or_else(|faults| panic!("{faults:?}\n{written}"));
            assert_eq!(again, organisation, "{written}");
        }
        Err(faults) => assert!(!faults.is_empty()),
    }
});
