//! Training against the official code: predictions, matches, losses and gradients of `train_cases.safetensors`, with the
//! recorded tape of random numbers in the place of a generator.

use std::collections::BTreeMap;
use std::collections::VecDeque;

use tch::Kind;
use tch::Tensor;

use super::case::BOXES;
use super::case::Case;
use super::case::FEATURES;
use super::case::Near;
use super::case::Stage;
use super::case::compare;
use super::report::Report;
use super::report::Verdict;
use crate::model::HeadOutput;
use crate::model::LlavaGrounding;
use crate::model::Predictions;
use crate::model::Prompts;
use crate::model::SegFeatures;
use crate::model::weights::Known;
use crate::train::boxes;
use crate::train::language;
use crate::train::loss;
use crate::train::loss::LayerLoss;
use crate::train::loss::Points;
use crate::train::matcher::Rates;
use crate::train::matcher::Truth;
use crate::train::prompt_loss;
use crate::train::targets;

/// Loss terms agree within this share of their value.
const LOSS: Near = Near::Relative(1e-5);

/// Runs all parts of the file that are there.
pub fn run(model: &LlavaGrounding, case: &Case, report: &mut Report) {
    let parts: [(&str, Check); 3] = [("openseed", grounding), ("semsam", pointing), ("llm", words)];
    for (part, check) in parts.into_iter().filter(|(part, _)| case.has(&format!("{part}."))) {
        if check(model, case, report).is_none() {
            report.add(&case.name, part, Verdict::Failed("a tensor that this part needs is not in the file".into()));
        }
    }
    for name in case.untouched() {
        report.not_covered(&format!("{} {name}", case.name));
    }
}

/// None: the file lacks a tensor.
type Check = fn(&LlavaGrounding, &Case, &mut Report) -> Option<()>;

/// Recorded uniform draws `{part}.rand_000`, `001`, ... in call order.
fn tape(case: &Case, part: &str) -> VecDeque<Tensor> {
    (0..).map_while(|i| case.input(&format!("{part}.rand_{i:03}"))).map(Tensor::shallow_clone).collect()
}

/// All recorded gradients `{part}.grad.*` of parameters; `prefix` leads to the part in the model.
fn gradients(model: &LlavaGrounding, case: &Case, part: &str, prefix: &str, report: &mut Report) {
    let start = format!("{part}.grad.");
    let known = Known::new(&model.config);
    let variables: BTreeMap<String, Tensor> = model.stores().iter().flat_map(|s| s.variables()).collect();
    let mut stage = Stage::new(case, &format!("{part} gradients"));
    for name in case.names(&start) {
        let full = format!("{prefix}{}", &name[start.len()..]);
        let candidates = [full.clone(), format!("{full}.weight")];
        let gradient = candidates.iter().find_map(|n| variables.get(known.canonical(n).as_ref())).map(Tensor::grad);
        stage = match gradient {
            Some(gradient) if gradient.defined() => stage.check(&name, &gradient, FEATURES),
            Some(_) => stage.require(false, || format!("no gradient reached {full}")),
            None => stage, // of an input: its part compares it, or it is listed as not covered
        };
    }
    stage.report(report);
}

/// Plays the tape back and insists on the shapes.
fn playing(tape: &mut VecDeque<Tensor>) -> impl FnMut(&[i64]) -> Tensor + '_ {
    |shape| match tape.pop_front() {
        Some(draw) if draw.size() == shape => draw,
        // A wrong shape is a wrong order of draws: the numbers below will not agree and say so.
        _ => Tensor::full(shape, f64::NAN, tch::kind::FLOAT_CPU),
    }
}

fn forget_gradients(model: &LlavaGrounding) {
    for (_, mut parameter) in model.stores().iter().flat_map(|s| s.variables()) {
        parameter.zero_grad();
    }
}

/// `[3, S, S]` bytes -> `[1, 3, S, S]` as the heads want them.
fn pixels(image: &Tensor, model: &LlavaGrounding) -> Tensor {
    let channel = |values: &[f64; 3]| Tensor::from_slice(values).to_kind(Kind::Float).view([1, 3, 1, 1]);
    let (mean, std) = (channel(&model.config.pixel_mean), channel(&model.config.pixel_std));
    (image.unsqueeze(0).to_kind(Kind::Float) - mean) / std
}

