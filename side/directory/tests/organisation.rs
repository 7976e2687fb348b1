//! The text of an organisation: what is read, what is refused with which words, what is written.

#![allow(clippy::unwrap_used)]

use bridgehead_directory::{Fault, parse_organisation};
use proptest::prelude::*;

const GOOD: &str = include_str!("organisation.toml");

/// `line: key: reason` of each fault.
fn faults(text: &str) -> Vec<String> {
    let shown = |fault: &Fault| {
        assert_eq!(fault.file, "org.toml");
        format!("{}: {}: {}", fault.line, fault.key, fault.reason)
    };
    match parse_organisation(text, "org.toml") {
        Ok(_) => Vec::new(),
        Err(faults) => faults.iter().map(shown).collect(),
    }
}

/// The faults of a good file with this text behind it; lines count from the first of `more`.
fn faults_with(more: &str) -> Vec<String> {
    let before = GOOD.lines().count();
    let shown = |line: String| match line.split_once(": ") {
        Some((number, rest)) => {
            let number: usize = number.parse().unwrap();
            format!("{}: {rest}", number.saturating_sub(before))
        }
        None => line,
    };
    faults(&format!("{GOOD}{more}"))
        .into_iter()
        .map(shown)
        .collect()
}

#[test]
fn a_good_file_has_no_fault_and_its_canonical_form_is_stable() {
    let (organisation, warnings) = parse_organisation(GOOD, "org.toml").unwrap();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    let text = organisation.to_text();
    let (again, _) = parse_organisation(&text, "canonical.toml").unwrap();
    assert_eq!(again.to_text(), text);
    assert_eq!(again.mailboxes.len(), organisation.mailboxes.len());
}

