//! The copy of another directory: what is told is in force at a commit, survives a restart, and stands beside what is
//! embedded.

#![allow(clippy::unwrap_used)]

use bridgehead_directory::{
    Acceptance, Directory, Entry, EntryId, Follower, Found, How, Member, News, Object, Proof,
    Resolution, Wish,
};
use bridgehead_mail::{Address, Timestamp};
use std::time::Duration;

const CONFIGURATION: &str = r#"
[organization]
name = "Example"
postmaster = "post@example.test"

[[accepted-domain]]
name = "example.test"

[[mailbox]]
name = "local"
addresses = ["local@example.test", "both@example.test"]
"#;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(1_000_000_000 + seconds * 1000)
}

struct Rig {
    folder: tempfile::TempDir,
    directory: Directory,
    follower: Follower,
}

impl Rig {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut rig = Self::open(folder);
        rig.apply(CONFIGURATION);
        rig
    }

    fn open(folder: tempfile::TempDir) -> Self {
        let stale = Some(Duration::from_secs(3600));
        let (directory, follower) =
            Directory::open_following(folder.path(), "ldap://one", stale).unwrap();
        Self {
            folder,
            directory,
            follower,
        }
    }

    fn restarted(self) -> Self {
        let Self {
            folder,
            directory,
            follower,
        } = self;
        drop((directory, follower));
        Self::open(folder)
    }

    fn apply(&mut self, text: &str) {
        let applied = self.directory.apply(&Wish {
            text,
            file: "org.toml",
            who: "test",
            why: "",
            now: at(0),
            expected: None,
            dry_run: false,
            trial_on: &[],
        });
        applied.unwrap();
    }

    fn tell(&mut self, news: Vec<News>) {
        for news in news {
            self.follower.take(news, at(1)).unwrap();
        }
    }

    fn accept(&self, text: &str) -> Acceptance {
        self.directory
            .snapshot()
            .accept(&Address::parse(text).unwrap())
    }

    fn rejected(&self) -> Vec<String> {
        let rejected = self.directory.view().rejected;
        rejected
            .into_iter()
            .map(|one| format!("{}: {}", one.place, one.reason))
            .collect()
    }
}

fn entry(id: &str, content: Result<Object, String>) -> News {
    News::Put(Box::new(Entry {
        id: EntryId(id.into()),
        place: format!("CN={id},OU=People,DC=example,DC=test").into(),
        content,
    }))
}

fn mailbox(id: &str, name: &str, address: &str) -> News {
    let text = format!("[[mailbox]]\nname = \"{name}\"\naddresses = [\"{address}\"]\n");
    entry(id, Ok(Object::read(&text, "").unwrap()))
}

fn object(id: &str, text: &str) -> News {
    entry(id, Ok(Object::read(text, "").unwrap()))
}

fn commit(cursor: &str) -> News {
    News::Commit(cursor.as_bytes().to_vec())
}

#[test]
fn a_server_without_a_copy_is_unsure_and_one_with_a_copy_knows() {
    let mut rig = Rig::new();
    assert_eq!(rig.accept("bob@example.test"), Acceptance::Unsure);
    assert_eq!(rig.accept("local@example.test"), Acceptance::Recipient);
    assert_eq!(rig.accept("bob@elsewhere.test"), Acceptance::NotOurs);
    rig.tell(vec![
        News::Full,
        mailbox("id-bob", "bob", "bob@example.test"),
    ]);
    // Not before the commit.
    assert_eq!(rig.accept("bob@example.test"), Acceptance::Unsure);
    rig.tell(vec![commit("one")]);
    assert_eq!(rig.accept("bob@example.test"), Acceptance::Recipient);
    assert_eq!(rig.accept("eve@example.test"), Acceptance::Unknown);

    let rig = rig.restarted();
    assert_eq!(rig.follower.cursor().unwrap(), b"one");
    assert_eq!(rig.accept("bob@example.test"), Acceptance::Recipient);
    assert_eq!(rig.accept("eve@example.test"), Acceptance::Unknown);
}

#[test]
fn changes_come_and_go_and_a_full_picture_forgets_the_rest() {
    let mut rig = Rig::new();
    rig.tell(vec![
        News::Full,
        mailbox("id-bob", "bob", "bob@example.test"),
        mailbox("id-eve", "eve", "eve@example.test"),
        commit("one"),
        mailbox("id-bob", "bob", "robert@example.test"),
        News::Gone(EntryId("id-eve".into())),
        commit("two"),
    ]);
    assert_eq!(rig.accept("bob@example.test"), Acceptance::Unknown);
    assert_eq!(rig.accept("robert@example.test"), Acceptance::Recipient);
    assert_eq!(rig.accept("eve@example.test"), Acceptance::Unknown);
    let mut rig = rig.restarted();
    assert_eq!(rig.accept("robert@example.test"), Acceptance::Recipient);
    rig.tell(vec![
        News::Full,
        mailbox("id-zoe", "zoe", "zoe@example.test"),
        commit("three"),
    ]);
    let rig = rig.restarted();
    assert_eq!(rig.accept("robert@example.test"), Acceptance::Unknown);
    assert_eq!(rig.accept("zoe@example.test"), Acceptance::Recipient);
    assert_eq!(rig.directory.view().copied.unwrap().recipients, 1);
}

