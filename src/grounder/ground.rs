//! One answer: preprocess, prompt, embed, generate, head, postprocess, in this order. A look at what an earlier answer
//! named needs the first and the last two only.

use std::cell::RefCell;
use std::sync::Arc;

use tch::Kind;
use tch::Tensor;
use thiserror::Error;

use super::Grounder;
use super::count;
use super::generate::End;
use super::generate::Limits;
use super::generate::generate;
use super::generate::last_hidden;
use super::grow::grow;
use super::objects;
use super::pointing;
use super::pointing::Pointed;
use super::pointing::PointingError;
use super::preprocess::Letterbox;
use super::prompt;
use super::prompt::PromptError;
use super::prompt::Turn;
use super::select;
use super::select::Region;
use super::select::Rule;
use super::sight::Sight;
use super::stages::Stages;
use super::stages::Times;
use super::text::Mention;
use super::text::Reader;
use super::text::Spoken;
use crate::model::KvCache;
use crate::model::Objects;
use crate::model::PixelFeatures;
use crate::model::Predictions;
use crate::model::Prompts;
use crate::model::config::MaskUpsampling;
use crate::model::config::ObjectSlots;
use crate::model::config::SegFeature;
use crate::model::splice;
use crate::types::Finder;
use crate::types::Flow;
use crate::types::GroundedObject;
use crate::types::Mode;
use crate::types::RgbImage;
use crate::types::Step;
use crate::types::VisualPrompt;

/// Why there is no answer.
#[derive(Debug, Error, PartialEq)]
pub enum GroundError {
    /// The words, or words and prompts that do not pair.
    #[error(transparent)]
    Prompt(#[from] PromptError),
    /// A visual prompt.
    #[error(transparent)]
    Pointing(#[from] PointingError),
    /// The listener wanted it so.
    #[error("ended before it was answered")]
    Aborted,
}

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Not AUTO any more (see [`super::mode::decide`]); AUTO is taken as CHAT.
    pub mode: Mode,
    /// Expression or question, with `<obj>` slots or without.
    pub text: &'a str,
    /// What was pointed at, in the order of the slots.
    pub prompts: &'a [VisualPrompt],
    /// Width and height of the picture in which they were drawn (px); none: the image's.
    pub drawn_in: Option<(u32, u32)>,
    /// Earlier turns, oldest first.
    pub history: &'a [Turn],
}

/// How to answer; what is none is the model's own.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// Length and temperature of the words.
    pub limits: Limits,
    /// Regions scoring at or below this are dropped, `[0, 1]`.
    pub threshold: Option<f32>,
    /// At most this many regions per phrase; none: all.
    pub max_regions: Option<usize>,
    /// Overlap above which the better of two regions stays (IoU); 1: both stay.
    pub nms_iou: f32,
    /// How masks grow to the image.
    pub upsampling: Option<MaskUpsampling>,
    /// REFER: take the region although the model says something else.
    pub refer_force: bool,
}

/// What the model says of one image.
#[derive(Debug)]
pub struct Grounding {
    /// The words, and the phrase of each `<seg>`.
    pub spoken: Spoken,
    /// Regions of each `<seg>`, in the same order.
    pub regions: Vec<Vec<Region>>,
    /// The object under each visual prompt.
    pub pointed: Vec<Region>,
    /// REFER: the model pointed, at once. Its words are empty then.
    pub referred: bool,
    /// Why the words end.
    pub end: End,
    /// Ids that were generated.
    pub tokens: usize,
    /// What finds the phrases again; none: the words point at nothing.
    pub phrases: Option<Phrases>,
    /// Time per stage (ms).
    pub times: Times,
}

/// What the phrases of an answer are to the grounding head: with it they are found on other images, without the language
/// model.
#[derive(Debug)]
pub struct Phrases {
    /// `[1, K, D]` f32: the feature of each `<seg>`, without gradients.
    pub features: Tensor,
    /// What each `<seg>` points at in the words, `K`.
    pub mentions: Vec<Mention>,
    /// How many things each of them means, `K`; empty: nobody said it.
    pub counts: Vec<Option<usize>>,
}