/// What is put behind the good file, and its faults; lines count from the first line of it, those named inside a reason count from the top of the good one.
const FAULTY: &[(&str, &[&str])] = &[
    (
        "[[mailbox]]\nname = \"dave\"\naddresses = [\"dave@example.test\"]\npasword = \"x\"\n",
        &["4: mailbox dave: pasword: unknown key; did you mean `password`?"],
    ),
    (
        "[[mailboxes]]\n",
        &["1: mailboxes: unknown key; did you mean `mailbox`?"],
    ),
    (
        "[[contact]]\nname = \"dave\"\naddresses = [\"dave@example.test\"]\nzzz = 1\n",
        &[
            "1: contact dave: target: is missing; an address is expected",
            "4: contact dave: zzz: unknown key; a contact has name, addresses, target, max-receive-size, accept-from, reject-from, authenticated-senders-only",
        ],
    ),
    (
        "[[group]]\nname = \"Alice\"\naddresses = [\n  \"g@example.test\",\n  \"ALICE@example.test\",\n  \"g@nowhere.test\",\n  \"g\",\n]\n",
        &["7: group Alice: addresses: \"g\": an address needs a domain after '@'"],
    ),
    (
        "[[group]]\nname = \"Alice\"\nmembers = [\"bob\"]\naddresses = [\n  \"g@example.test\",\n  \"ALICE@example.test\",\n  \"g@nowhere.test\",\n  \"x@partner.test\",\n]\n",
        &[
            "2: group Alice: name: the name is taken by mailbox alice in line 57",
            "6: group Alice: addresses: ALICE@example.test is taken by mailbox alice in line 58",
            "7: group Alice: addresses: g@nowhere.test: nowhere.test is no accepted domain",
            "8: group Alice: addresses: x@partner.test: partner.test is external-relay: all its mail is passed on, so nobody can have an address in it",
        ],
    ),
    (
        "[[group]]\nname = \"g\"\naddresses = [\"g@example.test\"]\nmembers = [\n\"alice\",\n\"zoe\",\n\"zoe@example.test\", \"abuse@example.test\"]\n",
        &[
            "6: group g: members: there is no mailbox, group or contact \"zoe\"",
            "7: group g: members: nobody has the address zoe@example.test",
        ],
    ),
    (
        "[[virtual-server]]\nname = \"v\"\nserver = \"mail9\"\nlisten = [\"127.0.0.1\", \"0.0.0.0:2526\"]\nrelay-from = [\"10.0.0.1/8\", \"x\"]\nmax-message-size = \"50 MB\"\ncommand-timeout = \"0s\"\nmax-recipients = 0\nrole = \"mxx\"\nstarttls = 1\n",
        &[
            "4: virtual-server v: listen: \"127.0.0.1\": an IP address with port is expected, as `192.0.2.1:25` or `[::]:25`",
            "5: virtual-server v: relay-from: \"10.0.0.1/8\": the address has bits set beyond its prefix length; a network is expected, as `192.0.2.0/24`",
            "5: virtual-server v: relay-from: \"x\": not an IP address; a network is expected, as `192.0.2.0/24`",
            "6: virtual-server v: max-message-size: \"50 MB\": a size is expected, as `50 MiB` (units B, KiB, MiB, GiB)",
            "7: virtual-server v: command-timeout: \"0s\": a duration from one second up is expected, as `90s`, `1m`, `4h` or `2d`",
            "8: virtual-server v: max-recipients: must be from 1 to 100000, not 0",
            "9: virtual-server v: role: \"mxx\": \"mx\" or \"submission\" is expected",
            "10: virtual-server v: starttls: true or false is expected, not an integer",
        ],
    ),
    (
        "[[virtual-server]]\nname = \"v\"\nserver = \"mail9\"\nlisten = [\"0.0.0.0:2525\"]\n",
        &["3: virtual-server v: server: there is no server \"mail9\""],
    ),
    (
        "[[virtual-server]]\nname = \"v\"\nserver = \"mail1\"\nlisten = [\"0.0.0.0:2525\"]\ncertificate = \"a.pem\"\n",
        &[
            "4: virtual-server v: listen: 0.0.0.0:2525 overlaps 127.0.0.1:2525 of virtual-server inbound in line 27",
            "5: virtual-server v: certificate: certificate without key: both are needed",
        ],
    ),
    (
        "[[connector]]\nname = \"c\"\nrouting-group = \"mars\"\naddress-space = [{ pattern = \"*.\", cost = 1 }, { pattern = \"*\", cost = 101 }]\nnext-hop = \"mx\"\nport = 0\n",
        &[
            "4: connector c: address-space: \"*.\": a pattern is expected: `*`, `example.net` or `*.example.net`",
            "4: connector c: address-space: a cost from 1 to 100 is expected",
            "6: connector c: port: a port number from 1 to 65535 is expected",
        ],
    ),
    (
        "[[connector]]\nname = \"c\"\nrouting-group = \"mars\"\nsmart-hosts = [\"a.test\"]\nnext-hop = \"mx\"\nusername = \"u\"\n",
        &[
            "1: connector c: next-hop: exactly one of next-hop, smart-hosts and target-group is expected",
            "3: connector c: routing-group: there is no routing-group \"mars\"",
            "6: connector c: username: username and password go together",
        ],
    ),
    (
        "[[connector]]\nname = \"c\"\nrouting-group = \"amsterdam\"\nnext-hop = \"mx\"\nschedule = [\"Mon-Fri 18:00\"]\nschedule-zone = \"Mars/Olympus\"\nmessage-rate = \"0/s\"\ninitial-connections = 0\n",
        &[
            "5: connector c: schedule: \"Mon-Fri 18:00\": days and times are expected, as `Mon-Fri 18:00-06:00` or `Sat,Sun 00:00-24:00`",
            "6: connector c: schedule-zone: \"Mars/Olympus\": a time zone that this machine knows is expected, as `Europe/Amsterdam` or `UTC`",
            "7: connector c: message-rate: \"0/s\": a rate is expected, as `5/s`, `100/min` or `1000/h`",
            "8: connector c: initial-connections: must be from 1 to 1000, not 0",
        ],
    ),
    (
        "[[connector]]\nname = \"c\"\nrouting-group = \"amsterdam\"\nnext-hop = \"mx\"\nlimits = [{ domain = \"*\" }]\n[[connector]]\nname = \"d\"\nrouting-group = \"amsterdam\"\nnext-hop = \"mx\"\nlimits = [{ domain = \"*.\", max-connections = 1 }, { domain = \"a.test\", max-connections = 0 }, { domain = \"a.test\", per-second = 1 }]\n",
        &[
            "5: connector c: limits: a table `{ domain = \"example.net\", max-connections = 2, message-rate = \"5/s\", connection-rate = \"1/s\" }` is expected",
            "10: connector d: limits: \"*.\": a pattern is expected: `*`, `example.net` or `*.example.net`",
            "10: connector d: limits: max-connections in it must be from 1 to 1000",
            "10: connector d: limits: unknown key in it; a table `{ domain = \"example.net\", max-connections = 2, message-rate = \"5/s\", connection-rate = \"1/s\" }` is expected",
        ],
    ),
    (
        "[[connector]]\nname = \"c\"\naddress-space = [{ pattern = \"*\", cost = 1 }]\nnext-hop = \"mx\"\nlimits = [{ domain = \"a.test\", message-rate = \"1/s\" }, { domain = \"A.TEST\", max-connections = 2 }]\n",
        &["5: connector c: limits: there are two limits for a.test"],
    ),
    (
        "[[connector]]\nname = \"c\"\nrouting-group = \"amsterdam\"\naddress-space = [{ pattern = \"a.test\", cost = 1 }]\nwait-for-etrn = true\nasked-by = [\"ghost\", \"staff\"]\nschedule = [\"Mon-Fri 18:00-06:00\"]\n",
        &[
            "5: connector c: wait-for-etrn: needs next-hop or smart-hosts: what is asked for by ETRN is sent there",
            "6: connector c: asked-by: there is no mailbox \"ghost\"",
            "6: connector c: asked-by: \"staff\" is no mailbox, so that nobody can ask as it",
            "7: connector c: schedule: means nothing without next-hop or smart-hosts: nobody is connected to",
        ],
    ),
    (
        "[[connector]]\nname = \"c\"\nrouting-group = \"amsterdam\"\nfetch = { by = \"atrn\" }\n[[connector]]\nname = \"d\"\nrouting-group = \"amsterdam\"\nfetch = { host = \"mx.test\", by = \"turn\" }\n[[connector]]\nname = \"e\"\nrouting-group = \"amsterdam\"\nfetch = { host = \"mx.test\", by = \"etrn\", domains = [\"example.test\"], every = \"30s\" }\n",
        &[
            "4: connector c: fetch: host is missing in it; a table `{ host = \"mx.provider.example\", by = \"atrn\", domains = [\"example.test\"], every = \"15m\", virtual-server = \"inbound\" }` is expected",
            "8: connector d: fetch: by in it: \"turn\": \"etrn\" or \"atrn\" is expected",
            "12: connector e: fetch: every in it: must be from 1m to 7d, not 30s",
        ],
    ),
    (
        "[[connector]]\nname = \"c\"\nrouting-group = \"amsterdam\"\nfetch = { host = \"mx.test:366\", by = \"atrn\", virtual-server = \"moon\" }\n[[connector]]\nname = \"d\"\nrouting-group = \"amsterdam\"\nfetch = { host = \"mx.test\", by = \"etrn\" }\n[[connector]]\nname = \"e\"\nrouting-group = \"amsterdam\"\nfetch = { host = \"mx.test\", by = \"etrn\", domains = [\"elsewhere.test\"] }\n",
        &[
            "4: connector c: fetch: asking by ATRN needs username and password",
            "4: connector c: fetch: there is no virtual-server \"moon\"",
            "8: connector d: fetch: asking by ETRN needs domains: it is asked for one by one",
            "12: connector e: fetch: elsewhere.test is no accepted domain, so that its mail would be refused here",
        ],
    ),
    (
        "[[server]]\nname = \"mail2\"\nretry-schedule = [\"1s\", \"1ms\"]\n[[virtual-server]]\nname = \"w\"\nserver = \"mail2\"\nlisten = [\"127.0.0.1:2525\"]\n",
        &[
            "3: server mail2: retry-schedule: \"1ms\": a duration from one second up is expected, as `90s`, `1m`, `4h` or `2d`",
        ],
    ),
    (
        "[[mailbox]]\nname = \"da ve\"\naddresses = []\npassword = \"$2b$10$abcdefg\"\n",
        &[
            "2: mailbox da ve: name: \"da ve\": a name is expected: up to 64 letters, digits, `-`, `_` and `.`",
            "4: mailbox da ve: password: looks like a hash, but not an argon2 one; clear text or an argon2 hash is expected",
        ],
    ),
    (
        "[[mailbox]]\nname = \"dave\"\naddresses = [\"dave@example.test\"]\nforward-to = [\"dave+x@example.test\", \"zoe@example.test\"]\n",
        &[
            "4: mailbox dave: forward-to: dave+x@example.test is the mailbox itself; keep-copy keeps a copy",
            "4: mailbox dave: forward-to: nobody has the address zoe@example.test",
        ],
    ),
    (
        "[[dynamic-group]]\nname = \"alice\"\naddresses = [\"sales@example.test\"]\nfilter = \"(department=Sales\"\nreport-to = \"owner\"\nmoderators = [\"zoe\"]\n",
        &[
            "4: dynamic-group alice: filter: not a filter (RFC 4515): \")\" is expected at letter 18",
        ],
    ),
    (
        "[[dynamic-group]]\nname = \"alice\"\naddresses = [\"sales@example.test\"]\nfilter = \"(department=Sales)\"\nreport-to = \"owner\"\nmoderators = [\"zoe\"]\naccept-from = [\"CN=Zoe,DC=lab\", \"zoe\"]\n",
        &[
            "2: dynamic-group alice: name: the name is taken by mailbox alice in line 57",
            "5: dynamic-group alice: report-to: there is no owner to tell",
            "6: dynamic-group alice: moderators: there is no mailbox, group or contact \"zoe\"",
            "7: dynamic-group alice: accept-from: there is no mailbox, group or contact \"zoe\"",
        ],
    ),
    (
        "[[journal-rule]]\nname = \"all\"\njournal-to = \"zoe@example.test\"\n[[address-policy]]\nname = \"p\"\ntemplates = [\"%q@example.test\"]\n",
        &[
            "1: journal-rule all: name: concerns nothing: one of everything, domains and members is expected",
            "3: journal-rule all: journal-to: nobody has the address zoe@example.test",
            "6: address-policy p: templates: \"%q@example.test\": behind % comes g, s, d, m or %",
        ],
    ),
    (
        "[[contact]\n",
        &["1: : not TOML: unclosed array table, expected `]`"],
    ),
];

