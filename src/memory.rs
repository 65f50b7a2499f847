//! What the C library does with memory that is free: the tensors of an answer, a few MB each, come and go by the hundred.

/// Larger blocks come from the system and go back to it at once (bytes).
const LARGE: libc::c_int = 64 << 20;
/// So much may lie free at the end of the heap (bytes).
const KEPT: libc::c_int = 512 << 20;

/// Keeps what is freed for the next answer. By default much of it goes back to the system and comes again as pages that
/// have to be cleared, over and over: a sixth of an answer of the model that ships. Call it before other threads start.
#[allow(unsafe_code)]
pub fn keep() {
    // SAFETY: both calls only set numbers that the allocator reads. One arena: those of threads are given back whatever
    // these numbers say.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
        if libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE) == 1 {
            libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT);
        }
    }
}

/// Gives what is free back to the system.
#[allow(unsafe_code)]
pub fn give_back() {
    // SAFETY: it only returns free pages of the heap.
    unsafe {
        libc::malloc_trim(0);
    }
}
