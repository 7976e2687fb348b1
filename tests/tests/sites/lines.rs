//! The lines of the test kit do what they say: otherwise no test of routing over them would mean anything.

use bridgehead_tests::network::{End, Network, State, ip, missing};
use bridgehead_tests::skip::skip;
use bridgehead_tests::wait;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// What becomes of a call from the first host of one site to the first of another.
#[derive(Debug, PartialEq, Eq)]
enum Call {
    /// Both hear each other.
    Talks,
    /// The connection was made, and nothing was heard.
    Silent,
    Fails,
}

/// For what should come to pass, and for what shouldn't: each of these takes all of it.
const LONG: Duration = Duration::from_secs(5);
const SHORT: Duration = Duration::from_millis(1_200);

/// The caller says something and waits for an answer, each step as long as `patience`; with how long that took.
fn call(network: &Network, from: usize, to: usize, patience: Duration) -> (Call, Duration) {
    thread::scope(|scope| {
        let listening = scope.spawn(move || {
            network.enter(to, 1);
            TcpListener::bind(SocketAddr::from((ip(to, 1), 0))).unwrap()
        });
        let listener = listening.join().unwrap();
        let address = listener.local_addr().unwrap();
        scope.spawn(move || {
            listener.set_nonblocking(true).unwrap();
            let begun = Instant::now();
            while begun.elapsed() < patience {
                if let Ok((mut stream, _)) = listener.accept() {
                    stream.set_nonblocking(false).unwrap();
                    stream.set_read_timeout(Some(patience)).unwrap();
                    if stream.read_exact(&mut [0]).is_ok() {
                        let _ = stream.write_all(b"!");
                    }
                    return;
                }
                thread::sleep(Duration::from_millis(10));
            }
        });
        let asking = scope.spawn(move || {
            network.enter(from, 1);
            let begun = Instant::now();
            let Ok(mut stream) = TcpStream::connect_timeout(&address, patience) else {
                return (Call::Fails, begun.elapsed());
            };
            stream.set_read_timeout(Some(patience)).unwrap();
            stream.write_all(b"?").unwrap();
            let call = match stream.read_exact(&mut [0]) {
                Ok(()) => Call::Talks,
                Err(_) => Call::Silent,
            };
            (call, begun.elapsed())
        });
        asking.join().unwrap()
    })
}

fn talks(network: &Network, one: usize, other: usize) -> bool {
    [(one, other), (other, one)]
        .into_iter()
        .all(|(from, to)| call(network, from, to, LONG).0 == Call::Talks)
}

/// A line is whole, and is used: whoever has asked for the other end in vain may have to ask again.
fn heal(network: &Network, line: usize, [one, other]: [usize; 2]) {
    network.set(line, State::Whole);
    wait::until("a line that is whole again", || {
        talks(network, one, other).then_some(())
    });
}

fn fails(network: &Network, one: usize, other: usize) -> bool {
    [(one, other), (other, one)]
        .into_iter()
        .all(|(from, to)| call(network, from, to, SHORT).0 == Call::Fails)
}

#[test]
fn a_line_does_what_it_is_told() {
    if let Some(reason) = missing() {
        skip("sites::a_line_does_what_it_is_told", &reason);
        return;
    }
    let mut network = Network::new();
    let (a, b, c) = (
        network.site("a", 1),
        network.site("b", 1),
        network.site("c", 1),
    );
    let ab = network.line(a, b);
    network.line(b, c);
    assert!(talks(&network, a, b));
    assert!(fails(&network, a, c), "b passes on what is its own only");
    for end in [End::One, End::Other] {
        network.set(ab, State::Cut(end));
        assert!(fails(&network, a, b) && talks(&network, b, c));
        network.set(ab, State::DeafTo(end));
        assert!(fails(&network, a, b), "no answer comes back");
        heal(&network, ab, [a, b]);
    }
    network.set(ab, State::Losing(99));
    assert!(fails(&network, a, b));
    heal(&network, ab, [a, b]);
}

#[test]
fn a_slow_line_is_slow_and_a_black_hole_takes_everything() {
    if let Some(reason) = missing() {
        skip("sites::a_slow_line_is_slow", &reason);
        return;
    }
    let delay = Duration::from_millis(150);
    let mut network = Network::new();
    let (a, b) = (network.site("a", 1), network.site("b", 1));
    let line = network.slow_line(a, b, delay);
    for (from, to) in [(a, b), (b, a)] {
        let (what, took) = call(&network, from, to, LONG);
        assert_eq!(what, Call::Talks);
        assert!(took >= 2 * delay, "{took:?}");
    }
    network.set(line, State::BlackHole);
    for (from, to) in [(a, b), (b, a)] {
        assert_eq!(call(&network, from, to, SHORT).0, Call::Silent);
    }
    for end in [End::One, End::Other] {
        network.set(line, State::Swallowing(end));
        for (from, to) in [(a, b), (b, a)] {
            assert_eq!(call(&network, from, to, SHORT).0, Call::Silent, "{end:?}");
        }
        heal(&network, line, [a, b]);
    }
    // Where the cable is out on the other side of the relay, the connection is still taken.
    network.set(line, State::Cut(End::Other));
    assert_eq!(call(&network, a, b, SHORT).0, Call::Silent);
    assert_eq!(call(&network, b, a, SHORT).0, Call::Fails);
    heal(&network, line, [a, b]);
    // What isn't for the relay doesn't go around it.
    network.set(line, State::DeafTo(End::One));
    assert_eq!(call(&network, a, b, SHORT).0, Call::Silent);
}
