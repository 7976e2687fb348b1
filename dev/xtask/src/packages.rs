//! The Debian packages that the end-to-end tests need: programs that others wrote. Root gets them installed; anybody
//! else is told the exact command. No service is started by the installation.

use crate::step::{self, Result};
use std::ffi::OsString;
use std::fs::{self, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Stdio};

/// A package, and how to see that it is there.
struct Need {
    package: &'static str,
    sign: Sign,
}

enum Sign {
    /// A program in the search path.
    Program(&'static str),
    /// A module of Perl.
    Perl(&'static str),
}

const NEEDS: &[Need] = &[
    Need {
        package: "postfix",
        sign: Sign::Program("postfix"),
    },
    Need {
        package: "postfix",
        sign: Sign::Program("smtp-source"),
    },
    Need {
        package: "swaks",
        sign: Sign::Program("swaks"),
    },
    Need {
        package: "libnet-ssleay-perl",
        sign: Sign::Perl("Net::SSLeay"),
    },
    Need {
        package: "python3",
        sign: Sign::Program("python3"),
    },
    Need {
        package: "openssl",
        sign: Sign::Program("openssl"),
    },
];

/// Directories: without them, tests of directories are skipped, and say so.
const WISHES: &[&str] = &[
    "slapd",
    "ldap-utils",
    "iproute2",
    "nftables",
    "samba",
    "samba-ad-dc",
    "samba-ad-provision",
    "samba-dsdb-modules",
    "samba-vfs-modules",
    "winbind",
    "python3-cryptography",
    "python3-markdown",
];

/// Kerberos: without them its test isn't built, and that is said.
const KERBEROS: &[&str] = &["libkrb5-dev", "libclang-dev"];

/// A start of any service answers this while it exists (Debian policy §9.3.3.1).
const POLICY: &str = "/usr/sbin/policy-rc.d";
const MAILER_TYPE: &str = "postfix postfix/main_mailer_type select No configuration\n";

/// Makes sure that all are there.
pub(crate) fn ensure() -> Result<()> {
    println!("==> packages that the tests need");
    let missing = missing();
    let wished: Vec<&str> = [WISHES, KERBEROS].into_iter().flat_map(absent).collect();
    if missing.is_empty() && (wished.is_empty() || !is_root()) {
        if !wished.is_empty() {
            println!(
                "tests of directories and of Kerberos are skipped without these; as root, run:"
            );
            println!("    {}", by_hand(&wished));
        }
        return Ok(());
    }
    if !is_root() {
        return Err(format!(
            "the tests need programs that are missing here; as root, run:\n    {}",
            by_hand(&missing)
        ));
    }
    if let Err(error) = install(&[missing, wished].concat()) {
        println!("not everything can be installed: {error}");
        install(&self::missing())?;
        for some in [WISHES, KERBEROS] {
            if let Err(error) = install(&absent(some)) {
                println!("goes on without {}: {error}", some.join(" "));
            }
        }
    }
    let still = self::missing();
    if still.is_empty() {
        Ok(())
    } else {
        Err(format!("installed, but still missing: {}", still.join(" ")))
    }
}

fn missing() -> Vec<&'static str> {
    let mut missing: Vec<&str> = NEEDS
        .iter()
        .filter(|need| !is_there(&need.sign))
        .map(|need| need.package)
        .collect();
    missing.dedup();
    missing
}

fn absent(packages: &[&'static str]) -> Vec<&'static str> {
    let packages = packages.iter().copied();
    packages.filter(|package| !is_installed(package)).collect()
}

/// Whether what Kerberos needs to be built is there; else what is missing.
pub(crate) fn kerberos() -> Result<()> {
    match absent(KERBEROS).as_slice() {
        [] => Ok(()),
        missing => Err(format!("without {}", missing.join(" "))),
    }
}

/// Whether Debian's package manager has a package's list of files.
fn is_installed(package: &str) -> bool {
    let Ok(lists) = fs::read_dir("/var/lib/dpkg/info") else {
        return false;
    };
    lists.flatten().any(|list| {
        let name = list.file_name();
        let name = name.to_str().and_then(|name| name.strip_suffix(".list"));
        name.and_then(|name| name.split(':').next()) == Some(package)
    })
}

fn is_there(sign: &Sign) -> bool {
    match sign {
        Sign::Program(name) => search_path().iter().any(|dir| dir.join(name).is_file()),
        Sign::Perl(module) => Command::new("/usr/bin/perl")
            .arg(format!("-M{module}"))
            .args(["-e", "1"])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success()),
    }
}

/// The search path, with the folders that an ordinary user's often lacks.
fn search_path() -> Vec<std::path::PathBuf> {
    let path: OsString = std::env::var_os("PATH").unwrap_or_default();
    let mut dirs: Vec<_> = std::env::split_paths(&path).collect();
    dirs.extend(["/usr/sbin".into(), "/sbin".into()]);
    dirs
}

fn is_root() -> bool {
    let Ok(output) = step::program("id", &["-u"]).output() else {
        return false;
    };
    output.stdout.trim_ascii() == b"0"
}

fn by_hand(missing: &[&str]) -> String {
    format!(
        "apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends {}",
        missing.join(" ")
    )
}

fn install(missing: &[&str]) -> Result<()> {
    preseed();
    let policy = forbid_services();
    let result = step::run(&mut apt(&["update"])).and_then(|()| {
        let mut arguments = vec!["install", "-y", "--no-install-recommends"];
        arguments.extend(missing);
        step::run(&mut apt(&arguments))
    });
    if policy {
        // The machine's owner decides about services again.
        let _ = fs::remove_file(POLICY);
    }
    result
}

fn apt(arguments: &[&str]) -> Command {
    let mut command = step::program("apt-get", &["-o", "DPkg::Lock::Timeout=300"]);
    command
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive");
    command
}

/// Tells Postfix's installation to configure nothing. Where that fails, its default is asked for without a question.
fn preseed() {
    let child = Command::new("debconf-set-selections")
        .stdin(Stdio::piped())
        .spawn();
    if let Ok(mut child) = child {
        if let Some(mut input) = child.stdin.take() {
            let _ = input.write_all(MAILER_TYPE.as_bytes());
        }
        let _ = child.wait();
    }
}

/// Keeps the installation from starting services; true if the file is ours to remove.
fn forbid_services() -> bool {
    if Path::new(POLICY).exists() {
        return false;
    }
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o755)
        .open(POLICY)
        .and_then(|mut file| file.write_all(b"#!/bin/sh\nexit 101\n"));
    if made.is_ok() {
        // The mode at creation is cut by the umask.
        let _ = fs::set_permissions(POLICY, Permissions::from_mode(0o755));
    }
    made.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_does_not_exist_is_not_there() {
        assert!(is_there(&Sign::Program("sh")));
        assert!(!is_there(&Sign::Program("no-such-program-at-all")));
        assert!(!is_there(&Sign::Perl("No::Such::Module::At::All")));
    }

    #[test]
    fn an_installed_package_is_known_by_its_list() {
        assert!(!is_installed("no-such-package-at-all"));
        assert_eq!(
            is_installed("dpkg"),
            Path::new("/var/lib/dpkg/info").is_dir()
        );
    }

    #[test]
    fn the_command_by_hand_names_every_package() {
        assert_eq!(
            by_hand(&["postfix", "swaks"]),
            "apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends postfix swaks"
        );
    }
}
