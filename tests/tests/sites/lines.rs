//! The lines of the test kit do what they say: otherwise no test of routing over them would mean anything.

use bridgehead_tests::network::{Network, State, ip, missing};
use bridgehead_tests::skip::skip;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

/// Whether the first host of one site can talk to the first of another.
fn talks(network: &Network, from: usize, to: usize) -> bool {
    thread::scope(|scope| {
        let listening = scope.spawn(move || {
            network.enter(to, 1);
            TcpListener::bind(SocketAddr::from((ip(to, 1), 0))).unwrap()
        });
        let listener = listening.join().unwrap();
        let address = listener.local_addr().unwrap();
        scope.spawn(move || {
            listener.set_nonblocking(true).unwrap();
            for _ in 0..100 {
                if let Ok((mut stream, _)) = listener.accept() {
                    let _ = stream.write_all(b"!");
                    return;
                }
                thread::sleep(Duration::from_millis(10));
            }
        });
        let asking = scope.spawn(move || {
            network.enter(from, 1);
            let patience = Duration::from_millis(700);
            let Ok(mut stream) = TcpStream::connect_timeout(&address, patience) else {
                return false;
            };
            stream.set_read_timeout(Some(patience)).unwrap();
            stream.read_exact(&mut [0]).is_ok()
        });
        asking.join().unwrap()
    })
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
    assert!(talks(&network, a, b) && talks(&network, b, a));
    assert!(
        !talks(&network, a, c),
        "b passes nothing on that isn't its own"
    );
    network.set(ab, State::Cut);
    assert!(!talks(&network, a, b) && !talks(&network, b, a));
    assert!(talks(&network, b, c));
    network.set(ab, State::DeafOneWay);
    assert!(
        !talks(&network, a, b) && !talks(&network, b, a),
        "no answer comes back"
    );
    network.set(ab, State::Losing(99));
    assert!(!talks(&network, a, b));
    network.set(ab, State::Whole);
    assert!(talks(&network, a, b) && talks(&network, b, a));
}
