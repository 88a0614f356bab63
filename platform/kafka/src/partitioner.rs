//! Which partition a key leads to: Kafka's own murmur2, as Java's clients have it, so that every writer agrees for ever.

use hooklog_schemas::Partition;

/// The partition of a key in a topic of `partitions` partitions; the writer's own choice for records with a key.
///
/// # Panics
/// Never for a topic that exists: `partitions` is at least 1.
#[must_use]
pub fn partition_of(key: &[u8], partitions: std::num::NonZeroU32) -> Partition {
    let positive = murmur2(key) & 0x7fff_ffff;
    Partition(i32::try_from(positive % partitions).unwrap_or_default())
}

/// 32-bit murmur2 with Kafka's seed.
fn murmur2(bytes: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    let mut hash = SEED ^ u32::try_from(bytes.len() & 0xffff_ffff).unwrap_or_default();
    let mut words = bytes.chunks_exact(4);
    for word in &mut words {
        let mut k = u32::from_le_bytes([word[0], word[1], word[2], word[3]]).wrapping_mul(M);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        for (at, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * at);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_the_java_client() {
        // The vectors of Kafka's own test, `UtilsTest.testMurmur2`.
        let vectors: &[(&[u8], i32)] = &[
            (b"21", -973_932_308),
            (b"foobar", -790_332_482),
            (b"a-little-bit-long-string", -985_981_536),
            (b"a-little-bit-longer-string", -1_486_304_829),
            (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            (b"abc", 479_470_107),
        ];
        for (key, expected) in vectors {
            assert_eq!(murmur2(key), expected.cast_unsigned(), "{}", String::from_utf8_lossy(key));
        }
    }
}
