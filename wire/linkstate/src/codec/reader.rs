//! Octets being read. Guards: nothing leads outside of them.

use super::CodecFault;
use crate::topology::NAME_OCTETS_MAX;

#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) const fn new(octets: &'a [u8]) -> Self {
        Self { rest: octets }
    }

    pub(super) const fn left(&self) -> usize {
        self.rest.len()
    }

    pub(super) fn take(&mut self, octets: usize) -> Result<&'a [u8], CodecFault> {
        let (taken, rest) = self
            .rest
            .split_at_checked(octets)
            .ok_or(CodecFault::Short)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], CodecFault> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(CodecFault::Short)?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, CodecFault> {
        self.array().map(u8::from_le_bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16, CodecFault> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, CodecFault> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, CodecFault> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn truth(&mut self) -> Result<bool, CodecFault> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(CodecFault::Value("neither 0 nor 1")),
        }
    }

    pub(super) fn name(&mut self) -> Result<Box<str>, CodecFault> {
        let octets = usize::from(self.u8()?);
        if octets == 0 || octets > NAME_OCTETS_MAX {
            return Err(CodecFault::Value("length of a name"));
        }
        let name = std::str::from_utf8(self.take(octets)?);
        name.map(Into::into)
            .map_err(|_| CodecFault::Value("a name isn't UTF-8"))
    }

    /// A count, then so many elements. Each takes octets, so the list can't outgrow what is there.
    pub(super) fn list<T>(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Result<T, CodecFault>,
    ) -> Result<Vec<T>, CodecFault> {
        let count = self.u32()?;
        let mut list = Vec::new();
        for _ in 0..count {
            list.push(element(self)?);
        }
        Ok(list)
    }

    pub(super) const fn end(&self) -> Result<(), CodecFault> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(CodecFault::Long)
        }
    }
}
