//! Odd headers: none, only, huge, many, folded, repeated, in other alphabets.

use super::Sample;

/// Single fields that have been seen to confuse.
const FIELDS: &[(&str, &str)] = &[
    ("empty-values", "Subject:\r\nTo: \r\nX:\r\n"),
    (
        "all-name-octets",
        "!\"#$%&'*+-./0123456789;<=>?@ABC[\\]^_`abc{|}~: x\r\n",
    ),
    (
        "twice-the-same",
        "Subject: one\r\nSubject: two\r\nFrom: a@b.test\r\nFrom: c@d.test\r\n",
    ),
    (
        "return-path",
        "Return-Path: <stranger@example.net>\r\nSubject: x\r\n",
    ),
    (
        "delivered-to",
        "Delivered-To: a@example.test\r\nX-Original-To: b@example.test\r\n",
    ),
    ("bcc", "Bcc: secret@example.test\r\nBcc:\r\n"),
    (
        "resent",
        "Resent-From: a@example.test\r\nResent-Date: Thu, 1 Jan 2026 00:00:00 +0000\r\n",
    ),
    (
        "group",
        "To: undisclosed-recipients:;\r\nCc: A Group:a@b.test,c@d.test;\r\n",
    ),
    (
        "comments",
        "From: a (comment (nested \\) one)) @ (here) example.test (end)\r\n",
    ),
    ("quoted-local-part", "From: \"a b\\\" c\"@example.test\r\n"),
    (
        "source-route",
        "From: <@relay.example.net,@other.example.net:a@example.test>\r\n",
    ),
    (
        "literal",
        "From: a@[192.0.2.1]\r\nTo: b@[IPv6:2001:db8::1]\r\n",
    ),
    (
        "encoded-words",
        "Subject: =?utf-8?B?R3LDvMOfZQ==?= =?iso-8859-1?Q?=FC?=\r\n =?utf-8?q?x?=\r\n",
    ),
    (
        "broken-encoded-word",
        "Subject: =?utf-8?B?R3L=?= =?nonsense\r\n",
    ),
    ("no-date", "From: a@example.test\r\n"),
    (
        "odd-dates",
        "Date: Thu, 31 Feb 2026 25:61:61 +9999\r\nDate: 1 Jan 70 00:00 GMT\r\nDate: now\r\n",
    ),
    (
        "odd-message-id",
        "Message-ID: no brackets\r\nIn-Reply-To: <a@b> <c@d> text\r\nReferences:\r\n",
    ),
    (
        "signature",
        "DKIM-Signature: v=1; a=rsa-sha256; c=simple/simple; d=example.test; s=x;\r\n\tb=abc\r\n def=\r\n",
    ),
    ("tabs", "Subject:\tx\ty\t\r\n\tz\r\n"),
    (
        "trailing-space",
        "Subject: x   \r\nTo: b@example.test\t\r\n",
    ),
    ("deep-fold", "Subject: a\r\n b\r\n  c\r\n   d\r\n\te\r\n"),
    (
        "loop",
        "X-Loop: bridgehead\r\nAuto-Submitted: auto-replied\r\nPrecedence: bulk\r\n",
    ),
    (
        "list",
        "List-Id: <a.example.test>\r\nList-Unsubscribe: <mailto:x@y.test>, <https://example.test/?a=b&c=%20>\r\n",
    ),
    (
        "control-octets",
        "Subject: bell \u{7} escape \u{1b}[2J delete \u{7f}\r\n",
    ),
    ("only-commas", "To: ,,,,\r\nCc: ,\r\n"),
    (
        "content-length",
        "Content-Length: 4294967296\r\nLines: -1\r\nStatus: RO\r\n",
    ),
];

pub(super) fn add(samples: &mut Vec<Sample>) {
    shapes(samples);
    big(samples);
    fields(samples);
    alphabets(samples);
}

