//! An organisation that several servers share in a directory: the same tests with OpenLDAP and with Active Directory.

use crate::followed::{CONFIGURATION, Followed, now};
use bridgehead_directory::{Acceptance, Change, Fault, Wish};
use bridgehead_tests::wait;
use std::collections::BTreeSet;

/// Makes a server of this name that shares the organisation.
type Join<'a> = &'a dyn Fn(&str) -> Followed;
/// Changes entries by LDIF, as another program does.
type Meddle<'a> = &'a dyn Fn(&str);

const SERVERS: &str = "
[[routing-group]]
name = \"north\"

[[routing-group]]
name = \"south\"

[[server]]
name = \"one\"
routing-group = \"north\"

[[server]]
name = \"two\"
routing-group = \"south\"

[[mailbox]]
name = \"post\"
addresses = [\"postmaster@lab.test\"]
";

/// An organisation with a domain more.
fn organisation(domain: &str) -> String {
    format!("{CONFIGURATION}{SERVERS}\n[[accepted-domain]]\nname = \"{domain}\"\n")
}

struct Applying {
    text: String,
    expected: Option<u64>,
    trial_on: Vec<String>,
    dry_run: bool,
}

impl Applying {
    fn of(domain: &str) -> Self {
        Self {
            text: organisation(domain),
            expected: None,
            trial_on: Vec::new(),
            dry_run: false,
        }
    }

    fn on(self, server: &Followed) -> Result<Change, Vec<Fault>> {
        server.does(move |directory| {
            directory.apply(&Wish {
                text: &self.text,
                file: "org.toml",
                who: "test",
                why: "so that\nit works\n",
                now: now(),
                expected: self.expected,
                dry_run: self.dry_run,
                trial_on: &self.trial_on,
            })
        })
    }
}

fn reason(refused: Result<Change, Vec<Fault>>) -> String {
    refused.unwrap_err().first().unwrap().to_string()
}

fn until_version(server: &Followed, version: u64) {
    wait::until(&format!("version {version}"), || {
        (server.snapshot().version() == version).then_some(())
    });
}

pub(crate) fn a_change_reaches_all_servers(join: Join<'_>) {
    let (one, two) = (join("one"), join("two"));
    let dry = Applying {
        dry_run: true,
        ..Applying::of("first.test")
    };
    assert_eq!(dry.on(&one).unwrap().created.len(), 8);
    let first = Applying::of("first.test").on(&one).unwrap();
    assert_eq!(first.version, 1);
    for server in [&one, &two] {
        server.until("x@first.test", Acceptance::Unknown);
        server.until("postmaster@lab.test", Acceptance::Recipient);
    }
    let same = Applying::of("first.test").on(&two).unwrap();
    assert!(same.is_empty() && same.version == 1, "{same:?}");

    // Back and forth; each sees what the other did.
    let second = Applying::of("second.test").on(&two).unwrap();
    assert_eq!((second.version, second.deleted.len()), (2, 1));
    for server in [&one, &two] {
        server.until("x@second.test", Acceptance::Unknown);
        server.until("x@first.test", Acceptance::NotOurs);
    }
    let stale = Applying {
        expected: Some(1),
        ..Applying::of("third.test")
    };
    assert!(reason(stale.on(&one)).contains("is at version 2, not 1"));

    // Everybody has the same history, also who comes later.
    let three = join("three");
    until_version(&three, 2);
    for server in [&one, &two, &three] {
        let history = server.directory.history(10).unwrap();
        let versions: Vec<u64> = history.iter().map(|entry| entry.version).collect();
        assert_eq!(versions, [2, 1]);
        assert_eq!(history[0].why, "so that it works");
        let detail = server.directory.change(2).unwrap();
        assert_eq!(detail.len(), 2);
        let before = server.directory.at_version(1).unwrap();
        assert!(before.contains("first.test") && !before.contains("second.test"));
    }
    let back = three.directory.at_version(1).unwrap();
    let back = Applying {
        text: back,
        ..Applying::of("")
    };
    assert_eq!(back.on(&three).unwrap().version, 3);
    one.until("x@first.test", Acceptance::Unknown);
    assert_eq!(one.directory.export().unwrap(), {
        until_version(&two, 3);
        two.directory.export().unwrap()
    });
}

pub(crate) fn of_two_who_write_at_once_one_is_told(join: Join<'_>) {
    const ROUNDS: u64 = 6;
    let (one, two) = (join("one"), join("two"));
    Applying::of("first.test").on(&one).unwrap();
    until_version(&two, 1);
    let writes = |server: &Followed, name: &str| -> BTreeSet<u64> {
        let domain = |round| format!("{name}{round}.test");
        let applied = (0..ROUNDS).map(|round| Applying::of(&domain(round)).on(server));
        let written = applied.filter_map(|change| match change {
            Ok(change) => Some(change.version),
            Err(faults) => {
                let words = faults[0].to_string();
                assert!(words.contains("somebody else"), "{words}");
                None
            }
        });
        written.collect()
    };
    let (ours, theirs) = std::thread::scope(|scope| {
        let ours = scope.spawn(|| writes(&one, "one"));
        let theirs = scope.spawn(|| writes(&two, "two"));
        (ours.join().unwrap(), theirs.join().unwrap())
    });
    assert!(ours.is_disjoint(&theirs), "{ours:?} {theirs:?}");
    let mut all: Vec<u64> = ours.union(&theirs).copied().collect();
    let last = all.last().copied().unwrap();
    for server in [&one, &two] {
        until_version(server, last);
    }
    all.reverse();
    all.push(1);
    let history = one.directory.history(100).unwrap();
    let versions: Vec<u64> = history.iter().map(|entry| entry.version).collect();
    assert_eq!(versions, all);
    assert_eq!(
        one.directory.export().unwrap(),
        two.directory.export().unwrap()
    );
}

pub(crate) fn a_change_is_tried_on_some_servers_first(join: Join<'_>) {
    let (one, two) = (join("one"), join("two"));
    Applying::of("first.test").on(&one).unwrap();
    until_version(&two, 1);
    let tried = |domain: &str, on: &str| Applying {
        trial_on: vec![on.to_owned()],
        ..Applying::of(domain)
    };
    let nobody = reason(tried("bad.test", "west").on(&one));
    assert!(
        nobody.contains("no server or routing group \"west\""),
        "{nobody}"
    );

    let trial = tried("second.test", "south").on(&one).unwrap();
    assert_eq!(trial.trial_on, ["two"]);
    assert!(trial.elsewhere);
    two.until("x@second.test", Acceptance::Unknown);
    assert_eq!(one.accept("x@second.test"), Acceptance::NotOurs);
    // It hears of it as the others do.
    let shared = wait::until("the trial on the first server", || {
        let shared = one.directory.view().shared?;
        shared.trial.is_some().then_some(shared)
    });
    let on_trial = shared.trial.unwrap();
    assert_eq!((shared.version, on_trial.version), (1, trial.version));
    let meanwhile = reason(Applying::of("third.test").on(&one));
    assert!(meanwhile.contains("version 2 is on trial"), "{meanwhile}");

    assert_eq!(one.does(|directory| directory.end_trial(false)), Ok((1, 2)));
    until_version(&two, 1);
    two.until("x@second.test", Acceptance::NotOurs);
    two.until("x@first.test", Acceptance::Unknown);
    let again = one
        .does(|directory| directory.end_trial(false))
        .unwrap_err();
    assert!(again[0].reason.contains("no change is on trial"));

    let trial = tried("fourth.test", "One").on(&two).unwrap();
    // Numbers aren't used twice: somebody may have written one down.
    assert_eq!(trial.version, 3);
    until_version(&one, 3);
    assert_eq!(two.does(|directory| directory.end_trial(true)), Ok((3, 3)));
    until_version(&two, 3);
    assert_eq!(
        one.directory.export().unwrap(),
        two.directory.export().unwrap()
    );
    let history = two.directory.history(10).unwrap();
    let versions: Vec<u64> = history.iter().map(|entry| entry.version).collect();
    assert_eq!(versions, [3, 1]);
}

pub(crate) fn who_may_only_read_is_told_so(reader: &Followed) {
    let refused = reason(Applying::of("first.test").on(reader));
    assert!(refused.contains("the right to write below"), "{refused}");
    assert_eq!(reader.snapshot().version(), 0);
}

pub(crate) fn what_others_break_isnt_in_force(
    join: Join<'_>,
    meddle: Meddle<'_>,
    replaced_head: &str,
    container: &str,
) {
    let one = join("one");
    Applying::of("first.test").on(&one).unwrap();
    until_version(&one, 1);
    meddle(replaced_head);
    let waiting = wait::until("what is wrong", || one.directory.waits_for());
    assert!(waiting.contains("change nonsense isn't here"), "{waiting}");
    assert_eq!(one.accept("x@first.test"), Acceptance::Unknown);
    let refused = reason(Applying::of("second.test").on(&one));
    assert!(refused.contains("change nonsense isn't here"), "{refused}");
    let two = join("two");
    wait::until("what is wrong", || two.directory.waits_for());
    assert_eq!(two.snapshot().version(), 0);

    // With the head gone the organisation stays, and the next change begins a chain anew.
    meddle(&format!("dn: CN=head,{container}\nchangetype: delete\n"));
    wait::until("no head", || {
        let shared = one.directory.view().shared?;
        (shared.version == 0 && shared.waiting.is_none()).then_some(())
    });
    assert_eq!(one.accept("x@first.test"), Acceptance::Unknown);
    let anew = Applying::of("second.test").on(&one).unwrap();
    assert_eq!(anew.version, 2);
    for server in [&one, &two] {
        until_version(server, 2);
        server.until("x@second.test", Acceptance::Unknown);
    }
}
