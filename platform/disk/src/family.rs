//! How a family is read, and the options that follow: chosen for every family, also for one made or found later.

use rocksdb::{BlockBasedOptions, DBCompressionType, Options};

use crate::budget::Budget;

/// How the keys of a family are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Single keys, mostly absent ones: a ribbon filter on disk and a bloom filter in memory answer "not here" without a read.
    Points,
    /// Single keys that are there, and ranges.
    Ordered,
}

/// The declaration of a family, or of all families whose names begin alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FamilySpec {
    name: &'static str,
    shape: Shape,
    is_prefix: bool,
}

/// Rows a family gathers in memory before they are flushed, in bytes.
const WRITE_BUFFER_BYTES: usize = 16 << 20;

/// Memory is taken in pieces of this size, small so that a hundred quiet families cost little.
const ARENA_BLOCK_BYTES: usize = 64 << 10;

/// Bits a key in the filter of [`Shape::Points`]: about 1 false "maybe" in 100.
const FILTER_BITS: f64 = 10.0;

impl FamilySpec {
    /// The family called `name`; it is made at opening.
    #[must_use]
    pub const fn named(name: &'static str, shape: Shape) -> Self {
        Self { name, shape, is_prefix: false }
    }

    /// Every family whose name begins with `prefix`; they are made on demand.
    #[must_use]
    pub const fn prefixed(prefix: &'static str, shape: Shape) -> Self {
        Self { name: prefix, shape, is_prefix: true }
    }

    /// The name, if this is one family and not a prefix.
    pub(crate) fn name(&self) -> Option<&'static str> {
        (!self.is_prefix).then_some(self.name)
    }

    pub(crate) fn covers(&self, family: &str) -> bool {
        if self.is_prefix { family.starts_with(self.name) } else { family == self.name }
    }

    /// The options of this family's tables and buffers.
    pub(crate) fn options(&self, budget: &Budget) -> Options {
        options(self.shape, budget)
    }
}

/// RocksDB's own family, which stays empty, has the options of any other.
pub(crate) const DEFAULT: FamilySpec = FamilySpec::named("default", Shape::Ordered);

fn options(shape: Shape, budget: &Budget) -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(&budget.cache);
    table.set_cache_index_and_filter_blocks(true);
    table.set_cache_index_and_filter_blocks_with_high_priority(true);
    table.set_pin_l0_filter_and_index_blocks_in_cache(true);
    table.set_format_version(6);
    table.set_block_size(8 << 10);
    table.set_whole_key_filtering(true);
    let mut options = Options::default();
    options.set_write_buffer_size(WRITE_BUFFER_BYTES);
    options.set_max_write_buffer_number(3);
    options.set_arena_block_size(ARENA_BLOCK_BYTES);
    options.set_target_file_size_base(32 << 20);
    options.set_level_compaction_dynamic_level_bytes(true);
    match shape {
        Shape::Points => {
            table.set_hybrid_ribbon_filter(FILTER_BITS, 1);
            // The bloom filter of the rows in memory takes this part of the write buffer.
            options.set_memtable_prefix_bloom_ratio(0.02);
            options.set_memtable_whole_key_filtering(true);
            // The keys are hashes: nothing to compress.
            options.set_compression_type(DBCompressionType::None);
        }
        Shape::Ordered => {
            table.set_bloom_filter(FILTER_BITS, false);
            options.set_compression_type(DBCompressionType::Lz4);
        }
    }
    options.set_block_based_table_factory(&table);
    options
}
