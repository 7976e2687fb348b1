//! A private Postfix: own configuration, queue, data and ports in a temporary folder, no chroot, stopped at the end.
//!
//! It needs root, because Postfix does.

use crate::tools;
use crate::wait;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// A running Postfix.
pub struct Postfix {
    folder: TempDir,
    address: SocketAddr,
}

/// What it does besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job<'a> {
    /// Keeps mail for a domain, any user, in one Maildir.
    Keep { domain: &'a str },
    /// Hands everything to another server.
    PassOn { to: SocketAddr },
}

const MASTER: &str = "\
pickup    unix  n       -       n       60      1       pickup
cleanup   unix  n       -       n       -       0       cleanup
qmgr      unix  n       -       n       300     1       qmgr
tlsmgr    unix  -       -       n       1000?   1       tlsmgr
rewrite   unix  -       -       n       -       -       trivial-rewrite
bounce    unix  -       -       n       -       0       bounce
defer     unix  -       -       n       -       0       bounce
trace     unix  -       -       n       -       0       bounce
verify    unix  -       -       n       -       1       verify
flush     unix  n       -       n       1000?   0       flush
proxymap  unix  -       -       n       -       -       proxymap
proxywrite unix -       -       n       -       1       proxymap
smtp      unix  -       -       n       -       -       smtp
relay     unix  -       -       n       -       -       smtp
showq     unix  n       -       n       -       -       showq
error     unix  -       -       n       -       -       error
retry     unix  -       -       n       -       -       error
discard   unix  -       -       n       -       -       discard
local     unix  -       n       n       -       -       local
virtual   unix  -       n       n       -       -       virtual
lmtp      unix  -       -       n       -       -       lmtp
anvil     unix  -       -       n       -       1       anvil
scache    unix  -       -       n       -       1       scache
postlog   unix-dgram n  -       n       -       1       postlogd
";

impl Postfix {
    /// Whether it can be run here; else why not.
    pub fn is_possible() -> Result<(), &'static str> {
        if !crate::skip::is_root() {
            return Err("a private Postfix needs root");
        }
        if !tools::is_there(&tools::sbin("postfix")) {
            return Err("Postfix isn't installed");
        }
        Ok(())
    }

    /// Starts one. `lines` are added to main.cf.
    pub fn start(job: Job<'_>, lines: &str) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("postfix-test-")
            .tempdir()
            .unwrap();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, tools::free_port()));
        // Postfix's own users must reach it.
        open_to_all(folder.path());
        let postfix = Self { folder, address };
        postfix.write_configuration(job, lines);
        postfix.control("start");
        wait::until("Postfix listens", || {
            std::net::TcpStream::connect(address).ok()
        });
        postfix
    }

    fn write_configuration(&self, job: Job<'_>, lines: &str) {
        let root = self.folder.path();
        for name in ["etc", "queue", "data", "mail"] {
            fs::create_dir(root.join(name)).unwrap();
        }
        own(&root.join("data"), "postfix");
        own(&root.join("mail"), "nobody");
        let job = match job {
            Job::Keep { domain } => format!(
                "virtual_mailbox_domains = {domain}\nvirtual_mailbox_base = {root}/mail\n\
                 virtual_mailbox_maps = static:box/\nvirtual_minimum_uid = 1\n\
                 virtual_uid_maps = static:65534\nvirtual_gid_maps = static:65534\n",
                root = root.display()
            ),
            Job::PassOn { to } => format!("relayhost = [{}]:{}\n", to.ip(), to.port()),
        };
        let main = format!(
            "compatibility_level = 3.6\nqueue_directory = {root}/queue\ndata_directory = {root}/data\n\
             mail_owner = postfix\nsetgid_group = postdrop\nmaillog_file = {root}/mail.log\n\
             maillog_file_prefixes = {root}\ninet_interfaces = 127.0.0.1\ninet_protocols = ipv4\n\
             myhostname = postfix.example.net\nmydestination =\nmynetworks = 127.0.0.0/8\n\
             alias_maps =\nalias_database =\nlocal_header_rewrite_clients =\nsmtp_dns_support_level = disabled\n\
             smtpd_peername_lookup = no\nmessage_size_limit = 0\nvirtual_mailbox_limit = 0\n\
             mailbox_size_limit = 0\n{job}{lines}\n",
            root = root.display()
        );
        fs::write(root.join("etc/main.cf"), main).unwrap();
        let port = self.address.port();
        let master = format!("127.0.0.1:{port} inet n - n - - smtpd\n{MASTER}");
        fs::write(root.join("etc/master.cf"), master).unwrap();
    }

    fn control(&self, what: &str) -> bool {
        Command::new(tools::sbin("postfix"))
            .arg("-c")
            .arg(self.folder.path().join("etc"))
            .arg(what)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The process of its master.
    pub fn process_id(&self) -> u32 {
        let path = self.folder.path().join("queue/pid/master.pid");
        let text = fs::read_to_string(path).unwrap();
        text.trim().parse().unwrap()
    }

    /// What it keeps, each as it lies in the Maildir: with LF for CRLF and Postfix's own trace fields.
    pub fn kept(&self) -> Vec<Vec<u8>> {
        let Ok(entries) = fs::read_dir(self.folder.path().join("mail/box/new")) else {
            return Vec::new();
        };
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        paths.iter().map(|path| fs::read(path).unwrap()).collect()
    }

    /// Waits until it keeps this many.
    pub fn await_kept(&self, count: usize) -> Vec<Vec<u8>> {
        wait::until(&format!("{count} messages kept by Postfix"), || {
            let kept = self.kept();
            (kept.len() >= count).then_some(kept)
        })
    }

    /// Messages in its queue, on hold or not.
    pub fn queued(&self) -> usize {
        ["incoming", "active", "deferred", "hold"]
            .iter()
            .map(|name| count_files(&self.folder.path().join("queue").join(name)))
            .sum()
    }

    /// Its log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("mail.log")).unwrap_or_default()
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- Postfix's log:\n{}", self.log());
        }
        let id = fs::read_to_string(self.folder.path().join("queue/pid/master.pid"))
            .ok()
            .and_then(|text| text.trim().parse::<i32>().ok());
        self.control("stop");
        let Some(id) = id.and_then(rustix::process::Pid::from_raw) else {
            return;
        };
        let gone = wait::try_until(Duration::from_secs(10), || {
            rustix::process::test_kill_process(id)
                .is_err()
                .then_some(())
        });
        if gone.is_none() {
            let _ = rustix::process::kill_process(id, rustix::process::Signal::KILL);
        }
    }
}

/// A certificate and its key for a name, self-signed by openssl: the paths of both.
pub fn self_signed(folder: &Path, name: &str) -> (PathBuf, PathBuf) {
    let certificate = folder.join("certificate.pem");
    let key = folder.join("key.pem");
    let mut command = Command::new("openssl");
    command
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt"])
        .args(["ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
        .args(["-subj", &format!("/CN={name}")])
        .args(["-addext", &format!("subjectAltName=DNS:{name}")])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate);
    tools::run(command, b"").good();
    (certificate, key)
}

fn own(path: &Path, user: &str) {
    let status = Command::new("chown").arg(user).arg(path).status().unwrap();
    assert!(status.success());
}

fn open_to_all(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn count_files(dir: &Path) -> usize {
    let Ok(entries) = fs::read_dir(dir) else {
        return 0;
    };
    entries
        .flatten()
        .map(|entry| {
            let path = entry.path();
            if path.is_dir() { count_files(&path) } else { 1 }
        })
        .sum()
}
