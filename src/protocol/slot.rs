//! Which cluster slot a key belongs to: CRC16 (XMODEM) of the key or of its hash tag.
//! Invariant: the same answer as the cluster specification for every byte string.

use memchr::memchr;

/// How many slots a cluster has.
pub const SLOTS: u16 = 16384;

/// The polynomial x^16 + x^12 + x^5 + 1, most significant bit first.
const POLYNOMIAL: u16 = 0x1021;

/// So many bytes are taken at once, because each step has to wait for the one before.
const STRIDE: usize = 8;

/// What a byte does to the value when so many others follow it.
static TABLES: [[u16; 256]; STRIDE] = tables();

const fn tables() -> [[u16; 256]; STRIDE] {
    let mut tables = [[0; 256]; STRIDE];
    let mut index = 0;
    while index < 256 {
        let mut value = (index as u16) << 8;
        let mut following = 0;
        while following < STRIDE {
            let mut bit = 0;
            while bit < 8 {
                value = if value & 0x8000 == 0 { value << 1 } else { (value << 1) ^ POLYNOMIAL };
                bit += 1;
            }
            tables[following][index] = value;
            following += 1;
        }
        index += 1;
    }
    tables
}

/// CRC16-XMODEM of these bytes: initial value 0, nothing reflected, nothing inverted.
pub fn crc16(bytes: &[u8]) -> u16 {
    let (strides, rest) = bytes.as_chunks::<STRIDE>();
    let value = strides.iter().fold(0, |value: u16, &[a, b, c, d, e, f, g, h]| {
        let [high, low] = value.to_be_bytes();
        let of = |following: usize, byte: u8| TABLES[following][usize::from(byte)];
        (of(7, a ^ high) ^ of(6, b ^ low) ^ of(5, c) ^ of(4, d)) ^ (of(3, e) ^ of(2, f) ^ of(1, g) ^ of(0, h))
    });
    rest.iter().fold(value, |value, &byte| (value << 8) ^ TABLES[0][usize::from((value >> 8) as u8 ^ byte)])
}

/// The slot of a key. What stands between the first `{` and the first `}` behind it is hashed alone, unless
/// that is empty.
pub fn slot_of(key: &[u8]) -> u16 {
    crc16(hash_tag(key).unwrap_or(key)) % SLOTS
}

/// The part of a key that decides its slot, if it has such a part.
fn hash_tag(key: &[u8]) -> Option<&[u8]> {
    let open = memchr(b'{', key)?;
    let tail = key.get(open + 1..)?;
    let length = memchr(b'}', tail)?;
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
    fn many_bytes_at_once_are_as_one_after_the_other() {
        let bytes: Vec<u8> = (0..100_u16).map(|number| (number * 73 % 256) as u8).collect();
        for length in 0..bytes.len() {
            let bit_by_bit = bytes[..length].iter().fold(0, |value: u16, &byte| {
                (0..8).fold(value ^ u16::from(byte) << 8, |value, _| {
                    if value & 0x8000 == 0 { value << 1 } else { value << 1 ^ POLYNOMIAL }
                })
            });
            assert_eq!(crc16(&bytes[..length]), bit_by_bit, "{length} bytes");
        }
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
