//! Names that no other test, and no other run, uses: tests share a broker.

use std::sync::atomic::{AtomicU32, Ordering};

/// `stem` with a suffix of its own: lowercase letters, digits and hyphens, as source names want them.
#[must_use]
pub fn unique(stem: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{stem}-{:06x}-{}", rand::random::<u32>() & 0xff_ffff, NEXT.fetch_add(1, Ordering::Relaxed))
}
