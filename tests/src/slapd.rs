//! A private slapd: own configuration, database and ports in a temporary folder, stopped at the end.

use crate::process::Guarded;
use crate::{tools, wait};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// The DN of the administrator, whose password is [`SECRET`].
pub const ADMIN: &str = "cn=admin,dc=lab,dc=test";
/// The password of everybody.
pub const SECRET: &str = "Secret-1";
/// Where everything is.
pub const BASE: &str = "dc=lab,dc=test";

const SCHEMA: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../side/ldap-directory/schema/bridgehead.schema"
);

const BEGINNING: &str = "\
dn: dc=lab,dc=test
objectClass: dcObject
objectClass: organization
dc: lab
o: Lab

dn: ou=people,dc=lab,dc=test
objectClass: organizationalUnit
ou: people

dn: ou=bridgehead,dc=lab,dc=test
objectClass: organizationalUnit
ou: bridgehead
";

/// A slapd.
pub struct Slapd {
    folder: TempDir,
    port: u16,
    tls_port: u16,
    running: Option<Guarded>,
}

impl Slapd {
    /// Whether it can be run here; else why not.
    pub fn is_possible() -> Result<(), &'static str> {
        if tools::is_there(&tools::sbin("slapd")) {
            return Ok(());
        }
        Err("slapd isn't installed")
    }

    /// Starts one that tells of changes (RFC 4533), with these entries besides the beginning.
    pub fn start(entries: &str) -> Self {
        Self::with("overlay syncprov\n", entries)
    }

    /// Starts one that doesn't.
    pub fn without_synchronization(entries: &str) -> Self {
        Self::with("", entries)
    }

    /// Starts two that are both providers of each other.
    pub fn pair(entries: &str) -> [Self; 2] {
        let ports: Vec<u16> = (0..2).map(|_| tools::free_port()).collect();
        let make = |number: usize| {
            let other = ports[1 - number];
            let lines = format!(
                "syncrepl rid=001 provider=ldap://127.0.0.1:{other} searchbase=\"{BASE}\"\n\
                 \x20 type=refreshAndPersist retry=\"1 +\" bindmethod=simple binddn=\"{ADMIN}\"\n\
                 \x20 credentials={SECRET}\nmultiprovider on\noverlay syncprov\n"
            );
            let mut slapd = Self::prepare(ports[number]);
            let identity = format!("serverID {}\n", number + 1);
            slapd.write_configuration(&identity, &lines);
            slapd.load(&format!("{BEGINNING}\n{entries}"), number == 0);
            slapd.run();
            slapd
        };
        [make(0), make(1)]
    }

    fn with(lines: &str, entries: &str) -> Self {
        let mut slapd = Self::prepare(tools::free_port());
        slapd.write_configuration("", lines);
        slapd.load(&format!("{BEGINNING}\n{entries}"), true);
        slapd.run();
        slapd
    }

    fn prepare(port: u16) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("slapd-test-")
            .tempdir()
            .unwrap();
        fs::create_dir(folder.path().join("data")).unwrap();
        // A copy: where a security module confines slapd to the system's folders, it does so by the program's path.
        fs::copy(tools::sbin("slapd"), folder.path().join("slapd")).unwrap();
        certificate(folder.path(), "server", &["localhost"]);
        Self {
            folder,
            port,
            tls_port: tools::free_port(),
            running: None,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write_configuration(&self, global: &str, lines: &str) {
        let root = self.folder.path().display();
        let text = format!(
            "include /etc/ldap/schema/core.schema\ninclude /etc/ldap/schema/cosine.schema\n\
             include /etc/ldap/schema/inetorgperson.schema\ninclude {SCHEMA}\n\
             modulepath /usr/lib/ldap\nmoduleload back_mdb\nmoduleload syncprov\n\
             pidfile {root}/pid\nargsfile {root}/args\nsizelimit unlimited\n{global}\
             TLSCertificateFile {root}/server.pem\nTLSCertificateKeyFile {root}/server.key\n\
             database mdb\nmaxsize 4294967296\nsuffix \"{BASE}\"\nrootdn \"{ADMIN}\"\n\
             rootpw {SECRET}\ndirectory {root}/data\nindex objectClass eq\nindex entryUUID eq\n\
             index entryCSN eq\nindex mail eq\ndbnosync\n{lines}"
        );
        fs::write(self.path("slapd.conf"), text).unwrap();
    }

    /// Puts entries into the database before the start.
    fn load(&self, entries: &str, whole: bool) {
        if !whole {
            return;
        }
        fs::write(self.path("entries.ldif"), entries).unwrap();
        let mut command = Command::new(self.path("slapd"));
        command
            .args(["-T", "add", "-f"])
            .arg(self.path("slapd.conf"))
            .arg("-l")
            .arg(self.path("entries.ldif"))
            .args(["-q", "-S", "1"]);
        tools::run_within(command, b"", Duration::from_secs(300)).good();
    }

    /// Starts it, or starts it again after [`Self::stop`].
    pub fn run(&mut self) {
        let urls = format!(
            "ldap://127.0.0.1:{}/ ldaps://127.0.0.1:{}/",
            self.port, self.tls_port
        );
        let child = Command::new(self.path("slapd"))
            .args(["-h", &urls, "-d", "0", "-f"])
            .arg(self.path("slapd.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(self.path("log")).unwrap())
            .spawn()
            .unwrap();
        self.running = Some(Guarded::new(child));
        for port in [self.port, self.tls_port] {
            wait::until("slapd listens", || {
                std::net::TcpStream::connect(("127.0.0.1", port)).ok()
            });
        }
    }

    /// Stops it; its database stays.
    pub fn stop(&mut self) {
        if let Some(mut running) = self.running.take() {
            let ended = running.terminate(Duration::from_secs(30));
            assert!(ended.is_some(), "slapd ends when it is asked to");
        }
    }

    /// Starts it again, so that it takes no changes from now on, or takes them again.
    pub fn set_read_only(&mut self, read_only: bool) {
        self.stop();
        let text = fs::read_to_string(self.path("slapd.conf")).unwrap();
        let text = text.replace("readonly on\n", "");
        let text = match read_only {
            true => text.replace("dbnosync\n", "dbnosync\nreadonly on\n"),
            false => text,
        };
        fs::write(self.path("slapd.conf"), text).unwrap();
        self.run();
    }

    /// `ldap://`, for clear text or StartTLS.
    pub fn url(&self) -> String {
        format!("ldap://localhost:{}", self.port)
    }

    /// `ldaps://`.
    pub fn tls_url(&self) -> String {
        format!("ldaps://localhost:{}", self.tls_port)
    }

    /// The certificate to trust.
    pub fn ca_file(&self) -> PathBuf {
        self.path("server.pem")
    }

    /// Changes entries by LDIF with change types, as another program does.
    pub fn change(&self, ldif: &str) {
        let mut command = Command::new("ldapmodify");
        command.args(["-x", "-H", &self.url(), "-D", ADMIN, "-w", SECRET]);
        tools::run(command, ldif.as_bytes()).good();
    }
}

/// A self-signed certificate for some hosts, as `NAME.pem` and `NAME.key`.
pub fn certificate(folder: &Path, name: &str, hosts: &[&str]) {
    let first = hosts.first().unwrap();
    let names: Vec<String> = hosts.iter().map(|host| format!("DNS:{host}")).collect();
    let mut command = Command::new("openssl");
    command
        .args([
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30",
        ])
        .args(["-subj", &format!("/CN={first}")])
        .args(["-addext", &format!("subjectAltName={}", names.join(","))])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-keyout")
        .arg(folder.join(format!("{name}.key")))
        .arg("-out")
        .arg(folder.join(format!("{name}.pem")));
    tools::run(command, b"").good();
}
