//! Why a message is in the folder, in plain words.

use crate::Bad;
use std::fmt::Write;

/// Recipients that are told of one by one.
const RECIPIENTS_MAX: usize = 200;

/// The text beside a message. `whole` is whether all of it could be kept.
pub(crate) fn reason(bad: &Bad, name: &str, whole: bool) -> String {
    let envelope = &bad.envelope;
    let mut text = String::new();
    let mut say = |line: &str| {
        let plain = |letter: char| if letter.is_control() { ' ' } else { letter };
        text.extend(line.chars().map(plain));
        text.push('\n');
    };
    let at = bad.at.rfc3339();
    say(&format!(
        "Set aside on {at}: it failed, and there is nobody who could be told."
    ));
    say("");
    say(&format!("message    {}", bad.id));
    say(&format!("from       {}", envelope.reverse_path));
    let mut by = format!(
        "accepted   {} by {}",
        envelope.accepted.rfc3339(),
        envelope.origin.virtual_server
    );
    if let Some(client) = envelope.origin.client {
        // Writing into a string can't fail.
        let _ = write!(by, " from {} [{client}]", envelope.origin.helo);
    }
    say(&by);
    say(&format!("size       {} octets", bad.content.size()));
    say("");
    for (recipient, failure) in bad.failed.iter().take(RECIPIENTS_MAX) {
        say(&format!("<{}>", recipient.address));
        say(&format!("  {failure}"));
    }
    if bad.failed.len() > RECIPIENTS_MAX {
        say(&format!("and {} more", bad.failed.len() - RECIPIENTS_MAX));
    }
    say("");
    if !whole {
        say("It is larger than all badmail may be: only its header was kept.");
    }
    say(&format!(
        "To try it once more: bridgehead queue import {name}.eml"
    ));
    text
}
