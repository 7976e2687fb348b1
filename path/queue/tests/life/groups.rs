//! Groups of the picture that come and go.

use super::{accept, assign, open, part};
use bridgehead_queue::Queue;

/// So many that those in which nothing is are given up.
const MANY: u32 = 1_500;

/// A message with one part for each of many domains.
fn to_many(queue: &Queue, letter: char) -> bridgehead_mail::MessageId {
    let id = accept(queue, b"x", &["all@example.net"]).unwrap().id();
    let parts = (0..MANY).map(|number| {
        let domain = format!("{letter}{number}.example");
        part(&domain, &[&format!("bob@{domain}")])
    });
    assign(queue, parts.collect());
    queue.commit_now();
    id
}

/// The domains of the picture, which is that of a recount.
fn domains(queue: &Queue) -> Vec<String> {
    let picture = queue.picture();
    let counted = queue.picture_counted_anew();
    assert_eq!(format!("{picture:?}"), format!("{counted:?}"));
    picture
        .groups
        .into_iter()
        .map(|group| group.domain)
        .collect()
}

#[test]
fn a_group_that_was_given_up_makes_way_for_another() {
    let dir = tempfile::tempdir().unwrap();
    let queue = open(dir.path());
    let first = to_many(&queue, 'a');
    assert_eq!(domains(&queue).len(), MANY as usize);
    assert!(queue.delete(first));
    assert!(domains(&queue).is_empty());
    // With one of the old ones, and in the places of the others.
    accept(&queue, b"x", &["bob@a5.example"]).unwrap();
    assign(&queue, vec![part("a5.example", &["bob@a5.example"])]);
    to_many(&queue, 'b');
    let domains = domains(&queue);
    assert_eq!(domains.len(), MANY as usize + 1);
    assert_eq!(
        domains.iter().filter(|name| name.starts_with('b')).count(),
        MANY as usize
    );
    assert!(domains.contains(&"a5.example".to_owned()));
}
