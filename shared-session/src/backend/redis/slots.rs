//! Slots: which part of a cluster stores a key.

use redis::{Cmd, Value};

/// The host and the port of a node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Address {
    pub host: String,
    pub port: u16,
}

/// A range of slots, and the nodes that store it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SlotRange {
    pub first: u16,
    pub last: u16,
    pub primary: Address,
    pub replicas: Vec<Address>,
}

const SLOTS: u16 = 16_384;

/// Returns the slot of a key: of the part in the first braces, if there is one.
pub(super) fn slot(key: &[u8]) -> u16 {
    let tag = || {
        let open = key.iter().position(|byte| *byte == b'{')?;
        let tag = &key[open + 1..];
        let close = tag.iter().position(|byte| *byte == b'}')?;
        (close > 0).then(|| &tag[..close])
    };
    crc16(tag().unwrap_or(key)) % SLOTS
}

/// CRC-16/XMODEM.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| match crc & 0x8000 {
            0 => crc << 1,
            _ => crc << 1 ^ 0x1021,
        })
    })
}

/// Returns the slot that decides where a command runs. A command whose key is elsewhere is redirected by the node.
pub(super) fn slot_of(command: &Cmd) -> Option<u16> {
    let mut arguments = command.args_iter().map(|argument| match argument {
        redis::Arg::Simple(bytes) => bytes,
        _ => b"0",
    });
    let name = arguments.next()?.to_ascii_uppercase();
    let key = match &name[..] {
        // the script and the number of keys come first
        b"EVAL" | b"EVALSHA" | b"EVAL_RO" | b"EVALSHA_RO" | b"FCALL" | b"FCALL_RO" => {
            arguments.nth(1).filter(|keys| *keys != b"0")?;
            arguments.next()
        }
        _ => arguments.next(),
    };
    key.map(slot)
}

/// Parses the address in a redirection, such as `host:7000`. The host is empty if it is that of the node that redirects.
pub(super) fn redirection(text: &str, from: &Address) -> Option<Address> {
    let (host, port) = text.rsplit_once(':')?;
    address(
        host.trim_start_matches('[').trim_end_matches(']'),
        port.parse().ok()?,
        from,
    )
}

fn address(host: &str, port: u16, from: &Address) -> Option<Address> {
    let host = match host {
        // a node that does not know its own address
        "" => &from.host,
        // a node whose address is unknown
        "?" => return None,
        host => host,
    };
    Some(Address {
        host: host.to_owned(),
        port,
    })
}

/// Parses the reply to `CLUSTER SLOTS`. Returns nothing if it names no slots, as that of a node outside of the cluster.
pub(super) fn parse_slots(reply: Value, from: &Address) -> Option<Vec<SlotRange>> {
    let Value::Array(ranges) = reply else { return None };
    let ranges: Vec<_> = ranges
        .into_iter()
        .filter_map(|range| parse_range(range, from))
        .collect();
    (!ranges.is_empty()).then_some(ranges)
}

fn parse_range(range: Value, from: &Address) -> Option<SlotRange> {
    let Value::Array(range) = range else { return None };
    let number = |value: &Value| match value {
        Value::Int(number) => u16::try_from(*number).ok(),
        _ => None,
    };
    let node = |value: &Value| match value {
        Value::Array(node) => {
            let port = number(node.get(1)?)?;
            match node.first()? {
                Value::BulkString(host) => address(std::str::from_utf8(host).ok()?, port, from),
                Value::SimpleString(host) => address(host, port, from),
                Value::Nil => address("", port, from),
                _ => None,
            }
        }
        _ => None,
    };
    Some(SlotRange {
        first: number(range.first()?)?,
        last: number(range.get(1)?)?,
        primary: node(range.get(2)?)?,
        replicas: range[3..].iter().filter_map(node).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_redis() {
        // as CLUSTER KEYSLOT says
        for (key, expected) in [
            ("foo", 12182),
            ("123456789", 12739),
            ("", 0),
            ("{foo}bar", 12182),
            ("a{foo}{bar}", 12182),
        ] {
            assert_eq!(slot(key.as_bytes()), expected, "{key}");
        }
        // no tag
        assert_eq!(slot(b"a{}b"), crc16(b"a{}b") % SLOTS);
        assert_eq!(slot(b"a{b"), crc16(b"a{b") % SLOTS);
    }

    #[test]
    fn key_decides_where_a_command_runs() {
        let script = |keys: i32| {
            let mut command = redis::cmd("evalsha");
            command.arg("sha1").arg(keys).arg("foo").arg("bar");
            command
        };
        assert_eq!(slot_of(&script(1)), Some(12182));
        assert_eq!(slot_of(&script(0)), None);
        assert_eq!(slot_of(redis::cmd("SET").arg("foo").arg("bar")), Some(12182));
        assert_eq!(slot_of(&redis::cmd("PING")), None);
    }

    #[test]
    fn reply_names_ranges_and_nodes() {
        let reply =
            b"*2\r\n*4\r\n:0\r\n:8000\r\n*3\r\n$2\r\nh1\r\n:7000\r\n$2\r\nid\r\n*3\r\n$1\r\n?\r\n:7001\r\n$2\r\nid\r\n\
                      *4\r\n:8001\r\n:16383\r\n*3\r\n$0\r\n\r\n:7002\r\n$2\r\nid\r\n*3\r\n$-1\r\n:7003\r\n$2\r\nid\r\n";
        let at = |host: &str, port| Address {
            host: host.to_owned(),
            port,
        };
        let ranges = parse_slots(redis::parse_redis_value(reply).unwrap(), &at("from", 1));
        let expected = [
            SlotRange {
                first: 0,
                last: 8000,
                primary: at("h1", 7000),
                replicas: vec![],
            },
            SlotRange {
                first: 8001,
                last: 16383,
                primary: at("from", 7002),
                replicas: vec![at("from", 7003)],
            },
        ];
        assert_eq!(ranges.unwrap(), expected);
        assert_eq!(parse_slots(Value::Array(vec![]), &at("from", 1)), None);
        assert_eq!(redirection("[::1]:7000", &at("from", 1)), Some(at("::1", 7000)));
        assert_eq!(redirection(":7000", &at("from", 1)), Some(at("from", 7000)));
        assert_eq!(redirection("?:7000", &at("from", 1)), None);
    }
}
