//! Mail exchangers: in what order they are tried, and which of them lead back here (RFC 5321 §5.1). Pure.

use bridgehead_mail::{Domain, Failure, StatusCode};

/// Hosts that are tried for one domain at the most; more in DNS are ignored.
pub(crate) const HOSTS_MAX: usize = 20;
/// Addresses that are tried for one host at the most.
pub(crate) const ADDRESSES_MAX: usize = 10;

/// A mail exchanger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Exchanger {
    /// The lowest is tried first.
    pub(crate) preference: u16,
    /// Its name; none for `.`, the null MX (RFC 7505).
    pub(crate) host: Option<Domain>,
}

/// The hosts to try, in order. `shuffle` gives a number to sort equals by; `is_self` says whether a host is this server.
pub(crate) fn order(
    mut found: Vec<Exchanger>,
    mut shuffle: impl FnMut() -> u32,
    is_self: impl Fn(&Domain) -> bool,
) -> Result<Vec<(u16, Domain)>, Failure> {
    found.sort_by_cached_key(|exchanger| (exchanger.preference, shuffle()));
    found.truncate(HOSTS_MAX);
    let mut hosts = Vec::new();
    for Exchanger { preference, host } in found {
        match host {
            None => {
                if hosts.is_empty() {
                    return Err(null_mx());
                }
            }
            // RFC 5321 §5.1: this server and all of no better preference are left out.
            Some(host) if is_self(&host) => {
                return if better_than(&hosts, preference).is_empty() {
                    Err(loops_back())
                } else {
                    Ok(better_than(&hosts, preference))
                };
            }
            Some(host) => hosts.push((preference, host)),
        }
    }
    Ok(hosts)
}

fn better_than(hosts: &[(u16, Domain)], preference: u16) -> Vec<(u16, Domain)> {
    let better = hosts.iter().filter(|(own, _)| *own < preference);
    better.cloned().collect()
}

/// RFC 7505 §4.2.
pub(crate) fn null_mx() -> Failure {
    let text = "The recipient's domain says that it takes no mail";
    Failure::new(StatusCode::permanent(1, 10), text)
}

pub(crate) fn loops_back() -> Failure {
    let text = "The recipient's domain leads back to this server, which doesn't know it";
    Failure::new(StatusCode::permanent(4, 6), text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchanger(preference: u16, host: &str) -> Exchanger {
        let host = (host != ".").then(|| Domain::parse(host).unwrap());
        Exchanger { preference, host }
    }

    fn ordered(found: Vec<Exchanger>) -> Result<Vec<String>, String> {
        let own = Domain::parse("self.example").unwrap();
        let hosts = order(found, || 0, |host| *host == own);
        hosts
            .map(|hosts| hosts.iter().map(|(_, host)| host.to_string()).collect())
            .map_err(|failure| failure.status.to_string())
    }

    #[test]
    fn the_lowest_preference_is_first() {
        let found = vec![exchanger(20, "b.example"), exchanger(10, "a.example")];
        assert_eq!(ordered(found).unwrap(), ["a.example", "b.example"]);
    }

    #[test]
    fn this_server_and_those_no_better_are_left_out() {
        let found = vec![
            exchanger(10, "a.example"),
            exchanger(20, "b.example"),
            exchanger(20, "self.example"),
            exchanger(30, "c.example"),
        ];
        assert_eq!(ordered(found).unwrap(), ["a.example"]);
        assert_eq!(
            ordered(vec![exchanger(1, "self.example")]).unwrap_err(),
            "5.4.6"
        );
    }

    #[test]
    fn the_null_mx_takes_no_mail() {
        assert_eq!(ordered(vec![exchanger(0, ".")]).unwrap_err(), "5.1.10");
    }

    #[test]
    fn a_flood_of_hosts_is_cut() {
        let found = (0..1000)
            .map(|n| exchanger(n, &format!("h{n}.example")))
            .collect();
        assert_eq!(ordered(found).unwrap().len(), HOSTS_MAX);
    }
}
