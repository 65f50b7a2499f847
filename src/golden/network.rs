//! The network on one case: every tensor that the official code left there, in the order of the walk.

use tch::Kind;
use tch::Tensor;

use super::case::BOXES;
use super::case::Case;
use super::case::FEATURES;
use super::case::Near;
use super::case::Stage;
use super::regions;
use super::report::Report;
use super::report::Verdict;
use crate::grounder::generate::Generated;
use crate::grounder::generate::Limits;
use crate::grounder::generate::generate;
use crate::grounder::preprocess;
use crate::model::HeadOutput;
use crate::model::KvCache;
use crate::model::LlavaGrounding;
use crate::model::Objects;
use crate::model::Predictions;
use crate::model::PromptOutput;
use crate::model::Prompts;
use crate::model::SegFeatures;
use crate::model::mask_dino::decoder::Decoded;
use crate::model::mask_dino::pixel_decoder::PixelFeatures;
use crate::model::splice;
use crate::types::Flow;
use crate::types::RgbImage;

/// Runs a case from its pixels to its regions. A case that cannot even start is a failed line.
pub fn run(model: &LlavaGrounding, case: &Case, report: &mut Report) {
    let _no_grad = tch::no_grad_guard();
    if let Err(why) = walk(model, case, report) {
        report.add(&case.name, "case", Verdict::Failed(why));
    }
    for name in case.untouched() {
        report.not_covered(&format!("{}: {name}", case.name));
    }
}

fn walk(model: &LlavaGrounding, case: &Case, report: &mut Report) -> Result<(), String> {
    let (clip_input, head_input) = preprocess(model, case, report)?;
    let objects = prompts(model, case, &head_input, report)?;
    let embeds = language(model, case, &clip_input, objects.as_ref(), report)?;
    let generated = words(model, case, &embeds, report);
    let Some(seg_features) = &generated.seg_features else {
        let none = !case.has("openseed.") && !case.has("seg_tokens");
        case.input("in.matching_threshold"); // there is nothing to match
        Stage::new(case, "no <seg>").require(none, || "we found no <seg>, the case has some".into()).report(report);
        return Ok(());
    };
    Stage::new(case, "seg_tokens").check("seg_tokens", seg_features, FEATURES).report(report);
    let image = model.openseed.encode(&head_input);
    let head = model.openseed.ground(&image, &SegFeatures::all(seg_features), Predictions::All);
    image_features(case, "openseed", &image, report);
    grounding(case, &head, report);
    regions::compare(case, &head, report)
}

fn input(case: &Case, name: &str) -> Result<Tensor, String> {
    case.input(name).map(Tensor::shallow_clone).ok_or_else(|| format!("the case has no {name}"))
}

/// Pixels for the tower and for the heads, from the case's own picture.
fn preprocess(model: &LlavaGrounding, case: &Case, report: &mut Report) -> Result<(Tensor, Tensor), String> {
    let (rgb, side) = (input(case, "in.image_rgb")?, input(case, "in.image_size")?.int64_value(&[]));
    let (height, width, _) = rgb.size3().map_err(|e| e.to_string())?;
    let data = Vec::try_from(rgb.view([-1])).map_err(|e: tch::TchError| e.to_string())?;
    let image = RgbImage { width: width as u32, height: height as u32, data };
    let clip = preprocess::clip_input(&image, &model.config);
    let (bytes, _) = preprocess::head_square(&image, side as u32);
    let (heads, _) = preprocess::head_input(&image, side as u32, model.config.pixel_mean, model.config.pixel_std);
    let square = Tensor::from_slice(&bytes).view([side, side, 3]).permute([2, 0, 1]);
    Stage::new(case, "preprocess")
        .check("pre.clip_pixel_values", &clip.select(0, 0), Near::Exact)
        .check("pre.seg_image_u8_chw", &square, Near::Exact)
        .report(report);
    Ok((clip, heads.to_device(model.device())))
}

/// Embedding of the visual prompts, `[P, D]`; none without prompts.
fn prompts(
    model: &LlavaGrounding,
    case: &Case,
    pixels: &Tensor,
    report: &mut Report,
) -> Result<Option<Tensor>, String> {
    let Some(points) = case.input("in.points") else { return Ok(None) };
    let boxes = points.unsqueeze(0).to_device(model.device());
    let count = points.size()[0];
    let kinds = input(case, "in.is_box")?.to_kind(Kind::Int64).view([1, -1]).expand([1, count], false);
    let image = model.semsam.encode(pixels);
    let kinds = kinds.contiguous().to_device(model.device());
    let asked = Prompts { boxes: &boxes, kinds: &kinds, attend: model.config.prompts_attend };
    let output = model.semsam.encode_prompts(&image, &asked, Predictions::Last);
    image_features(case, "semsam", &image, report);
    prompted(case, &output, pixels.size()[3], report);
    Ok(Some(output.embedding.select(0, 0)))
}

fn language(
    model: &LlavaGrounding,
    case: &Case,
    clip_input: &Tensor,
    objects: Option<&Tensor>,
    report: &mut Report,
) -> Result<Tensor, String> {
    let pixels = clip_input.to_device(model.device()).to_kind(model.language.kind());
    let features = model.clip.forward(&pixels);
    let image = model.projector.forward(&features);
    let ids: Vec<i64> =
        Vec::try_from(input(case, "in.input_ids")?.view([-1])).map_err(|e: tch::TchError| e.to_string())?;
    let config = &model.config;
    let at = ids.iter().position(|id| *id == config.image_token_index).ok_or("in.input_ids has no image")?;
    let (before, after) = (&ids[..at], &ids[at + 1..]);
    let slots = splice::positions(after, config.obj_token_id);
    let objects = objects.map(|features| Objects { features, slots: &slots });
    let embeds = model.embed(&image, before, after, objects.as_ref());
    let mut first = None;
    let hidden = model.llama.forward_with(&embeds, None, |layer, x| {
        if layer == 0 {
            first = Some(x.shallow_clone());
        }
    });
    let line = |name: &str, ours: &Tensor| Stage::new(case, name).check(name, ours, FEATURES);
    line("clip_features", &features).report(report);
    line("mm_projector_out", &image).report(report);
    line("inputs_embeds", &embeds).report(report);
    if let Some(first) = &first {
        line("prompt_hidden_layer1", first).report(report);
    }
    line("prompt_hidden_last", &hidden).report(report);
    line("prompt_logits", &model.llama.logits(&hidden)).report(report);
    Ok(embeds)
}

