//! A private domain controller: Samba in a network namespace of its own, with a copy of a domain that was provisioned
//! once on this machine, stopped at the end.
//!
//! Samba listens at the well-known ports, so it has a namespace; whoever talks to it joins that first. It needs root.

use crate::process::Guarded;
use crate::slapd::certificate;
use crate::{skip, tools, wait};
use std::fs::{self, File};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tempfile::TempDir;

/// The password of everybody.
pub const SECRET: &str = "Secret-1";
/// Where everything is.
pub const BASE: &str = "DC=lab,DC=test";
/// The name of the domain controller.
pub const HOST: &str = "dc1.lab.test";
/// Who may change everything.
pub const ADMIN: &str = "Administrator@lab.test";
/// Who may only read, as a server does.
pub const READER: &str = "reader@lab.test";
/// Changes with what is provisioned.
const CACHE: &str = "bridgehead-samba-domain-1";

/// A domain controller.
pub struct Samba {
    folder: TempDir,
    namespace: Namespace,
    running: Option<Guarded>,
    /// What it does besides.
    services: &'static str,
}

/// A network namespace with nothing but its own loopback.
pub struct Namespace {
    name: String,
}

impl Namespace {
    fn new() -> Self {
        let namespace = Self { name: name() };
        namespace.ip(&["netns", "add", &namespace.name]);
        namespace.ip(&["-n", &namespace.name, "link", "set", "lo", "up"]);
        namespace
    }

    fn ip(&self, arguments: &[&str]) {
        let mut command = Command::new("ip");
        command.args(arguments);
        tools::run(command, b"").good();
    }

    /// Moves the calling thread into it.
    pub fn join(path: &Path) {
        let file = File::open(path).unwrap();
        let kind = rustix::thread::LinkNameSpaceType::Network;
        rustix::thread::move_into_link_name_space(file.as_fd(), Some(kind)).unwrap();
    }

    /// Whether no process is in it.
    fn is_empty(&self) -> bool {
        let mut command = Command::new("ip");
        command.args(["netns", "pids", &self.name]);
        tools::run(command, b"").good().trim().is_empty()
    }

    /// The file to join it by.
    pub fn path(&self) -> PathBuf {
        Path::new("/run/netns").join(&self.name)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, program]);
        command
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let mut command = Command::new("ip");
        let _ = command.args(["netns", "del", &self.name]).status();
    }
}

