//! Topic names as the graph sees them: `~`, namespace and remapping rules applied. rcl does the same for the topics
//! themselves; r2r does not tell the result, and diagnostics and `qos_overrides.` parameters need it.

/// The place of a node in the graph, and the rules given to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    namespace: String,
    node: String,
    rules: Vec<(String, String)>,
}

impl Names {
    /// `namespace` begins with `/`; `args`: those of the program.
    pub fn new(namespace: &str, node: &str, args: impl IntoIterator<Item = String>) -> Self {
        let names = Self { namespace: namespace.to_string(), node: node.to_string(), rules: Vec::new() };
        let rules = remap_rules(args).filter_map(|rule| names.rule(&rule)).collect();
        Self { rules, ..names }
    }

    /// `/namespace/node`.
    pub fn full_node_name(&self) -> String {
        self.expand(&self.node)
    }

    /// The full name of `name`, remapped.
    pub fn resolve(&self, name: &str) -> String {
        let full = self.expand(name);
        let rule = self.rules.iter().find(|(from, _)| *from == full);
        rule.map_or(full, |(_, to)| to.clone())
    }

    fn expand(&self, name: &str) -> String {
        let base = self.namespace.trim_end_matches('/');
        if name.starts_with('/') {
            return name.to_string();
        }
        match name.strip_prefix('~') {
            Some(rest) => format!("{base}/{}{rest}", self.node),
            None => format!("{base}/{name}"),
        }
    }

    /// `[NODE:]FROM:=TO`; none: for another node, or of the node's own name.
    fn rule(&self, rule: &str) -> Option<(String, String)> {
        let (from, to) = rule.split_once(":=")?;
        let from = from.strip_prefix("rostopic://").unwrap_or(from);
        let from = match from.split_once(':') {
            Some((node, from)) if node == self.node => from,
            Some(_) => return None,
            None => from,
        };
        (!from.starts_with("__")).then(|| (self.expand(from), self.expand(to)))
    }
}

/// What follows `-r` or `--remap` among the ROS arguments.
fn remap_rules(args: impl IntoIterator<Item = String>) -> impl Iterator<Item = String> {
    let (mut in_ros, mut is_rule) = (false, false);
    args.into_iter().filter(move |arg| {
        if std::mem::take(&mut is_rule) {
            return true;
        }
        match arg.as_str() {
            "--ros-args" => in_ros = true,
            "--" => in_ros = false,
            "-r" | "--remap" => is_rule = in_ros,
            _ => {}
        }
        false
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(args: &[&str]) -> Names {
        Names::new("/arm", "grounding", args.iter().map(|a| (*a).to_string()))
    }

    #[test]
    fn names_are_relative_private_or_absolute() {
        let names = names(&[]);
        assert_eq!(names.resolve("image"), "/arm/image");
        assert_eq!(names.resolve("~/answer"), "/arm/grounding/answer");
        assert_eq!(names.resolve("/tf"), "/tf");
        assert_eq!(names.full_node_name(), "/arm/grounding");
        assert_eq!(Names::new("/", "g", []).resolve("image"), "/image");
    }

    #[test]
    fn remapping_rules_hold_for_this_node_only() {
        let names = names(&[
            "program",
            "-r",
            "a:=b",
            "--ros-args",
            "-r",
            "image:=/camera/image",
            "--remap",
            "grounding:~/answer:=said",
            "-r",
            "other:depth:=/x",
            "-r",
            "__node:=n",
            "--",
            "-r",
            "depth:=/y",
        ]);
        assert_eq!(names.resolve("image"), "/camera/image");
        assert_eq!(names.resolve("~/answer"), "/arm/said");
        assert_eq!(names.resolve("depth"), "/arm/depth");
        assert_eq!(names.resolve("a"), "/arm/a");
    }
}
