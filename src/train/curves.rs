//! What a run wrote down on its way: one JSON object a line, and the picture of its curves.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Write;
use std::path::Path;

use plotters::prelude::*;
use serde::Deserialize;
use serde::Serialize;

use crate::train::recipe::Kind;
use crate::train::trainer::TrainError;

/// File of the lines, in the run's folder.
pub const LINES: &str = "curves.jsonl";
/// File of the picture.
pub const PICTURE: &str = "curves.svg";

/// Means since the line before, and the evaluation.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct Line {
    /// Phase.
    pub kind: Kind,
    /// Steps done in it.
    pub step: i64,
    /// Of how many.
    pub steps: i64,
    /// Time since the program began (s).
    pub seconds: f64,
    /// Mean of each term of the loss; `loss` is their sum.
    pub losses: BTreeMap<String, f64>,
    /// Results on the evaluation pictures, each 0 to 1.
    pub metrics: BTreeMap<String, f64>,
}

/// Appends a line and draws all of them anew.
pub fn append(out: &Path, line: &Line) -> Result<(), TrainError> {
    let path = out.join(LINES);
    let error = |why: std::io::Error| TrainError::File { path: path.clone(), why: why.to_string() };
    let mut file = File::options().create(true).append(true).open(&path).map_err(error)?;
    let text = serde_json::to_string(line).map_err(|e| error(e.into()))?;
    writeln!(file, "{text}").map_err(error)?;
    let file = BufReader::new(File::open(&path).map_err(error)?);
    // A line cut short by a power failure is no reason to stop.
    let lines: Vec<Line> = file.lines().map_while(Result::ok).filter_map(|l| serde_json::from_str(&l).ok()).collect();
    let picture = out.join(PICTURE);
    draw(&picture, &lines).map_err(|why| TrainError::File { path: picture.clone(), why })
}

/// Two charts, phases side by side along the lines: the loss, and the results.
fn draw(path: &Path, lines: &[Line]) -> Result<(), String> {
    let root = SVGBackend::new(path, (960, 640)).into_drawing_area();
    root.fill(&WHITE).map_err(|e| e.to_string())?;
    let (top, bottom) = root.split_vertically(260);
    let losses = lines.iter().map(|l| l.losses.get("loss").copied().unwrap_or_default()).collect::<Vec<_>>();
    chart(&top, "loss", lines, &[("loss".to_string(), losses)])?;
    let names: std::collections::BTreeSet<&String> = lines.iter().flat_map(|l| l.metrics.keys()).collect();
    let values = |name: &String| lines.iter().map(|l| l.metrics.get(name).copied().unwrap_or(f64::NAN)).collect();
    let all: Vec<(String, Vec<f64>)> = names.into_iter().map(|name| (name.clone(), values(name))).collect();
    chart(&bottom, "results on the evaluation pictures", lines, &all)?;
    root.present().map_err(|e| e.to_string())
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

/// Curves over the number of the line; gaps where a value is not a number; grey lines where a phase begins.
fn chart(area: &Area, title: &str, lines: &[Line], curves: &[(String, Vec<f64>)]) -> Result<(), String> {
    let highest = curves.iter().flat_map(|(_, v)| v).copied().filter(|v| v.is_finite()).fold(0.0, f64::max);
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 16))
        .margin(8)
        .x_label_area_size(24)
        .y_label_area_size(44)
        .build_cartesian_2d(0.0..lines.len().max(2) as f64, 0.0..(highest * 1.05).max(1e-9))
        .map_err(|e| e.to_string())?;
    chart.configure_mesh().light_line_style(WHITE).x_labels(10).draw().map_err(|e| e.to_string())?;
    for at in (1..lines.len()).filter(|&i| lines[i].kind != lines[i - 1].kind) {
        let border = [(at as f64 + 0.5, 0.0), (at as f64 + 0.5, highest)];
        chart.draw_series(LineSeries::new(border, BLACK.mix(0.3))).map_err(|e| e.to_string())?;
    }
    for (i, (name, values)) in curves.iter().enumerate() {
        let color = Palette99::pick(i).to_rgba();
        let known: Vec<(f64, f64)> =
            (1..).map(f64::from).zip(values.iter().copied()).filter(|(_, v)| v.is_finite()).collect();
        let series = LineSeries::new(known, color.stroke_width(2));
        let drawn = chart.draw_series(series).map_err(|e| e.to_string())?;
        drawn.label(name).legend(move |(x, y)| PathElement::new([(x, y), (x + 12, y)], color.stroke_width(2)));
    }
    if curves.len() > 1 {
        let labels = &mut chart.configure_series_labels();
        let labels = labels.background_style(WHITE.mix(0.8)).position(SeriesLabelPosition::LowerRight);
        labels.label_font(("sans-serif", 11)).draw().map_err(|e| e.to_string())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_becomes_a_point_of_the_picture() {
        let folder = tempfile::tempdir().unwrap();
        for step in 1..=3 {
            let losses = BTreeMap::from([("loss".to_string(), 1.0 / f64::from(step))]);
            let metrics = BTreeMap::from([("said".to_string(), 0.25 * f64::from(step))]);
            let kind = if step == 1 { Kind::Head } else { Kind::Language };
            let line = Line { kind, step: step.into(), steps: 3, seconds: 1.0, losses, metrics };
            append(folder.path(), &line).unwrap();
        }
        let svg = std::fs::read_to_string(folder.path().join(PICTURE)).unwrap();
        assert!(svg.starts_with("<svg") && svg.contains("results on the evaluation pictures"), "{svg}");
        let lines = std::fs::read_to_string(folder.path().join(LINES)).unwrap();
        assert_eq!(lines.lines().count(), 3);
    }
}