fn grounding(model: &LlavaGrounding, case: &Case, report: &mut Report) -> Option<()> {
    let mut truths = vec![];
    let mut images = vec![];
    while let Some(masks) = case.input(&format!("openseed.in.masks_{}", truths.len())) {
        let (i, masks) = (truths.len(), masks.to_kind(Kind::Float));
        let corners = case.input(&format!("openseed.in.boxes_xyxy_{i}"))? / masks.size()[2] as f64;
        let phrases = case.input(&format!("openseed.in.labels_multihot_{i}"))?.to_kind(Kind::Float);
        images.push(pixels(case.input(&format!("openseed.in.image_{i}"))?, model));
        truths.push(Truth { boxes: boxes::centres(&corners), masks, phrases });
    }
    let text = case.input("openseed.in.text_emb")?.detach().set_requires_grad(true);
    let valid = case.input("openseed.in.text_mask")?.to_kind(Kind::Bool);
    let mut tape = tape(case, "openseed");
    let n = Points { matching: tape.front()?.size()[1], loss: tape.get(truths.len())?.size()[1] / 3 };
    forget_gradients(model);
    let image = model.openseed.encode(&Tensor::cat(&images, 0));
    let said = model.openseed.ground(&image, &SegFeatures { features: &text, valid: Some(&valid) }, Predictions::All);
    predictions(case, &said, report);
    let losses = loss::head(&said, &truths, &Rates::default(), n, &mut playing(&mut tape));
    matches_and_terms(case, &losses, report);
    let total = loss::total(&losses.into_iter().flat_map(|l| l.terms).collect());
    Stage::new(case, "openseed loss").check("openseed.loss_total", &total, LOSS).report(report);
    total.backward();
    gradients(model, case, "openseed", "seg_model.model.", report);
    Stage::new(case, "openseed gradient of text")
        .check("openseed.grad.text_emb", &text.grad(), FEATURES)
        .report(report);
    Some(())
}

fn predictions(case: &Case, said: &HeadOutput, report: &mut Report) {
    let earlier = said.earlier.iter().enumerate().map(|(i, layer)| (format!("aux{i}"), layer));
    let chosen = said.chosen.iter().map(|chosen| ("interm".to_string(), chosen));
    let all = std::iter::once(("main".to_string(), &said.last)).chain(earlier).chain(chosen);
    for (name, prediction) in all {
        let of = |what| format!("openseed.{name}.pred_{what}");
        let stage = Stage::new(case, &format!("openseed {name}"));
        let stage =
            stage.check(&of("logits"), &prediction.logits, FEATURES).check(&of("boxes"), &prediction.boxes, BOXES);
        stage.check(&of("masks"), &prediction.masks, FEATURES).report(report);
    }
}

fn matches_and_terms(case: &Case, losses: &[LayerLoss], report: &mut Report) {
    for (k, layer) in losses.iter().enumerate() {
        let mut stage = Stage::new(case, &format!("openseed match {k}"));
        for (b, pairs) in layer.pairs.iter().enumerate() {
            for (side, found) in [("src", &pairs.queries), ("tgt", &pairs.objects)] {
                stage = stage.check(&format!("openseed.match_{k}.{b}.{side}"), &Tensor::from_slice(found), Near::Exact);
            }
        }
        stage.report(report);
        let mut stage = Stage::new(case, &format!("openseed losses {k}"));
        for (name, term) in &layer.terms {
            stage = stage.check(&format!("openseed.loss.{name}"), term, LOSS);
        }
        stage.report(report);
    }
}

