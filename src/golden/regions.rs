//! The last stage of a case: which queries are kept for each `<seg>`, and where they are in the image.

use tch::Kind;
use tch::Tensor;

use super::case::BOXES;
use super::case::Case;
use super::case::FEATURES;
use super::case::Near;
use super::case::Stage;
use super::report::Report;
use crate::grounder::grow::grow;
use crate::grounder::select;
use crate::grounder::select::Rule;
use crate::model::HeadOutput;
use crate::model::config::MaskUpsampling;
use crate::types::Mask;

/// Compares the official selection: all above the threshold, in the order of the queries, an all-zero box for none.
pub fn compare(case: &Case, head: &HeadOutput, report: &mut Report) -> Result<(), String> {
    let read = |name: &str| case.input(name).ok_or_else(|| format!("the case has no {name}"));
    let threshold = read("in.matching_threshold")?.double_value(&[]) as f32;
    let size = read("in.image_rgb")?.size();
    let image = (size[1] as u32, size[0] as u32);
    let rule = Rule {
        threshold: Some(threshold),
        max_regions: None,
        nms_iou: 1.0,
        upsampling: MaskUpsampling::Nearest,
        min_confidence: None,
        several_above: None,
    };
    let scores = select::scores(&head.last);
    let boxes = select::corners(&head.last.boxes.select(0, 0));
    let by_query = head.last.logits.softmax(1, Kind::Float).select(0, 0);
    Stage::new(case, "openseed.softmax_over_queries")
        .check("openseed.softmax_over_queries", &by_query, FEATURES)
        .report(report);
    let groups: Vec<_> = scores.iter().map(|of_seg| select::kept(of_seg, of_seg, &boxes, &rule, None)).collect();
    counts(case, &groups, report);
    let mut lines = ["boxes_norm", "boxes_px", "masks_quarter", "masks_full"]
        .map(|name| Stage::new(case, &format!("final.{name}")));
    for (k, kept) in groups.iter().enumerate() {
        let [norm, px, quarter, full] = lines;
        let group = Group { k, kept, image };
        let (norm, px) = group.boxes(norm, px, &boxes);
        let (quarter, full) = group.masks(quarter, full, head);
        lines = [norm, px, quarter, full];
    }
    lines.into_iter().for_each(|line| line.report(report));
    product(case, head, &rule, &groups, image, report);
    Ok(())
}

/// Regions per `<seg>`: in the tensors, and in what the file says of itself.
fn counts(case: &Case, groups: &[Vec<usize>], report: &mut Report) {
    let official: Vec<usize> = groups.iter().map(|kept| kept.len().max(1)).collect();
    let kept: Vec<usize> = groups.iter().map(Vec::len).filter(|n| *n > 0).collect();
    let mut line =
        Stage::new(case, "final.counts").check("final.num_groups", &Tensor::from(groups.len() as i64), Near::Exact);
    for (key, ours) in [("num_boxes", &official), ("num_boxes_filtered", &kept)] {
        if let Some(theirs) = case.metadata.get(key) {
            line = line.require(*theirs == format!("{ours:?}"), || format!("{key} {ours:?}, wanted {theirs}"));
        }
    }
    line.report(report);
}

struct Group<'a> {
    k: usize,
    kept: &'a [usize],
    image: (u32, u32),
}

impl Group<'_> {
    fn boxes<'c>(&self, norm: Stage<'c>, px: Stage<'c>, boxes: &[[f32; 4]]) -> (Stage<'c>, Stage<'c>) {
        let mut corners: Vec<[f32; 4]> = self.kept.iter().map(|query| boxes[*query]).collect();
        if corners.is_empty() {
            corners.push([0.0; 4]);
        }
        let pixels: Vec<[f32; 4]> = corners.iter().map(|c| select::on_image(*c, self.image)).collect();
        let whole = |rows: &[[f32; 4]]| Tensor::from_slice(rows.as_flattened()).view([-1, 4]);
        let (corners, pixels, k) = (whole(&corners), whole(&pixels), self.k);
        let near = Near::Absolute(1e-5 * f64::from(self.image.0.max(self.image.1)));
        let norm = norm.check(&format!("final.boxes_norm_{k}"), &corners, BOXES);
        let px = px.check(&format!("final.boxes_px_{k}"), &pixels, near);
        // Truncation turns an error of 1e-5 into one pixel; only at a whole number, and never more than one.
        let int = pixels.trunc().to_kind(Kind::Int64);
        (norm, px.check(&format!("final.boxes_px_int_{k}"), &int, Near::Absolute(1.0)))
    }

    fn masks<'c>(&self, quarter: Stage<'c>, full: Stage<'c>, head: &HeadOutput) -> (Stage<'c>, Stage<'c>) {
        let masks = head.last.masks.select(0, 0); // [Q, q, q]
        let (width, height) = (i64::from(self.image.0), i64::from(self.image.1));
        let (_, rows, columns) = masks.size3().expect("three axes");
        let mut small = vec![];
        let mut large = vec![];
        for query in self.kept {
            let logits = masks.select(0, *query as i64);
            let mask = grow(&logits, self.image, MaskUpsampling::Nearest);
            small.push(logits.gt(0.0).to_kind(Kind::Uint8));
            large.push(whole(&mask, width, height));
        }
        if self.kept.is_empty() {
            small.push(Tensor::zeros([rows, columns], (Kind::Uint8, masks.device())));
            large.push(Tensor::zeros([height, width], (Kind::Uint8, tch::Device::Cpu)));
        }
        let k = self.k;
        (
            quarter.check(&format!("final.masks_quarter_{k}"), &Tensor::stack(&small, 0), Near::Exact),
            full.check(&format!("final.masks_full_{k}"), &Tensor::stack(&large, 0), Near::Exact),
        )
    }
}

/// `[height, width]`: 1 inside, 0 outside.
fn whole(mask: &Mask, width: i64, height: i64) -> Tensor {
    let all = Tensor::zeros([height, width], (Kind::Uint8, tch::Device::Cpu));
    let roi = mask.roi;
    if !roi.is_empty() {
        let size = [roi.height(), roi.width()].map(i64::from);
        let mut part = all.narrow(0, roi.y0.into(), size[0]).narrow(1, roi.x0.into(), size[1]);
        part.copy_(&Tensor::from_slice(&mask.pixels).view(size).gt(0));
    }
    all
}

/// What the node publishes is the same selection: same queries, boxes around the official ones, masks pixel for pixel.
fn product(case: &Case, head: &HeadOutput, rule: &Rule, groups: &[Vec<usize>], image: (u32, u32), report: &mut Report) {
    let regions = select::select(&head.last, rule, &[], image);
    let queries: Vec<Vec<usize>> = regions.iter().map(|of| of.iter().map(|r| r.query).collect()).collect();
    let mut line = Stage::new(case, "final.regions")
        .require(queries == groups, || format!("regions of queries {queries:?}, wanted {groups:?}"));
    for (k, of_seg) in regions.iter().enumerate() {
        let Some(theirs) = case.input(&format!("final.masks_full_{k}")) else { continue };
        let sum = |x: &Tensor| x.sum(Kind::Int64).int64_value(&[]);
        let ours: i64 = of_seg.iter().flat_map(|r| &r.mask.pixels).map(|p| i64::from(*p > 0)).sum();
        line = line.require(ours == sum(theirs), || format!("{ours} mask pixels of <seg> {k}, wanted {}", sum(theirs)));
    }
    line.report(report);
}
