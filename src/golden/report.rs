//! One line per case and stage, and the sum at the end.

use std::fmt;

/// What one stage of one case showed.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// Equal, or within the tolerance; the worst error where one is measured.
    Passed(Option<f64>),
    /// What was found and what was wanted.
    Failed(String),
}

/// The lines of a run.
#[derive(Debug, Default)]
pub struct Report {
    lines: Vec<(String, String, Verdict)>,
    not_covered: Vec<String>,
}

impl Report {
    /// Adds and prints one line.
    pub fn add(&mut self, case: &str, stage: &str, verdict: Verdict) {
        let text = match &verdict {
            Verdict::Passed(Some(error)) => format!("ok      {error:.1e}"),
            Verdict::Passed(None) => "ok      exact".to_string(),
            Verdict::Failed(why) => format!("FAILED  {why}"),
        };
        println!("{case:<28} {stage:<28} {text}");
        self.lines.push((case.to_string(), stage.to_string(), verdict));
    }

    /// Names something in the folder that nothing here can check yet; it is not counted.
    pub fn not_covered(&mut self, what: &str) {
        println!("{what:<28} not yet covered");
        self.not_covered.push(what.to_string());
    }

    /// True if there is a line for this stage of this case.
    pub fn has(&self, case: &str, stage: &str) -> bool {
        self.lines.iter().any(|(c, s, _)| c == case && s == stage)
    }

    /// Lines that passed.
    pub fn passed(&self) -> usize {
        self.lines.len() - self.failed()
    }

    /// Lines that failed.
    pub fn failed(&self) -> usize {
        self.lines.iter().filter(|(_, _, v)| matches!(v, Verdict::Failed(_))).count()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed(), self.failed())
    }
}
