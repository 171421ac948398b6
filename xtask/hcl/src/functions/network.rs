//! Functions of IP networks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::args::{not_whole, num, number, string, strings, text, whole};
use crate::function::{Body, Function, FunctionError, Kind, Param, Returns};
use crate::value::Value;

/// Most bits that a prefix may be extended by at once, so that the number of a
/// subnet fits a 32 bit integer.
const MAX_EXTENSION: i64 = 32;

/// A network: its address as a number, the length of its prefix, and the
/// length of an address.
#[derive(Clone, Copy)]
struct Network {
    address: u128,
    prefix: u32,
    bits: u32,
}

const fn function(
    name: &'static str,
    params: &'static [Param],
    returns: Kind,
    body: Body,
) -> Function {
    let returns = Returns::Always(returns);
    Function { name, params, variadic: None, returns, not_null: false, body }
}

impl Network {
    /// Reads `address/prefix`; host bits are cleared.
    fn parse(text: &str) -> Result<Self, FunctionError> {
        let invalid =
            || FunctionError::new(format!("invalid CIDR expression: invalid CIDR address: {text}"));
        let (address, prefix) = text.split_once('/').ok_or_else(invalid)?;
        let (address, bits) = match address.parse::<IpAddr>().map_err(|_error| invalid())? {
            IpAddr::V4(address) => (u128::from(u32::from(address)), 32),
            IpAddr::V6(address) => (u128::from(address), 128),
        };
        let digits = !prefix.is_empty() && prefix.bytes().all(|byte| byte.is_ascii_digit());
        let prefix = prefix.parse::<u32>().ok().filter(|prefix| digits && *prefix <= bits);
        let network = Self { address, prefix: prefix.ok_or_else(invalid)?, bits };
        Ok(Self { address: network.address & network.mask(), ..network })
    }

    /// The bits of the prefix.
    fn mask(self) -> u128 {
        high_bits(self.prefix, self.bits)
    }

    /// The highest address.
    fn last(self) -> u128 {
        self.address | (high_bits(self.bits, self.bits) & !self.mask())
    }

    /// Whether this is an IPv4 network written in IPv6 form.
    fn is_mapped(self) -> bool {
        self.bits == 128 && self.address >> 32 == 0xffff
    }

    /// `address/prefix`; mapped networks become plain IPv4 ones, as in Go.
    fn show(self) -> String {
        let prefix = if self.is_mapped() { self.prefix.saturating_sub(96) } else { self.prefix };
        format!("{}/{prefix}", show_address(self.address, self.bits))
    }
}

/// The highest `count` of `bits` bits.
fn high_bits(count: u32, bits: u32) -> u128 {
    let all = u128::MAX >> (128 - bits.min(128));
    all & !u128::MAX.checked_shr(128 - (bits - count.min(bits))).unwrap_or(0)
}

fn show_address(address: u128, bits: u32) -> String {
    let low = Ipv4Addr::from((address & 0xffff_ffff) as u32);
    if bits == 32 || address >> 32 == 0xffff {
        return low.to_string();
    }
    Ipv6Addr::from(address).to_string()
}

pub(super) static CIDRHOST: Function =
    function("cidrhost", &[string("prefix"), number("hostnum")], Kind::String, |_, args, _| {
        let number = i128::from(whole(args, 1)?);
        let network = Network::parse(text(args, 0)?)?;
        // As many hosts as half the range of i128 are more than can be asked for.
        let hosts = 1i128.checked_shl(network.bits - network.prefix).filter(|hosts| *hosts > 0);
        let hosts = hosts.unwrap_or(i128::MAX);
        if number >= hosts || number < -hosts {
            let prefix = network.prefix;
            return Err(FunctionError::new(format!(
                "prefix of {prefix} does not accommodate a host numbered {number}"
            )));
        }
        let space = high_bits(network.bits, network.bits) & !network.mask();
        // A negative number counts back from the end.
        let host = number.cast_unsigned() & space;
        // Packer takes the length of an IPv4 address for a mapped one and puts
        // the number at the wrong end.
        let shift = if network.is_mapped() { 96 } else { 0 };
        let address = network.address | (host << shift);
        Ok(Value::string(show_address(address, network.bits)))
    });

pub(super) static CIDRNETMASK: Function =
    function("cidrnetmask", &[string("prefix")], Kind::String, |_, args, _| {
        let network = Network::parse(text(args, 0)?)?;
        Ok(Value::string(show_address(network.mask(), network.bits)))
    });

