//! Facts about the network that no reference output shows.

use std::collections::BTreeMap;
use std::path::Path;

use llava_grounding::model::Config;
use llava_grounding::model::KvCache;
use llava_grounding::model::LlavaGrounding;
use llava_grounding::model::Predictions;
use llava_grounding::model::Prompts;
use llava_grounding::model::SegFeatures;
use llava_grounding::model::weights::Known;
use proptest::prelude::*;
use tch::Device;
use tch::Kind;
use tch::Tensor;

fn tiny() -> LlavaGrounding {
    LlavaGrounding::random(
        Config::parse(include_str!("../../config/models/tiny/config.json")).unwrap(),
        5,
        Device::Cpu,
        Kind::Float,
    )
}

/// Numbers in [-1, 1], the same for the same seed.
fn noise(shape: &[i64], seed: u64) -> Tensor {
    let mut random = llava_grounding::model::init::SplitMix(seed);
    let values: Vec<f32> = (0..shape.iter().product()).map(|_: i64| random.unit() as f32 * 2.0 - 1.0).collect();
    Tensor::from_slice(&values).view(shape)
}

fn assert_near(ours: &Tensor, wanted: &Tensor, what: &str) {
    assert_eq!(ours.size(), wanted.size(), "{what}");
    let largest = wanted.abs().max().double_value(&[]);
    let error = (ours - wanted).abs().max().double_value(&[]) / largest;
    assert!(error < 1e-5, "{what} is off by {error:.1e}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn cached_decoding_equals_one_forward_for_any_split(parts in prop::collection::vec(1i64..9, 1..8), seed: u64) {
        let _no_grad = tch::no_grad_guard();
        let (model, total) = (tiny(), parts.iter().sum());
        let embeds = noise(&[2, total, model.config.llm.hidden_size], seed);
        let whole = model.llama.forward(&embeds, None);
        let mut cache = KvCache::new(model.llama.layers());
        let mut start = 0;
        for tokens in parts {
            let part = model.llama.forward(&embeds.narrow(1, start, tokens), Some(&mut cache));
            assert_near(&part, &whole.narrow(1, start, tokens), "hidden state");
            start += tokens;
            prop_assert_eq!(cache.len(), start);
        }
    }
}

#[test]
fn a_cache_that_has_to_grow_forgets_nothing() {
    let _no_grad = tch::no_grad_guard();
    let model = tiny();
    let embeds = noise(&[1, 600, model.config.llm.hidden_size], 1);
    let whole = model.llama.forward(&embeds, None);
    let mut cache = KvCache::new(model.llama.layers());
    for (start, tokens) in [(0, 250), (250, 7), (257, 300), (557, 43)] {
        let part = model.llama.forward(&embeds.narrow(1, start, tokens), Some(&mut cache));
        assert_near(&part, &whole.narrow(1, start, tokens), "hidden state");
    }
}

#[test]
fn padding_on_the_right_changes_no_token_before_it() {
    let _no_grad = tch::no_grad_guard();
    let model = tiny();
    let embeds = noise(&[1, 9, model.config.llm.hidden_size], 2);
    let padded = embeds.constant_pad_nd([0, 0, 0, 5]);
    let wanted = model.llama.forward(&embeds, None);
    assert_near(&model.llama.forward(&padded, None).narrow(1, 0, 9), &wanted, "hidden state");
}

#[test]
fn phrases_of_a_batch_are_those_of_its_items() {
    let _no_grad = tch::no_grad_guard();
    let model = tiny();
    let (pixels, features) = (noise(&[2, 3, 96, 96], 3), noise(&[2, 2, model.config.llm.hidden_size], 4));
    let valid = Tensor::from_slice(&[true, true, true, false]).view([2, 2]);
    let seg = SegFeatures { features: &features, valid: Some(&valid) };
    let batch = model.openseed.ground(&model.openseed.encode(&pixels), &seg, Predictions::All);
    for (item, phrases) in [(0, 2), (1, 1)] {
        let alone = features.narrow(0, item, 1).narrow(1, 0, phrases);
        let alone = model.head(&pixels.narrow(0, item, 1), &alone);
        let of_item = |x: &Tensor| x.narrow(0, item, 1);
        assert_eq!(of_item(&batch.two_stage.chosen), alone.two_stage.chosen);
        assert_near(&of_item(&batch.last.logits).narrow(2, 0, phrases), &alone.last.logits, "logits");
        assert_near(&of_item(&batch.last.boxes), &alone.last.boxes, "boxes");
        assert_near(&of_item(&batch.last.masks), &alone.last.masks, "masks");
        assert!(alone.earlier.is_empty() && alone.chosen.is_none(), "answers need the last alone");
    }
    let padded = batch.last.logits.select(0, 1).select(1, 1);
    assert_eq!(padded.max().double_value(&[]), -100.0);
    assert_eq!((batch.earlier.len() as i64, batch.chosen.is_some()), (model.config.openseed.dec_layers, true));
}

#[test]
fn queries_are_chosen_for_all_phrases_together() {
    let _no_grad = tch::no_grad_guard();
    let model = tiny();
    let (pixels, features) = (noise(&[1, 3, 96, 96], 6), noise(&[1, 3, model.config.llm.hidden_size], 7));
    let joint = model.head(&pixels, &features).two_stage;
    let alone = [0, 1, 2].map(|k| model.head(&pixels, &features.narrow(1, k, 1)).two_stage.scores);
    let best = Tensor::stack(&alone, 0).amax([0i64].as_slice(), false);
    assert_near(&joint.scores, &best, "scores");
    let (_, wanted) = best.topk(model.config.openseed.num_queries, 1, true, true);
    assert_eq!(joint.chosen, wanted);
}

