//! The scores as JSON and as a table. Shares are 0 to 1; what nobody asked is null.

use std::fmt;

use serde::Serialize;

use super::located::Sum;

/// Everything.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Located suites.
    #[serde(flatten)]
    pub all: Suites,
    /// The same, without pairs of colour and shape that training never shows.
    pub seen: Suites,
    /// With such pairs only.
    pub held_out: Suites,
    /// Descriptions.
    pub describe: Option<Describe>,
    /// What is not there.
    pub absent: Option<Absent>,
    /// What is pointed at.
    pub pointing: Option<Pointing>,
    /// Whole answers but descriptions.
    pub latency_ms: Option<Spread>,
    /// Mean of the measured points under right masks, from that of the object's surface.
    pub position_cm: Option<Spread>,
    /// Answers.
    pub questions: usize,
    /// That are FAILED.
    pub failed: usize,
    /// On topics that have no score (chat, follow-ups).
    pub not_scored: usize,
}

/// One score a topic.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[allow(missing_docs)] // the names say it
pub struct Suites {
    pub attribute: Option<Located>,
    pub relation: Option<Located>,
    pub superlative: Option<Located>,
    pub ordinal: Option<Located>,
    pub set: Option<Located>,
}

/// Of one topic.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Located {
    /// Best-scored boxes that hit.
    pub acc50: f64,
    /// Mean overlap of the masks.
    pub miou: f64,
    /// Overlap of all masks together.
    pub ciou: f64,
    /// Answers.
    pub n: usize,
}

/// Phrases with boxes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Describe {
    /// Of what was said, this is right.
    pub precision: f64,
    /// Of what is there, this was said.
    pub recall: f64,
    /// Harmonic mean.
    pub f1: f64,
    /// Objects that are there.
    pub n: usize,
    /// Who judged the words.
    pub matcher: &'static str,
}

/// What is not there.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Absent {
    /// Of what was said not to be there, this is not.
    pub precision: f64,
    /// Of what is not there, this was said.
    pub recall: f64,
    /// Questions about what is not there.
    pub n: usize,
}

/// What is pointed at.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Pointing {
    /// Region right, and in words colour and noun.
    pub accuracy: f64,
    /// Questions.
    pub n: usize,
}

/// Of many numbers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// Median.
    pub p50: f64,
    /// Only a twentieth is larger.
    pub p95: f64,
    /// How many.
    pub n: usize,
}

impl Suites {
    pub(super) fn new(sum: impl Fn(usize) -> Sum) -> Self {
        let located = |i| Located::new(&sum(i));
        let [attribute, relation, superlative, ordinal, set] = [0, 1, 2, 3, 4].map(located);
        Self { attribute, relation, superlative, ordinal, set }
    }

    /// With their names.
    pub fn named(&self) -> [(&'static str, Option<Located>); 5] {
        [
            ("attribute", self.attribute),
            ("relation", self.relation),
            ("superlative", self.superlative),
            ("ordinal", self.ordinal),
            ("set", self.set),
        ]
    }
}

impl Located {
    fn new(sum: &Sum) -> Option<Self> {
        let n = sum.n as f64;
        (sum.n > 0).then(|| Self {
            acc50: sum.hits as f64 / n,
            miou: sum.overlap / n,
            ciou: sum.pixels.0 as f64 / (sum.pixels.1 as f64).max(1.0),
            n: sum.n,
        })
    }
}

impl Describe {
    pub(super) fn new([matched, said, there]: [usize; 3]) -> Option<Self> {
        let matcher = "offline words of the simulator";
        (there > 0).then(|| Self {
            precision: share(matched, said),
            recall: share(matched, there),
            f1: 2.0 * matched as f64 / (said + there) as f64,
            n: there,
            matcher,
        })
    }
}

impl Absent {
    pub(super) fn new([right, said, there]: [usize; 3]) -> Option<Self> {
        (there > 0).then(|| Self { precision: share(right, said), recall: share(right, there), n: there })
    }
}

impl Pointing {
    pub(super) fn new([right, n]: [usize; 2]) -> Option<Self> {
        (n > 0).then(|| Self { accuracy: share(right, n), n })
    }
}

impl Spread {
    /// None of none.
    pub fn new(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |share: f64| sorted.get(((sorted.len() as f64 - 1.0) * share).round() as usize).copied();
        Some(Self { p50: at(0.5)?, p95: at(0.95)?, n: sorted.len() })
    }
}

fn share(part: usize, whole: usize) -> f64 {
    part as f64 / whole.max(1) as f64
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let percent = |v: f64| format!("{:5.1}", 100.0 * v);
        writeln!(f, "{:14}{:>7}{:>7}{:>7}{:>7}{:>16}", "", "acc50", "mIoU", "cIoU", "n", "held-out acc50")?;
        for ((name, all), (_, held_out)) in self.all.named().into_iter().zip(self.held_out.named()) {
            let Some(s) = all else { continue };
            let rare = held_out.map_or(String::new(), |h| format!("{} (n={})", percent(h.acc50), h.n));
            let [acc50, miou, ciou] = [s.acc50, s.miou, s.ciou].map(percent);
            writeln!(f, "{name:14}{acc50:>7}{miou:>7}{ciou:>7}{:>7}{rare:>16}", s.n)?;
        }
        if let Some(d) = self.describe {
            let [p, r, f1] = [d.precision, d.recall, d.f1].map(percent);
            writeln!(f, "{:14}precision {p}, recall {r}, F1 {f1} (n={}, matcher: {})", "describe", d.n, d.matcher)?;
        }
        if let Some(a) = self.absent {
            let [p, r] = [a.precision, a.recall].map(percent);
            writeln!(f, "{:14}precision {p}, recall {r} (n={})", "absent", a.n)?;
        }
        if let Some(p) = self.pointing {
            writeln!(f, "{:14}accuracy {} (n={})", "pointing", percent(p.accuracy), p.n)?;
        }
        for (name, unit, spread) in [("latency", "ms", self.latency_ms), ("position", "cm", self.position_cm)] {
            if let Some(s) = spread {
                writeln!(f, "{name:14}p50 {:.1} {unit}, p95 {:.1} {unit} (n={})", s.p50, s.p95, s.n)?;
            }
        }
        let Self { questions, failed, not_scored, .. } = self;
        writeln!(f, "{questions} questions, {failed} failed, {not_scored} on topics without a score")
    }
}
