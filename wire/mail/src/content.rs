//! The content of a message as a thing to read from, wherever it lies.

use std::io;
use std::path::Path;

/// The octets of a message as its client sent them: headers and body, dot-stuffing undone, no trace field
/// of ours. Immutable; many may read at once.
pub trait Content: Send + Sync {
    /// How many octets there are.
    fn size(&self) -> u64;

    /// Fills `buffer` from `offset` on; fewer octets than asked for only at the end.
    ///
    /// # Errors
    /// What the storage says. An error here is local trouble: the message stays.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// The file that holds exactly this content and nothing else, if there is one on this machine: a hint, so that
    /// a store on the same file system can link instead of copying.
    fn file(&self) -> Option<&Path> {
        None
    }
}

/// Content in memory: small messages on their way in, reports, tests.
impl Content for Vec<u8> {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = self.get(start..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), rest.get(..count)) {
            to.copy_from_slice(from);
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_stops_at_the_end() {
        let content = b"abcdef".to_vec();
        let mut buffer = [0; 4];
        assert_eq!(content.read_at(4, &mut buffer).unwrap(), 2);
        assert_eq!(&buffer[..2], b"ef");
        assert_eq!(content.read_at(7, &mut buffer).unwrap(), 0);
        assert_eq!(content.read_at(u64::MAX, &mut buffer).unwrap(), 0);
    }
}
