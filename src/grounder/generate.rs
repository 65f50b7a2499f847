//! Generate: the prompt's embeddings become words, one token after the other; the hidden state of each `<seg>` is kept.

use tch::Kind;
use tch::Tensor;

use crate::model::KvCache;
use crate::model::LlavaGrounding;
use crate::model::config::SegFeature;
use crate::model::init::SplitMix;
use crate::types::Flow;

/// How long and how freely to speak.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Longest answer (tokens).
    pub max_new_tokens: usize,
    /// Below [`COLDEST`]: always the likeliest token; else the softmax temperature.
    pub temperature: f64,
    /// Seed of the draws.
    pub seed: u64,
}

/// The official code takes temperatures below this one as 0.
pub const COLDEST: f64 = 1e-4;

/// What the listener of [`generate`] sees of every token.
#[derive(Debug)]
pub struct Token<'a> {
    /// All ids so far, the new one last.
    pub ids: &'a [i64],
    /// `[V]`: the logits it was chosen from.
    pub logits: &'a Tensor,
    /// `[1, 1, D]` each: features of the `<seg>`s so far, as far as they are known.
    pub seg_features: &'a [Tensor],
}

/// Why the answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The model said so.
    Said,
    /// It reached its greatest length.
    Length,
    /// The listener wanted no more words ([`Flow::Finish`]).
    Finished,
    /// The listener wants nothing any more ([`Flow::Abort`]).
    Aborted,
}

/// An answer in ids.
#[derive(Debug)]
pub struct Generated {
    /// The ids, with the one that ends the answer.
    pub ids: Vec<i64>,
    /// `[1, K, D]` f32: features of the `<seg>`s in `ids`, in order; none: there is none.
    pub seg_features: Option<Tensor>,
    /// Where they stand in `ids`.
    pub seg_positions: Vec<usize>,
    /// Why it ends.
    pub end: End,
}

/// Speaks after what `cache` knows and `prompt` `[1, T, D]`. `on_token` hears every token and can end the answer.
pub fn generate(
    model: &LlavaGrounding,
    cache: &mut KvCache,
    prompt: &Tensor,
    limits: &Limits,
    mut on_token: impl FnMut(&Token) -> Flow,
) -> Generated {
    let config = &model.config;
    let mut random = SplitMix(limits.seed);
    let (mut ids, mut seg_positions, mut features) = (Vec::new(), Vec::new(), Vec::new());
    let mut end = End::Length;
    let mut input = prompt.shallow_clone();
    while ids.len() < limits.max_new_tokens {
        let hidden = last_hidden(model, &input, cache);
        if config.seg_feature == SegFeature::Itself && ids.last() == Some(&config.seg_token_id) {
            features.push(hidden.shallow_clone());
        }
        let logits = model.llama.logits(&hidden).view([-1]);
        if ids.is_empty() && config.first_mark_bias != 0.0 {
            for mark in [config.seg_token_id, config.g_s_token_id] {
                let _ = logits.get(mark).g_add_scalar_(config.first_mark_bias);
            }
        }
        let id = choose(&logits, limits.temperature, &mut random);
        ids.push(id);
        if id == config.seg_token_id {
            seg_positions.push(ids.len() - 1);
            if config.seg_feature == SegFeature::Predict {
                features.push(hidden); // of the token before: what the official inference uses (model.md Q1)
            }
        }
        let flow = on_token(&Token { ids: &ids, logits: &logits, seg_features: &features });
        if let Some(why) = ending(id == config.eos_token_id, flow) {
            end = why;
            break;
        }
        input = model.embed_ids(&[id]);
    }
    if features.len() < seg_positions.len() && end != End::Aborted {
        // `self`: the answer ended on a `<seg>`, whose own state takes one more step.
        features.push(last_hidden(model, &model.embed_ids(&[config.seg_token_id]), cache));
    }
    let seg_features = (!features.is_empty()).then(|| Tensor::cat(&features, 1).to_kind(Kind::Float));
    Generated { ids, seg_features, seg_positions, end }
}

fn ending(said: bool, flow: Flow) -> Option<End> {
    match flow {
        Flow::Abort => Some(End::Aborted),
        _ if said => Some(End::Said),
        Flow::Finish => Some(End::Finished),
        Flow::Continue => None,
    }
}

/// `[1, T, D]` after what `cache` knows -> the last hidden state `[1, 1, D]`.
pub fn last_hidden(model: &LlavaGrounding, input: &Tensor, cache: &mut KvCache) -> Tensor {
    let hidden = model.llama.forward(input, Some(cache));
    hidden.narrow(1, hidden.size()[1] - 1, 1)
}

