//! Seals of the simulation: a keyed hash, cheap and good enough where nobody breaks it on purpose.

use bridgehead_linkstate::{KeyFault, Signer, Verifier};

/// The key of one server, which everybody can check because it follows from the name.
#[derive(Clone, Debug)]
pub struct Seal(pub Box<str>);

/// Checks all seals.
#[derive(Clone, Copy, Debug)]
pub struct Seals;

fn keyed(name: &str, message: &[u8]) -> u64 {
    let octets = name.as_bytes().iter().chain(message);
    octets.fold(0x5157_91ad_11f3_9c47, |sum: u64, octet| {
        (sum ^ u64::from(*octet))
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(23)
    })
}

impl Signer for Seal {
    fn sign(&self, message: &[u8]) -> Vec<u8> {
        keyed(&self.0, message).to_le_bytes().to_vec()
    }
}

impl Verifier for Seals {
    fn verify(&self, origin: &str, message: &[u8], seal: &[u8]) -> Result<(), KeyFault> {
        if keyed(origin, message).to_le_bytes() == seal {
            Ok(())
        } else {
            Err(KeyFault::Mismatch)
        }
    }
}
