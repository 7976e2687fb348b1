//! A shared organisation while its directory fails at any step: an organisation is in force as a whole, on all servers the
//! same, and who is told that a change was made can rely on it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use bridgehead_directory::{
    Directory, EntryId, Follower, Later, Name, News, SharedDirectory, SharedError, Step,
    StoredPart, Wish,
};
use bridgehead_mail::Timestamp;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// How a step fails.
#[derive(Clone, Copy, Debug)]
enum Failure {
    /// The server says no.
    Refused,
    /// The connection breaks before the step is done.
    Before,
    /// The connection breaks after it was done.
    After,
}

/// Entries by name, and at which step from now something fails.
#[derive(Debug, Default)]
struct Entries {
    texts: BTreeMap<String, String>,
    failing: Option<(usize, Failure)>,
}

#[derive(Debug, Default)]
struct Unreliable(Mutex<Entries>);

impl Entries {
    fn fails(&mut self) -> Option<Failure> {
        let (left, failure) = self.failing?;
        self.failing = left.checked_sub(1).map(|left| (left, failure));
        (left == 0).then_some(failure)
    }

    fn step(&mut self, step: &Step) -> Result<(), SharedError> {
        let failure = self.fails();
        match failure {
            Some(Failure::Refused) => return Err(SharedError::Refused("no".to_owned())),
            Some(Failure::Before) => return Err(SharedError::Away("gone".to_owned())),
            _ => {}
        }
        let conflict = || SharedError::Conflict("not what was seen".to_owned());
        match step {
            Step::Add { name, text } if !self.texts.contains_key(name) => {
                self.texts.insert(name.clone(), text.clone());
            }
            Step::Add { .. } => return Err(conflict()),
            Step::Swap {
                place,
                before,
                after,
            } => {
                let there = self.texts.get_mut(place).filter(|text| *text == before);
                *there.ok_or_else(conflict)? = after.clone();
            }
            Step::Remove { place } => drop(self.texts.remove(place)),
        }
        match failure {
            Some(_) => Err(SharedError::Away("gone".to_owned())),
            None => Ok(()),
        }
    }
}

impl SharedDirectory for Unreliable {
    fn read(&self) -> Later<'_, Vec<StoredPart>> {
        let entries = self.0.lock().unwrap();
        let parts = entries.texts.iter().map(|(name, text)| StoredPart {
            place: name.as_str().into(),
            text: text.clone(),
        });
        let parts = parts.collect();
        Box::pin(async move { Ok(parts) })
    }

    fn write<'a>(&'a self, steps: &'a [Step]) -> Later<'a, ()> {
        let mut entries = self.0.lock().unwrap();
        let written = steps.iter().try_for_each(|step| entries.step(step));
        Box::pin(async move { written })
    }
}

/// One of the servers.
struct Server {
    directory: Directory,
    follower: Follower,
    _folder: tempfile::TempDir,
}

impl Server {
    fn new(name: &str, store: &Arc<Unreliable>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let opened = Directory::open_following(folder.path(), "test", None);
        let (directory, follower) = opened.unwrap();
        follower.share(store.clone(), Name::parse(name).unwrap());
        Self {
            directory,
            follower,
            _folder: folder,
        }
    }

    /// Hears of everything that is there.
    fn hears(&mut self, store: &Unreliable) {
        let texts = store.0.lock().unwrap().texts.clone();
        let at = Timestamp::from_millis(5);
        self.follower.take(News::Full, at).unwrap();
        for (name, text) in texts {
            let id = EntryId(name.as_str().into());
            let place = name.into();
            let news = News::Part(id, StoredPart { place, text });
            self.follower.take(news, at).unwrap();
        }
        self.follower.take(News::Commit(vec![1]), at).unwrap();
    }

    fn text(&self) -> String {
        self.directory.export().unwrap().1
    }
}