#[test]
fn what_was_told_before_trouble_is_told_again() {
    let mut rig = Rig::new();
    rig.tell(vec![
        News::Full,
        mailbox("id-bob", "bob", "bob@example.test"),
        commit("one"),
        News::Full,
        News::Trouble("the line is cut".to_owned()),
        commit("two"),
    ]);
    assert_eq!(rig.accept("bob@example.test"), Acceptance::Recipient);
    let copied = rig.directory.view().copied.unwrap();
    assert_eq!(copied.trouble.unwrap().1, "the line is cut");
}

#[test]
fn recipients_alone_dont_change_the_configuration() {
    let mut rig = Rig::new();
    let before = rig.directory.snapshot();
    rig.tell(vec![
        News::Full,
        mailbox("b", "bob", "bob@example.test"),
        commit("one"),
    ]);
    let after = rig.directory.snapshot();
    assert!(after.revision() > before.revision());
    assert_eq!(
        after.configuration_revision(),
        before.configuration_revision()
    );
    assert_eq!(after.version(), before.version());
    let watch = rig.directory.watch();
    rig.tell(vec![mailbox("b", "bob", "bob@example.test"), commit("two")]);
    assert!(!watch.has_changed().unwrap(), "nothing has changed");
}

#[test]
fn an_entry_that_cant_be_used_keeps_its_last_good_form_and_is_named() {
    let mut rig = Rig::new();
    rig.tell(vec![
        News::Full,
        mailbox("b", "bob", "bob@example.test"),
        commit("one"),
        entry("b", Err("proxyAddresses: \"x\" is no address".to_owned())),
        entry("c", Err("has no address".to_owned())),
        commit("two"),
    ]);
    let check = |rig: &Rig| {
        assert_eq!(rig.accept("bob@example.test"), Acceptance::Recipient);
        let rejected = rig.rejected();
        assert_eq!(rejected.len(), 2, "{rejected:?}");
        assert!(rejected[0].contains("CN=b,OU=People") && rejected[0].contains("proxyAddresses"));
    };
    check(&rig);
    let mut rig = rig.restarted();
    check(&rig);
    rig.tell(vec![
        News::Full,
        entry("b", Err("proxyAddresses: \"x\" is no address".to_owned())),
        entry("c", Err("has no address".to_owned())),
        commit("three"),
    ]);
    check(&rig);
    rig.tell(vec![mailbox("b", "bob", "b2@example.test"), commit("four")]);
    assert_eq!(rig.rejected().len(), 1);
    assert_eq!(rig.accept("b2@example.test"), Acceptance::Recipient);
}

#[test]
fn a_faulty_configuration_object_is_left_out_alone_and_its_last_good_form_stays() {
    let mut rig = Rig::new();
    let good = "[[connector]]\nname = \"out\"\naddress-space = [{ pattern = \"*\", cost = 1 }]\nsmart-hosts = [\"one.test\"]\n";
    let bad = "[[connector]]\nname = \"out\"\naddress-space = [{ pattern = \"*\", cost = 1 }]\nsmart-hosts = [\"one.test\"]\nnext-hop = \"mx\"\n";
    rig.tell(vec![
        News::Full,
        object("c", good),
        object("d", "[[accepted-domain]]\nname = \"more.test\"\n"),
        commit("one"),
    ]);
    assert_eq!(rig.rejected(), Vec::<String>::new());
    assert_eq!(rig.accept("x@more.test"), Acceptance::Unknown);
    rig.tell(vec![object("c", bad), commit("two")]);
    let check = |rig: &Rig| {
        let snapshot = rig.directory.snapshot();
        let connector = snapshot.configuration().connectors.first().unwrap().clone();
        assert_eq!(connector.smart_hosts.len(), 1);
        assert_eq!(connector.next_hop, None);
        assert_eq!(rig.rejected().len(), 1, "{:?}", rig.rejected());
        assert!(rig.rejected()[0].starts_with("CN=c,"));
    };
    check(&rig);
    let mut rig = rig.restarted();
    check(&rig);
    rig.tell(vec![object("c", good), commit("three")]);
    assert_eq!(rig.rejected(), Vec::<String>::new());
}

