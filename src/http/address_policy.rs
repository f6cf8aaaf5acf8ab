//! Which addresses a request may go to that somebody else's name resolves to. Pure.
//!
//! A name is resolved anew for each connection and may lead elsewhere by then: into this network, to the
//! machine itself, to the service that hands out a cloud machine's credentials.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// Which addresses may be connected to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct AddressPolicy {
    /// These beside the public ones.
    pub(crate) allowed: Vec<IpNet>,
    /// Whether the machine's own are.
    pub(crate) loopback: bool,
    /// Whether no other one is: what is sent without TLS stays on this machine.
    pub(crate) only_loopback: bool,
}

/// An address that may not be connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{address} is {what}, and {rule}")]
pub(crate) struct RefusedAddress {
    pub(crate) address: IpAddr,
    what: &'static str,
    rule: &'static str,
}

impl AddressPolicy {
    /// Whether this address may be connected to.
    ///
    /// # Errors
    ///
    /// What the address is instead of a public one that may.
    pub(crate) fn check(&self, address: IpAddr) -> Result<(), RefusedAddress> {
        let meant = meant(address);
        if self.only_loopback && !meant.is_loopback() {
            let rule = "what is sent without TLS stays here";
            return Err(RefusedAddress { address, what: "not this machine", rule });
        }
        let is_allowed = |net: &IpNet| net.contains(&meant) || net.contains(&address);
        let Some(what) = not_public(meant) else { return Ok(()) };
        if self.allowed.iter().any(is_allowed) || (self.loopback && meant.is_loopback()) {
            return Ok(());
        }
        Err(RefusedAddress { address, what, rule: "allow_addresses does not have it" })
    }
}

/// The address that another one leads to: IPv4 in the clothes of IPv6.
fn meant(address: IpAddr) -> IpAddr {
    let IpAddr::V6(long) = address else { return address };
    if let Some(short) = long.to_ipv4_mapped() {
        return IpAddr::V4(short);
    }
    let short = |high: u16, low: u16| {
        IpAddr::V4(Ipv4Addr::from_bits((u32::from(high) << 16) | u32::from(low)))
    };
    match long.segments() {
        // NAT64, an IPv4 address at the end of zeros, and 6to4.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0, 0, 0, 0, 0, 0, high @ 1..=0xffff, low]
        | [0x2002, high, low, ..] => short(high, low),
        _ => address,
    }
}

/// What an address is that is no public one.
fn not_public(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => not_public_v4(address),
        IpAddr::V6(address) => not_public_v6(address),
    }
}

fn not_public_v4(address: Ipv4Addr) -> Option<&'static str> {
    match address.octets() {
        [0, ..] => Some("no address of a machine"),
        [127, ..] => Some("this machine"),
        [169, 254, ..] => Some("link-local, where clouds hand out credentials"),
        // Of one cloud, in the room of carriers.
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] => Some("private"),
        [192, 0, 0 | 2, _]
        | [192, 88, 99, _]
        | [198, 18 | 19, ..]
        | [198, 51, 100, _]
        | [203, 0, 113, _]
        | [240..=255, ..] => Some("reserved"),
        [224..=239, ..] => Some("multicast"),
        _ => None,
    }
}

fn not_public_v6(address: Ipv6Addr) -> Option<&'static str> {
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Some("no address of a machine"),
        [0, 0, 0, 0, 0, 0, 0, 1] => Some("this machine"),
        [0xfe80..=0xfebf, ..] => Some("link-local"),
        [0xfc00..=0xfdff | 0xfec0..=0xfeff, ..] => Some("private"),
        [0xff00..=0xffff, ..] => Some("multicast"),
        // All that is given out as public.
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Some("reserved"),
        [0x2000..=0x3fff, ..] => None,
        _ => Some("reserved"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(policy: &AddressPolicy, address: &str) -> Option<&'static str> {
        policy.check(address.parse().unwrap()).err().map(|refused| refused.what)
    }

    #[test]
    fn only_public_addresses_are_let_through() {
        let policy = AddressPolicy::default();
        for public in ["93.184.216.34", "1.1.1.1", "100.63.255.255", "100.128.0.0", "172.32.0.1"] {
            assert_eq!(refused(&policy, public), None, "{public}");
            for clothes in [format!("::ffff:{public}"), format!("64:ff9b::{public}")] {
                assert_eq!(refused(&policy, &clothes), None, "{clothes}");
            }
        }
        for public in ["2606:4700::1111", "2a00::1", "2001:db7::1"] {
            assert_eq!(refused(&policy, public), None, "{public}");
        }
        for inner in [
            "0.0.0.0",
            "127.0.0.1",
            "127.255.0.9",
            "169.254.169.254",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "100.64.0.1",
            "100.100.100.200",
            "192.0.0.192",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
        ] {
            assert!(refused(&policy, inner).is_some(), "{inner}");
            let [a, b, c, d] = inner.parse::<Ipv4Addr>().unwrap().octets();
            let clothes = [
                format!("::ffff:{inner}"),
                format!("64:ff9b::{inner}"),
                format!("2002:{a:02x}{b:02x}:{c:02x}{d:02x}::1"),
            ];
            for clothes in clothes {
                assert!(refused(&policy, &clothes).is_some(), "{clothes}");
            }
        }
        for inner in [
            "::",
            "::1",
            "fe80::1",
            "fd00:ec2::254",
            "fc00::1",
            "ff02::1",
            "2001:db8::1",
            "5f00::1",
        ] {
            assert!(refused(&policy, inner).is_some(), "{inner}");
        }
    }

    #[test]
    fn what_is_allowed_is_let_through_and_nothing_beside_it() {
        let allowed = ["10.1.0.0/16", "169.254.7.7/32", "fd00::/64"].map(|it| it.parse().unwrap());
        let policy =
            AddressPolicy { allowed: allowed.to_vec(), loopback: true, only_loopback: false };
        for through in ["10.1.9.9", "::ffff:10.1.9.9", "169.254.7.7", "fd00::9", "127.0.0.1", "::1"]
        {
            assert_eq!(refused(&policy, through), None, "{through}");
        }
        for inner in ["10.2.0.1", "169.254.169.254", "fd00:0:0:1::1", "192.168.0.1"] {
            assert!(refused(&policy, inner).is_some(), "{inner}");
        }
        let policy = AddressPolicy { only_loopback: true, ..policy };
        assert_eq!(refused(&policy, "127.0.0.1"), None);
        assert_eq!(refused(&policy, "8.8.8.8"), Some("not this machine"));
        assert_eq!(
            refused(&policy, "10.1.9.9"),
            Some("not this machine"),
            "allowed with TLS alone"
        );
    }
}