#[derive(Clone, Debug)]
enum Doing {
    Apply {
        by: usize,
        domains: Vec<u8>,
        on: Option<usize>,
    },
    End {
        by: usize,
        keep: bool,
    },
}

fn doing() -> impl Strategy<Value = (Doing, Option<(usize, Failure)>)> {
    let domains = prop::collection::vec(0..6_u8, 0..4);
    let apply = (0..2_usize, domains, prop::option::weighted(0.3, 0..2_usize));
    let apply = apply.prop_map(|(by, domains, on)| Doing::Apply { by, domains, on });
    let end = (0..2_usize, any::<bool>()).prop_map(|(by, keep)| Doing::End { by, keep });
    let failure = prop_oneof![
        Just(Failure::Refused),
        Just(Failure::Before),
        Just(Failure::After)
    ];
    let failing = prop::option::of((0..8_usize, failure));
    (prop_oneof![3 => apply, 1 => end], failing)
}

fn organisation(domains: &[u8]) -> String {
    let mut text = "[organization]\nname = \"Lab\"\npostmaster = \"p@lab.test\"\n\
        [[server]]\nname = \"s0\"\n[[server]]\nname = \"s1\"\n\
        [[routing-group]]\nname = \"main\"\n\
        [[accepted-domain]]\nname = \"lab.test\"\n\
        [[mailbox]]\nname = \"p\"\naddresses = [\"p@lab.test\"]\n"
        .to_owned();
    for domain in domains.iter().collect::<std::collections::BTreeSet<_>>() {
        text.push_str(&format!("[[accepted-domain]]\nname = \"d{domain}.test\"\n"));
    }
    text
}

/// Whether it was done, whether it wasn't, or that it isn't known.
fn does(server: &Server, what: &Doing, now: u64) -> Result<(), String> {
    let done = match what {
        Doing::Apply { domains, on, .. } => {
            let on: Vec<String> = on.iter().map(|number| format!("s{number}")).collect();
            let applied = server.directory.apply(&Wish {
                text: &organisation(domains),
                file: "org.toml",
                who: "test",
                why: "",
                now: Timestamp::from_millis(now),
                expected: None,
                dry_run: false,
                trial_on: &on,
            });
            applied.map(drop)
        }
        Doing::End { keep, .. } => server.directory.end_trial(*keep).map(drop),
    };
    done.map_err(|faults| faults[0].reason.clone())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn what_is_in_force_is_whole_and_the_same_everywhere(
        steps in prop::collection::vec(doing(), 1..12),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let store = Arc::new(Unreliable::default());
        let mut servers = [Server::new("s0", &store), Server::new("s1", &store)];
        for (number, (what, failing)) in steps.iter().enumerate() {
            let before = [servers[0].text(), servers[1].text()];
            let (Doing::Apply { by, .. } | Doing::End { by, .. }) = what;
            store.0.lock().unwrap().failing = *failing;
            let now = u64::try_from(number).unwrap() * 1000;
            // On a thread of its own, as the server does it.
            let done = std::thread::scope(|scope| {
                let (server, runtime) = (&servers[*by], &runtime);
                let doing = scope.spawn(move || {
                    let _entered = runtime.enter();
                    does(server, what, now)
                });
                doing.join().unwrap()
            });
            store.0.lock().unwrap().failing = None;
            for server in &mut servers {
                server.hears(&store);
                prop_assert_eq!(server.directory.waits_for(), None);
            }
            let after = [servers[0].text(), servers[1].text()];
            if let Err(reason) = &done {
                prop_assert_eq!(&after, &before, "{:?} failed: {}", what, reason);
            }
            let trial = servers[0].directory.view().shared.unwrap().trial;
            if trial.is_none() {
                prop_assert_eq!(&after[0], &after[1]);
            }
            if let (Ok(()), Doing::Apply { domains, on: None, .. }) = (&done, what) {
                for domain in domains {
                    let name = format!("d{domain}.test");
                    prop_assert!(after[0].contains(&name));
                }
            }
        }
    }
}
