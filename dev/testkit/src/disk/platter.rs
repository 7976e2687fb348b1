//! What is durable and what is only written: sectors of files, and names.

use rand::Rng;
use rand::rngs::StdRng;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use bridgehead_disk::Entry;

/// Octets that are written whole or not at all.
pub(crate) const SECTOR: usize = 512;

/// A file, whatever its names.
#[derive(Clone, Default)]
pub(crate) struct Node {
    /// As programs see it.
    pub(crate) written: Vec<u8>,
    /// As it survives.
    durable: Vec<u8>,
    /// Numbers of the sectors that were written since they were synced.
    dirty: BTreeSet<usize>,
    /// Whether the length was changed since it was synced.
    resized: bool,
    /// A sync failed in this process.
    pub(crate) poisoned: bool,
}

/// A change of names.
#[derive(Clone)]
pub(crate) enum NameOp {
    Create(PathBuf, usize),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
}

/// Everything on the disk.
#[derive(Clone, Default)]
pub(crate) struct Platter {
    nodes: Vec<Node>,
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    /// Changes of names that aren't durable, in order.
    pending: Vec<NameOp>,
    dirs: BTreeSet<PathBuf>,
}

/// Which part of what isn't durable survives.
enum Survivors {
    None,
    All,
    First(usize),
    Some(u32),
}

impl Survivors {
    fn choose(random: &mut StdRng, count: usize) -> Self {
        match random.random_range(0..10) {
            0 => Self::None,
            1 => Self::All,
            2..=4 => Self::First(random.random_range(0..=count)),
            _ => Self::Some(random.random_range(50..=950)),
        }
    }

    fn has(&self, random: &mut StdRng, number: usize) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::First(count) => number < *count,
            Self::Some(thousandths) => random.random_range(0..1000) < *thousandths,
        }
    }
}

impl Node {
    /// Octets at an offset are written.
    pub(crate) fn write(&mut self, at: usize, octets: &[u8]) {
        let end = at + octets.len();
        if end > self.written.len() {
            self.resize(end);
        }
        if let Some(place) = self.written.get_mut(at..end) {
            place.copy_from_slice(octets);
        }
        if !octets.is_empty() {
            self.dirty.extend(at / SECTOR..=(end - 1) / SECTOR);
        }
    }

    pub(crate) fn resize(&mut self, length: usize) {
        let before = self.written.len();
        self.written.resize(length, 0);
        self.resized = true;
        // What is behind the end of the old length must read as zeros, whatever lies on the platter there.
        if length > before {
            self.dirty.extend(before / SECTOR..=(length - 1) / SECTOR);
        }
        self.dirty = self
            .dirty
            .iter()
            .copied()
            .filter(|n| n * SECTOR < length)
            .collect();
    }

    /// What is written becomes durable.
    pub(crate) fn sync(&mut self) {
        self.durable.clone_from(&self.written);
        self.dirty.clear();
        self.resized = false;
    }

    /// A part becomes durable; nothing counts as dirty any more (what Linux does after an error).
    pub(crate) fn fail_sync(&mut self, random: &mut StdRng) {
        self.durable = self.survivor(random);
        // The page may stay in memory, or be thrown out and be read again as it is on the platter.
        if random.random_range(0..4) == 0 {
            self.written.clone_from(&self.durable);
        }
        self.dirty.clear();
        self.resized = false;
        self.poisoned = true;
    }

    /// One of the contents that may be found after the power was lost.
    fn survivor(&self, random: &mut StdRng) -> Vec<u8> {
        if self.dirty.is_empty() && !self.resized {
            return self.durable.clone();
        }
        let survivors = Survivors::choose(random, self.dirty.len());
        let mut kept: Vec<usize> = Vec::new();
        for (number, sector) in self.dirty.iter().enumerate() {
            if survivors.has(random, number) {
                kept.push(*sector);
            }
        }
        // The length is changed before, after or without the content.
        let written_length = self.resized && random.random();
        let mut found = self.durable.clone();
        if written_length {
            found.resize(self.written.len(), 0);
        }
        for sector in kept {
            let start = sector * SECTOR;
            let end = (start + SECTOR).min(self.written.len());
            let fresh = self.written.get(start..end).unwrap_or_default();
            if end > found.len() && !written_length {
                // Grown step by step, as it was written.
                found.resize(end, 0);
            }
            if let Some(place) = found.get_mut(start..end) {
                place.copy_from_slice(fresh);
            }
        }
        found
    }
}