#[test]
fn an_address_of_two_is_nobodys_and_both_are_named() {
    let mut rig = Rig::new();
    rig.tell(vec![
        News::Full,
        mailbox("b", "bob", "same@example.test"),
        mailbox("e", "eve", "Same@example.test"),
        mailbox("z", "zoe", "both@example.test"),
        commit("one"),
    ]);
    for address in [
        "same@example.test",
        "same+tag@example.test",
        "both@example.test",
    ] {
        assert_eq!(rig.accept(address), Acceptance::Ambiguous, "{address}");
    }
    let snapshot = rig.directory.snapshot();
    let both = Address::parse("both@example.test").unwrap();
    let Resolution::Ambiguous(one, other) = snapshot.resolve(&both) else {
        panic!("ambiguous");
    };
    assert_eq!(
        (one.name().as_str(), other.name().as_str()),
        ("local", "zoe")
    );
    assert!(snapshot.login("same@example.test").is_none());
}

#[test]
fn a_mailbox_keeps_its_name_when_a_namesake_appears() {
    let mut rig = Rig::new();
    rig.tell(vec![
        News::Full,
        mailbox("id-5", "bob", "bob@example.test"),
        commit("one"),
        mailbox("id-1", "bob", "other.bob@example.test"),
        mailbox("id-2", "local", "other.local@example.test"),
        commit("two"),
    ]);
    let name = |rig: &Rig, address: &str| {
        let snapshot = rig.directory.snapshot();
        match snapshot.resolve(&Address::parse(address).unwrap()) {
            Resolution::Object(Found::Mailbox(mailbox), How::Exact) => mailbox.name.to_string(),
            other => panic!("{other:?}"),
        }
    };
    let check = |rig: &Rig| {
        assert_eq!(name(rig, "bob@example.test"), "bob");
        assert_eq!(name(rig, "other.bob@example.test"), "id-1");
        assert_eq!(name(rig, "other.local@example.test"), "id-2");
        assert_eq!(name(rig, "local@example.test"), "local");
        let snapshot = rig.directory.snapshot();
        assert_eq!(snapshot.by_name("id-1").unwrap().name().as_str(), "id-1");
        assert_eq!(snapshot.by_name("bob").unwrap().addresses().len(), 1);
        let login = snapshot.login("bob").unwrap();
        assert_eq!(
            login.proofs,
            [Proof::Bind("CN=id-5,OU=People,DC=example,DC=test".into())]
        );
    };
    check(&rig);
    let mut rig = rig.restarted();
    check(&rig);
    // Told in another order, all anew.
    rig.tell(vec![
        News::Full,
        mailbox("id-1", "bob", "other.bob@example.test"),
        mailbox("id-2", "local", "other.local@example.test"),
        mailbox("id-5", "bob", "bob@example.test"),
        commit("three"),
    ]);
    check(&rig);
}

#[test]
fn members_are_found_by_their_dn_however_it_is_written() {
    let mut rig = Rig::new();
    rig.tell(vec![
        News::Full,
        mailbox("b", "bob", "bob@example.test"),
        commit("one"),
    ]);
    let snapshot = rig.directory.snapshot();
    let member = Member::Entry("cn=B, ou=people, dc=EXAMPLE,dc=test".into());
    assert_eq!(snapshot.member(&member).unwrap().name().as_str(), "bob");
    let nobody = Member::Entry("cn=x,dc=test".into());
    assert!(snapshot.member(&nobody).is_none());
}

#[test]
fn an_old_copy_counts_for_as_long_as_the_operator_allows() {
    let mut rig = Rig::new();
    rig.tell(vec![
        News::Full,
        mailbox("b", "bob", "bob@example.test"),
        commit("one"),
    ]);
    let trouble = || News::Trouble("nobody answers".to_owned());
    rig.follower.take(trouble(), at(3600)).unwrap();
    assert_eq!(rig.accept("eve@example.test"), Acceptance::Unknown);
    rig.follower.take(trouble(), at(3700)).unwrap();
    assert_eq!(rig.accept("eve@example.test"), Acceptance::Unsure);
    assert_eq!(rig.accept("bob@example.test"), Acceptance::Recipient);
    assert!(rig.directory.view().copied.unwrap().stale);
    rig.follower.take(News::Alive, at(3800)).unwrap();
    assert_eq!(rig.accept("eve@example.test"), Acceptance::Unknown);
}

#[test]
fn the_copy_of_another_source_doesnt_count() {
    let mut rig = Rig::new();
    rig.tell(vec![
        News::Full,
        mailbox("b", "bob", "bob@example.test"),
        commit("one"),
    ]);
    let Rig {
        folder,
        directory,
        follower,
    } = rig;
    drop((directory, follower));
    let (directory, follower) =
        Directory::open_following(folder.path(), "ldap://two", None).unwrap();
    assert_eq!(follower.cursor(), None);
    assert!(!directory.snapshot().is_complete());
}