#[test]
fn each_fault_is_told_with_line_key_and_reason() {
    for (more, expected) in FAULTY {
        assert_eq!(faults_with(more), *expected, "{more}");
    }
}

#[test]
fn what_can_be_lived_with_is_a_warning() {
    let more = "[[connector]]\nname = \"c\"\naddress-space = [{ pattern = \"*\", cost = 1 }]\nsmart-hosts = [\"a.test\"]\n\
                username = \"u\"\npassword = \"p\"\ntls = \"off\"\n\
                trusted-certificates = \"ca.pem\"\n\
                [[virtual-server]]\nname = \"open\"\nserver = \"mail1\"\nlisten = [\"127.0.0.1:0\"]\nrelay-from = [\"0.0.0.0/0\"]\n";
    let (_, warnings) = parse_organisation(&format!("{GOOD}{more}"), "org.toml").unwrap();
    let texts: Vec<String> = warnings
        .iter()
        .map(|one| format!("{}: {}", one.key, one.reason))
        .collect();
    assert_eq!(
        texts,
        [
            "group nobody: members: has no members, so its mail can't be delivered",
            "connector c: tls: the password goes over the line in clear text",
            "connector c: trusted-certificates: means nothing with tls = \"off\"",
            "virtual-server open: relay-from: the whole Internet may send to anywhere through this server",
        ]
    );
}

