//! Headers of messages: never a panic, bounded memory, no line end inside a field. (A CR or LF that stands alone can't be
//! in a message that was accepted.)

#![no_main]

use bridgehead_mime::read_headers;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|content: &[u8]| {
    let content = content.to_vec();
    let headers = read_headers(&content).expect("reading memory doesn't fail");
    for (name, value) in headers.fields() {
        assert!(!name.contains("\r\n"), "{name:?}");
        assert!(!value.contains("\r\n"), "{value:?}");
    }
    for name in ["subject", "from", "message-id", ""] {
        let _ = headers.first(name);
    }
});