fn choose(logits: &Tensor, temperature: f64, random: &mut SplitMix) -> i64 {
    if temperature < COLDEST {
        return logits.argmax(0, false).int64_value(&[]);
    }
    let cumulative = (logits.to_kind(Kind::Double) / temperature).softmax(0, Kind::Double).cumsum(0, Kind::Double);
    let drawn = random.unit() * cumulative.double_value(&[-1]); // the sum is 1 but for rounding
    cumulative.le(drawn).sum(Kind::Int64).int64_value(&[])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Config;
    use tch::Device;

    fn model(seg_feature: SegFeature) -> LlavaGrounding {
        let config =
            Config { seg_feature, ..Config::parse(include_str!("../../config/models/tiny/config.json")).unwrap() };
        LlavaGrounding::random(config, 3, Device::Cpu, Kind::Float)
    }

    fn limits(max_new_tokens: usize, temperature: f64, seed: u64) -> Limits {
        Limits { max_new_tokens, temperature, seed }
    }

    /// From nothing.
    fn generate(
        model: &LlavaGrounding,
        prompt: &Tensor,
        limits: &Limits,
        on_token: impl FnMut(&Token) -> Flow,
    ) -> Generated {
        super::generate(model, &mut KvCache::new(model.llama.layers()), prompt, limits, on_token)
    }

    #[test]
    fn a_seed_gives_one_answer_and_another_seed_another() {
        let model = model(SegFeature::Predict);
        let prompt = model.embed_ids(&[1, 20, 30]);
        let speak = |seed| generate(&model, &prompt, &limits(12, 1.0, seed), |_| Flow::Continue).ids;
        assert_eq!(speak(1), speak(1));
        assert_ne!(speak(1), speak(2));
    }

    #[test]
    fn draws_follow_the_softmax() {
        let logits = Tensor::from_slice(&[0.0f32, 1.0, f32::NEG_INFINITY, 2.0]);
        let mut random = SplitMix(1);
        let mut counts = [0f64; 4];
        for _ in 0..4000 {
            counts[choose(&logits, 1.0, &mut random) as usize] += 1.0 / 4000.0;
        }
        for (found, want) in counts.iter().zip([0.0900, 0.2447, 0.0, 0.6652]) {
            assert!((found - want).abs() < 0.03, "{counts:?}");
        }
    }

    #[test]
    fn the_listener_ends_the_answer() {
        let model = model(SegFeature::Predict);
        let prompt = model.embed_ids(&[1, 20, 30]);
        let stop_at = |n, flow| {
            generate(&model, &prompt, &limits(9, 0.0, 0), |t| if t.ids.len() == n { flow } else { Flow::Continue })
        };
        let finished = stop_at(3, Flow::Finish);
        assert_eq!((finished.ids.len(), finished.end), (3, End::Finished));
        assert_eq!(stop_at(1, Flow::Abort).end, End::Aborted);
        assert_eq!(stop_at(99, Flow::Abort).ids.len(), 9);
    }

    #[test]
    fn a_bias_makes_the_first_word_a_mark_and_no_other() {
        let mut model = model(SegFeature::Predict);
        let prompt = model.embed_ids(&[1, 20, 30]);
        let ids = |model: &LlavaGrounding| generate(model, &prompt, &limits(3, 0.0, 0), |_| Flow::Continue).ids;
        model.config.first_mark_bias = -100.0;
        let shy = ids(&model);
        assert!(![model.config.seg_token_id, model.config.g_s_token_id].contains(&shy[0]));
        model.config.first_mark_bias = 100.0;
        let eager = ids(&model);
        assert!([model.config.seg_token_id, model.config.g_s_token_id].contains(&eager[0]));
    }

    #[test]
    fn the_state_at_seg_is_that_of_the_full_sequence() {
        let mut model = model(SegFeature::Itself);
        let prompt = model.embed_ids(&[1, 20, 30]);
        let free = generate(&model, &prompt, &limits(6, 0.0, 0), |_| Flow::Continue);
        for stop in [3, 6] {
            model.config.seg_token_id = free.ids[stop - 1]; // whatever it says there is now `<seg>`
            let said = generate(&model, &prompt, &limits(stop, 0.0, 0), |_| Flow::Continue);
            let all = Tensor::cat(&[prompt.shallow_clone(), model.embed_ids(&said.ids)], 1);
            let full = model.llama.forward(&all, None);
            let features = said.seg_features.unwrap();
            assert_eq!(features.size()[1] as usize, said.seg_positions.len());
            for (k, at) in said.seg_positions.iter().enumerate() {
                let error = (features.select(1, k as i64) - full.select(1, 3 + *at as i64)).abs().max();
                assert!(error.double_value(&[]) < 1e-5);
            }
        }
    }
}