/// Two groups with a server each, behind the one that is there.
const GROUPS: &str =
    "[[routing-group]]\nname = \"nyc\"\n[[server]]\nname = \"n1\"\nrouting-group = \"NYC\"\n";

/// The faults of a connector out of the first group with these keys; lines count from the last key before them.
fn between(keys: &str) -> Vec<String> {
    let connector = "[[connector]]\nname = \"c\"\nrouting-group = \"amsterdam\"\n";
    let faults = faults_with(&format!("{GROUPS}{connector}{keys}"));
    let begin = GROUPS.lines().count() + 3;
    let shown = faults.into_iter().map(|line| {
        let (number, rest) = line.split_once(": connector c: ").unwrap();
        let number: i64 = number.parse().unwrap();
        format!("{} {rest}", number - i64::try_from(begin).unwrap())
    });
    shown.collect::<Vec<_>>()
}

#[test]
fn a_topology_that_does_not_hold_is_refused_with_line_key_and_reason() {
    assert_eq!(between("target-group = \"nyc\"\n"), [""; 0]);
    assert_eq!(
        between("target-group = \"tokyo\"\n"),
        ["1 target-group: there is no routing-group \"tokyo\""]
    );
    assert_eq!(
        between("target-group = \"Amsterdam\"\n"),
        ["1 target-group: is the connector's own routing group"]
    );
    assert_eq!(
        between("target-group = \"nyc\"\ncost = 0\n"),
        ["2 cost: must be from 1 to 100, not 0"]
    );
    assert_eq!(
        between(
            "target-group = \"nyc\"\nsource-bridgeheads = [\"mail1\", \"n1\"]\ntarget-bridgeheads = [\"mail1\", \"x\"]\n"
        ),
        [
            "2 source-bridgeheads: n1 is in routing group NYC, not in amsterdam",
            "3 target-bridgeheads: mail1 is in routing group amsterdam, not in nyc",
            "3 target-bridgeheads: there is no server \"x\"",
        ]
    );
    let other = "isn't for connectors with target-group: the servers of the organisation reach each other by their member-address and their keys";
    assert_eq!(
        between(
            "target-group = \"nyc\"\ntls = \"required\"\naddress-space = [{ pattern = \"*\", cost = 1 }]\ntrusted-certificates = \"ca.pem\"\n"
        ),
        [
            format!("2 tls: {other}"),
            format!("3 address-space: {other}"),
            format!("4 trusted-certificates: {other}"),
        ]
    );
    assert_eq!(
        between("target-group = \"nyc\"\nnext-hop = \"mx\"\n"),
        ["-2 next-hop: exactly one of next-hop, smart-hosts and target-group is expected"]
    );
}

