//! Definitions of the messages as text: what a bag carries so that Foxglove and rosbags can read it without us.
//! Standard messages are embedded without their comments; ours are the files of msg/ themselves.

use std::collections::BTreeSet;

/// Sections of `MSG: package/Name`, divided by lines of "=".
const STANDARD: &str = include_str!("definitions.ros2msg");

/// Ours, as they are installed.
const OURS: [(&str, &str); 5] = [
    ("llava_grounding/VisualPrompt", include_str!("../../msg/VisualPrompt.msg")),
    ("llava_grounding/GroundingCommand", include_str!("../../msg/GroundingCommand.msg")),
    ("llava_grounding/GraspCandidate", include_str!("../../msg/GraspCandidate.msg")),
    ("llava_grounding/GroundedObject", include_str!("../../msg/GroundedObject.msg")),
    ("llava_grounding/GroundingAnswer", include_str!("../../msg/GroundingAnswer.msg")),
];

/// Types without fields of their own.
const PRIMITIVES: [&str; 16] = [
    "bool", "byte", "char", "float32", "float64", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64",
    "uint64", "string", "wstring", "octet",
];

/// One field of a definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field<'a> {
    /// Type without array part; a message as "package/msg/Name".
    pub ty: String,
    /// `""`, `"[]"` or `"[9]"`.
    pub array: &'a str,
    /// Name.
    pub name: &'a str,
}

impl Field<'_> {
    /// True if the type is a message.
    pub fn is_message(&self) -> bool {
        !PRIMITIVES.contains(&self.ty.as_str())
    }
}

/// Text of one definition; `ty` as in "sensor_msgs/msg/Image".
pub fn definition(ty: &str) -> Option<&'static str> {
    let name = ty.replacen("/msg/", "/", 1);
    let ours = OURS.iter().find(|(ours, _)| *ours == name).map(|(_, text)| *text);
    let sections = || STANDARD.split("MSG: ").filter_map(|section| section.split_once('\n'));
    ours.or_else(|| {
        let (_, text) = sections().find(|(section, _)| *section == name)?;
        Some(text.split_once("\n====").map_or(text, |(text, _)| text))
    })
}

/// The definition with those of all messages in it: the `ros2msg` schema of an mcap.
pub fn text(ty: &str) -> Option<String> {
    let mut text = definition(ty)?.trim_end().to_string();
    let mut seen = BTreeSet::from([ty.to_string()]);
    let mut open = nested(ty);
    while !open.is_empty() {
        let next = open.remove(0);
        if !seen.insert(next.clone()) {
            continue;
        }
        let name = next.replacen("/msg/", "/", 1);
        text += &format!("\n{}\nMSG: {name}\n{}", "=".repeat(80), definition(&next)?.trim_end());
        open.extend(nested(&next));
    }
    text.push('\n');
    Some(text)
}

/// Messages that are fields of `ty`, in order.
fn nested(ty: &str) -> Vec<String> {
    fields(ty).into_iter().filter(Field::is_message).map(|field| field.ty).collect()
}

/// Fields of a definition, in order, constants left out; empty for an unknown type.
pub fn fields(ty: &str) -> Vec<Field<'static>> {
    let package = ty.split('/').next().unwrap_or_default();
    let lines = definition(ty).unwrap_or_default().lines();
    lines.filter_map(|line| field(line.split('#').next()?.trim(), package)).collect()
}

/// One line of a definition; `None` for a constant or an empty line.
fn field<'a>(line: &'a str, package: &str) -> Option<Field<'a>> {
    let (ty, name) = line.split_once(' ')?;
    // "x", "x 0" with a default value, "X=0" or "X = 0" for a constant.
    let (name, rest) = name.trim().split_once(' ').unwrap_or((name.trim(), ""));
    if name.contains('=') || rest.trim_start().starts_with('=') {
        return None;
    }
    let (base, array) = ty.split_at(ty.find('[').unwrap_or(ty.len()));
    let ty = match base.split_once('/') {
        Some((package, name)) => format!("{package}/msg/{name}"),
        None if PRIMITIVES.contains(&base) => base.to_string(),
        None => format!("{package}/msg/{base}"),
    };
    Some(Field { ty, array, name })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_contains_every_definition_that_it_needs_once() {
        let text = text("llava_grounding/msg/GroundingAnswer").unwrap();
        let sections: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("MSG: ")).collect();
        let unique: BTreeSet<_> = sections.iter().collect();
        assert_eq!(unique.len(), sections.len());
        for wanted in
            ["std_msgs/Header", "builtin_interfaces/Time", "llava_grounding/GraspCandidate", "geometry_msgs/Point"]
        {
            assert!(sections.contains(&wanted), "{wanted} is missing in {sections:?}");
        }
        assert!(text.starts_with("# One answer on one frame."));
    }

    #[test]
    fn an_unknown_type_has_no_definition() {
        assert_eq!(definition("sensor_msgs/msg/Imag"), None);
        assert_eq!(text("nav_msgs/msg/Odometry"), None);
    }

    #[test]
    fn constants_are_no_fields_and_names_are_resolved() {
        let fields = fields("llava_grounding/msg/VisualPrompt");
        let shown: Vec<String> = fields.iter().map(|f| format!("{}{} {}", f.ty, f.array, f.name)).collect();
        assert_eq!(
            shown,
            [
                "uint8 kind",
                "geometry_msgs/msg/Point32[] points",
                "sensor_msgs/msg/RegionOfInterest box",
                "sensor_msgs/msg/Image mask"
            ]
        );
    }
}
