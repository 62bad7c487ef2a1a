//! Memory that was needed for a list alone, back to the system: what was freed since is mostly between what is still held.

use std::time::Duration;

/// From when all is written until the last of what was read is freed, too.
const SETTLED: Duration = Duration::from_secs(1);

/// Gives back what is free, in a moment and beside everything else. musl's allocator does so by itself.
pub(super) fn release_soon() {
    tokio::spawn(async {
        tokio::time::sleep(SETTLED).await;
        // It takes some milliseconds, and none of the runtime's threads waits for it.
        let _ = tokio::task::spawn_blocking(release).await;
    });
}

fn release() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes the allocator's own locks, and changes nothing that is in use.
    unsafe {
        libc::malloc_trim(0);
    }
}
