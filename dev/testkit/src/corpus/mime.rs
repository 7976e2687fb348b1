//! Odd MIME: deep nesting, boundaries that try to confuse, encodings, parts without anything.

use super::Sample;

pub(super) fn add(samples: &mut Vec<Sample>) {
    nested(samples);
    boundaries(samples);
    encodings(samples);
    types(samples);
}

fn message(fields: &str, body: &str) -> String {
    format!("From: a@example.test\r\nMIME-Version: 1.0\r\n{fields}\r\n{body}")
}

fn nested(samples: &mut Vec<Sample>) {
    for depth in [1, 2, 3, 5, 10, 50, 100, 500] {
        let mut body = String::from("Content-Type: text/plain\r\n\r\ninnermost\r\n");
        for level in 0..depth {
            body = format!(
                "Content-Type: multipart/mixed; boundary=\"b{level}\"\r\n\r\n--b{level}\r\n{body}\r\n--b{level}--\r\n"
            );
        }
        samples.push(Sample::new(
            format!("mime-nested-{depth}"),
            format!("From: a@example.test\r\nMIME-Version: 1.0\r\n{body}"),
        ));
    }
    for depth in [1, 5, 50] {
        let mut body = String::from("Subject: innermost\r\n\r\ntext\r\n");
        for level in 0..depth {
            body = format!("Subject: {level}\r\nContent-Type: message/rfc822\r\n\r\n{body}");
        }
        samples.push(Sample::new(
            format!("mime-message-in-message-{depth}"),
            body,
        ));
    }
    for parts in [0, 1, 100, 2000] {
        let mut body = String::new();
        for part in 0..parts {
            body.push_str(&format!("--x\r\n\r\npart {part}\r\n"));
        }
        body.push_str("--x--\r\n");
        samples.push(Sample::new(
            format!("mime-parts-{parts}"),
            message("Content-Type: multipart/mixed; boundary=x\r\n", &body),
        ));
    }
}

fn boundaries(samples: &mut Vec<Sample>) {
    let boundaries = [
        "\"gc0pJq0M:08jU534c0p\"",
        "\"'()+_,-./:=?\"",
        "\"----=_Part_0_1\"",
        "\"a b c\"",
        "\"\"",
        "unquoted",
        "\".\"",
        "\"--\"",
    ];
    for (number, boundary) in boundaries.iter().enumerate() {
        let bare = boundary.trim_matches('"');
        samples.push(Sample::new(
            format!("mime-boundary-{number}"),
            message(
                &format!("Content-Type: multipart/mixed; boundary={boundary}\r\n"),
                &format!("preamble\r\n--{bare}\r\n\r\none\r\n--{bare}\r\n\r\ntwo\r\n--{bare}--\r\nepilogue\r\n"),
            ),
        ));
    }
    let bodies = [
        ("never-closed", "--x\r\n\r\none\r\n"),
        ("never-opened", "no boundary at all\r\n"),
        ("closed-twice", "--x\r\n\r\none\r\n--x--\r\n--x--\r\n"),
        ("almost", "--x\r\n\r\n--xy\r\n -- x\r\n--X\r\n--x--\r\n"),
        ("with-space", "--x \t\r\n\r\none\r\n--x-- \r\n"),
        ("only", "--x--\r\n"),
        ("dot-between", "--x\r\n\r\n.\r\n--x--\r\n.\r\n"),
    ];
    for (name, body) in bodies {
        samples.push(Sample::new(
            format!("mime-boundary-{name}"),
            message("Content-Type: multipart/mixed; boundary=x\r\n", body),
        ));
    }
    let long = "b".repeat(300);
    samples.push(Sample::new(
        "mime-boundary-too-long",
        message(
            &format!("Content-Type: multipart/mixed; boundary={long}\r\n"),
            &format!("--{long}\r\n\r\none\r\n--{long}--\r\n"),
        ),
    ));
}

fn encodings(samples: &mut Vec<Sample>) {
    for lines in [0, 1, 100, 5000] {
        let body =
            "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAxMjM0\r\n";
        samples.push(Sample::new(
            format!("mime-base64-{lines}"),
            message(
                "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n",
                &body.repeat(lines),
            ),
        ));
    }
    let bodies = [
        (
            "quoted-printable",
            "quoted-printable",
            "=\r\n=3D=\r\n=2E\r\n.=\r\n.\r\nend =20\r\n",
        ),
        (
            "quoted-printable-broken",
            "quoted-printable",
            "=XY=\r\n=\r\n==\r\n=",
        ),
        ("base64-broken", "base64", "!!!!\r\nQQ\r\n=\r\n====\r\n"),
        ("seven-bit-that-is-not", "7bit", "Grüße\r\n"),
        ("eight-bit", "8bit", "Grüße\r\n"),
        ("binary-as-text", "binary", "Grüße\u{1}\u{7f}\r\n"),
        ("unknown", "x-uuencode", "begin 644 a\r\n"),
        ("empty", "", "text\r\n"),
    ];
    for (name, encoding, body) in bodies {
        let body = if body.ends_with("\r\n") {
            body.to_owned()
        } else {
            format!("{body}\r\n")
        };
        samples.push(Sample::new(
            format!("mime-encoding-{name}"),
            message(&format!("Content-Transfer-Encoding: {encoding}\r\n"), &body),
        ));
    }
}

fn types(samples: &mut Vec<Sample>) {
    let types = [
        ("charset", "text/plain; charset=\"us-ascii\" (comment)"),
        ("unknown-charset", "text/plain; charset=x-klingon"),
        ("flowed", "text/plain; format=flowed; delsp=yes"),
        ("no-subtype", "text"),
        ("no-value", ""),
        (
            "long-parameter",
            "application/x; name*0*=utf-8''%E2%82%AC;\r\n name*1*=%20;\r\n name*2=end",
        ),
        ("partial", "message/partial; id=\"a@b\"; number=2; total=3"),
        (
            "external",
            "message/external-body; access-type=local-file; name=\"/etc/passwd\"",
        ),
        ("calendar", "text/calendar; method=REQUEST"),
        (
            "report",
            "multipart/report; report-type=delivery-status; boundary=x",
        ),
        (
            "signed",
            "multipart/signed; micalg=sha-256; protocol=\"application/pkcs7-signature\"; boundary=x",
        ),
        ("tnef", "application/ms-tnef; name=\"winmail.dat\""),
        ("twice", "text/plain\r\nContent-Type: text/html"),
    ];
    for (name, value) in types {
        samples.push(Sample::new(
            format!("mime-type-{name}"),
            message(
                &format!("Content-Type: {value}\r\n"),
                "--x\r\n\r\none\r\n--x--\r\n",
            ),
        ));
    }
}