#[test]
fn address_spaces_and_restrictions_of_connectors_are_checked() {
    let wide = "next-hop = \"mx\"\naddress-space = [{ pattern = \"X400:*\", cost = 1 }]\n";
    assert_eq!(
        between(wide),
        [
            "2 address-space: \"X400:*\": addresses of the kind X400 can't be reached: only SMTP leaves this server, as in `SMTP:*.example`"
        ]
    );
    let tagged = "next-hop = \"mx\"\naddress-space = [{ pattern = \"SMTP:*.example\", cost = 1 }]\naccept-from = [\"ghost\"]\nweight = 0\npriorities = [\"urgent\"]\n";
    assert_eq!(
        between(tagged),
        [
            "4 weight: must be from 1 to 100, not 0",
            "5 priorities: \"urgent\": \"low\", \"normal\" or \"high\" is expected",
        ]
    );
    let tagged = tagged.replace(
        "weight = 0\npriorities = [\"urgent\"]\n",
        "target-bridgeheads = [\"n1\"]\n",
    );
    assert_eq!(
        between(&tagged),
        [
            "3 accept-from: there is no mailbox, group or contact \"ghost\"",
            "4 target-bridgeheads: means nothing without target-group",
        ]
    );
}

#[test]
fn homes_that_are_not_there_are_refused_and_groups_nobody_reaches_are_told() {
    let mailbox =
        "[[mailbox]]\nname = \"far\"\naddresses = [\"far@example.test\"]\nserver = \"mail9\"\n";
    assert_eq!(
        faults_with(mailbox),
        ["4: mailbox far: server: there is no server \"mail9\""]
    );
    let one_way =
        "[[connector]]\nname = \"c\"\nrouting-group = \"amsterdam\"\ntarget-group = \"nyc\"\n";
    let text = format!("{GOOD}{GROUPS}{one_way}");
    let (_, warnings) = parse_organisation(&text, "org.toml").unwrap();
    let told: Vec<String> = warnings
        .iter()
        .filter(|one| !one.key.starts_with("group "))
        .map(|one| format!("{}: {}", one.key, one.reason))
        .collect();
    let [homeless, unreached] = told.as_slice() else {
        panic!("{told:?}");
    };
    assert_eq!(
        unreached,
        "routing-group amsterdam: name: amsterdam can't be reached from nyc: no connectors lead there"
    );
    assert!(homeless.starts_with("mailbox: server: "), "{homeless}");
    assert!(
        homeless.contains("mailboxes have none: each of the 2 servers keeps"),
        "{homeless}"
    );
}

