//! Writes tables in canonical form: keys in the order of their kind, one way to write each value.

use crate::Value;

/// A line with an array longer than this is broken, one item on a line.
const LINE_LETTERS_MAX: usize = 100;

/// One text being written.
#[derive(Debug, Default)]
pub struct TableWriter {
    out: String,
}

impl TableWriter {
    /// A header line, as `[organization]`.
    pub fn header(&mut self, header: &str) {
        if !self.out.is_empty() {
            self.out.push('\n');
        }
        self.out.push_str(header);
        self.out.push('\n');
    }

    /// A key that is always written.
    pub fn required<T: Value>(&mut self, key: &str, value: &T) {
        self.out.push_str(key);
        self.out.push_str(" = ");
        value.write(&mut self.out);
        self.out.push('\n');
    }

    /// A key that is written if it was.
    pub fn optional<T: Value>(&mut self, key: &str, value: &Option<T>) {
        if let Some(value) = value {
            self.required(key, value);
        }
    }

    /// An array that is written even when it is empty.
    pub fn several<T: Value>(&mut self, key: &str, values: &[T]) {
        let mut items = Vec::with_capacity(values.len());
        for value in values {
            let mut item = String::new();
            value.write(&mut item);
            items.push(item);
        }
        let letters: usize = items.iter().map(|item| item.len() + 2).sum();
        self.out.push_str(key);
        self.out.push_str(" = [");
        if letters + key.len() + 4 > LINE_LETTERS_MAX {
            for item in &items {
                self.out.push_str("\n    ");
                self.out.push_str(item);
                self.out.push(',');
            }
            self.out.push('\n');
        } else {
            self.out.push_str(&items.join(", "));
        }
        self.out.push_str("]\n");
    }

    /// An array that isn't written when it is empty.
    pub fn list<T: Value>(&mut self, key: &str, values: &[T]) {
        if !values.is_empty() {
            self.several(key, values);
        }
    }

    /// The text.
    #[must_use]
    pub fn finish(self) -> String {
        self.out
    }
}
