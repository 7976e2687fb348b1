//! The `[ldap]` table of the server file: where another directory is and how it is asked.

use bridgehead_directory::{
    Fault, Key, NameServer, Place, RawValue, Report, Value, Wait, Words, object, quote, string,
};
use bridgehead_ldap_directory::settings::{LdapSettings, LoginBy, ServerUrl};
use bridgehead_mail::Domain;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A server, as `ldaps://dc1.example.org`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LdapServer(ServerUrl);

impl Value for LdapServer {
    const SHAPE: &'static str = "a server";

    fn read(value: &RawValue<'_>, _: &Key) -> Result<Self, String> {
        let text = string(value, "a server as `ldaps://dc1.example.org`")?;
        let fault = || {
            format!(
                "\"{text}\": a server is expected, as `ldaps://dc1.example.org` or `ldap://[::1]:3890`"
            )
        };
        ServerUrl::parse(text).map(Self).ok_or_else(fault)
    }

    fn write(&self, out: &mut String) {
        quote(&self.0.to_string(), out);
    }
}

/// How a server says who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Login(LoginBy);

impl Value for Login {
    const SHAPE: &'static str = "a way to log in";

    fn read(value: &RawValue<'_>, _: &Key) -> Result<Self, String> {
        match string(value, "password or kerberos")? {
            "password" => Ok(Self(LoginBy::Password)),
            "kerberos" if cfg!(feature = "gssapi") => Ok(Self(LoginBy::Kerberos)),
            "kerberos" => Err("this build has no Kerberos: it needs the feature gssapi".to_owned()),
            text => Err(format!("\"{text}\": password or kerberos is expected")),
        }
    }

    fn write(&self, out: &mut String) {
        quote(
            match self.0 {
                LoginBy::Password => "password",
                LoginBy::Kerberos => "kerberos",
            },
            out,
        );
    }
}

object! {
    /// The directory that is followed, as written.
    LdapTable = "ldap" {
        /// The servers, tried in this order: `ldap://` or `ldaps://`, host and port. Active Directory is recognised.
        servers: list LdapServer = "servers", "those that DNS names for the domain";
        /// The domain whose `_ldap._tcp` SRV records name the servers.
        domain: optional Domain = "domain", "none; one of servers and domain is set";
        /// The DNS servers to ask about them.
        nameservers: list NameServer = "nameservers", "those of the machine";
        /// The DN below which recipients and configuration objects are.
        base: optional Words = "base", "the server's default naming context";
        /// The DN below which configuration objects are, where that isn't below the base, as in Active Directory.
        configuration_base: optional Words = "configuration-base", "none";
        /// Whether the organisation is kept in the directory as well, below configuration-base, for all servers that say
        /// so: what is applied on one of them is written there, and comes into force on all.
        shared_organization: optional bool = "shared-organization", "false; this server has its organisation for itself";
        /// Only people for which this filter holds (RFC 4515).
        filter: optional Words = "filter", "all";
        /// How this server says who it is: `password`, or `kerberos` (GSSAPI inside TLS; in builds with the feature gssapi).
        login: optional Login = "login", "password";
        /// The DN or user principal name to ask as. It needs to read; to write only for a shared organisation. With Kerberos
        /// it may be left out: then the machine's credentials are used (KRB5_CLIENT_KTNAME, KRB5CCNAME).
        user: optional Words = "user", "none; only with Kerberos";
        /// A file with its password and nothing else, readable by this server only. Relative paths start at the folder
        /// of the server file.
        password_file: optional PathBuf = "password-file", "none; only with Kerberos and without a user";
        /// Start TLS on `ldap://`; without it passwords are refused there.
        start_tls: optional bool = "start-tls", "true";
        /// Whether a server at a loopback address may be asked without TLS.
        clear_text_on_loopback: optional bool = "clear-text-on-loopback", "false";
        /// A PEM file with the certificates to trust, and no others.
        ca_file: optional PathBuf = "ca-file", "the public certificate authorities";
        /// Ask Active Directory by DirSync where that is allowed; else always by uSNChanged.
        dir_sync: optional bool = "dir-sync", "true";
        /// Where the user may not read Active Directory's deleted objects: how often, at most, all entries are listed
        /// to find out which are gone.
        compare: optional Wait = "compare", "1m", 1..=86400;
        /// How often a server is asked that doesn't tell of changes by itself.
        poll: optional Wait = "poll", "5s", 1..=86400;
        /// How long to wait for a connection or an answer.
        timeout: optional Wait = "timeout", "10s", 1..=300;
        /// How long after the directory was heard of last the copy of it counts. After that mail for recipients that
        /// the copy doesn't know is refused with 451 instead of 550, and accepted mail waits.
        stale_after: optional Wait = "stale-after", "for ever", 60..=31536000;
    }
}

