//! Networks of IP addresses (RFC 4632, RFC 4291 §2.3), as in `192.0.2.0/24` and `2001:db8::/32`.
//!
//! Guards: bits after the prefix are zero, so that a slip such as `10.1.0.0/8` is told and not silently widened.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// A network: an address and how many of its leading bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IpNetwork {
    address: IpAddr,
    prefix: u8,
}

/// Why a text is no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IpNetworkError {
    /// What stands before the slash is no IP address.
    #[error("not an IP address")]
    Address,
    /// What stands after the slash is no number, or more than the address has bits.
    #[error("the prefix length must be a number from 0 to {0}")]
    Prefix(u8),
    /// The address has ones after the prefix.
    #[error("the address has bits set beyond its prefix length")]
    HostBits,
}

impl IpNetwork {
    /// The network that holds just this address.
    #[must_use]
    pub const fn host(address: IpAddr) -> Self {
        let prefix = width(address);
        Self { address, prefix }
    }

    /// Whether `address` is in it. An IPv4 address mapped into IPv6 counts as the IPv4 address it is.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        match (self.address, address) {
            (IpAddr::V4(_), IpAddr::V4(_)) | (IpAddr::V6(_), IpAddr::V6(_)) => {
                network_bits(self.address, self.prefix) == network_bits(address, self.prefix)
            }
            _ => false,
        }
    }
}

/// How many bits an address of this family has.
const fn width(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// The leading `prefix` bits; the others are zero.
fn network_bits(address: IpAddr, prefix: u8) -> u128 {
    let bits = match address {
        IpAddr::V4(four) => u128::from(four.to_bits()),
        IpAddr::V6(six) => six.to_bits(),
    };
    let rest = u32::from(width(address).saturating_sub(prefix));
    bits.checked_shr(rest).unwrap_or(0)
}

impl FromStr for IpNetwork {
    type Err = IpNetworkError;

    /// `address` or `address/prefix`.
    fn from_str(text: &str) -> Result<Self, IpNetworkError> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| IpNetworkError::Address)?;
        let most = width(address);
        let Some(prefix) = prefix else {
            return Ok(Self::host(address));
        };
        let digits = prefix.bytes().all(|byte| byte.is_ascii_digit());
        let prefix = prefix
            .parse()
            .ok()
            .filter(|prefix| digits && *prefix <= most)
            .ok_or(IpNetworkError::Prefix(most))?;
        let rest = u32::from(most - prefix);
        let whole = network_bits(address, most);
        if network_bits(address, prefix).checked_shl(rest).unwrap_or(0) != whole {
            return Err(IpNetworkError::HostBits);
        }
        Ok(Self { address, prefix })
    }
}

impl fmt::Display for IpNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(network: &str, address: &str) -> bool {
        let network: IpNetwork = network.parse().unwrap();
        network.contains(address.parse().unwrap())
    }

    #[test]
    fn a_network_holds_its_addresses_and_no_others() {
        assert!(holds("127.0.0.0/8", "127.255.0.1"));
        assert!(!holds("127.0.0.0/8", "128.0.0.1"));
        assert!(holds("192.0.2.1", "192.0.2.1"));
        assert!(!holds("192.0.2.1", "192.0.2.2"));
        assert!(holds("2001:db8::/32", "2001:db8:1::1"));
        assert!(!holds("2001:db8::/32", "2001:db9::1"));
    }

    #[test]
    fn everything_of_one_family_is_nothing_of_the_other() {
        assert!(holds("0.0.0.0/0", "203.0.113.9"));
        assert!(!holds("0.0.0.0/0", "2001:db8::1"));
        assert!(holds("::/0", "2001:db8::1"));
        assert!(!holds("::/0", "192.0.2.1"));
    }

    #[test]
    fn a_mapped_address_is_the_address_it_maps() {
        assert!(holds("10.0.0.0/8", "::ffff:10.1.2.3"));
    }

    #[test]
    fn what_is_no_network_is_refused_with_its_reason() {
        let parse = |text: &str| text.parse::<IpNetwork>();
        assert_eq!(parse("example.test"), Err(IpNetworkError::Address));
        assert_eq!(parse("10.0.0.0/33"), Err(IpNetworkError::Prefix(32)));
        assert_eq!(parse("10.0.0.0/+8"), Err(IpNetworkError::Prefix(32)));
        assert_eq!(parse("10.0.0.0/"), Err(IpNetworkError::Prefix(32)));
        assert_eq!(parse("::/129"), Err(IpNetworkError::Prefix(128)));
        assert_eq!(parse("10.1.0.0/8"), Err(IpNetworkError::HostBits));
    }

    #[test]
    fn text_goes_out_and_back() {
        for text in [
            "0.0.0.0/0",
            "10.0.0.0/8",
            "::/0",
            "2001:db8::/32",
            "::1/128",
        ] {
            assert_eq!(text.parse::<IpNetwork>().unwrap().to_string(), text);
        }
    }
}