/// The warnings of a good file with this text behind it, of servers and routing groups.
fn warnings_with(more: &str) -> Vec<String> {
    let (_, warnings) = parse_organisation(&format!("{GOOD}{more}"), "org.toml").unwrap();
    let before = u64::try_from(GOOD.lines().count()).unwrap();
    let shown = warnings
        .iter()
        .filter(|one| one.key.starts_with("server ") || one.key.starts_with("routing-group "))
        .filter(|one| !one.reason.contains("can't be reached"))
        .map(|one| {
            format!(
                "{}: {}: {}",
                one.line.saturating_sub(before),
                one.key,
                one.reason
            )
        });
    shown.collect()
}

#[test]
fn where_a_server_is_reached_is_its_own() {
    let two = |one: &str, other: &str| {
        let server = |name: &str, lines: &str| {
            format!("[[server]]\nname = \"{name}\"\nrouting-group = \"amsterdam\"\n{lines}\n")
        };
        format!("{}{}", server("n1", one), server("n2", other))
    };
    let address = |addresses: &str| format!("member-address = [{addresses}]");
    let apart = two(
        &address("\"127.0.0.1:26\""),
        &address("\"127.0.0.1:27\", \"N2.example.test\""),
    );
    assert_eq!(faults_with(&apart), [""; 0]);
    assert_eq!(warnings_with(&apart), [""; 0]);
    let same = two(
        &address("\"mx.example.test\""),
        &address("\"10.0.0.1\", \"MX.example.test:25\""),
    );
    assert_eq!(
        faults_with(&same),
        [
            "8: server n2: member-address: mx.example.test:25 is where n1 is reached: only one of them can be there"
        ]
    );
    let twice = two(
        &address("\"10.0.0.1\", \"10.0.0.1:25\""),
        &address("\"0.0.0.0\""),
    );
    assert_eq!(
        faults_with(&twice),
        [
            "4: server n1: member-address: [10.0.0.1]:25 is there twice",
            "8: server n2: member-address: [0.0.0.0] is no address that others could connect to",
        ]
    );
    // That follows from a host name, and may be so where no mail goes between them.
    let implied = two(
        "hostname = \"mx.example.test\"",
        &address("\"mx.example.test\""),
    );
    assert_eq!(
        warnings_with(&implied),
        [
            "8: server n2: member-address: mx.example.test:25 is where n1 is reached: only one of them can be there"
        ]
    );
    let key = "member-keys = [\"ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\"]";
    assert_eq!(
        warnings_with(&two(key, key)),
        ["8: server n2: member-keys: n1 has the same key, so it proves neither"]
    );
}