/// Where another directory is.
#[derive(Clone, Debug)]
pub struct LdapFile {
    written: LdapTable,
    folder: PathBuf,
}

impl LdapFile {
    pub(crate) fn new(
        written: LdapTable,
        folder: &Path,
        place: &Place,
        report: &mut Report,
    ) -> Self {
        if written.servers.is_empty() == written.domain.is_none() {
            let reason = "exactly one of servers and domain is expected";
            report.fault(place.line, place.name("servers"), reason);
        }
        let by_kerberos = written.login == Some(Login(LoginBy::Kerberos));
        let by_the_machine = by_kerberos && written.user.is_none();
        for (key, is_there) in [
            ("user", written.user.is_some()),
            ("password-file", written.password_file.is_some()),
        ] {
            if !is_there && !by_the_machine {
                let reason = "is missing; only with Kerberos and without a user it may be";
                report.fault(place.line, place.name(key), reason);
            }
        }
        if written.shared_organization == Some(true) && written.configuration_base.is_none() {
            let key = "shared-organization";
            let reason = "needs configuration-base, the DN of a container for our entries";
            report.fault(place.key(key), place.name(key), reason);
        }
        Self {
            written,
            folder: folder.to_owned(),
        }
    }

    /// Whether the organisation is kept in the directory, for all servers.
    #[must_use]
    pub fn shares_organization(&self) -> bool {
        self.written.shared_organization == Some(true)
    }

    /// How long the copy counts; for ever if none.
    #[must_use]
    pub fn stale_after(&self) -> Option<Duration> {
        self.written.stale_after.map(Wait::duration)
    }

    /// The password out of its file; empty if none is named.
    fn password(&self) -> Result<String, Fault> {
        let Some(file) = &self.written.password_file else {
            return Ok(String::new());
        };
        let path = self.folder.join(file);
        let fault = |reason: String| Fault {
            file: path.display().to_string(),
            line: 0,
            key: "password-file".to_owned(),
            reason,
        };
        let password =
            fs::read_to_string(&path).map_err(|error| fault(format!("can't be read: {error}")))?;
        let password = password.trim_end_matches(['\r', '\n']);
        if password.is_empty() {
            // RFC 4513 §5.1.2: such a bind succeeds as nobody.
            return Err(fault("is empty".to_owned()));
        }
        Ok(password.to_owned())
    }

    /// The settings, with the password out of its file.
    ///
    /// # Errors
    /// If that file can't be read or is empty.
    pub fn settings(&self) -> Result<LdapSettings, Fault> {
        let written = &self.written;
        let password = self.password()?;
        let words = |words: &Option<Words>| words.as_ref().map(|words| words.0.to_string());
        let servers = written.servers.iter().map(|server| server.0.clone());
        let base = words(&written.base).unwrap_or_default();
        let user = words(&written.user).unwrap_or_default();
        let defaults = LdapSettings::new(servers.collect(), &base, &user, &password);
        Ok(LdapSettings {
            login: written.login.map(|login| login.0).unwrap_or_default(),
            domain: written.domain.clone(),
            configuration_base: words(&written.configuration_base),
            nameservers: written.nameservers.iter().map(|server| server.0).collect(),
            filter: words(&written.filter),
            start_tls: written.start_tls.unwrap_or(defaults.start_tls),
            clear_text_on_loopback: written.clear_text_on_loopback.unwrap_or(false),
            ca_file: written.ca_file.as_ref().map(|path| self.folder.join(path)),
            dir_sync: written.dir_sync.unwrap_or(defaults.dir_sync),
            compare: written.compare.map_or(defaults.compare, Wait::duration),
            poll: written.poll.map_or(defaults.poll, Wait::duration),
            timeout: written.timeout.map_or(defaults.timeout, Wait::duration),
            ..defaults
        })
    }
}