fn words(model: &LlavaGrounding, case: &Case, embeds: &Tensor, report: &mut Report) -> Generated {
    let limits = Limits { max_new_tokens: model.config.max_new_tokens, temperature: 0.0, seed: 0 };
    let mut logits = Vec::new();
    let generated = generate(model, &mut KvCache::new(model.llama.layers()), embeds, &limits, |token| {
        logits.push(token.logits.shallow_clone());
        Flow::Continue
    });
    let ids = Tensor::from_slice(&generated.ids);
    Stage::new(case, "gen.output_ids").check("gen.output_ids", &ids, Near::Exact).report(report);
    Stage::new(case, "gen.logits").check("gen.logits", &Tensor::stack(&logits, 0), FEATURES).report(report);
    generated
}

fn image_features(case: &Case, head: &str, image: &PixelFeatures, report: &mut Report) {
    let mut backbone = Stage::new(case, &format!("{head}.res"));
    for (i, map) in image.backbone.iter().enumerate() {
        backbone = backbone.check(&format!("{head}.res{}", i + 2), map, FEATURES);
    }
    backbone.report(report);
    let mut scales = Stage::new(case, &format!("{head}.multi_scale"));
    for (i, map) in image.multi_scale.iter().enumerate() {
        scales = scales.check(&format!("{head}.multi_scale_{i}"), map, FEATURES);
    }
    scales.report(report);
    let name = format!("{head}.mask_features");
    Stage::new(case, &name).check(&name, &image.mask_features, FEATURES).report(report);
}

fn decoder(case: &Case, head: &str, decoded: &Decoded, queries: &Tensor, boxes: &Tensor, report: &mut Report) {
    Stage::new(case, &format!("{head}.queries"))
        .check(&format!("{head}.dec_tgt_in"), queries, FEATURES)
        .check(&format!("{head}.dec_refpoints_unsigmoid"), boxes, FEATURES)
        .report(report);
    let mut states = Stage::new(case, &format!("{head}.dec_hs"));
    for (i, state) in decoded.states.iter().enumerate() {
        states = states.check(&format!("{head}.dec_hs_{i}"), state, FEATURES);
    }
    states.report(report);
    let mut references = Stage::new(case, &format!("{head}.dec_ref"));
    for (i, reference) in decoded.references.iter().enumerate() {
        references = references.check(&format!("{head}.dec_ref_{i}"), reference, BOXES);
    }
    references.report(report);
}

fn grounding(case: &Case, head: &HeadOutput, report: &mut Report) {
    let line = |name: &str, ours: &Tensor, near| Stage::new(case, name).check(name, ours, near);
    line("openseed.enc_scores_max", &head.two_stage.scores, FEATURES).report(report);
    line("openseed.topk_idx", &head.two_stage.chosen, Near::Exact).report(report);
    decoder(case, "openseed", &head.decoded, &head.two_stage.queries, &head.two_stage.boxes, report);
    let mut chosen = Stage::new(case, "openseed.interm")
        .require(head.chosen.is_some(), || "the choice of queries made no prediction".into());
    if let Some(prediction) = &head.chosen {
        chosen = chosen.check("openseed.interm_logits", &prediction.logits, FEATURES).check(
            "openseed.interm_boxes",
            &prediction.boxes,
            BOXES,
        );
    }
    chosen.report(report);
    let mut earlier = Stage::new(case, "openseed.aux");
    for (i, prediction) in head.earlier.iter().enumerate() {
        earlier = earlier.check(&format!("openseed.aux_{i}.pred_logits"), &prediction.logits, FEATURES).check(
            &format!("openseed.aux_{i}.pred_boxes"),
            &prediction.boxes,
            BOXES,
        );
    }
    earlier.report(report);
    line("openseed.pred_logits", &head.last.logits, FEATURES).report(report);
    line("openseed.pred_boxes", &head.last.boxes, BOXES).report(report);
    line("openseed.pred_masks", &head.last.masks, FEATURES).report(report);
}

fn prompted(case: &Case, output: &PromptOutput, side: i64, report: &mut Report) {
    let line = |name: &str, ours: &Tensor, near| Stage::new(case, name).check(name, ours, near);
    decoder(case, "semsam", &output.decoded, &output.queries, &output.boxes, report);
    line("semsam.obj_features", &output.features, FEATURES).report(report);
    line("semsam.pred_boxes", &output.last.boxes, BOXES).report(report);
    line("semsam.pred_ious", &output.last.ious, FEATURES).report(report);
    line("semsam.obj_embedding", &output.embedding.select(0, 0), FEATURES).report(report);
    line("semsam.pred_masks", &output.last.masks, FEATURES).report(report);
    let full = output.prompt_masks().upsample_bilinear2d([side, side], false, None, None).select(0, 0);
    line("semsam.final_mask_logits", &full, FEATURES).report(report);
    // At the full side a logit may be as near to 0 as it likes; the official margins hold for the quarter only.
    line("semsam.final_mask", &full.gt(0.0), Near::Pixels(1e-4)).report(report);
}