impl Samba {
    /// Whether it can be run here; else why not.
    pub fn is_possible() -> Result<(), &'static str> {
        if !skip::is_root() {
            return Err("a private domain controller needs root");
        }
        if !tools::is_there(&tools::sbin("samba")) {
            return Err("Samba's domain controller isn't installed");
        }
        if !namespaces_work() {
            return Err("network namespaces can't be made here");
        }
        // File systems without extended attributes, as in some containers, can't hold a domain.
        provisioned()
            .map(|_| ())
            .ok_or("a domain can't be provisioned here")
    }

    /// Starts one.
    pub fn start() -> Self {
        Self::with_services("")
    }

    /// Starts one that gives out tickets as well (Kerberos).
    pub fn with_kerberos() -> Self {
        Self::with_services("kdc")
    }

    fn with_services(services: &'static str) -> Self {
        let domain = provisioned().expect("a domain, as is_possible said");
        let mut samba = Self::empty();
        samba.services = services;
        copy(&domain, &samba.path("domain"));
        samba.run();
        samba
    }

    fn empty() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("samba-test-")
            .tempdir()
            .unwrap();
        fs::create_dir(folder.path().join("run")).unwrap();
        certificate(folder.path(), "server", &["localhost", HOST]);
        let key = folder.path().join("server.key");
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(key, private).unwrap();
        Self {
            folder,
            namespace: Namespace::new(),
            running: None,
            services: "",
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts it, or starts it again after [`Self::stop`].
    pub fn run(&mut self) {
        self.write_configuration();
        let log = File::create(self.path("log")).unwrap();
        let script = format!(
            "hostname dc1; exec samba -F -s {} --no-process-group --debug-stdout",
            self.path("smb.conf").display()
        );
        let child = self
            .namespace
            .command("unshare")
            .args(["-u", "sh", "-c", &script])
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.running = Some(Guarded::new(child));
        wait::until("the domain controller answers", || {
            let said = tools::run(
                self.tool("ldapsearch", ADMIN, &["-b", "", "-s", "base"]),
                b"",
            );
            said.success.then_some(())
        });
    }

    fn write_configuration(&self) {
        let root = self.folder.path().display();
        let services = self.services;
        let text = format!(
            "[global]\n netbios name = DC1\n realm = LAB.TEST\n workgroup = LAB\n\
             server role = active directory domain controller\n server services = ldap, cldap, {services}\n\
             interfaces = lo\n bind interfaces only = yes\n prefork children = 1\n\
             private dir = {root}/domain/private\n state directory = {root}/domain/state\n\
             cache directory = {root}/domain/cache\n lock directory = {root}/domain\n\
             binddns dir = {root}/domain/bind-dns\n pid directory = {root}/run\n\
             ncalrpc dir = {root}/run/ncalrpc\n log file = {root}/run/log\n\
             ldap server require strong auth = allow_sasl_over_tls\n\
             dsdb:schema update allowed = true\n idmap_ldb:use rfc2307 = yes\n\
             tls enabled = yes\n tls certfile = {root}/server.pem\n\
             tls keyfile = {root}/server.key\n tls cafile =\n\
             [sysvol]\n path = {root}/domain/state/sysvol\n\
             [netlogon]\n path = {root}/domain/state/sysvol/lab.test/scripts\n"
        );
        fs::write(self.path("smb.conf"), text).unwrap();
    }

    /// Stops it; its domain stays.
    pub fn stop(&mut self) {
        if let Some(mut running) = self.running.take() {
            let ended = running.terminate(Duration::from_secs(30));
            assert!(ended.is_some(), "Samba ends when it is asked to");
            // Its workers end after it, and write until then.
            wait::until("Samba's workers end", || {
                self.namespace.is_empty().then_some(())
            });
        }
    }

    /// A backup of the stopped domain.
    pub fn backup(&self) -> TempDir {
        let backup = tempfile::tempdir().unwrap();
        copy(&self.path("domain"), &backup.path().join("domain"));
        backup
    }

    /// Puts a backup in the place of the stopped domain.
    pub fn restore(&self, backup: &TempDir) {
        fs::remove_dir_all(self.path("domain")).unwrap();
        copy(&backup.path().join("domain"), &self.path("domain"));
    }

    /// Where it is reached, from within its namespace.
    pub const fn url(&self) -> &'static str {
        "ldaps://localhost:636"
    }

    /// The certificate to trust.
    pub fn ca_file(&self) -> PathBuf {
        self.path("server.pem")
    }

    /// A program in its namespace that asks its Kerberos.
    pub fn with_tickets(&self, program: &Path) -> Command {
        let file = self.path("krb5.conf");
        let text = "[libdefaults]\n default_realm = LAB.TEST\n dns_lookup_kdc = false\n rdns = false\n\
             dns_canonicalize_hostname = false\n[realms]\n LAB.TEST = {\n  kdc = 127.0.0.1:88\n }\n\
             [domain_realm]\n .lab.test = LAB.TEST\n";
        fs::write(&file, text).unwrap();
        let mut command = self.namespace.command("env");
        command
            .arg(format!("KRB5_CONFIG={}", file.display()))
            .arg(format!("KRB5CCNAME={}", self.path("tickets").display()))
            .arg(program);
        command
    }

    /// Its namespace.
    pub const fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    fn tool(&self, program: &str, user: &str, arguments: &[&str]) -> Command {
        let mut command = self.namespace.command(program);
        // The tool asks the system for another name of this host; it is loopback in a namespace.
        command
            .env("LDAPTLS_REQCERT", "never")
            .args(["-x", "-H", "ldaps://localhost", "-D", user, "-w", SECRET])
            .args(arguments);
        command
    }

    /// Changes entries by LDIF with change types, as another program does.
    pub fn change(&self, ldif: &str) {
        let command = self.tool("ldapmodify", ADMIN, &[]);
        tools::run(command, ldif.as_bytes()).good();
    }
}

impl Drop for Samba {
    fn drop(&mut self) {
        // Killed, it would leave its workers.
        self.stop();
    }
}

/// A name that no other namespace has.
fn name() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    format!("bh-ad-{}-{number}", std::process::id())
}

fn namespaces_work() -> bool {
    let name = name();
    let run = |arguments: &[&str]| {
        let mut command = Command::new("ip");
        let status = command.args(arguments).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    };
    run(&["netns", "add", &name]) && run(&["netns", "del", &name])
}

fn copy(from: &Path, to: &Path) {
    let mut command = Command::new("cp");
    command.arg("-a").arg(from).arg(to);
    tools::run(command, b"").good();
}

