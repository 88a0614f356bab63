//! The allocator of every binary, also for the parts in C and C++ (its `override` feature): records are allocated by one thread and
//! freed by another all the time, which is what the C library's arenas are slowest at.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
