//! The values of all parameters: checked when set, refused with the reason when wrong.

use thiserror::Error;

use super::spec::Spec;
use super::spec::table;
use super::value::Value;

/// Why a parameter was not taken.
#[derive(Debug, Error, PartialEq)]
pub enum ParamError {
    /// No such parameter.
    #[error("parameter {name:?} is unknown{}", nearest.as_ref().map_or(String::new(), |n| format!("; did you mean {n:?}?")))]
    Unknown {
        /// As given.
        name: String,
        /// The most similar known name.
        nearest: Option<String>,
    },
    /// Fixed, and the node runs.
    #[error("parameter {name:?} is read-only: it is set at the start")]
    ReadOnly {
        /// As given.
        name: String,
    },
    /// Wrong type.
    #[error("parameter {name:?} must be of type {wanted}, found {found}")]
    Type {
        /// As given.
        name: String,
        /// Type and value found.
        found: String,
        /// Type wanted.
        wanted: &'static str,
    },
    /// Right type, wrong value.
    #[error("parameter {name:?} must be {wanted}, found {found}")]
    Range {
        /// As given.
        name: String,
        /// Value found.
        found: String,
        /// What is wanted.
        wanted: String,
    },
}

/// Every declared parameter with its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Values {
    rows: Vec<(Spec, Value)>,
}

impl Default for Values {
    fn default() -> Self {
        Self::with(Vec::new())
    }
}

impl Values {
    /// The defaults of the table and of `more` parameters.
    pub fn with(more: Vec<Spec>) -> Self {
        let rows = table().chain(more).map(|spec| {
            let value = spec.default.clone();
            (spec, value)
        });
        Self { rows: rows.collect() }
    }

    /// All parameters.
    pub fn rows(&self) -> impl Iterator<Item = (&Spec, &Value)> {
        self.rows.iter().map(|(spec, value)| (spec, value))
    }

    /// One parameter.
    pub fn row(&self, name: &str) -> Option<(&Spec, &Value)> {
        self.rows().find(|(spec, _)| spec.name == name)
    }

    /// The value of `name`, a row of the table.
    pub(super) fn value(&self, name: &str) -> &Value {
        self.row(name).expect("the caller names a row of the table").1
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        matches!(self.value(name), Value::Bool(true))
    }

    pub(super) fn count(&self, name: &str) -> usize {
        let Value::Int(count) = self.value(name) else { unreachable!("{name} is an integer in the table") };
        usize::try_from(*count).expect("the table's range begins at 0")
    }

    pub(super) fn number(&self, name: &str) -> f64 {
        let Value::Double(number) = self.value(name) else { unreachable!("{name} is a double in the table") };
        *number
    }

    pub(super) fn text(&self, name: &str) -> String {
        let Value::Text(text) = self.value(name) else { unreachable!("{name} is a string in the table") };
        text.clone()
    }

    pub(super) fn texts(&self, name: &str) -> Vec<String> {
        let Value::Texts(texts) = self.value(name) else { unreachable!("{name} is a list in the table") };
        texts.clone()
    }

    /// Sets a parameter before the node runs.
    pub fn start(&mut self, name: &str, value: Value) -> Result<(), ParamError> {
        let at = self.find(name)?;
        self.rows[at].1 = checked(&self.rows[at].0, value)?;
        Ok(())
    }

    /// Sets a parameter while the node runs: fixed ones refuse.
    pub fn set(&mut self, name: &str, value: Value) -> Result<(), ParamError> {
        let at = self.find(name)?;
        let value = checked(&self.rows[at].0, value)?;
        if !self.rows[at].0.live && value != self.rows[at].1 {
            return Err(ParamError::ReadOnly { name: name.to_string() });
        }
        self.rows[at].1 = value;
        Ok(())
    }

    fn find(&self, name: &str) -> Result<usize, ParamError> {
        self.rows
            .iter()
            .position(|(spec, _)| spec.name == name)
            .ok_or_else(|| ParamError::Unknown { name: name.to_string(), nearest: self.nearest(name) })
    }

    /// The known name most like `name`; none when nothing is near.
    fn nearest(&self, name: &str) -> Option<String> {
        let last = |name: &str| name.rsplit('.').next().unwrap_or_default().to_string();
        let near = self.rows.iter().map(|(spec, _)| {
            // `follow.timeout` means `timeout`: the last word counts too.
            let distance = edits(name, &spec.name).min(edits(&last(name), &last(&spec.name)) + 1);
            (distance, &spec.name)
        });
        let (distance, found) = near.min()?;
        (distance <= 2 + name.len() / 4).then(|| found.clone())
    }
}

fn checked(spec: &Spec, value: Value) -> Result<Value, ParamError> {
    let value = value.into_type_of(&spec.default);
    let wanted = spec.default.type_name();
    if value.type_name() != wanted {
        let found = format!("{} {value}", value.type_name());
        return Err(ParamError::Type { name: spec.name.clone(), found, wanted });
    }
    if !spec.allowed.takes(&value) {
        let (found, wanted) = (value.to_string(), spec.allowed.wanted());
        return Err(ParamError::Range { name: spec.name.clone(), found, wanted });
    }
    Ok(value)
}

/// Letters to insert, delete or replace between `a` and `b` (Levenshtein).
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_brings_the_nearest_right_one() {
        let mut values = Values::default();
        let error = values.start("matching_treshold", Value::Double(0.3)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "parameter \"matching_treshold\" is unknown; did you mean \"matching_threshold\"?"
        );
        let error = values.start("colour_of_the_robot", Value::Bool(true)).unwrap_err();
        assert_eq!(error.to_string(), "parameter \"colour_of_the_robot\" is unknown");
    }

    #[test]
    fn a_wrong_value_is_refused_with_what_is_wanted() {
        let mut values = Values::default();
        let mut why = |name, value| values.start(name, value).unwrap_err().to_string();
        assert_eq!(why("nms_iou", Value::Double(1.5)), "parameter \"nms_iou\" must be 0.0 to 1.0, found 1.5");
        assert_eq!(why("nms_iou", Value::Double(f64::NAN)), "parameter \"nms_iou\" must be 0.0 to 1.0, found NaN");
        assert_eq!(
            why("queue_size", Value::Double(3.0)),
            "parameter \"queue_size\" must be of type integer, found double 3.0"
        );
        assert!(why("device", Value::Text("gpu".into())).contains("\"cuda:N\""));
        assert!(why("cameras", Value::texts(&["a", "a"])).contains("different words"));
        assert!(why("cameras", Value::texts(&["1a"])).contains("different words"));
        assert!(why("matching_threshold", Value::Double(-0.5)).contains("-1, or 0.0 to 1.0"));
    }

    #[test]
    fn a_whole_number_is_a_double_too() {
        let mut values = Values::default();
        values.set("timeout", Value::Int(5)).unwrap();
        assert_eq!(values.value("timeout"), &Value::Double(5.0));
    }

    #[test]
    fn fixed_parameters_refuse_a_change_while_the_node_runs() {
        let mut values = Values::default();
        let error = values.set("queue_size", Value::Int(5)).unwrap_err();
        assert_eq!(error, ParamError::ReadOnly { name: "queue_size".into() });
        values.set("queue_size", Value::Int(4)).unwrap();
    }

    #[test]
    fn every_default_is_allowed() {
        let values = Values::default();
        for (spec, value) in values.rows() {
            assert_eq!(checked(spec, value.clone()).as_ref(), Ok(value), "{}", spec.name);
        }
    }
}