/// Where the phrases of an earlier answer are in an image.
#[derive(Debug)]
pub struct Looked {
    /// Regions of each `<seg>`, as in [`Grounding::regions`].
    pub regions: Vec<Vec<Region>>,
    /// Time per stage (ms).
    pub times: Times,
}

/// What was said.
struct Said {
    spoken: Spoken,
    /// `[1, K, D]`.
    seg_features: Option<Tensor>,
    referred: bool,
    end: End,
    tokens: usize,
}

impl Grounder {
    /// Answers one request. `watch` is consulted before every stage and after every token; the growing text is told
    /// for CHAT and DESCRIBE, beginning with an empty one. [`Flow::Finish`]: what was said so far is grounded.
    pub fn ground(
        &self,
        image: &Arc<RgbImage>,
        request: &Request,
        options: &Options,
        watch: &mut dyn FnMut(Step) -> Flow,
    ) -> Result<Grounding, GroundError> {
        self.seeing(image, |sight| self.answer(sight, request, options, Stages::new(watch, self.model.device())))
    }

    /// Finds the phrases of an earlier answer in `image`: neither tower nor language model. On the image of that answer,
    /// the regions are those of the answer.
    pub fn look(
        &self,
        image: &Arc<RgbImage>,
        phrases: &Phrases,
        options: &Options,
        watch: &mut dyn FnMut(Step) -> Flow,
    ) -> Result<Looked, GroundError> {
        self.seeing(image, |sight| {
            let mut stages = Stages::new(watch, self.model.device());
            begin(&mut stages, "preprocess")?;
            sight.head_input(&self.model);
            let regions = self.find(sight, phrases, options, &mut stages)?;
            Ok(Looked { regions, times: stages.into_times() })
        })
    }

    /// Works on what is known of `image`, and keeps it, however the work ends.
    fn seeing<T>(&self, image: &Arc<RgbImage>, work: impl FnOnce(&mut Sight) -> T) -> T {
        let _no_grad = tch::no_grad_guard();
        // The sight of another image goes before this one's needs memory.
        let last = self.last.take().filter(|sight| sight.is_of(image));
        let mut sight = last.unwrap_or_else(|| Sight::new(image, &self.model));
        let done = work(&mut sight);
        self.last.replace(Some(sight));
        done
    }

    fn answer(
        &self,
        sight: &mut Sight,
        request: &Request,
        options: &Options,
        mut stages: Stages,
    ) -> Result<Grounding, GroundError> {
        begin(&mut stages, "preprocess")?;
        sight.clip_input(&self.model);
        sight.head_input(&self.model);
        let (prompt, letterbox) = (self.prompt(request)?, sight.letterbox());

        let pointed = match request.prompts {
            [] => None,
            prompts => {
                let places = pointing::places(prompts, &letterbox, request.drawn_in)?;
                begin(&mut stages, "prompt")?;
                Some(self.point(sight.prompt_head(&self.model), &places, &letterbox))
            }
        };
        begin(&mut stages, "embed")?;
        sight.image_tokens(&self.model);
        let question = self.embed(&prompt, pointed.as_ref());

        begin(&mut stages, "generate")?;
        let said = match stages.finished() {
            // The time was over before the first word.
            true => {
                Said { spoken: Spoken::default(), seg_features: None, referred: false, end: End::Finished, tokens: 0 }
            }
            false => {
                let mut heard = sight.heard(&self.model, &prompt.before);
                let said = self.speak(&mut heard, &question, sight, request, options, &mut stages);
                sight.hear(heard);
                said?
            }
        };
        let Said { spoken, seg_features, referred, end, tokens } = said;

        let mut regions = vec![Vec::new(); spoken.mentions.len()];
        // REFER that was answered in words points at nothing.
        let points = referred || request.mode != Mode::Refer;
        // A copy: the original may be a view that holds the states of the whole prompt.
        let phrases = seg_features.filter(|_| points).map(|features| Phrases {
            features: features.copy(),
            mentions: spoken.mentions.clone(),
            counts: if referred { count::of_mentions(&spoken, request.text) } else { Vec::new() },
        });
        if let Some(phrases) = &phrases {
            regions = self.find(sight, phrases, options, &mut stages)?;
        }
        let pointed = pointed.map_or(Vec::new(), |pointed| pointed.regions);
        Ok(Grounding { spoken, regions, pointed, referred, end, tokens, phrases, times: stages.into_times() })
    }

