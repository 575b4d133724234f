//! Which cluster slot a key belongs to: CRC16 (XMODEM) of the key or of its hash tag.
//! Invariant: the same answer as the cluster specification for every byte string.

/// How many slots a cluster has.
pub const SLOTS: u16 = 16384;

/// The polynomial x^16 + x^12 + x^5 + 1, most significant bit first.
const POLYNOMIAL: u16 = 0x1021;

static TABLE: [u16; 256] = table();

const fn table() -> [u16; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut value = (index as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 0x8000 == 0 { value << 1 } else { (value << 1) ^ POLYNOMIAL };
            bit += 1;
        }
        table[index] = value;
        index += 1;
    }
    table
}

/// CRC16-XMODEM of these bytes: initial value 0, nothing reflected, nothing inverted.
pub fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |value, &byte| (value << 8) ^ TABLE[usize::from((value >> 8) as u8 ^ byte)])
}

/// The slot of a key. What stands between the first `{` and the first `}` behind it is hashed alone, unless
/// that is empty.
pub fn slot_of(key: &[u8]) -> u16 {
    crc16(hash_tag(key).unwrap_or(key)) % SLOTS
}

/// The part of a key that decides its slot, if it has such a part.
fn hash_tag(key: &[u8]) -> Option<&[u8]> {
    let open = key.iter().position(|&byte| byte == b'{')?;
    let tail = key.get(open + 1..)?;
    let length = tail.iter().position(|&byte| byte == b'}')?;
    tail.get(..length).filter(|tag| !tag.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc_of_the_specification() {
        assert_eq!(crc16(b"123456789"), 0x31C3);
        assert_eq!(crc16(b""), 0);
        assert_eq!(crc16(&[0xff]), 0x1ef0);
    }

    #[test]
    fn slots_as_a_server_gives_them() {
        // CLUSTER KEYSLOT of Redis 7.
        for (key, slot) in [("foo", 12182), ("bar", 5061), ("hello", 866), ("", 0), ("{}", 15257), ("somekey", 11058)] {
            assert_eq!(slot_of(key.as_bytes()), slot, "{key}");
        }
    }

    #[test]
    fn hash_tags_by_the_specification() {
        assert_eq!(slot_of(b"{user1000}.following"), slot_of(b"user1000"));
        assert_eq!(slot_of(b"{user1000}.followers"), slot_of(b"user1000"));
        assert_eq!(hash_tag(b"foo{}{bar}"), None);
        assert_eq!(hash_tag(b"foo{{bar}}zap"), Some(&b"{bar"[..]));
        assert_eq!(hash_tag(b"foo{bar}{zap}"), Some(&b"bar"[..]));
        assert_eq!(hash_tag(b"foo}bar{"), None);
        assert_eq!(hash_tag(b"}{a}"), Some(&b"a"[..]));
    }
}
