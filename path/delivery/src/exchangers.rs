//! Mail exchangers: in what order they are tried, and which of them lead back here (RFC 5321 §5.1). Pure.

use bridgehead_mail::{Domain, Failure, StatusCode};

/// Hosts that are tried for one domain at the most; more in DNS are ignored.
pub(crate) const HOSTS_MAX: usize = 20;
/// Addresses that are tried for one host at the most.
pub(crate) const ADDRESSES_MAX: usize = 10;
/// Addresses that are tried in one attempt at the most.
pub(crate) const ADDRESSES_TRIED_MAX: usize = 30;

/// A mail exchanger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Exchanger {
    /// The lowest is tried first.
    pub(crate) preference: u16,
    /// Its name; none for `.`, the null MX (RFC 7505).
    pub(crate) host: Option<Domain>,
}

/// The hosts to try, in order, with their preferences. `shuffle` gives a number to sort equals by; `is_self` says whether a host is this server.
pub(crate) fn order(
    mut found: Vec<Exchanger>,
    mut shuffle: impl FnMut() -> u32,
    is_self: impl Fn(&Domain) -> bool,
) -> Result<Vec<(u16, Domain)>, Failure> {
    let nulls = found.iter().filter(|one| one.host.is_none()).count();
    // RFC 7505 §3: a null MX stands alone. Beside others it says nothing.
    if nulls > 0 && nulls == found.len() {
        return Err(null_mx());
    }
    found.sort_by_cached_key(|exchanger| (exchanger.preference, shuffle()));
    let this_server = found
        .iter()
        .find(|one| one.host.as_ref().is_some_and(&is_self));
    // RFC 5321 §5.1: this server and all of no better preference are left out.
    let limit = this_server.map_or(u32::MAX, |this| this.preference.into());
    let better = found
        .into_iter()
        .filter(|one| u32::from(one.preference) < limit);
    let named = better.filter_map(|one| Some((one.preference, one.host?)));
    let hosts: Vec<(u16, Domain)> = named.take(HOSTS_MAX).collect();
    match (hosts.is_empty(), limit) {
        (false, _) => Ok(hosts),
        (true, u32::MAX) => Err(none_usable()),
        (true, _) => Err(loops_back()),
    }
}

/// RFC 7505 §4.2.
fn null_mx() -> Failure {
    let text = "The recipient's domain says that it takes no mail";
    Failure::new(StatusCode::permanent(1, 10), text)
}

/// RFC 5321 §5.1: mail exchangers of which none can be used are an error.
fn none_usable() -> Failure {
    let text = "The mail exchangers of the recipient's domain are no host names";
    Failure::new(StatusCode::permanent(4, 4), text)
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
    fn a_null_mx_beside_others_says_nothing() {
        let found = vec![exchanger(0, "."), exchanger(10, "a.example")];
        assert_eq!(ordered(found).unwrap(), ["a.example"]);
    }

    #[test]
    fn no_usable_exchanger_is_an_error() {
        assert_eq!(ordered(Vec::new()).unwrap_err(), "5.4.4");
    }

    #[test]
    fn this_server_is_found_behind_a_flood_of_equals() {
        let mut found: Vec<_> = (0..50)
            .map(|n| exchanger(10, &format!("h{n}.example")))
            .collect();
        found.push(exchanger(10, "self.example"));
        assert_eq!(ordered(found).unwrap_err(), "5.4.6");
    }

    #[test]
    fn a_flood_of_hosts_is_cut() {
        let found = (0..1000)
            .map(|n| exchanger(n, &format!("h{n}.example")))
            .collect();
        assert_eq!(ordered(found).unwrap().len(), HOSTS_MAX);
    }
}