    /// Steps 10 and 11: phrases -> their regions.
    fn find(
        &self,
        sight: &mut Sight,
        phrases: &Phrases,
        options: &Options,
        stages: &mut Stages,
    ) -> Result<Vec<Vec<Region>>, GroundError> {
        begin(stages, "head")?;
        let output = self.model.find(sight.head(&self.model), &phrases.features);
        begin(stages, "postprocess")?;
        Ok(select::select(&output.last, &self.rule(options), &phrases.counts, sight.letterbox().image))
    }

    /// The prompt in ids; refused when it is longer than the model's positions.
    pub fn prompt(&self, request: &Request) -> Result<prompt::Prompt, PromptError> {
        let config = &self.model.config;
        let question = prompt::question(request.mode, request.text, request.prompts.len())?;
        let prompt = prompt::build(&self.tokenizer, request.history, &question, config.history_eos)?;
        let found = prompt.before.len() + config.clip.tokens() as usize + prompt.after.len();
        let limit = config.llm.max_position_embeddings as usize;
        if found > limit { Err(PromptError::TooLong { found, limit }) } else { Ok(prompt) }
    }

    /// The objects at `places` of an image. Several prompts do not see each other (Q12).
    pub fn point(&self, image: &PixelFeatures, places: &[pointing::Place], letterbox: &Letterbox) -> Pointed {
        let numbers: Vec<f32> = places.iter().flat_map(|place| place.centre_size.map(|v| v as f32)).collect();
        let kinds: Vec<i64> = places.iter().map(|place| i64::from(place.is_box)).collect();
        let count = places.len() as i64;
        let boxes = Tensor::from_slice(&numbers).view([1, count, 4]).to_device(self.model.device());
        let kinds = Tensor::from_slice(&kinds).view([1, count]).to_device(self.model.device());
        let prompts = Prompts { boxes: &boxes, kinds: &kinds, attend: places.len() == 1 };
        let output = self.model.semsam.encode_prompts(image, &prompts, Predictions::Last);
        let corners = select::corners(&output.prompt_boxes().select(0, 0));
        let masks = output.prompt_masks();
        let regions = (0..places.len()).map(|i| Region {
            query: i,
            score: (output.prompt_ious().double_value(&[0, i as i64]) as f32).clamp(0.0, 1.0),
            bbox: select::outward(select::on_image(corners[i], letterbox.image), letterbox.image),
            // The official code interpolates these logits, whatever it does with the other masks.
            mask: grow(&masks.select(0, 0).select(0, i as i64), letterbox.image, MaskUpsampling::Bilinear),
        });
        Pointed { regions: regions.collect(), features: output.embedding.select(0, 0) }
    }

    /// The words after the image, `[1, T, D]`. Each prompt fills its own slot: there are as many as slots, so the official
    /// rule (Q8) is met where it can be.
    fn embed(&self, prompt: &prompt::Prompt, pointed: Option<&Pointed>) -> Tensor {
        let objects = pointed.map(|pointed| Objects { features: &pointed.features, slots: &prompt.slots });
        splice::filled(&self.model.embed_ids(&prompt.after), objects.as_ref(), ObjectSlots::InOrder)
    }

