//! Where the model runs and in which numbers: "auto", "cpu", "cuda:N"; "auto", "f32", "bf16", "f16".

use std::ffi::CStr;
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::path::PathBuf;

use tch::Cuda;
use tch::Device;
use tch::Kind;
use thiserror::Error;

/// libtorch's part for NVIDIA GPUs; nothing links to it, so it is there only once it has been opened.
const CUDA_LIBRARY: &str = "libtorch_cuda.so";

/// Why the device or the kind of numbers cannot be had.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum DeviceError {
    /// Neither of the known names.
    #[error("device {found:?} is not known (\"auto\", \"cpu\" or \"cuda:N\")")]
    Device {
        /// As given.
        found: String,
    },
    /// Neither of the known names.
    #[error("dtype {found:?} is not known (\"auto\", \"f32\", \"bf16\" or \"f16\")")]
    Dtype {
        /// As given.
        found: String,
    },
    /// There is no such GPU.
    #[error("device \"cuda:{wanted}\" is not there: {why}")]
    NoCuda {
        /// Number of the GPU.
        wanted: usize,
        /// What was found.
        why: String,
    },
}

/// What was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// Where everything runs.
    pub device: Device,
    /// Numbers of the language side; the heads are always f32.
    pub kind: Kind,
    /// Why "auto" became the CPU; none: it did not.
    pub fell_back: Option<String>,
}

/// Reads both names and looks for the GPU.
pub fn choose(device: &str, dtype: &str) -> Result<Chosen, DeviceError> {
    let (device, fell_back) = match device {
        "cpu" => (Device::Cpu, None),
        "auto" => match gpus() {
            Ok(_) => (Device::Cuda(0), None),
            Err(why) => (Device::Cpu, Some(why)),
        },
        other => (cuda(other)?, None),
    };
    let kind = match (dtype, device) {
        ("auto", Device::Cpu) | ("f32", _) => Kind::Float,
        // What the official inference runs in.
        ("auto", _) | ("f16", _) => Kind::Half,
        ("bf16", _) => Kind::BFloat16,
        (found, _) => return Err(DeviceError::Dtype { found: found.to_string() }),
    };
    Ok(Chosen { device, kind, fell_back })
}

/// "cpu" or "cuda:N".
pub fn name(device: Device) -> String {
    match device {
        Device::Cuda(index) => format!("cuda:{index}"),
        _ => "cpu".to_string(),
    }
}

fn cuda(found: &str) -> Result<Device, DeviceError> {
    let number = if found == "cuda" { Some("0") } else { found.strip_prefix("cuda:") };
    let wanted: usize = number
        .and_then(|number| number.parse().ok())
        .ok_or_else(|| DeviceError::Device { found: found.to_string() })?;
    match gpus() {
        Ok(count) if wanted < count => Ok(Device::Cuda(wanted)),
        Ok(count) => Err(DeviceError::NoCuda { wanted, why: format!("{count} GPUs were found, counted from 0") }),
        Err(why) => Err(DeviceError::NoCuda { wanted, why }),
    }
}

/// How many GPUs can be used, or why none.
fn gpus() -> Result<usize, String> {
    let loaded = load_cuda();
    match Cuda::device_count() {
        count if count > 0 => Ok(count as usize),
        _ => Err(loaded.err().unwrap_or_else(|| "libtorch finds no NVIDIA GPU (is the driver installed?)".to_string())),
    }
}

/// Opens libtorch's CUDA part when it lies beside the rest of libtorch. Opening it twice changes nothing.
fn load_cuda() -> Result<(), String> {
    let folder = libtorch_folder().ok_or("libtorch's folder was not found in /proc/self/maps")?;
    let library = folder.join(CUDA_LIBRARY);
    if !library.exists() {
        return Err(format!("this libtorch has no CUDA part ({} does not exist)", library.display()));
    }
    open_globally(&library).map_err(|why| format!("libtorch's CUDA part cannot be loaded: {why}"))
}

/// Folder of the libtorch that this process runs on.
fn libtorch_folder() -> Option<PathBuf> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    let line = maps.lines().find(|line| line.ends_with("/libtorch_cpu.so"))?;
    let path = &line[line.find('/')?..];
    Some(Path::new(path).parent()?.to_path_buf())
}

#[allow(unsafe_code)]
fn open_globally(library: &Path) -> Result<(), String> {
    let name = CString::new(library.as_os_str().as_bytes()).map_err(|e| e.to_string())?;
    // SAFETY: `name` and the string of dlerror are valid C strings while they are read; libtorch registers its GPU
    // code when it is loaded and must never be unloaded, so the handle is dropped on purpose.
    unsafe {
        if !libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL).is_null() {
            return Ok(());
        }
        let error = libc::dlerror();
        // It names the library that is missing.
        Err(if error.is_null() { "no reason given".into() } else { CStr::from_ptr(error).to_string_lossy().into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_is_f32_unless_asked_otherwise() {
        let kind = |dtype| choose("cpu", dtype).unwrap().kind;
        assert_eq!((kind("auto"), kind("f32"), kind("bf16"), kind("f16")), {
            (Kind::Float, Kind::Float, Kind::BFloat16, Kind::Half)
        });
        assert_eq!(choose("cpu", "auto").unwrap().fell_back, None);
    }

    #[test]
    fn names_that_mean_nothing_are_refused() {
        for device in ["gpu", "cuda:", "cuda:x", "cuda:-1", ""] {
            assert_eq!(choose(device, "auto"), Err(DeviceError::Device { found: device.to_string() }));
        }
        assert_eq!(choose("cpu", "int8"), Err(DeviceError::Dtype { found: "int8".to_string() }));
    }

    #[test]
    fn falling_back_says_why_and_a_gpu_that_is_missing_is_an_error() {
        let auto = choose("auto", "auto").unwrap();
        assert_eq!(auto.device == Device::Cpu, auto.fell_back.is_some());
        let error = choose("cuda:99", "auto").unwrap_err();
        assert!(matches!(error, DeviceError::NoCuda { wanted: 99, .. }), "{error}");
    }

    #[test]
    fn a_library_that_is_missing_is_named() {
        let error = open_globally(Path::new("/nowhere/libmissing.so")).unwrap_err();
        assert!(error.contains("libmissing.so"), "{error}");
        assert!(libtorch_folder().is_some_and(|folder| folder.join("libtorch_cpu.so").exists()));
    }
}