/// Somebody who is named and isn't there may be on the way; more than a warning would be wrong, and silence as well.
#[test]
fn who_is_named_and_nowhere_to_be_found_is_a_warning() {
    let mut rig = Rig::new();
    rig.tell(vec![
        News::Full,
        mailbox("id-1", "ann", "ann@example.test"),
        News::Commit(b"1".to_vec()),
    ]);
    let text = format!(
        "{CONFIGURATION}\n[[group]]\nname = \"staff\"\naddresses = [\"staff@example.test\"]\n\
         members = [\"local\", \"Ann\", \"ann@example.test\", \"zoe\", \"zoe@example.test\"]\n"
    );
    let applied = rig.directory.apply(&Wish {
        text: &text,
        file: "org.toml",
        who: "test",
        why: "",
        now: at(0),
        expected: None,
        dry_run: true,
        trial_on: &[],
    });
    let warnings = applied.unwrap().warnings;
    let words: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    let of_group: Vec<&String> = words.iter().filter(|line| line.contains("staff")).collect();
    assert_eq!(of_group.len(), 2, "{words:?}");
    assert!(
        of_group
            .iter()
            .all(|line| line.contains("zoe") && line.contains("in the copy"))
    );
}

fn at_home(id: &str, home: &str) -> News {
    let text = format!(
        "[[mailbox]]\nname = \"{id}\"\naddresses = [\"{id}@example.test\"]\nserver = \"{home}\"\n"
    );
    entry(id, Ok(Object::read(&text, "").unwrap()))
}

#[test]
fn a_mailbox_that_names_another_home_has_moved() {
    let mut rig = Rig::new();
    let servers = "[[server]]\nname = \"one\"\n[[server]]\nname = \"two\"\n";
    rig.apply(&format!("{CONFIGURATION}\n{servers}"));
    let full = |home: &str| {
        let ann = at_home("ann", home);
        vec![
            News::Full,
            ann,
            mailbox("ben", "ben", "ben@example.test"),
            commit(home),
        ]
    };
    rig.tell(full("one"));
    let before = rig.directory.snapshot();
    let told = |rig: &Rig, own: &str| {
        let moves = rig.directory.snapshot().moves(&before, own);
        (moves.from_named, moves.from_here)
    };
    rig.tell(full("ONE"));
    assert_eq!(told(&rig, "one"), (false, false));
    // One who had no home so far: nothing waits for that at a server, but its mail may lie in any store's queue.
    rig.tell(vec![at_home("ben", "two"), commit("ben")]);
    assert_eq!(told(&rig, "one"), (false, true));
    assert_eq!(told(&rig, "Two"), (false, false));
    rig.tell(vec![at_home("ben", "three"), commit("away")]);
    assert_eq!(
        told(&rig, "one"),
        (false, false),
        "a server that isn't there"
    );
    rig.tell(vec![at_home("ann", "two"), commit("ann")]);
    assert_eq!(told(&rig, "one"), (true, true));
    assert_eq!(told(&rig, "two"), (true, false));
    rig.tell(full("two"));
    assert_eq!(told(&rig, "one"), (true, true));
}

#[test]
fn a_home_that_isnt_in_the_organisation_is_told_and_the_mailbox_stays() {
    let mut rig = Rig::new();
    let all = vec![
        News::Full,
        at_home("ann", "one"),
        at_home("ben", "TWO.example.test"),
        at_home("cora", "exchange7"),
        commit("1"),
    ];
    rig.tell(all);
    let doubtful = |rig: &Rig| -> Vec<String> {
        let doubtful = rig.directory.view().doubtful.into_iter();
        doubtful
            .map(|one| format!("{}: {}", one.place, one.reason))
            .collect()
    };
    // A server alone has everybody.
    let one = format!("{CONFIGURATION}\n[[server]]\nname = \"one\"\n");
    rig.apply(&one);
    assert_eq!(doubtful(&rig), [""; 0]);
    let two = "[[server]]\nname = \"two\"\nhostname = \"two.example.test\"\n";
    rig.apply(&format!("{one}{two}"));
    let told = "CN=cora,OU=People,DC=example,DC=test: the organisation has no server exchange7: \
        mail for cora stays on whichever server it arrives at";
    assert_eq!(doubtful(&rig), [told]);
    assert_eq!(rig.accept("cora@example.test"), Acceptance::Recipient);
    assert_eq!(rig.rejected(), [""; 0]);
    rig.tell(vec![at_home("cora", "two"), commit("2")]);
    assert_eq!(doubtful(&rig), [""; 0]);
}
