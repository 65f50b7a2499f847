//! Which files hold the weights, and their bytes.

use std::collections::BTreeSet;
use std::fs;
use std::fs::File;
use std::path::Path;
use std::path::PathBuf;

use safetensors::SafeTensors;

use super::WeightsError;

/// The files of a folder: those of its index, else `model.safetensors`, else all `*.safetensors`. A file is itself.
pub fn weight_files(at: &Path) -> Result<Vec<PathBuf>, WeightsError> {
    let open = |source| WeightsError::Open { file: at.to_path_buf(), source };
    if fs::metadata(at).map_err(open)?.is_file() {
        return if at.extension().is_some_and(|e| e == "json") { indexed(at) } else { Ok(vec![at.to_path_buf()]) };
    }
    let (index, single) = (at.join("model.safetensors.index.json"), at.join("model.safetensors"));
    if index.is_file() {
        return indexed(&index);
    }
    if single.is_file() {
        return Ok(vec![single]);
    }
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(at).map_err(open)? {
        let path = entry.map_err(open)?.path();
        if path.extension().is_some_and(|e| e == "safetensors") {
            found.insert(path);
        }
    }
    if found.is_empty() {
        return Err(WeightsError::None { folder: at.to_path_buf() });
    }
    Ok(found.into_iter().collect())
}

#[derive(serde::Deserialize)]
struct Index {
    weight_map: std::collections::BTreeMap<String, String>,
}

fn indexed(index: &Path) -> Result<Vec<PathBuf>, WeightsError> {
    let text = fs::read_to_string(index).map_err(|source| WeightsError::Open { file: index.to_path_buf(), source })?;
    let parsed: Index =
        serde_json::from_str(&text).map_err(|source| WeightsError::Index { file: index.to_path_buf(), source })?;
    let folder = index.parent().unwrap_or(Path::new("."));
    let shards: BTreeSet<_> = parsed.weight_map.into_values().collect();
    Ok(shards.into_iter().map(|shard| folder.join(shard)).collect())
}

/// One file in memory.
pub(super) struct Mapped {
    pub(super) path: PathBuf,
    bytes: Bytes,
}

enum Bytes {
    Map(memmap2::Mmap),
    Inside(&'static [u8]),
}

impl Mapped {
    pub(super) fn open(path: &Path) -> Result<Self, WeightsError> {
        let error = |source| WeightsError::Open { file: path.to_path_buf(), source };
        let file = File::open(path).map_err(error)?;
        // SAFETY: weights are files that nothing rewrites in place while they are read; the map is dropped after loading.
        #[allow(unsafe_code)] // the one map of a file: 14 GB must not go through the heap
        let map = unsafe { memmap2::Mmap::map(&file) }.map_err(error)?;
        Ok(Self { path: path.to_path_buf(), bytes: Bytes::Map(map) })
    }

    /// A file inside the program; `name` is what errors call it.
    pub(super) fn inside(name: &str, bytes: &'static [u8]) -> Self {
        Self { path: PathBuf::from(name), bytes: Bytes::Inside(bytes) }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        match &self.bytes {
            Bytes::Map(map) => map,
            Bytes::Inside(bytes) => bytes,
        }
    }

    pub(super) fn tensors(&self) -> Result<SafeTensors<'_>, WeightsError> {
        SafeTensors::deserialize(self.bytes()).map_err(|source| self.format_error(source))
    }

    pub(super) fn format_error(&self, source: safetensors::SafeTensorError) -> WeightsError {
        WeightsError::Format { file: self.path.clone(), bytes: self.bytes().len(), source }
    }
}
