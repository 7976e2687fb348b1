//! Faults in a text of the operator: file, line, key, reason; all of them at once.
//!
//! Guards: the list is bounded, so that a hostile file can't fill memory with complaints.

use std::fmt;

/// More faults than this are only counted.
const FAULTS_MAX: usize = 1_000;

/// One fault: where it is and what is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file, as the operator named it.
    pub file: String,
    /// The line, from 1; 0 where the fault is of no line.
    pub line: u64,
    /// The object and key, as `mailbox alice: addresses`.
    pub key: String,
    /// What is wrong, and what is expected.
    pub reason: String,
}

impl Fault {
    /// Key and reason, for texts that aren't files.
    pub(crate) fn reason_with_key(&self) -> String {
        match self.key.as_str() {
            "" => self.reason.clone(),
            key => format!("{key}: {}", self.reason),
        }
    }
}

impl fmt::Display for Fault {
    /// `file:line: key: reason`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.reason)
    }
}

/// What was found wrong in one file.
#[derive(Debug)]
pub struct Report {
    file: String,
    starts: Vec<usize>,
    faults: Vec<Fault>,
    warnings: Vec<Fault>,
    more: usize,
}

impl Report {
    /// An empty report about a file with this text.
    #[must_use]
    pub fn new(file: &str, text: &str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Self {
            file: file.to_owned(),
            starts: ends.map(|(at, _)| at + 1).collect(),
            faults: Vec::new(),
            warnings: Vec::new(),
            more: 0,
        }
    }

    /// The line, from 1, in which the octet at this offset lies.
    #[must_use]
    pub fn line(&self, offset: usize) -> u64 {
        let before = self.starts.partition_point(|start| *start <= offset);
        u64::try_from(before).unwrap_or(u64::MAX).saturating_add(1)
    }

    /// Notes a fault.
    pub fn fault(&mut self, line: u64, key: impl Into<String>, reason: impl Into<String>) {
        if self.faults.len() >= FAULTS_MAX {
            self.more = self.more.saturating_add(1);
            return;
        }
        let fault = self.note(line, key.into(), reason.into());
        self.faults.push(fault);
    }

    /// Notes what can be lived with.
    pub fn warn(&mut self, line: u64, key: impl Into<String>, reason: impl Into<String>) {
        if self.warnings.len() < FAULTS_MAX {
            let fault = self.note(line, key.into(), reason.into());
            self.warnings.push(fault);
        }
    }

    fn note(&self, line: u64, key: String, reason: String) -> Fault {
        Fault {
            file: self.file.clone(),
            line,
            key,
            reason,
        }
    }

    /// The warnings, by line.
    ///
    /// # Errors
    /// All faults by line, if there is any.
    pub fn finish(mut self) -> Result<Vec<Fault>, Vec<Fault>> {
        if self.faults.is_empty() {
            self.warnings.sort_by_key(|fault| fault.line);
            return Ok(self.warnings);
        }
        self.faults.sort_by_key(|fault| fault.line);
        if self.more > 0 {
            let reason = format!("{} more faults are not shown", self.more);
            let last = self.note(0, String::new(), reason);
            self.faults.push(last);
        }
        Err(self.faults)
    }
}