/// The folder of a domain that was provisioned on this machine, once.
fn provisioned() -> Option<PathBuf> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _one = ONE_AT_A_TIME.lock();
    let cache = std::env::temp_dir().join(CACHE);
    if !cache.exists() {
        let samba = provision()?;
        // Whoever was faster has made the same.
        let _ = fs::rename(samba.path("domain"), &cache);
    }
    Some(cache)
}

fn provision() -> Option<Samba> {
    let mut samba = Samba::empty();
    let mut command = Command::new("samba-tool");
    command
        .args(["domain", "provision", "--realm=LAB.TEST", "--domain=LAB"])
        .args(["--host-name=dc1", "--host-ip=127.0.0.1", "--server-role=dc"])
        .args(["--use-rfc2307", "--dns-backend=SAMBA_INTERNAL"])
        .arg(format!("--adminpass={SECRET}"))
        .args(["--function-level=2008_R2", "--option=interfaces=lo"])
        .arg("--option=bind interfaces only=yes")
        .arg(format!("--targetdir={}", samba.path("domain").display()));
    let said = tools::run_within(command, b"", Duration::from_secs(300));
    if !said.success {
        eprintln!("{}", said.text);
        return None;
    }
    samba.write_configuration();
    for user in ["reader", "alice"] {
        let mut command = Command::new("samba-tool");
        command
            .args(["user", "create", user, SECRET, "-s"])
            .arg(samba.path("smb.conf"))
            .arg("-H")
            .arg(samba.path("domain/private/sam.ldb"));
        tools::run_within(command, b"", Duration::from_secs(60)).good();
    }
    samba.run();
    samba.change(&schema());
    samba.stop();
    Some(samba)
}

/// Attributes of Exchange, by their names; the numbers are of this test alone.
fn schema() -> String {
    const NOW: &str = "dn:\nchangetype: modify\nadd: schemaUpdateNow\nschemaUpdateNow: 1\n\n";
    // Syntax, and whether there is one value only.
    let text = ("attributeSyntax: 2.5.5.12\noMSyntax: 64", true);
    let number = ("attributeSyntax: 2.5.5.9\noMSyntax: 2", true);
    let flag = ("attributeSyntax: 2.5.5.8\noMSyntax: 1", true);
    let dn = "attributeSyntax: 2.5.5.1\noMSyntax: 127\noMObjectClass:: KwwCh3McAIVK";
    let attributes = [
        ("targetAddress", text),
        ("altRecipient", (dn, true)),
        ("deliverAndRedirect", flag),
        ("authOrig", (dn, false)),
        ("unauthOrig", (dn, false)),
        ("dLMemSubmitPerms", (dn, false)),
        ("dLMemRejectPerms", (dn, false)),
        ("submissionContLength", number),
        ("delivContLength", number),
        ("hideDLMembership", flag),
        ("reportToOriginator", flag),
        ("reportToOwner", flag),
        ("msExchRequireAuthToSendTo", flag),
    ];
    let mut ldif = String::new();
    let mut may = String::new();
    for (index, (name, (syntax, single))) in attributes.into_iter().enumerate() {
        let single = if single { "TRUE" } else { "FALSE" };
        ldif.push_str(&format!(
            "dn: CN={name},CN=Schema,CN=Configuration,{BASE}\nchangetype: add\n\
             objectClass: attributeSchema\nattributeID: 1.3.6.1.4.1.99999.9.{index}\n\
             lDAPDisplayName: {name}\nadminDisplayName: {name}\n{syntax}\n\
             isSingleValued: {single}\nsearchFlags: 0\n\n"
        ));
        may.push_str(&format!("mayContain: {name}\n"));
    }
    ldif.push_str(NOW);
    ldif.push_str(&format!(
        "dn: CN=mailTest,CN=Schema,CN=Configuration,{BASE}\nchangetype: add\n\
         objectClass: classSchema\ngovernsID: 1.3.6.1.4.1.99999.9.100\n\
         lDAPDisplayName: mailTest\nobjectClassCategory: 3\nsubClassOf: top\n{may}\n{NOW}"
    ));
    for class in ["User", "Group", "Contact"] {
        ldif.push_str(&format!(
            "dn: CN={class},CN=Schema,CN=Configuration,{BASE}\nchangetype: modify\n\
             add: auxiliaryClass\nauxiliaryClass: mailTest\n\n"
        ));
    }
    ldif + NOW
}
