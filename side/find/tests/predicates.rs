//! What predicates mean, and what is said of those that aren't any.

#![allow(clippy::unwrap_used, missing_docs)]

use bridgehead_find::{Facts, Predicate, ReadFacts};
use bridgehead_mail::{Failure, MessageId, Phase, Priority, StatusCode};
use proptest::prelude::*;
use std::time::Duration;

fn read() -> ReadFacts {
    ReadFacts {
        from: "alice@example.org".to_owned(),
        to: vec!["bob@example.net".to_owned(), "zoe@example.com".to_owned()],
        subject: "Your (second) invoice".to_owned(),
        user: "alice".to_owned(),
        client: "192.0.2.7".to_owned(),
        via: "submission".to_owned(),
    }
}

fn failure() -> Failure {
    Failure::new(StatusCode::transient(4, 1), "no answer, 421 busy")
}

fn facts<'a>(failure: &'a Failure, read: Option<&'a ReadFacts>) -> Facts<'a> {
    Facts {
        id: MessageId::from_u128(1),
        phase: Phase::Retry,
        link: Some("internet/example.net"),
        domain: Some("example.net"),
        size: 3 << 20,
        age: Duration::from_secs(7200),
        attempts: 3,
        error: Some(failure),
        priority: Priority::Normal,
        read,
    }
}

fn test(text: &str, read: Option<&ReadFacts>) -> Option<bool> {
    Predicate::parse(text)
        .unwrap()
        .test(&facts(&failure(), read))
}

#[test]
fn conditions_hold_or_dont() {
    let read = read();
    for (text, expected) in [
        ("all", true),
        ("from:alice@example.org", true),
        ("from:*@EXAMPLE.org", true),
        ("from:<>", false),
        ("to:zoe@*", true),
        ("to:carl@*", false),
        ("subject:*invoice*", true),
        ("subject:\"your (second) *\"", true),
        ("subject:\"\\y*\"", true),
        ("user:alice client:192.0.2.* via:submission", true),
        ("size>1MiB", true),
        ("size<=3145728", true),
        ("size<\"3 MiB\"", false),
        ("age>=2h", true),
        ("age>2h", false),
        ("attempts=3", true),
        ("phase:retry", true),
        ("phase:frozen", false),
        ("priority:normal", true),
        ("link:internet/*", true),
        ("domain:example.net", true),
        ("error:*busy*", true),
        ("id:00000000000000000000000001", true),
        ("not phase:frozen", true),
        ("not not phase:retry", true),
        ("phase:frozen or phase:retry", true),
        ("phase:frozen or phase:retry and size>1GiB", false),
        ("(phase:frozen or phase:retry) and size>1MiB", true),
        ("(phase:retry)(size>1MiB)", true),
        ("not (phase:retry size>1MiB)", false),
    ] {
        assert_eq!(test(text, Some(&read)), Some(expected), "{text}");
    }
}

#[test]
fn the_disk_is_asked_only_where_it_decides() {
    for (text, expected) in [
        ("from:alice@example.org", None),
        ("from:alice@example.org phase:frozen", Some(false)),
        ("from:alice@example.org or phase:retry", Some(true)),
        ("from:alice@example.org phase:retry", None),
        ("not to:*", None),
    ] {
        assert_eq!(test(text, None), expected, "{text}");
    }
}

#[test]
fn what_isnt_known_yet_matches_nothing() {
    let failure = failure();
    let nowhere = Facts {
        link: None,
        domain: None,
        error: None,
        ..facts(&failure, None)
    };
    for text in ["link:*", "domain:*", "error:*"] {
        let predicate = Predicate::parse(text).unwrap();
        assert_eq!(predicate.test(&nowhere), Some(false), "{text}");
    }
}

#[test]
fn faults_say_where_and_what_is_expected() {
    for (text, expected) in [
        (
            "",
            "at character 1: it ends here; a condition begins with one of id,",
        ),
        (
            "form:x",
            "at character 1: there is no \"form\"; a condition begins",
        ),
        ("from", "at character 5: `from:` and a value are expected"),
        (
            "from:",
            "at character 6: a value is expected; an empty one is written \"\"",
        ),
        ("from:\"x", "at character 7: the quotes aren't closed"),
        (
            "size:3",
            "at character 5: one of <, <=, =, >=, > is expected",
        ),
        (
            "size>many",
            "at character 6: \"many\": a size as `1 MiB` in quotes or `1MiB` is expected",
        ),
        (
            "age>2 h",
            "at character 5: \"2\": a duration as `90s`, `4h` or `2d` is expected",
        ),
        (
            "phase:stuck",
            "at character 7: \"stuck\" isn't one of submission, categorization,",
        ),
        (
            "priority:urgent",
            "at character 10: \"urgent\" isn't one of high, normal, low",
        ),
        ("(size>1", "at character 8: the bracket isn't closed"),
        (
            "size>1)",
            "at character 7: a bracket is closed that wasn't opened",
        ),
        ("size>1 and", "at character 11: it ends here; a condition"),
        ("size>1 or", "at character 10: it ends here; a condition"),
        ("*", "at character 1: this is no condition; a condition"),
    ] {
        let error = Predicate::parse(text).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{text}: {error}");
    }
    let long = "x".repeat(5_000);
    let error = Predicate::parse(&long).unwrap_err().to_string();
    assert_eq!(error, "at character 1: it is longer than 4096 octets");
    let deep = "(".repeat(100);
    let error = Predicate::parse(&deep).unwrap_err().to_string();
    assert!(
        error.contains("brackets are nested deeper than 32"),
        "{error}"
    );
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(text in ".{0,200}") {
        let _ = Predicate::parse(&text);
    }

    #[test]
    fn nothing_that_looks_like_one_makes_it_panic(
        words in proptest::collection::vec("from:|size>|\\(|\\)|not |or |and |\"|\\\\|<>|é| |1MiB|\\*", 0..30)
    ) {
        let _ = Predicate::parse(&words.concat());
    }
}