fn shapes(samples: &mut Vec<Sample>) {
    let shapes: [(&str, &[u8]); 17] = [
        ("none", b"This is no header field\r\nnor is this\r\n"),
        ("none-but-an-empty-line", b"\r\nbody\r\n"),
        ("only", b"From: a@example.test\r\nSubject: no body\r\n"),
        ("only-and-empty-line", b"From: a@example.test\r\n\r\n"),
        ("one-letter", b"a\r\n"),
        ("one-field-one-letter", b"A:\r\n\r\n"),
        (
            "starts-with-space",
            b" folded from nowhere\r\nSubject: x\r\n\r\nbody\r\n",
        ),
        ("starts-with-colon", b": no name\r\n\r\nbody\r\n"),
        (
            "mbox-line",
            b"From a@example.test Thu Jan  1 00:00:00 2026\r\nSubject: x\r\n\r\nbody\r\n",
        ),
        (
            "quoted-mbox-line",
            b">From a@example.test\r\nSubject: x\r\n\r\nbody\r\n",
        ),
        (
            "text-between",
            b"Subject: x\r\nnot a field\r\nTo: b@example.test\r\n\r\nbody\r\n",
        ),
        (
            "space-line-inside",
            b"Subject: x\r\n \r\nTo: b@example.test\r\n\r\nbody\r\n",
        ),
        ("space-line-at-the-end", b"Subject: x\r\n \r\n\r\nbody\r\n"),
        (
            "space-before-colon",
            b"Subject : x\r\nTo\t: b@example.test\r\n\r\nbody\r\n",
        ),
        (
            "no-space-after-colon",
            b"Subject:x\r\nTo:b@example.test\r\n\r\nbody\r\n",
        ),
        (
            "lower-case",
            b"subject: x\r\nFROM: a@example.test\r\ntO: b@example.test\r\n\r\nbody\r\n",
        ),
        ("dot-first", b".Subject: x\r\n.\r\n\r\nbody\r\n"),
    ];
    for (name, content) in shapes {
        samples.push(Sample::new(format!("header-{name}"), content));
    }
}

fn big(samples: &mut Vec<Sample>) {
    for count in [100_usize, 1000, 3000] {
        let mut content = Vec::new();
        for number in 0..count {
            content.extend_from_slice(format!("X-Field-{number}: value {number}\r\n").as_bytes());
        }
        content.extend_from_slice(b"\r\nbody\r\n");
        samples.push(Sample::new(format!("header-fields-{count}"), content));
    }
    for size in [998_usize, 2000, 65_536, 200_000] {
        let mut content = b"X-Long: ".to_vec();
        content.resize(size, b'v');
        content.extend_from_slice(b"\r\nSubject: x\r\n\r\nbody\r\n");
        samples.push(Sample::new(format!("header-one-line-{size}"), content));
    }
    for lines in [10_usize, 1000, 8000] {
        let mut content = b"To: first@example.test".to_vec();
        for number in 0..lines {
            content.extend_from_slice(format!(",\r\n\tmember-{number}@example.test").as_bytes());
        }
        content.extend_from_slice(b"\r\n\r\nbody\r\n");
        samples.push(Sample::new(format!("header-folded-{lines}"), content));
    }
    for hops in [1_usize, 10, 50, 90] {
        let mut content = Vec::new();
        for hop in 0..hops {
            content.extend_from_slice(
                format!(
                    "Received: from h{hop}.example.net (h{hop}.example.net [192.0.2.{hop}])\r\n\tby \
                     h{}.example.net with ESMTP id {hop:x};\r\n\tThu, 1 Jan 2026 00:00:00 +0000 (UTC)\r\n",
                    hop + 1
                )
                .as_bytes(),
            );
        }
        content.extend_from_slice(b"Subject: travelled\r\n\r\nbody\r\n");
        samples.push(Sample::new(format!("header-received-{hops}"), content));
    }
    let name = "N".repeat(900);
    samples.push(Sample::new(
        "header-long-name",
        format!("{name}: x\r\n\r\nbody\r\n"),
    ));
}

fn fields(samples: &mut Vec<Sample>) {
    for (name, text) in FIELDS {
        samples.push(Sample::new(
            format!("field-{name}"),
            format!("{text}X-Last: y\r\n\r\nbody\r\n"),
        ));
    }
}

/// Header fields in UTF-8 (RFC 6532).
fn alphabets(samples: &mut Vec<Sample>) {
    let fields: [(&str, &str); 8] = [
        ("subject", "Subject: Grüße\r\n"),
        ("name", "From: Ælfgifu <a@example.test>\r\n"),
        ("address", "From: δοκιμή@παράδειγμα.test\r\n"),
        ("folded", "Subject: 我能\r\n 吞下\r\n\t玻璃\r\n"),
        ("emoji", "Subject: 📬\r\n"),
        ("unstructured", "X-Ünknown-Value: ÿ\r\n"),
        (
            "comment",
            "Received: from x (ü) by y; Thu, 1 Jan 2026 00:00:00 +0000\r\n",
        ),
        ("right-to-left", "Subject: \u{202E}gnp.exe\r\n"),
    ];
    for (name, text) in fields {
        samples.push(Sample::new(
            format!("utf8-header-{name}"),
            format!("{text}To: b@example.test\r\n\r\nbody ü\r\n"),
        ));
    }
}
