//! Command lines: never a panic; what is taken holds no control character, and its addresses read back as themselves.

#![no_main]

use bridgehead_mail::{Address, ReversePath};
use bridgehead_smtp::command::{Command, ForwardPath};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|line: &[u8]| {
    let Ok(command) = Command::parse(line) else {
        return;
    };
    assert!(!line.iter().any(u8::is_ascii_control), "{line:?}");
    match command {
        Command::Mail(mail) => {
            if let ReversePath::Address(address) = mail.reverse_path {
                reads_back(&address);
            }
        }
        Command::Rcpt(rcpt) => {
            if let ForwardPath::Address(address) = rcpt.forward_path {
                reads_back(&address);
            }
        }
        _ => {}
    }
});

fn reads_back(address: &Address) {
    let again = Address::parse(&address.to_string()).expect("what was taken is an address");
    assert_eq!(&again, address);
}