    /// The words after what was `heard` and the `question` `[1, T, D]`. Of `sight` a phrase is shown as soon as it is complete.
    fn speak(
        &self,
        heard: &mut KvCache,
        question: &Tensor,
        sight: &mut Sight,
        request: &Request,
        options: &Options,
        stages: &mut Stages,
    ) -> Result<Said, GroundError> {
        let refers = request.mode == Mode::Refer;
        if refers && options.refer_force {
            return Ok(self.forced(heard, question));
        }
        let mut limits = options.limits;
        limits.max_new_tokens = limits.max_new_tokens.min(self.model.config.max_new_tokens);
        let mut reader = Reader::new(&self.tokenizer);
        if !refers {
            asked(stages.tell(Step::Text("")))?;
        }
        let seg = self.tokenizer.ids().seg;
        let (mut referred, mut told) = (false, 0);
        let sight = RefCell::new(sight);
        let generated = generate(&self.model, heard, question, &limits, |token| {
            token.ids.last().into_iter().for_each(|id| reader.push(*id));
            referred = refers && token.ids == [seg];
            if let Some((feature, mention)) = token.seg_features.get(told).zip(reader.mentions().get(told))
                && !refers
            {
                told += 1;
                let find = || self.glance(&mut sight.borrow_mut(), feature, mention, reader.text(), options);
                if stages.tell(Step::Phrase(Finder(&find))) == Flow::Abort {
                    return Flow::Abort;
                }
            }
            let step = if refers { Step::Stage("generate") } else { Step::Text(reader.text()) };
            match stages.tell(step) {
                Flow::Continue if referred => Flow::Finish,
                flow => flow,
            }
        });
        match generated.end {
            End::Aborted => Err(GroundError::Aborted),
            end => Ok(Said {
                spoken: reader.finish(),
                seg_features: generated.seg_features,
                referred,
                end: if referred { End::Said } else { end },
                tokens: generated.ids.len(),
            }),
        }
    }

    /// The objects of one `<seg>` whose feature is `[1, 1, D]`, alone.
    fn glance(
        &self,
        sight: &mut Sight,
        feature: &Tensor,
        mention: &Mention,
        text: &str,
        options: &Options,
    ) -> Vec<GroundedObject> {
        let output = self.model.find(sight.head(&self.model), feature);
        let regions = select::select(&output.last, &self.rule(options), &[], sight.letterbox().image);
        regions.first().map_or(Vec::new(), |regions| objects::named(text, mention, regions, None))
    }

    /// As if the model had said `<seg>` first.
    fn forced(&self, heard: &mut KvCache, question: &Tensor) -> Said {
        let mut input = question.shallow_clone();
        if self.model.config.seg_feature == SegFeature::Itself {
            input = Tensor::cat(&[input, self.model.embed_ids(&[self.tokenizer.ids().seg])], 1);
        }
        let last = last_hidden(&self.model, &input, heard).to_kind(Kind::Float);
        let spoken = super::text::read(&self.tokenizer, &[self.tokenizer.ids().seg]);
        Said { spoken, seg_features: Some(last), referred: true, end: End::Said, tokens: 0 }
    }

    fn rule(&self, options: &Options) -> Rule {
        let config = &self.model.config;
        Rule {
            threshold: options.threshold.or(config.matching_threshold),
            max_regions: options.max_regions,
            nms_iou: options.nms_iou.min(config.nms_iou),
            upsampling: options.upsampling.unwrap_or(config.mask_upsampling),
            several_above: config.several_above,
            min_confidence: config.min_confidence.filter(|_| !options.refer_force),
        }
    }
}

fn begin(stages: &mut Stages, stage: &'static str) -> Result<(), GroundError> {
    asked(stages.begin(stage))
}

fn asked(flow: Flow) -> Result<(), GroundError> {
    if flow == Flow::Abort { Err(GroundError::Aborted) } else { Ok(()) }
}
