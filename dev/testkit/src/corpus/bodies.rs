//! Odd bodies: lengths, dots, line ends, octets, words that look like commands.

use super::{Sample, with_body};

pub(super) fn add(samples: &mut Vec<Sample>) {
    lengths(samples);
    sizes(samples);
    dots(samples);
    dots_at_edges(samples);
    line_ends(samples);
    octets(samples);
    texts(samples);
    without_last_line_end(samples);
}

/// Single lines up to far beyond the 998 octets of RFC 5322 §2.1.1.
fn lengths(samples: &mut Vec<Sample>) {
    let lengths = [
        1, 2, 70, 76, 77, 78, 79, 80, 500, 510, 512, 996, 997, 998, 999, 1000, 1001, 1002, 2000,
        2048, 4095, 4096, 4097, 8192, 16_384, 32_768, 65_535, 65_536, 65_537, 100_000, 300_000,
    ];
    for length in lengths {
        let mut line = vec![b'x'; length];
        line.extend_from_slice(b"\r\n");
        samples.push(Sample::new(format!("line-{length}"), with_body(&line)));
    }
}

/// Whole messages around the sizes at which buffers end.
fn sizes(samples: &mut Vec<Sample>) {
    let head = with_body(b"").len();
    for power in 10..=20 {
        for size in [(1_usize << power) - 1, 1 << power, (1 << power) + 1] {
            let mut body = Vec::with_capacity(size);
            while body.len() + head + 66 < size {
                body.extend_from_slice(
                    b"0123456789012345678901234567890123456789012345678901234567890\r\n",
                );
            }
            while body.len() + head + 2 < size {
                body.push(b'-');
            }
            body.extend_from_slice(b"\r\n");
            samples.push(Sample::new(format!("size-{size}"), with_body(&body)));
        }
    }
}

fn dots(samples: &mut Vec<Sample>) {
    let bodies: [(&str, &[u8]); 20] = [
        ("one", b".\r\n"),
        ("two", b"..\r\n"),
        ("three", b"...\r\n"),
        ("twice", b".\r\n.\r\n"),
        ("then-text", b".\r\ntext\r\n"),
        ("after-text", b"text\r\n.\r\n"),
        ("after-empty-line", b"\r\n.\r\n"),
        ("before-empty-line", b".\r\n\r\n"),
        ("with-space", b". \r\n"),
        ("with-tab", b".\t\r\n"),
        ("after-space", b" .\r\n"),
        ("leading", b".leading\r\n..leading\r\n...leading\r\n"),
        ("trailing", b"trailing.\r\ntrailing..\r\n"),
        ("ladder", b".\r\n..\r\n...\r\n....\r\n...\r\n..\r\n.\r\n"),
        ("like-the-end", b"a\r\n.\r\nb\r\n.\r\nc\r\n.\r\n"),
        (
            "like-a-command",
            b".\r\nMAIL FROM:<x@example.test>\r\n.\r\nQUIT\r\n",
        ),
        (
            "runoff",
            b".TH BRIDGEHEAD 8\r\n.SH NAME\r\n.\\\" comment\r\n",
        ),
        ("hidden-file", b".bashrc\r\n.ssh\r\n"),
        ("numbers", b".5\r\n.25\r\n"),
        ("eight-bit", b".\xE9\r\n\xE9.\r\n"),
    ];
    for (name, body) in bodies {
        samples.push(Sample::new(format!("dots-{name}"), with_body(body)));
        samples.push(Sample::new(
            format!("dots-bare-{name}"),
            [b"X: y\r\n\r\n", body].concat(),
        ));
    }
    samples.push(Sample::new("dots-only", b".\r\n"));
    samples.push(Sample::new("dots-only-two", b"..\r\n"));
    samples.push(Sample::new("dots-only-many", b".\r\n".repeat(500)));
    samples.push(Sample::new(
        "dots-line-of-them",
        with_body(&[&[b'.'; 2000][..], b"\r\n"].concat()),
    ));
}

/// A dot line that lies across the place where a buffer is likely to end.
fn dots_at_edges(samples: &mut Vec<Sample>) {
    let head = with_body(b"").len();
    for edge in [512_usize, 1024, 1460, 4096, 8192, 16_384, 32_768, 65_536] {
        for before in 0..6 {
            let mut body = Vec::new();
            while body.len() + head + before + 2 < edge {
                body.push(b'a');
            }
            body.extend_from_slice(b"\r\n.\r\n..\r\nend\r\n");
            samples.push(Sample::new(
                format!("dots-edge-{edge}-{before}"),
                with_body(&body),
            ));
        }
    }
}

fn line_ends(samples: &mut Vec<Sample>) {
    samples.push(Sample::new("empty", b""));
    for count in [1, 2, 3, 10, 1000, 30_000] {
        samples.push(Sample::new(
            format!("line-ends-{count}"),
            b"\r\n".repeat(count),
        ));
        samples.push(Sample::new(
            format!("line-ends-after-text-{count}"),
            with_body(&[b"text\r\n", &b"\r\n".repeat(count)[..]].concat()),
        ));
    }
    samples.push(Sample::new("empty-body", with_body(b"")));
    let bodies: [(&str, &[u8]); 10] = [
        ("trailing-spaces", b"text   \r\n text \r\n   \r\n"),
        ("trailing-tabs", b"text\t\t\r\n\t\r\n"),
        ("space-lines", b" \r\n  \r\n   \r\n"),
        ("last-line-space", b"text\r\n "),
        ("signature", b"text\r\n-- \r\nA. Smith\r\n"),
        ("flowed", b"> quoted \r\n>> deeper \r\n text \r\n"),
        ("form-feed", b"page one\x0C\r\n\x0Cpage two\r\n"),
        ("vertical-tab", b"\x0B\r\n\x0B\x0B\r\n"),
        (
            "unicode-line-ends",
            "a\u{2028}b\u{2029}c\u{85}\r\n".as_bytes(),
        ),
        ("backslash-r-n", b"\\r\\n.\\r\\n\r\n"),
    ];
    for (name, body) in bodies {
        let body = if body.ends_with(b"\r\n") {
            body.to_vec()
        } else {
            [body, b"\r\n"].concat()
        };
        samples.push(Sample::new(name, with_body(&body)));
    }
}

