//! Numbers of addressees, as compact as most messages need: they have one recipient.

use std::slice;

/// Numbers, in the order in which they were given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Numbers {
    #[default]
    None,
    One(u32),
    Many(Box<[u32]>),
}

impl Numbers {
    pub(crate) fn as_slice(&self) -> &[u32] {
        match self {
            Self::None => &[],
            Self::One(number) => slice::from_ref(number),
            Self::Many(numbers) => numbers,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Self::None)
    }

    /// In order, each once.
    pub(crate) fn sort(&mut self) {
        if let Self::Many(numbers) = self {
            let mut numbers = std::mem::take(numbers).into_vec();
            numbers.sort_unstable();
            numbers.dedup();
            *self = numbers.into();
        }
    }

    /// With more of them behind.
    pub(crate) fn extend(&mut self, more: &[u32]) {
        if !more.is_empty() {
            *self = [self.as_slice(), more].concat().into();
        }
    }
}

impl From<Vec<u32>> for Numbers {
    fn from(numbers: Vec<u32>) -> Self {
        match numbers.as_slice() {
            [] => Self::None,
            [one] => Self::One(*one),
            _ => Self::Many(numbers.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out() {
        for numbers in [vec![], vec![7], vec![7, 3, 9]] {
            let compact = Numbers::from(numbers.clone());
            assert_eq!(compact.as_slice(), numbers);
            assert_eq!(compact.is_empty(), numbers.is_empty());
        }
        let mut grown = Numbers::default();
        grown.extend(&[]);
        grown.extend(&[1]);
        assert_eq!(grown, Numbers::One(1));
        grown.extend(&[5, 2]);
        assert_eq!(grown.as_slice(), [1, 5, 2]);
        grown.extend(&[5]);
        grown.sort();
        assert_eq!(grown.as_slice(), [1, 2, 5]);
    }
}
