//! The words in which senders wish: `BODY=`, `RET=` and `NOTIFY=`, read and written in one place.

use crate::{BodyKind, Notify, Ret};

impl BodyKind {
    /// Of a word, in any case.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        let mut all = [Self::SevenBit, Self::EightBitMime, Self::BinaryMime].into_iter();
        all.find(|body| word.eq_ignore_ascii_case(body.as_str()))
    }

    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SevenBit => "7BIT",
            Self::EightBitMime => "8BITMIME",
            Self::BinaryMime => "BINARYMIME",
        }
    }
}

impl Ret {
    /// Of a word, in any case.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        let mut all = [Self::Full, Self::Headers].into_iter();
        all.find(|ret| word.eq_ignore_ascii_case(ret.as_str()))
    }

    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "FULL",
            Self::Headers => "HDRS",
        }
    }
}

impl Notify {
    /// Of `NEVER`, or a list of occasions without repetition (RFC 3461 §4.1); in any case.
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        if value.eq_ignore_ascii_case("NEVER") {
            return Some(Self::Never);
        }
        let (mut success, mut failure, mut delay) = (false, false, false);
        for word in value.split(',') {
            let occasion = match word {
                _ if word.eq_ignore_ascii_case("SUCCESS") => &mut success,
                _ if word.eq_ignore_ascii_case("FAILURE") => &mut failure,
                _ if word.eq_ignore_ascii_case("DELAY") => &mut delay,
                _ => return None,
            };
            if std::mem::replace(occasion, true) {
                return None;
            }
        }
        Some(Self::On {
            success,
            failure,
            delay,
        })
    }

    /// Its words; none where nothing was said.
    #[must_use]
    pub fn words(self) -> Option<String> {
        match self {
            Self::Unsaid => None,
            Self::Never => Some("NEVER".to_owned()),
            Self::On {
                success,
                failure,
                delay,
            } => {
                let words = [(success, "SUCCESS"), (failure, "FAILURE"), (delay, "DELAY")];
                let said = words.iter().filter(|(on, _)| *on).map(|(_, word)| *word);
                Some(said.collect::<Vec<_>>().join(","))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for word in ["7BIT", "8BITMIME", "BINARYMIME"] {
            assert_eq!(BodyKind::parse(word).unwrap().as_str(), word);
        }
        for ret in [Ret::Full, Ret::Headers] {
            assert_eq!(Ret::parse(ret.as_str()), Some(ret));
        }
        for words in ["NEVER", "SUCCESS", "SUCCESS,FAILURE,DELAY", "FAILURE,DELAY"] {
            let notify = Notify::parse(words).unwrap();
            assert_eq!(notify.words().as_deref(), Some(words));
        }
        assert_eq!(Notify::Unsaid.words(), None);
        for words in ["", "NEVER,DELAY", "DELAY,DELAY", "SUCES"] {
            assert_eq!(Notify::parse(words), None, "{words}");
        }
        assert_eq!((BodyKind::parse("9BIT"), Ret::parse("SOME")), (None, None));
    }
}
