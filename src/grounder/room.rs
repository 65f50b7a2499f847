//! Whether a model fits into memory, before the system finds out by killing the node.

use std::path::Path;

use tch::Device;
use tch::Kind;

use super::GrounderError;
use crate::model::ModelError;
use crate::model::weights;

/// An error with both numbers when the weights of `folder` in numbers of `kind` are larger than the memory that is free.
/// A GPU says so itself.
pub fn check(folder: &Path, device: Device, kind: Kind) -> Result<(), GrounderError> {
    let free = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| available(&text));
    let (Device::Cpu, Some(free)) = (device, free) else { return Ok(()) };
    let Ok(files) = weights::weight_files(folder) else { return Ok(()) }; // without weights they are drawn
    let numbers = weights::numbers(&files).map_err(ModelError::from)?;
    let wanted = numbers * kind.elt_size_in_bytes() as u64;
    if wanted > free { Err(GrounderError::NoRoom { wanted: gib(wanted), free: gib(free) }) } else { Ok(()) }
}

/// MemAvailable (bytes).
fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
}

fn gib(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / f64::from(1u32 << 30))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_memory_is_read() {
        assert_eq!(available("MemTotal: 9 kB\nMemAvailable:   2048 kB\n"), Some(2 << 20));
        assert_eq!(available("MemTotal: 9 kB\n"), None);
    }
}
