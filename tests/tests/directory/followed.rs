//! A directory that is followed as the server does it.

use bridgehead_directory::{Acceptance, Directory, Found, Name, Resolution, Snapshot, Wish};
use bridgehead_ldap_directory::{LdapDirectory, LdapSettings};
use bridgehead_mail::{Address, Timestamp};
use bridgehead_tests::samba::Namespace;
use bridgehead_tests::wait;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// What the embedded directory has in all of these tests.
pub(crate) const CONFIGURATION: &str = "\
[organization]
name = \"Lab\"
postmaster = \"postmaster@lab.test\"

[[accepted-domain]]
name = \"lab.test\"
";

pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap())
}

pub(crate) fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

/// A server's directory, and the connection that keeps its copy up to date.
pub(crate) struct Followed {
    pub(crate) directory: Directory,
    pub(crate) ldap: LdapDirectory,
    pub(crate) runtime: Option<Runtime>,
    folder: TempDir,
}

impl Followed {
    pub(crate) fn new(settings: LdapSettings) -> Self {
        Self::in_folder(tempfile::tempdir().unwrap(), settings)
    }

    /// One of several servers that share their organisation there, by this name.
    pub(crate) fn sharing(
        name: &str,
        settings: LdapSettings,
        namespace: Option<&Namespace>,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let name = Name::parse(name);
        match namespace.map(Namespace::path) {
            Some(path) => Self::with(folder, settings, name, move || Namespace::join(&path)),
            None => Self::with(folder, settings, name, || {}),
        }
    }

    /// With its threads in a network namespace.
    pub(crate) fn inside(namespace: &Namespace, settings: LdapSettings) -> Self {
        let path = namespace.path();
        let join = move || Namespace::join(&path);
        Self::with(tempfile::tempdir().unwrap(), settings, None, join)
    }

    /// With the copy that a folder has already.
    pub(crate) fn in_folder(folder: TempDir, settings: LdapSettings) -> Self {
        Self::with(folder, settings, None, || {})
    }

    fn with(
        folder: TempDir,
        settings: LdapSettings,
        sharing: Option<Name>,
        at_start_of_threads: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        let source = settings.source();
        let opened = Directory::open_following(folder.path(), &source, None);
        let (directory, follower) = opened.unwrap();
        let ldap = LdapDirectory::new(settings).unwrap();
        match sharing {
            Some(name) => follower.share(Arc::new(ldap.clone()), name),
            None => apply(&directory, CONFIGURATION),
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .on_thread_start(at_start_of_threads)
            .enable_all()
            .build()
            .unwrap();
        let keeper = ldap.clone();
        runtime.spawn(async move { keeper.keep_up(follower, now).await });
        Self {
            directory,
            ldap,
            runtime: Some(runtime),
            folder,
        }
    }

    /// Ends the connection; gives the folder back.
    pub(crate) fn stop(mut self) -> TempDir {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(std::time::Duration::from_secs(10));
        }
        let Self {
            directory, folder, ..
        } = self;
        drop(directory);
        folder
    }

    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.directory.snapshot()
    }

    pub(crate) fn accept(&self, text: &str) -> Acceptance {
        self.snapshot().accept(&address(text))
    }

    /// Does something that blocks, on a thread of the runtime, which may be elsewhere than this one.
    pub(crate) fn does<T: Send + 'static>(
        &self,
        what: impl FnOnce(&Directory) -> T + Send + 'static,
    ) -> T {
        let directory = self.directory.clone();
        let runtime = self.runtime.as_ref().unwrap();
        let doing = runtime.spawn_blocking(move || what(&directory));
        runtime.block_on(doing).unwrap()
    }

    /// Waits until an address is taken, or isn't.
    pub(crate) fn until(&self, text: &str, wanted: Acceptance) {
        wait::until(&format!("{text} to be {wanted:?}"), || {
            (self.accept(text) == wanted).then_some(())
        });
    }

    /// Waits until something is said of trouble.
    pub(crate) fn trouble(&self) -> String {
        wait::until("trouble", || {
            self.directory
                .view()
                .copied?
                .trouble
                .map(|(_, words)| words)
        })
    }

    pub(crate) fn check_password(&self, place: &str, password: &str) -> Result<bool, String> {
        // On a thread of the runtime, which may be elsewhere than this one.
        let ldap = self.ldap.clone();
        let (place, password) = (place.to_owned(), password.to_owned());
        let runtime = self.runtime.as_ref().unwrap();
        let checking = runtime.spawn(async move { ldap.check_password(&place, &password).await });
        let checked = runtime.block_on(checking).unwrap();
        checked.map_err(|error| error.to_string())
    }
}

pub(crate) fn apply(directory: &Directory, text: &str) {
    let applied = directory.apply(&Wish {
        text,
        file: "org.toml",
        who: "test",
        why: "",
        now: now(),
        expected: None,
        dry_run: false,
        trial_on: &[],
    });
    applied.unwrap();
}

/// Who has an address.
pub(crate) fn found(snapshot: &Snapshot, text: &str) -> Found {
    match snapshot.resolve(&address(text)) {
        Resolution::Object(found, _) => found,
        other => panic!("{text}: {other:?}"),
    }
}