#[test]
fn a_routing_group_without_servers_is_told_and_no_connector_may_end_there() {
    let group = "[[routing-group]]\nname = \"empty\"\n";
    let connector = |from: &str, to: &str, more: &str| {
        format!(
            "{GROUPS}{group}[[connector]]\nname = \"c\"\nrouting-group = \"{from}\"\ntarget-group = \"{to}\"\n{more}"
        )
    };
    assert_eq!(
        warnings_with(&format!("{GROUPS}{group}")),
        ["6: routing-group empty: name: empty has no servers"]
    );
    assert_eq!(
        faults_with(&connector("amsterdam", "Empty", "")),
        ["11: connector c: target-group: Empty has no servers, so there is no bridgehead"]
    );
    assert_eq!(
        faults_with(&connector("empty", "amsterdam", "")),
        ["10: connector c: routing-group: empty has no servers, so there is no bridgehead"]
    );
    assert_eq!(
        faults_with(&connector(
            "amsterdam",
            "empty",
            "target-bridgeheads = [\"n1\"]\n"
        )),
        ["12: connector c: target-bridgeheads: n1 is in routing group NYC, not in empty"]
    );
}

#[test]
fn the_home_of_a_mailbox_is_a_server_that_is_there() {
    let more = "[[mailbox]]\nname = \"far\"\naddresses = [\"far@example.test\"]\nserver = \"N1\"\n";
    let (organisation, _) =
        parse_organisation(&format!("{GOOD}{GROUPS}{more}"), "org.toml").unwrap();
    let snapshot = bridgehead_directory::Snapshot::build(1, organisation);
    assert_eq!(snapshot.home("FAR"), Some("n1"));
    assert_eq!(snapshot.home("alice"), None);
    assert_eq!(snapshot.home("nobody-at-all"), None);
}

#[test]
fn an_organisation_needs_itself_and_a_postmaster_who_exists() {
    assert_eq!(
        faults("[[routing-group]]\nname = \"a\"\n"),
        ["0: organization: is missing; [organization] with name and postmaster is expected"]
    );
    let text = GOOD.replace("postmaster = \"alice@", "postmaster = \"zoe@");
    assert_eq!(
        faults(&text),
        ["5: organization: postmaster: nobody has the address zoe@example.test"]
    );
}

#[test]
fn one_bracket_where_two_are_expected_is_told() {
    let text = format!("{GOOD}\n").replace("[[contact]]", "[contact]");
    assert_eq!(
        faults(&text),
        ["82: contact: is written as [[contact]], with two brackets"]
    );
}

#[test]
fn a_reference_to_a_faulty_object_is_no_second_fault() {
    let text = GOOD.replace("name = \"mail1\"", "name = \"mail1\"\nmax-hops = 1");
    let faults = faults(&text);
    assert_eq!(faults.len(), 1, "{faults:?}");
}

#[test]
fn thousands_of_faults_are_counted_not_kept() {
    let many = "[[mailbox]]\n".repeat(2_000);
    let faults = faults_with(&many);
    assert_eq!(faults.len(), 1_001);
    assert!(
        faults[1_000].contains("more faults are not shown"),
        "{}",
        faults[1_000]
    );
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC*") {
        let _ = parse_organisation(&text, "org.toml");
    }

    #[test]
    fn any_values_are_read_or_refused(
        key in "[a-z-]{1,12}", value in "\\PC{0,30}", at in 0usize..60,
    ) {
        let mut lines: Vec<String> = GOOD.lines().map(str::to_owned).collect();
        let at = at % lines.len();
        lines.insert(at, format!("{key} = {value}"));
        if let Ok((organisation, _)) = parse_organisation(&lines.join("\n"), "org.toml") {
            let text = organisation.to_text();
            let (again, _) = parse_organisation(&text, "canonical.toml").unwrap();
            prop_assert_eq!(again.to_text(), text);
        }
    }
}
