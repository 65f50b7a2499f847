//! ROS parameter files without ROS: `/**` and node-name sections, nested names. Under ROS, rcl reads them itself.

use std::path::Path;
use std::path::PathBuf;

use serde_yaml_ng::Value as Yaml;
use thiserror::Error;

use super::value::Value;
use super::values::ParamError;
use super::values::Values;

/// Why a parameter file was not taken.
#[derive(Debug, Error)]
pub enum FileError {
    /// Cannot be read.
    #[error("parameter file {}", file.display())]
    Read {
        /// Its path.
        file: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// Not YAML.
    #[error("parameter file {}", file.display())]
    Yaml {
        /// Its path.
        file: PathBuf,
        /// Where and what.
        #[source]
        source: serde_yaml_ng::Error,
    },
    /// YAML, but not a parameter file.
    #[error("parameter file {}: {what}", file.display())]
    Form {
        /// Its path.
        file: PathBuf,
        /// What was found and what was wanted.
        what: String,
    },
    /// A parameter was not taken.
    #[error("parameter file {}", file.display())]
    Param {
        /// Its path.
        file: PathBuf,
        /// Which and why.
        #[source]
        source: ParamError,
    },
}

/// Reads the sections for `node` (bare name) into `values`; returns the warnings about names that nobody knows.
pub fn read(path: &Path, node: &str, values: &mut Values) -> Result<Vec<String>, FileError> {
    let file = || path.to_path_buf();
    let text = std::fs::read_to_string(path).map_err(|source| FileError::Read { file: file(), source })?;
    let yaml: Yaml = serde_yaml_ng::from_str(&text).map_err(|source| FileError::Yaml { file: file(), source })?;
    let mut found = Vec::new();
    sections(&yaml, node, &mut found).map_err(|what| FileError::Form { file: file(), what })?;
    let mut warnings = Vec::new();
    for (name, value) in found {
        match values.start(&name, value) {
            Ok(()) => {}
            Err(unknown @ ParamError::Unknown { .. }) => warnings.push(unknown.to_string()),
            Err(source) => return Err(FileError::Param { file: file(), source }),
        }
    }
    Ok(warnings)
}

fn sections(yaml: &Yaml, node: &str, found: &mut Vec<(String, Value)>) -> Result<(), String> {
    let Yaml::Mapping(sections) = yaml else {
        return Err("wanted sections `/**:` or a node's name at the top".to_string());
    };
    for (key, section) in sections {
        let name = key.as_str().ok_or_else(|| format!("wanted a node's name, found {key:?}"))?;
        if !matches!(name, "/**" | "**" | "/*" | "*") && name.rsplit('/').next() != Some(node) {
            continue;
        }
        let parameters = section.get("ros__parameters").ok_or_else(|| format!("{name}: wanted ros__parameters"))?;
        flatten("", parameters, found).map_err(|what| format!("{name}: {what}"))?;
    }
    Ok(())
}

fn flatten(prefix: &str, yaml: &Yaml, found: &mut Vec<(String, Value)>) -> Result<(), String> {
    if let Yaml::Mapping(map) = yaml {
        for (key, inner) in map {
            let key = key.as_str().ok_or_else(|| format!("{prefix}: wanted a name, found {key:?}"))?;
            let name = if prefix.is_empty() { key.to_string() } else { format!("{prefix}.{key}") };
            flatten(&name, inner, found)?;
        }
        return Ok(());
    }
    let value = match yaml {
        Yaml::Bool(b) => Value::Bool(*b),
        Yaml::Number(n) => n.as_i64().map_or_else(|| Value::Double(n.as_f64().unwrap_or(f64::NAN)), Value::Int),
        Yaml::String(s) => Value::Text(s.clone()),
        Yaml::Sequence(list) => Value::Texts(
            list.iter()
                .map(|item| {
                    item.as_str().map(str::to_string).ok_or_else(|| format!("{prefix}: wanted a list of texts"))
                })
                .collect::<Result<_, _>>()?,
        ),
        Yaml::Null if prefix.is_empty() => return Ok(()),
        other => return Err(format!("{prefix}: wanted a value, found {other:?}")),
    };
    found.push((prefix.to_string(), value));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str, values: &mut Values) -> Result<Vec<String>, FileError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("params.yaml");
        std::fs::write(&path, text).unwrap();
        read(&path, "grounding", values)
    }

    #[test]
    fn sections_for_all_nodes_and_for_this_one_are_read_nested() {
        let mut values = Values::default();
        let text = "/**:\n  ros__parameters:\n    timeout: 3\n    auto: {polite: [dear robot]}\n\
                    /arm/grounding:\n  ros__parameters: {queue_size: 2}\n\
                    camera:\n  ros__parameters: {queue_size: 9}\n";
        assert!(read_text(text, &mut values).unwrap().is_empty());
        assert_eq!(values.value("timeout"), &Value::Double(3.0));
        assert_eq!(values.value("auto.polite"), &Value::texts(&["dear robot"]));
        assert_eq!(values.value("queue_size"), &Value::Int(2));
    }

    #[test]
    fn an_unknown_name_is_a_warning_and_a_wrong_value_an_error() {
        let mut values = Values::default();
        let warnings = read_text("/**:\n  ros__parameters: {time_out: 3.0}\n", &mut values).unwrap();
        assert_eq!(warnings, ["parameter \"time_out\" is unknown; did you mean \"timeout\"?"]);
        let error = read_text("/**:\n  ros__parameters: {timeout: -1.0}\n", &mut values).unwrap_err();
        assert!(matches!(error, FileError::Param { source: ParamError::Range { .. }, .. }), "{error:?}");
        assert!(matches!(read_text("timeout: 3.0\n", &mut values), Ok(w) if w.is_empty()));
        assert!(matches!(read_text("/**: {timeout: 3.0}\n", &mut values), Err(FileError::Form { .. })));
    }

    #[test]
    fn the_file_that_ships_holds_every_parameter_at_its_default() {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/params.yaml");
        let yaml: Yaml = serde_yaml_ng::from_str(&std::fs::read_to_string(shipped).unwrap()).unwrap();
        let mut found = Vec::new();
        sections(&yaml, "grounding", &mut found).unwrap();
        let defaults = Values::default();
        let wanted: Vec<_> = defaults.rows().map(|(spec, value)| (spec.name.clone(), value.clone())).collect();
        assert_eq!(found, wanted);
    }

    #[test]
    fn the_files_for_each_use_set_only_what_there_is() {
        for name in ["grasping", "describe", "replay"] {
            let mut values = Values::default();
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("config/{name}.yaml"));
            assert_eq!(read(&path, "grounding", &mut values).unwrap(), Vec::<String>::new(), "{name}");
            assert_ne!(values, Values::default(), "{name}");
        }
    }
}