fn octets(samples: &mut Vec<Sample>) {
    let all: Vec<u8> = (1..=255_u8)
        .filter(|octet| !b"\r\n".contains(octet))
        .collect();
    samples.push(Sample::new(
        "all-octets",
        with_body(&[&all[..], b"\r\n"].concat()),
    ));
    samples.push(Sample::new(
        "all-octets-again-and-again",
        with_body(&[&all.repeat(50)[..], b"\r\n"].concat()),
    ));
    let mut one_a_line = Vec::new();
    for octet in &all {
        one_a_line.extend_from_slice(&[*octet, b'\r', b'\n']);
    }
    samples.push(Sample::new("each-octet-on-a-line", with_body(&one_a_line)));
    for control in [
        0x01_u8, 0x04, 0x07, 0x08, 0x0B, 0x0C, 0x11, 0x13, 0x1A, 0x1B, 0x7F, 0x80, 0x85, 0xA0, 0xFF,
    ] {
        samples.push(Sample::new(
            format!("octet-{control:02x}"),
            with_body(&[b"a", &[control][..], b"b\r\n", &[control; 40][..], b"\r\n"].concat()),
        ));
    }
    let broken: [(&str, &[u8]); 6] = [
        ("lone-continuation", b"\x80\x81\xBF\r\n"),
        ("cut-sequence", b"\xE2\x82\r\n\xF0\x9F\x98\r\n"),
        ("overlong", b"\xC0\xAF\xE0\x80\xAF\r\n"),
        ("surrogate", b"\xED\xA0\x80\xED\xB0\x80\r\n"),
        ("beyond", b"\xF4\x90\x80\x80\xF8\x88\x80\x80\x80\r\n"),
        ("telnet", b"\xFF\xFB\x01\xFF\xFF\xF4\r\n"),
    ];
    for (name, body) in broken {
        samples.push(Sample::new(format!("utf8-{name}"), with_body(body)));
    }
}

fn texts(samples: &mut Vec<Sample>) {
    let bodies: [(&str, &str); 18] = [
        ("german", "Grüße aus Köln, der Straße wegen.\r\n"),
        ("greek", "Ξεσκεπάζω τὴν ψυχοφθόρα βδελυγμία\r\n"),
        ("chinese", "我能吞下玻璃而不伤身体。\r\n"),
        ("japanese", "いろはにほへと ちりぬるを\r\n"),
        ("arabic", "أنا قادر على أكل الزجاج\r\n"),
        ("hebrew", "דג סקרן שט בים\r\n"),
        ("emoji", "📬✉️👩‍👩‍👧‍👦🏴󠁧󠁢󠁥󠁮󠁧󠁿\r\n"),
        ("combining", "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L̠ͨͧͩ͘G̴̻͈͍͔̹̑͗̎̅͛́\r\n"),
        ("byte-order-mark", "\u{FEFF}text\r\n"),
        ("zero-width", "a\u{200B}b\u{200D}c\u{2060}\r\n"),
        (
            "commands",
            "HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\nDATA\r\nRSET\r\nQUIT\r\n",
        ),
        ("replies", "250 2.0.0 OK\r\n354 go\r\n421 bye\r\n550-no\r\n"),
        (
            "mbox",
            "From a@example.test Thu Jan  1 00:00:00 2026\r\n>From quoted\r\n>>From twice\r\n",
        ),
        (
            "html",
            "<!DOCTYPE html>\r\n<p>&nbsp;<script>alert('x')</script></p>\r\n",
        ),
        (
            "shell",
            "$(reboot) `id` ; | & > /dev/null\r\n%s%n%x %00 \\0 ../../etc/passwd\r\n",
        ),
        ("uuencode", "begin 644 a\r\n#86)C\r\n`\r\nend\r\n"),
        (
            "armour",
            "-----BEGIN PGP MESSAGE-----\r\n\r\nhQEMA\r\n=abcd\r\n-----END PGP MESSAGE-----\r\n",
        ),
        (
            "headers-in-body",
            "Received: from x by y; z\r\nReturn-Path: <a@b>\r\n\r\nmore\r\n",
        ),
    ];
    for (name, body) in bodies {
        samples.push(Sample::new(
            format!("text-{name}"),
            with_body(body.as_bytes()),
        ));
    }
}

/// Only BDAT can carry these unchanged.
fn without_last_line_end(samples: &mut Vec<Sample>) {
    let bodies: [(&str, &[u8]); 10] = [
        ("text", b"no line end"),
        ("dot", b"."),
        ("two-dots", b".."),
        ("line-then-dot", b"a\r\n."),
        ("line-then-dots", b"a\r\n.."),
        ("space", b"a\r\n "),
        ("eight-bit", b"a\r\n\xE9"),
        ("long", &[b'x'; 70_000]),
        ("end-in-the-middle", b"a\r\n.\r\nb"),
        ("empty-lines-before", b"\r\n\r\n\r\nb"),
    ];
    for (name, body) in bodies {
        samples.push(Sample::new(
            format!("no-last-line-end-{name}"),
            with_body(body),
        ));
    }
    samples.push(Sample::new("no-last-line-end-one-octet", b"x"));
    samples.push(Sample::new("no-last-line-end-header", b"Subject: x"));
}