pub(super) static CIDRSUBNET: Function = function(
    "cidrsubnet",
    &[string("prefix"), number("newbits"), number("netnum")],
    Kind::String,
    |_, args, _| {
        let (extension, number) = (whole(args, 1)?, whole(args, 2)?);
        let network = Network::parse(text(args, 0)?)?;
        subnet(network, extension, number).map(|subnet| Value::string(subnet.show()))
    },
);

/// The subnet of that number after extending the prefix. A negative extension
/// gives a larger network, but leaves the address as it is.
fn subnet(network: Network, extension: i64, number: i64) -> Result<Network, FunctionError> {
    if extension > MAX_EXTENSION {
        let message = format!("may not extend prefix by more than {MAX_EXTENSION} bits");
        return Err(FunctionError::new(message));
    }
    let index = u128::try_from(number)
        .map_err(|_negative| FunctionError::new("subnet number must not be negative"))?;
    let prefix = u32::try_from(i64::from(network.prefix).saturating_add(extension))
        .ok()
        .filter(|prefix| *prefix <= network.bits);
    let Some(prefix) = prefix else {
        let from = network.prefix;
        return Err(FunctionError::new(format!(
            "insufficient address space to extend prefix of {from} by {extension}"
        )));
    };
    let too_large = || {
        FunctionError::new(format!(
            "prefix extension of {extension} does not accommodate a subnet numbered {number}"
        ))
    };
    let capacity = u32::try_from(extension).map_or(u128::MAX, |extension| 1u128 << extension);
    if index >= capacity {
        return Err(too_large());
    }
    let shift = network.bits - prefix;
    let offset = index.checked_shl(shift).unwrap_or(0);
    if offset.checked_shr(shift).unwrap_or(0) != index || offset > network.bits_max() {
        return if index == 0 { Ok(Network { prefix, ..network }) } else { Err(too_large()) };
    }
    Ok(Network { address: network.address | offset, prefix, ..network })
}

impl Network {
    /// The highest address of the family.
    fn bits_max(self) -> u128 {
        high_bits(self.bits, self.bits)
    }
}

pub(super) static CIDRSUBNETS: Function = Function {
    variadic: Some(number("newbits")),
    ..function("cidrsubnets", &[string("prefix")], Kind::List(&Kind::String), |_, args, _| {
        let network =
            Network::parse(text(args, 0)?).map_err(|error| FunctionError::arg(0, error.message))?;
        let mut subnets = Vec::new();
        let mut previous = None;
        for index in 1..args.len() {
            let extension = num(args, index)?.to_i64();
            let extension = extension.ok_or_else(|| FunctionError::arg(index, not_whole()))?;
            let next = next_subnet(network, previous, extension)
                .map_err(|message| FunctionError::arg(index, message))?;
            subnets.push(next.show());
            previous = Some(next);
        }
        Ok(strings(subnets))
    })
};

/// The first free subnet after `previous` with the extended prefix.
fn next_subnet(
    network: Network,
    previous: Option<Network>,
    extension: i64,
) -> Result<Network, String> {
    if extension < 1 {
        return Err("must extend prefix by at least one bit".to_owned());
    }
    let extension = u32::try_from(extension).ok().filter(|e| i64::from(*e) <= MAX_EXTENSION);
    let extension = extension
        .ok_or_else(|| format!("may not extend prefix by more than {MAX_EXTENSION} bits"))?;
    let prefix = network.prefix + extension;
    if prefix > network.bits {
        let family = if network.bits == 32 { "IPv4" } else { "IPv6" };
        return Err(format!(
            "would extend prefix to {prefix} bits, which is too long for an {family} address"
        ));
    }
    if network.is_mapped() {
        // Packer mixes up both lengths of the address and finds no space.
        return Err(format!(
            "not enough remaining address space for a subnet with a prefix of {prefix} bits after <nil>"
        ));
    }
    let sized = |address: u128| {
        let subnet = Network { address, prefix, ..network };
        Network { address: address & subnet.mask(), ..subnet }
    };
    // The search starts at the subnet before the network. Before address zero
    // there is none: Packer then wraps around and gives up, and so do we.
    let before = network.address.wrapping_sub(1) & network.bits_max();
    let previous = previous.unwrap_or_else(|| sized(before));
    let next = sized(previous.last()).last().wrapping_add(1) & network.bits_max();
    if next == 0 || next & network.mask() != network.address {
        let after = previous.show();
        return Err(format!(
            "not enough remaining address space for a subnet with a prefix of {prefix} bits after {after}"
        ));
    }
    Ok(sized(next))
}