#[test]
fn prompts_are_independent_unless_told_to_attend() {
    let _no_grad = tch::no_grad_guard();
    let model = tiny();
    let image = model.semsam.encode(&noise(&[1, 3, 96, 96], 8));
    let boxes = Tensor::from_slice(&[0.3f32, 0.4, 0.006, 0.006, 0.6, 0.5, 0.4, 0.3]).view([1, 2, 4]);
    let kinds = Tensor::from_slice(&[0i64, 1]).view([1, 2]);
    let both = |attend| {
        let prompts = Prompts { boxes: &boxes, kinds: &kinds, attend };
        model.semsam.encode_prompts(&image, &prompts, Predictions::Last).embedding
    };
    let alone = |i| {
        let (boxes, kinds) = (boxes.narrow(1, i, 1), kinds.narrow(1, i, 1));
        let prompts = Prompts { boxes: &boxes, kinds: &kinds, attend: true };
        model.semsam.encode_prompts(&image, &prompts, Predictions::Last).embedding
    };
    let apart = both(false);
    assert_near(&apart, &Tensor::cat(&[alone(0), alone(1)], 1), "embedding");
    let together = (both(true) - apart).abs().max().double_value(&[]);
    assert!(together > 1e-4, "attending changed nothing: {together:.1e}");
}

#[test]
fn gradients_reach_every_parameter_that_a_loss_can_train() {
    let model = tiny();
    let pixels = noise(&[1, 3, 96, 96], 9);
    let features = noise(&[1, 2, model.config.llm.hidden_size], 10);
    let image = model.openseed.encode(&pixels);
    let head = model.openseed.ground(&image, &SegFeatures::all(&features), Predictions::All);
    let mut loss = Tensor::from(0f32);
    for prediction in head.earlier.iter().chain(&head.chosen).chain([&head.last]) {
        loss += prediction.logits.square().sum(Kind::Float) + prediction.boxes.square().sum(Kind::Float);
        loss += prediction.masks.square().sum(Kind::Float);
    }
    loss.backward();
    let untouched = model.heads.variables().into_iter().filter(|(name, _)| name.starts_with("seg_model."));
    let untouched = untouched.filter(|(_, x)| !x.grad().defined()).map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(untouched, Vec::<String>::new());
}

#[test]
fn half_precision_speaks_nearly_the_same() {
    let _no_grad = tch::no_grad_guard();
    let wide = tiny();
    let embeds = noise(&[1, 12, wide.config.llm.hidden_size], 11);
    let pixels = noise(&[1, 3, wide.config.clip.image_size, wide.config.clip.image_size], 12);
    for (kind, limit) in [(Kind::BFloat16, 0.1), (Kind::Half, 0.02)] {
        let narrow = LlavaGrounding::random(wide.config.clone(), 5, Device::Cpu, kind);
        let mut cache = KvCache::new(narrow.llama.layers());
        let hidden = [(0, 7), (7, 4), (11, 1)]
            .map(|(start, n)| narrow.llama.forward(&embeds.narrow(1, start, n).to_kind(kind), Some(&mut cache)));
        let hidden = Tensor::cat(&hidden, 1);
        assert_eq!(hidden.kind(), kind);
        let pairs =
            [(wide.llama.forward(&embeds, None), hidden), (wide.image_tokens(&pixels), narrow.image_tokens(&pixels))];
        for (wanted, ours) in pairs {
            let error = (ours.to_kind(Kind::Float) - &wanted).abs().max() / wanted.abs().max();
            // 8 and 11 bits of mantissa, some dozens of roundings in a row
            assert!(error.double_value(&[]) < limit, "{kind:?} is off by {error:?}");
        }
    }
}

/// Names and shapes of the official checkpoint; `{a..b}` stands for every number from a to b.
fn official_names() -> BTreeMap<String, Vec<i64>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/checkpoint/names.tsv");
    let text = std::fs::read_to_string(path).unwrap();
    let mut names = BTreeMap::new();
    for line in text.lines() {
        let (pattern, shape) = line.split_once('\t').unwrap();
        let shape: Vec<i64> = shape.split(',').filter(|s| !s.is_empty()).map(|s| s.parse().unwrap()).collect();
        let Some((start, rest)) = pattern.split_once('{') else {
            names.insert(pattern.to_string(), shape);
            continue;
        };
        let (range, end) = rest.split_once('}').unwrap();
        let (first, last) = range.split_once("..").unwrap();
        for i in first.parse::<i64>().unwrap()..=last.parse().unwrap() {
            names.insert(format!("{start}{i}{end}"), shape.clone());
        }
    }
    names
}

#[test]
fn the_7b_has_the_names_and_shapes_of_the_official_checkpoint() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/models/llava_grounding_7b");
    let config = Config::read(&folder.join("config.json")).unwrap();
    let known = Known::new(&config);
    // 14 GB of address space, of which nothing is ever written.
    let model = LlavaGrounding::without_values(config, Device::Cpu, Kind::BFloat16);
    let ours: BTreeMap<String, Vec<i64>> =
        model.stores().iter().flat_map(|store| store.variables()).map(|(name, x)| (name, x.size())).collect();
    let official = official_names();
    assert_eq!(official.len(), 2012);
    let mut filled = BTreeMap::new();
    for (name, shape) in &official {
        let canonical = known.canonical(name).into_owned();
        match ours.get(&canonical) {
            Some(wanted) => {
                assert_eq!(shape, wanted, "{name}");
                filled.insert(canonical, shape.clone());
            }
            None => assert!(known.unused(name).is_some(), "{name} is neither a parameter nor known to be useless"),
        }
    }
    assert_eq!(filled, ours);
}