fn pointing(model: &LlavaGrounding, case: &Case, report: &mut Report) -> Option<()> {
    let image = pixels(case.input("semsam.in.image_0")?, model);
    let masks = case.input("semsam.in.masks")?.to_kind(Kind::Float);
    let side = masks.size()[2] as f64;
    let target = boxes::centres(&(case.input("semsam.in.boxes_xyxy")? / side));
    let clicks = case.input("semsam.target.box_start")?.int64_value(&[]);
    let (points, count) = (case.input("semsam.target.points")?, target.size()[0]);
    let clean = Tensor::cat(&[points, &target.narrow(0, clicks, count - clicks)], 0);
    let mut tape = tape(case, "semsam");
    let prompts = targets::jitter(&clean, clicks, &tape.pop_front()?.squeeze_dim(0)).unsqueeze(0);
    let kinds = case.input("semsam.target.pb")?.to_kind(Kind::Int64).unsqueeze(0);
    forget_gradients(model);
    let encoded = model.semsam.encode(&image);
    let said = model.semsam.encode_prompts(
        &encoded,
        &Prompts { boxes: &prompts, kinds: &kinds, attend: false },
        Predictions::All,
    );
    Stage::new(case, "semsam prompts")
        .check("semsam.target.boxes", &target, BOXES)
        .check("semsam.target.boxes_dn", &clean, BOXES) // recorded before the noise
        .check("semsam.dec.tgt", &said.queries, FEATURES)
        .check("semsam.dec.refpoints_unsigmoid", &said.boxes, FEATURES)
        .check("semsam.dec.tgt_mask", &model.semsam.apart(count).logical_not(), Near::Exact)
        .report(report);
    Stage::new(case, "semsam main")
        .check("semsam.main.obj_features", &said.features, FEATURES)
        .check("semsam.main.pred_boxes", &said.last.boxes, BOXES)
        .check("semsam.main.pred_ious", &said.last.ious, FEATURES)
        .check("semsam.main.pred_masks", &said.last.masks, FEATURES)
        .check("semsam.obj_embedding", &said.embedding.squeeze_dim(0), FEATURES)
        .report(report);
    let truth = Truth { boxes: target, masks, phrases: Tensor::zeros([count, 0], tch::kind::FLOAT_CPU) };
    let points = tape.front()?.size()[1] / 3;
    let terms = prompt_loss::all(&said, &truth, &Rates::default(), points, &mut playing(&mut tape));
    let mut stage = Stage::new(case, "semsam losses");
    for (name, term) in &terms {
        stage = stage.check(&format!("semsam.loss.inter.{name}"), term, LOSS);
    }
    let upstream = (said.embedding.squeeze_dim(0) * case.input("semsam.upstream_grad")?).sum(Kind::Float);
    let total = loss::total(&terms) + upstream;
    stage.check("semsam.loss_total_plus_dot", &total, LOSS).report(report);
    total.backward();
    gradients(model, case, "semsam", "interactive_model.model.", report);
    Some(())
}

fn words(model: &LlavaGrounding, case: &Case, report: &mut Report) -> Option<()> {
    let rows = |t: &Tensor| Vec::<Vec<i64>>::try_from(t).ok();
    let (ids, labels) = (rows(case.input("llm.in.input_ids")?)?, rows(case.input("llm.in.labels")?)?);
    forget_gradients(model);
    let images = model.image_tokens(case.input("llm.in.pixel_values")?);
    let said = language::sequences(model, &images, &ids, &labels);
    let seg = rows(case.input("llm.seg_positions")?)?;
    let found = language::positions(&said.labels, model.config.seg_token_id);
    Stage::new(case, "llm <seg> positions")
        .require(found == seg, || format!("{found:?}, {seg:?} was wanted"))
        .report(report);
    let hidden = model.llama.forward(&said.embeds, None);
    let logits = model.llama.logits(&hidden);
    // What stands on padding depends on how attention is kept off it, and no loss looks there.
    let valid = case.input("llm.attention_mask")?.to_kind(Kind::Bool).unsqueeze(-1);
    let on_words = |t: &Tensor| t.where_self(&valid, &Tensor::from(0f32));
    let mut stage = Stage::new(case, "llm forward").check("llm.inputs_embeds", &said.embeds, FEATURES).check(
        "llm.merged_labels",
        &said.labels,
        Near::Exact,
    );
    for (name, found) in [("llm.hidden_last", &hidden), ("llm.logits", &logits)] {
        let verdict = compare(&on_words(found), &on_words(case.input(name)?), FEATURES);
        stage = stage.require(matches!(verdict, Verdict::Passed(_)), || format!("{name} {verdict:?}"));
    }
    stage.report(report);
    let loss = language::cross_entropy(&logits, &said.labels);
    loss.backward();
    let mut stage = Stage::new(case, "llm loss and gradients").check("llm.ce", &loss, LOSS);
    for (name, full) in [
        ("llm.grad.embed_tokens", "model.embed_tokens.weight"),
        ("llm.grad.lm_head", "lm_head.weight"),
        ("llm.grad.mm_projector.weight", "model.mm_projector.weight"),
    ] {
        stage = stage.check(name, &model.language.variables().remove(full)?.grad(), FEATURES);
    }
    stage.report(report);
    Some(())
}