impl Platter {
    pub(crate) fn node(&self, number: usize) -> io::Result<&Node> {
        self.nodes.get(number).ok_or_else(not_found)
    }

    pub(crate) fn node_mut(&mut self, number: usize) -> io::Result<&mut Node> {
        self.nodes.get_mut(number).ok_or_else(not_found)
    }

    pub(crate) fn find(&self, path: &Path) -> io::Result<usize> {
        self.names.get(path).copied().ok_or_else(not_found)
    }

    pub(crate) fn files(&self) -> Vec<(PathBuf, u64)> {
        let sized = |(path, node): (&PathBuf, &usize)| {
            let node = self.nodes.get(*node)?;
            Some((path.clone(), node.written.len() as u64))
        };
        self.names.iter().filter_map(sized).collect()
    }

    pub(crate) fn create(&mut self, path: &Path) -> io::Result<usize> {
        let parent = path.parent().unwrap_or(Path::new(""));
        if !self.dirs.contains(parent) {
            return Err(not_found());
        }
        if self.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let number = self.nodes.len();
        self.nodes.push(Node::default());
        self.apply(NameOp::Create(path.to_owned(), number))?;
        Ok(number)
    }

    pub(crate) fn link(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        if self.names.contains_key(to) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let node = self.find(from)?;
        self.apply(NameOp::Create(to.to_owned(), node))
    }

    /// Changes the names as programs see them.
    pub(crate) fn apply(&mut self, op: NameOp) -> io::Result<()> {
        change(&mut self.names, &op)?;
        self.pending.push(op);
        Ok(())
    }

    pub(crate) fn create_dir(&mut self, dir: &Path) -> io::Result<()> {
        let above = dir.ancestors().map(Path::to_owned);
        self.dirs.extend(above);
        Ok(())
    }

    pub(crate) fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        if !self.dirs.contains(dir) {
            return Err(not_found());
        }
        let name = |path: &Path| Some(path.file_name()?.to_str()?.to_owned());
        let inside = |path: &Path| path.parent() == Some(dir);
        let files = self.names.iter().filter(|(path, _)| inside(path));
        let mut entries: Vec<Entry> = files
            .filter_map(|(path, node)| {
                Some(Entry {
                    name: name(path)?,
                    size: self.nodes.get(*node)?.written.len() as u64,
                    is_dir: false,
                })
            })
            .collect();
        for below in self.dirs.iter().filter(|path| inside(path)) {
            entries.extend(name(below).map(|name| Entry {
                name,
                size: 0,
                is_dir: true,
            }));
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    pub(crate) fn sync_dir(&mut self, dir: &Path) {
        let touches = |path: &Path| path.parent() == Some(dir);
        let mut later = Vec::new();
        for op in std::mem::take(&mut self.pending) {
            let here = match &op {
                NameOp::Create(path, _) | NameOp::Remove(path) => touches(path),
                NameOp::Rename(from, to) => touches(from) || touches(to),
            };
            if here {
                let _ = change(&mut self.durable_names, &op);
            } else {
                later.push(op);
            }
        }
        self.pending = later;
    }

    pub(crate) fn after_power_loss(&self, random: &mut StdRng) -> Self {
        let mut names = self.durable_names.clone();
        let survivors = Survivors::choose(random, self.pending.len());
        for (number, op) in self.pending.iter().enumerate() {
            if survivors.has(random, number) {
                // One that another was needed for is lost with it.
                let _ = change(&mut names, op);
            }
        }
        let found = |node: &Node| {
            let written = node.survivor(random);
            Node {
                durable: written.clone(),
                written,
                ..Node::default()
            }
        };
        Self {
            nodes: self.nodes.iter().map(found).collect(),
            durable_names: names.clone(),
            names,
            pending: Vec::new(),
            dirs: self.dirs.clone(),
        }
    }

    /// The cache stays, with everything it believes to be clean.
    pub(crate) fn after_kill(&self) -> Self {
        let mut same = self.clone();
        for node in &mut same.nodes {
            node.poisoned = false;
        }
        same
    }
}

fn change(names: &mut BTreeMap<PathBuf, usize>, op: &NameOp) -> io::Result<()> {
    match op {
        NameOp::Create(path, node) => {
            names.insert(path.clone(), *node);
        }
        NameOp::Rename(from, to) => {
            let node = names.remove(from).ok_or_else(not_found)?;
            names.insert(to.clone(), node);
        }
        NameOp::Remove(path) => {
            names.remove(path).ok_or_else(not_found)?;
        }
    }
    Ok(())
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}
