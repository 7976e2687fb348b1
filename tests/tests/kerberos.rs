//! Kerberos for real: a domain controller's tickets, and a server that logs in with them. Built with the feature `gssapi`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use bridgehead_directory::Directory;
use bridgehead_ldap_directory::{LdapDirectory, LdapSettings, LoginBy, ServerUrl};
use bridgehead_mail::Timestamp;
use bridgehead_testkit::dns::DnsServer;
use bridgehead_tests::samba::{BASE, HOST, SECRET, Samba};
use bridgehead_tests::{skip, tools, wait};
use std::net::Ipv4Addr;
use std::path::PathBuf;

/// Where the inner test finds the certificate to trust.
const CA_FILE: &str = "BRIDGEHEAD_TEST_CA_FILE";

/// The test runs itself again inside the namespace of the domain controller, with its settings of Kerberos in the environment.
#[test]
fn a_server_logs_in_by_kerberos() {
    if let Some(ca_file) = std::env::var_os(CA_FILE) {
        return inside_the_namespace(PathBuf::from(ca_file));
    }
    if let Err(reason) = Samba::is_possible() {
        return skip::skip("a_server_logs_in_by_kerberos", reason);
    }
    let samba = Samba::with_kerberos();
    // A part of Samba that isn't running here would add it.
    samba.change(&format!(
        "dn: CN=DC1,OU=Domain Controllers,{BASE}\nchangetype: modify\nadd: servicePrincipalName\n\
         servicePrincipalName: ldap/{HOST}\n"
    ));
    let mut command = samba.with_tickets(&std::env::current_exe().unwrap());
    command.env(CA_FILE, samba.ca_file()).args([
        "--exact",
        "a_server_logs_in_by_kerberos",
        "--nocapture",
    ]);
    let said = tools::run(command, b"");
    assert!(said.text.contains("1 passed"), "{}", said.text);
}

fn inside_the_namespace(ca_file: PathBuf) {
    let dns = DnsServer::start().unwrap();
    dns.a(HOST, Ipv4Addr::LOCALHOST);
    let url = ServerUrl::parse(&format!("ldaps://{HOST}:636")).unwrap();
    let settings = LdapSettings {
        nameservers: vec![dns.address()],
        ca_file: Some(ca_file),
        login: LoginBy::Kerberos,
        ..LdapSettings::new(vec![url], BASE, "reader@LAB.TEST", SECRET)
    };
    let view = follow(&settings, |copied| {
        copied.connected || copied.trouble.is_some()
    });
    assert_eq!(view.trouble, None);

    // The server asks for what it is called, and gets no ticket for another.
    let wrong = LdapSettings {
        password: "wrong".to_owned(),
        ..settings.clone()
    };
    let view = follow(&wrong, |copied| copied.trouble.is_some());
    let (_, words) = view.trouble.unwrap();
    assert!(words.contains("Kerberos"), "{words}");
    assert!(!words.contains("wrong"), "{words}");
    // Nobody has logged in on this machine.
    let nobody = LdapSettings {
        user: String::new(),
        password: String::new(),
        ..settings
    };
    let view = follow(&nobody, |copied| copied.trouble.is_some());
    let (_, words) = view.trouble.unwrap();
    assert!(words.contains("Kerberos"), "{words}");
}

/// Follows until something holds of the copy.
fn follow(
    settings: &LdapSettings,
    holds: impl Fn(&bridgehead_directory::Copied) -> bool,
) -> bridgehead_directory::Copied {
    let folder = tempfile::tempdir().unwrap();
    let opened = Directory::open_following(folder.path(), &settings.source(), None);
    let (directory, follower) = opened.unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let ldap = LdapDirectory::new(settings.clone()).unwrap();
    runtime.spawn(async move { ldap.keep_up(follower, || Timestamp::from_millis(1)).await });
    let view = wait::until("the directory", || directory.view().copied.filter(&holds));
    runtime.shutdown_timeout(std::time::Duration::from_secs(10));
    view
}
