//! Patterns of texts: `*` stands for any run of characters, everything else for itself in any case.

/// A pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    /// The pieces between the stars, in lower case; at least one.
    pieces: Box<[Box<str>]>,
}

impl Pattern {
    pub(crate) fn new(text: &str) -> Self {
        let lower = text.to_lowercase();
        Self {
            pieces: lower.split('*').map(Box::from).collect(),
        }
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        let lower = text.to_lowercase();
        let (first, others) = match &*self.pieces {
            [] => return lower.is_empty(),
            [only] => return lower == **only,
            [first, others @ ..] => (first, others),
        };
        let Some(mut rest) = lower.strip_prefix(&**first) else {
            return false;
        };
        let Some((last, between)) = others.split_last() else {
            return rest.is_empty();
        };
        for piece in between {
            // The leftmost place leaves the most for what follows.
            let Some(at) = rest.find(&**piece) else {
                return false;
            };
            rest = rest.get(at + piece.len()..).unwrap_or_default();
        }
        rest.ends_with(&**last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_anything_and_case_doesnt_count() {
        for (pattern, text, expected) in [
            ("bob@example.net", "Bob@Example.net", true),
            ("*@example.net", "bob@example.net", true),
            ("*@example.net", "bob@sub.example.net", false),
            ("bob*net", "bob@example.net", true),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b*", "xxbxxa", false),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("*", "", true),
            ("", "", true),
            ("", "x", false),
            ("**x", "abx", true),
            ("[1-9]?", "[1-9]?", true),
            ("Ä*", "äpfel", true),
        ] {
            assert_eq!(
                Pattern::new(pattern).matches(text),
                expected,
                "{pattern} {text}"
            );
        }
    }

    /// What a pattern means, said in the slowest way.
    fn plain(pattern: &[char], text: &[char]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some(('*', rest)) => (0..=text.len()).any(|skip| plain(rest, &text[skip..])),
            Some((first, rest)) => text.first() == Some(first) && plain(rest, &text[1..]),
        }
    }

    proptest::proptest! {
        #[test]
        fn it_means_what_it_says(pattern in "[ab*]{0,6}", text in "[ab]{0,8}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            let expected = plain(&chars(&pattern), &chars(&text));
            proptest::prop_assert_eq!(Pattern::new(&pattern).matches(&text), expected);
        }
    }
}
