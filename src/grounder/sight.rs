//! What the network sees in one image: each part is computed when it is first wanted and kept for what comes next, so
//! that another command on the same frame, or a look after an answer, costs no vision again.

use std::sync::Arc;

use tch::Tensor;

use super::preprocess;
use super::preprocess::Letterbox;
use crate::model::KvCache;
use crate::model::LlavaGrounding;
use crate::model::PixelFeatures;
use crate::types::RgbImage;

/// The image and the parts that are known of it. With the 7B at 1024 px the features of the two heads are some 150 MB
/// each, what the language model keeps of the image some 400 MB, on the device of the model.
#[derive(Debug)]
pub struct Sight {
    /// Kept, so that no other image can come to lie at its address.
    image: Arc<RgbImage>,
    letterbox: Letterbox,
    clip_input: Option<Tensor>,
    head_input: Option<Tensor>,
    image_tokens: Option<Tensor>,
    heard: Option<KvCache>,
    head: Option<PixelFeatures>,
    prompt_head: Option<PixelFeatures>,
}

impl Sight {
    /// Nothing is known of `image` yet.
    pub fn new(image: &Arc<RgbImage>, model: &LlavaGrounding) -> Self {
        Self {
            image: Arc::clone(image),
            letterbox: Letterbox::new(image.width, image.height, model.config.default_image_size as u32),
            clip_input: None,
            head_input: None,
            image_tokens: None,
            heard: None,
            head: None,
            prompt_head: None,
        }
    }

    /// True for the very image, not for one with equal pixels: comparing those would cost as much as a stage.
    pub fn is_of(&self, image: &Arc<RgbImage>) -> bool {
        Arc::ptr_eq(&self.image, image)
    }

    /// How the image lies in the heads' square.
    pub fn letterbox(&self) -> Letterbox {
        self.letterbox
    }

    /// Input of the tower, `[1, 3, N, N]`.
    pub fn clip_input(&mut self, model: &LlavaGrounding) -> &Tensor {
        self.clip_input.get_or_insert_with(|| preprocess::clip_input(&self.image, &model.config))
    }

    /// Input of both heads, `[1, 3, S, S]`, on the model's device.
    pub fn head_input(&mut self, model: &LlavaGrounding) -> &Tensor {
        self.head_input.get_or_insert_with(|| {
            let (config, side) = (&model.config, self.letterbox.side);
            let (input, _) = preprocess::head_input(&self.image, side, config.pixel_mean, config.pixel_std);
            input.to_device(model.device())
        })
    }

    /// The image as the language model takes it, `[1, N, D]`.
    pub fn image_tokens(&mut self, model: &LlavaGrounding) -> &Tensor {
        let input = self.clip_input(model).shallow_clone();
        self.image_tokens.get_or_insert_with(|| model.image_tokens(&input))
    }

    /// What the language model knows after the ids `before`, which every prompt begins with, and the image. Who speaks on
    /// from there gives it back by [`Self::hear`].
    pub fn heard(&mut self, model: &LlavaGrounding, before: &[i64]) -> KvCache {
        let image = self.image_tokens(model).shallow_clone();
        if let Some(mut known) = self.heard.take() {
            known.truncate(before.len() as i64 + image.size()[1]);
            return known;
        }
        let mut cache = KvCache::new(model.llama.layers());
        let _ = model.llama.forward(&Tensor::cat(&[model.embed_ids(before), image], 1), Some(&mut cache));
        cache
    }

    /// Keeps it for the next command.
    pub fn hear(&mut self, cache: KvCache) {
        self.heard = Some(cache);
    }

    /// What the grounding head works on.
    pub fn head(&mut self, model: &LlavaGrounding) -> &PixelFeatures {
        let input = self.head_input(model).shallow_clone();
        self.head.get_or_insert_with(|| model.openseed.encode(&input))
    }

    /// What the visual prompt encoder works on.
    pub fn prompt_head(&mut self, model: &LlavaGrounding) -> &PixelFeatures {
        let input = self.head_input(model).shallow_clone();
        self.prompt_head.get_or_insert_with(|| model.semsam.encode(&input))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Config;
    use tch::Device;
    use tch::Kind;

    #[test]
    fn each_part_is_computed_once_and_an_equal_image_is_another_one() {
        let _no_grad = tch::no_grad_guard();
        let config = Config::parse(include_str!("../../config/models/tiny/config.json")).unwrap();
        let model = LlavaGrounding::random(config, 3, Device::Cpu, Kind::Float);
        let image = Arc::new(RgbImage { width: 8, height: 6, data: vec![90; 8 * 6 * 3] });
        let mut sight = Sight::new(&image, &model);
        // Where the numbers lie tells whether they are the same ones.
        let mut places = || {
            [
                sight.image_tokens(&model).data_ptr(),
                sight.head(&model).mask_features.data_ptr(),
                sight.prompt_head(&model).mask_features.data_ptr(),
            ]
        };
        assert_eq!(places(), places());
        let heard = sight.heard(&model, &[1, 20]);
        let known = heard.len();
        let words = model.embed_ids(&[30, 31]);
        let speak = |mut cache: KvCache| (model.llama.forward(&words, Some(&mut cache)), cache);
        let (first, heard) = speak(heard);
        sight.hear(heard);
        let heard = sight.heard(&model, &[1, 20]);
        assert_eq!((known, heard.len()), (2 + model.config.clip.tokens(), known), "what was said since is forgotten");
        assert_eq!(speak(heard).0, first);
        assert!(sight.is_of(&Arc::clone(&image)) && !sight.is_of(&Arc::new(RgbImage::clone(&image))));
    }
}
