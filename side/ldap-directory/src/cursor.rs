//! Where to go on from, as the octets that the metabase keeps.
//!
//! Guards: octets of another version or way are no cursor: everything is told again.

/// Changes whenever the octets mean something else, or entries are mapped otherwise: then all are told again.
const VERSION: u8 = 1;

/// How far a directory has been followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cursor {
    /// The cookie of RFC 4533.
    Sync(Vec<u8>),
    /// Active Directory: a cookie for each naming context.
    DirSync {
        origin: Origin,
        cookies: Vec<Vec<u8>>,
    },
    /// Active Directory without DirSync.
    Usn(Origin),
    /// Everything was read.
    Polled,
}

/// The database of one domain controller, and how far it had come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Origin {
    /// Another one after a restore (MS-ADTS §3.1.1.1.9).
    pub(crate) invocation: Vec<u8>,
    /// highestCommittedUSN.
    pub(crate) usn: u64,
}

impl Origin {
    /// Whether what comes after `before` can be asked here: the same database, and not set back.
    pub(crate) fn continues(&self, before: &Self) -> bool {
        self.invocation == before.invocation && self.usn >= before.usn
    }
}

impl Cursor {
    /// The octets, with the question that was asked: another question needs all answers anew.
    pub(crate) fn encode(&self, question: &str) -> Vec<u8> {
        let mut out = vec![VERSION];
        field(question.as_bytes(), &mut out);
        match self {
            Self::Sync(cookie) => {
                out.push(b's');
                field(cookie, &mut out);
            }
            Self::DirSync { origin, cookies } => {
                out.push(b'd');
                write_origin(origin, &mut out);
                cookies.iter().for_each(|cookie| field(cookie, &mut out));
            }
            Self::Usn(origin) => {
                out.push(b'u');
                write_origin(origin, &mut out);
            }
            Self::Polled => out.push(b'p'),
        }
        out
    }

    pub(crate) fn decode(octets: &[u8], question: &str) -> Option<Self> {
        let mut rest = octets.strip_prefix(&[VERSION])?;
        if take(&mut rest)? != question.as_bytes() {
            return None;
        }
        let (way, mut rest) = rest.split_first()?;
        let cursor = match way {
            b's' => Self::Sync(take(&mut rest)?),
            b'd' => {
                let origin = read_origin(&mut rest)?;
                let mut cookies = Vec::new();
                while !rest.is_empty() {
                    cookies.push(take(&mut rest)?);
                }
                Self::DirSync { origin, cookies }
            }
            b'u' => Self::Usn(read_origin(&mut rest)?),
            b'p' => Self::Polled,
            _ => return None,
        };
        rest.is_empty().then_some(cursor)
    }
}

fn write_origin(origin: &Origin, out: &mut Vec<u8>) {
    field(&origin.invocation, out);
    out.extend_from_slice(&origin.usn.to_be_bytes());
}

fn read_origin(rest: &mut &[u8]) -> Option<Origin> {
    let invocation = take(rest)?;
    let (usn, after) = rest.split_first_chunk::<8>()?;
    *rest = after;
    Some(Origin {
        invocation,
        usn: u64::from_be_bytes(*usn),
    })
}

fn field(octets: &[u8], out: &mut Vec<u8>) {
    let length = u32::try_from(octets.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(octets);
}

fn take(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let (length, after) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (octets, after) = after.split_at_checked(length)?;
    *rest = after;
    Some(octets.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_for_the_same_question_only() {
        let origin = Origin {
            invocation: vec![1; 16],
            usn: 77,
        };
        for cursor in [
            Cursor::Sync(b"rid=000".to_vec()),
            Cursor::DirSync {
                origin: origin.clone(),
                cookies: vec![vec![1, 2], Vec::new()],
            },
            Cursor::Usn(origin.clone()),
            Cursor::Polled,
        ] {
            let octets = cursor.encode("dc=test");
            assert_eq!(Cursor::decode(&octets, "dc=test"), Some(cursor));
            assert_eq!(Cursor::decode(&octets, "dc=other"), None);
            for cut in 0..octets.len() {
                let short = octets.get(..cut).unwrap_or_default();
                let read = Cursor::decode(short, "dc=test");
                // A list of cookies may be shorter and still be one.
                assert!(read.is_none() || matches!(read, Some(Cursor::DirSync { .. })));
            }
        }
    }

    #[test]
    fn a_database_that_was_set_back_or_changed_doesnt_continue() {
        let origin = |invocation: u8, usn| Origin {
            invocation: vec![invocation],
            usn,
        };
        assert!(origin(1, 10).continues(&origin(1, 10)));
        assert!(!origin(1, 9).continues(&origin(1, 10)));
        assert!(!origin(2, 11).continues(&origin(1, 10)));
    }
}
