//! The key pair of this server: made once, kept in a file.
//!
//! Guards: the file is its owner's only and comes into place whole. May refuse: a file that holds no Ed25519 key, rather than make a
//! new key that no other server knows. Blocks.

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use rcgen::{CertificateParams, KeyPair, PKCS_ED25519, PublicKeyData, SigningKey};
use rustls::crypto::aws_lc_rs::sign::any_eddsa_type;
use rustls::sign::CertifiedKey;
use rustls_pki_types::PrivatePkcs8KeyDer;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The file in the folder.
const FILE: &str = "key.pem";

/// The key pair of this server. Cheap to copy.
#[derive(Clone)]
pub struct OwnKey {
    pair: Arc<KeyPair>,
    public: [u8; 32],
    /// A certificate that only carries the key.
    pub(crate) certified: Arc<CertifiedKey>,
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file, or its folder, can't be read or written.
    #[error("can't {doing} {}", path.display())]
    File {
        /// What was tried.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The file is there and holds something else.
    #[error(
        "{} holds no Ed25519 key: {why}; put the right file back, or take it away to have a new key made, which the directory must then be told",
        path.display()
    )]
    NoKey {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The library can't make a key.
    #[error("a key can't be made")]
    Making(#[from] rcgen::Error),
    /// The library can't use a key.
    #[error("a key can't be used for TLS")]
    Using(#[from] rustls::Error),
}

impl OwnKey {
    /// The key in `folder`; makes both if there is none.
    ///
    /// # Errors
    /// If the file can't be read or made, or holds something else.
    pub fn open(folder: &Path) -> Result<Self, KeyError> {
        if let Some(own) = Self::find(folder)? {
            return Ok(own);
        }
        let pair = KeyPair::generate_for(&PKCS_ED25519)?;
        place(folder, &folder.join(FILE), &pair.serialize_pem())?;
        Self::of(pair)
    }

    /// The key in `folder`, if there is one.
    ///
    /// # Errors
    /// If the file can't be read, or holds something else.
    pub fn find(folder: &Path) -> Result<Option<Self>, KeyError> {
        let path = folder.join(FILE);
        match fs::read_to_string(&path) {
            Ok(text) => Self::read(&path, &text).map(Some),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(failed("read", &path)(source)),
        }
    }

    fn read(path: &Path, text: &str) -> Result<Self, KeyError> {
        let no_key = |why: String| KeyError::NoKey {
            path: path.to_owned(),
            why,
        };
        let pair = KeyPair::from_pem(text).map_err(|error| no_key(error.to_string()))?;
        if !pair.is_compatible(&PKCS_ED25519) {
            return Err(no_key("it is of another kind".to_owned()));
        }
        Self::of(pair)
    }

    fn of(pair: KeyPair) -> Result<Self, KeyError> {
        let certificate = CertificateParams::default().self_signed(&pair)?;
        let signing = any_eddsa_type(&PrivatePkcs8KeyDer::from(pair.serialize_der()))?;
        let public = pair.der_bytes().try_into();
        let public = public.map_err(|_| rcgen::Error::UnsupportedSignatureAlgorithm)?;
        let chain = vec![certificate.der().clone()];
        Ok(Self {
            pair: Arc::new(pair),
            public,
            certified: Arc::new(CertifiedKey::new(chain, signing)),
        })
    }

    /// The public key.
    #[must_use]
    pub const fn public(&self) -> [u8; 32] {
        self.public
    }

    /// Signs a message (RFC 8032).
    ///
    /// # Errors
    /// If the library fails; it has no reason to.
    pub fn sign(&self, message: &[u8]) -> Result<[u8; 64], KeyError> {
        let signed = self.pair.sign(message)?;
        let signed = signed.try_into();
        signed.map_err(|_| rcgen::Error::UnsupportedSignatureAlgorithm.into())
    }
}

impl fmt::Debug for OwnKey {
    /// Never the private key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OwnKey({:02x?}..)", self.public.get(..4))
    }
}

/// Whether the owner of `public` has signed this message.
#[must_use]
pub fn verify(public: &[u8; 32], message: &[u8], signature: &[u8]) -> bool {
    let key = UnparsedPublicKey::new(&ED25519, public);
    key.verify(message, signature).is_ok()
}

/// Writes the file beside its place, and moves it there.
fn place(folder: &Path, path: &Path, text: &str) -> Result<(), KeyError> {
    fs::create_dir_all(folder).map_err(failed("make", folder))?;
    let beside = folder.join(format!("{FILE}.new"));
    // Left behind by a start that was cut short; not there in most cases.
    let _ = fs::remove_file(&beside);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    options
        .open(&beside)
        .and_then(|mut to| to.write_all(text.as_bytes()).and_then(|()| to.sync_all()))
        .map_err(failed("write", &beside))?;
    fs::rename(&beside, path)
        .and_then(|()| File::open(folder)?.sync_all())
        .map_err(failed("put into place", path))
}

fn failed(doing: &'static str, path: &Path) -> impl Fn(io::Error) -> KeyError {
    let path = path.to_owned();
    move |source| KeyError::File {
        doing,
        path: path.clone(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_key_is_made_once_and_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("member");
        assert!(OwnKey::find(&folder).unwrap().is_none() && !folder.exists());
        let made = OwnKey::open(&folder).unwrap();
        let mode = fs::metadata(folder.join(FILE)).unwrap().permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
        let read = OwnKey::open(&folder).unwrap();
        assert_eq!(read.public(), made.public());
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing else");
    }

    #[test]
    fn what_is_left_of_a_start_that_was_cut_short_is_no_key() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("key.pem.new"), "half a k").unwrap();
        let made = OwnKey::open(folder.path()).unwrap();
        assert_eq!(OwnKey::open(folder.path()).unwrap().public(), made.public());
    }

    #[test]
    fn a_file_that_holds_something_else_is_refused_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        let other = KeyPair::generate().unwrap().serialize_pem();
        for text in ["", "nothing of the kind", &*other] {
            fs::write(&path, text).unwrap();
            let error = OwnKey::open(folder.path()).unwrap_err().to_string();
            assert!(error.contains("key.pem holds no Ed25519 key"), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let error = OwnKey::open(&file).unwrap_err().to_string();
        assert!(error.contains("file"), "{error}");
    }

    #[test]
    fn a_signature_holds_for_its_message_and_its_key_only() {
        let folder = tempfile::tempdir().unwrap();
        let one = OwnKey::open(&folder.path().join("one")).unwrap();
        let other = OwnKey::open(&folder.path().join("other")).unwrap();
        let signed = one.sign(b"links").unwrap();
        assert!(verify(&one.public(), b"links", &signed));
        assert!(!verify(&one.public(), b"linkS", &signed));
        assert!(!verify(&other.public(), b"links", &signed));
        assert!(!verify(&one.public(), b"links", &signed[..63]));
        let mut bent = signed;
        bent[10] ^= 1;
        assert!(!verify(&one.public(), b"links", &bent));
    }

    #[test]
    fn the_private_key_is_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let key = OwnKey::open(folder.path()).unwrap();
        assert!(format!("{key:?}").len() < 60);
    }
}
