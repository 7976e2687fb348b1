//! Certificates and keys as files: read, or made self-signed on first use.
//!
//! Guards: a key that is made can be read by its owner only, and comes into place whole. Blocks.

use crate::error::CertificateError;
use crate::settings::CertificateFiles;
use bridgehead_mail::Domain;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A chain, the server's own certificate first, and its key.
pub(crate) type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// Reads a chain and a key.
pub(crate) fn read(files: &CertificateFiles) -> Result<Identity, CertificateError> {
    let chain: Vec<_> = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect)
        .map_err(|error| file("read", &files.certificate, &error))?;
    if chain.is_empty() {
        let reason = "there is no certificate in it";
        return Err(file("read", &files.certificate, &reason));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|error| file("read", &files.key, &error))?;
    Ok((chain, key))
}

/// Where the self-signed certificate for a name is kept; makes it if there is none.
pub(crate) fn self_signed(
    folder: &Path,
    hostname: &Domain,
) -> Result<CertificateFiles, CertificateError> {
    // A domain has no slash in it, so that it can't lead out of the folder.
    let name = hostname.as_str().trim_matches(['[', ']']);
    let files = CertificateFiles {
        certificate: folder.join(format!("{name}.crt")),
        key: folder.join(format!("{name}.key")),
    };
    if files.certificate.exists() && files.key.exists() {
        return Ok(files);
    }
    fs::create_dir_all(folder).map_err(|error| file("make", folder, &error))?;
    let subject = name.strip_prefix("ipv6:").unwrap_or(name);
    let made = rcgen::generate_simple_self_signed(vec![subject.to_owned()])?;
    place(&files.key, &made.signing_key.serialize_pem(), 0o600)?;
    place(&files.certificate, &made.cert.pem(), 0o644)?;
    Ok(files)
}

/// Writes a file beside its place and moves it there.
fn place(path: &Path, text: &str, mode: u32) -> Result<(), CertificateError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let mut options = OpenOptions::new();
    // Left behind by a start that was cut short; not there in most cases.
    let _ = fs::remove_file(&beside);
    options.write(true).create_new(true).mode(mode);
    options
        .open(&beside)
        .and_then(|mut to| to.write_all(text.as_bytes()).and_then(|()| to.sync_all()))
        .and_then(|()| fs::rename(&beside, path))
        .map_err(|error| file("write", path, &error))
}

fn file(doing: &'static str, path: &Path, reason: &dyn ToString) -> CertificateError {
    CertificateError::File {
        doing,
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_certificate_is_made_once_and_its_key_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let hostname = Domain::parse("mail.example.test").unwrap();
        let files = self_signed(folder.path(), &hostname).unwrap();
        let first = fs::read(&files.key).unwrap();
        let mode = fs::metadata(&files.key).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(self_signed(folder.path(), &hostname).unwrap(), files);
        assert_eq!(fs::read(&files.key).unwrap(), first);
        assert_eq!(read(&files).unwrap().0.len(), 1);
    }

    #[test]
    fn a_file_that_is_no_certificate_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let certificate = folder.path().join("empty.crt");
        fs::write(&certificate, "").unwrap();
        let key = certificate.clone();
        let error = read(&CertificateFiles { certificate, key }).unwrap_err();
        assert!(error.to_string().contains("empty.crt"), "{error}");
    }
}
