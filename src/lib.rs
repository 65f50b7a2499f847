//! LLaVA-Grounding (arXiv 2312.02949) as a ROS 2 node: from a camera frame and spoken words to boxes and masks of what the
//! words name.
//!
//! # The walk
//!
//! One frame, from the camera's message to the published answer. The modules below stand in the order in which it meets
//! them; steps 6 to 11 are functions of their arguments, and so is 12.
//!
//! | # | where | call | gives |
//! |---|---|---|---|
//! | 1 | [`transport`] | a raw subscription for every input topic | CDR bytes and their role |
//! | 2 | [`wire::cdr`] | `cdr::decode::<msgs::Image>(bytes)` | the message, pixels borrowed |
//! | 3 | [`wire::cv_bridge`] | `rgb_from_image(&message)` | [`ports::Input::Color`] |
//! | 4 | [`pipeline`], `history.rs` | `History::add`, `Ring::newest` | the frames kept per camera |
//! | 5 | [`pipeline`], `asks.rs` | `Asks::take(&mut history, ..)` | a command and its frame, for a free worker |
//! | 6 | [`mod@perceive`] | `perceive(&grounder, &frame, &command, ..)` | the [`types::Answer`], by steps 7 to 11 |
//! | 7 | [`grounder::preprocess`] | `clip_input(..)`, `head_input(..)` | `[1, 3, N, N]`, `[1, 3, S, S]` and the letterbox |
//! | 8 | [`model`]: `clip`, `projector`, `splice` | `image_tokens(..)`, `filled(..)` | image `[1, N, D]`, question `[1, T, D]` |
//! | 9 | [`grounder::sight`], [`grounder::generate`] | `heard(..)`, `generate(..)` | the language model behind the image; ids, and a feature for each `<seg>`, `[1, K, D]` |
//! | 10 | [`model::openseed`] | `head(..)` | boxes `[Q, 4]`, mask logits, logits `[Q, K]` |
//! | 11 | [`grounder::select`], [`grounder::text`] | `select(..)`, `Reader` | regions in the image's pixels, text with spans |
//! | 12 | [`geometry::place`] | `place(&mut answer, &mut sight, &rules)` | poses, sizes and pinches, or why there are none |
//! | 13 | [`wire::convert`] | `msg_from_answer(&answer)` | the message |
//! | 14 | [`transport`] | [`ports::Event::Answer`] | bytes on `~/answer`, and what [`view`] draws for whoever listens |
//!
//! Depth, camera_info and TF take the same way in (steps 1 to 4); what belongs to a frame is gathered by its stamp while
//! the model works, and waited for a little afterwards (`pipeline/placing.rs`): inference never waits for them.
//!
//! `ground` runs steps 6 to 11 on a file, `replay` 2 to 13 on a bag with the bag's time as clock; only the live node has
//! threads that last (the table in [`pipeline`]) and states (`pipeline/managed.rs`); step 10 takes all cores for a moment on
//! a CPU (`model/mask_dino/sampling.rs`). Beside the walk: [`follow`] keeps the objects of an answer on the frames after
//! it, from steps 7, 10 and 11 alone (`Grounder::look`); [`sim`] renders scenes with
//! exact truth, [`train`] has losses and data, [`eval`] scores answers against that truth, [`golden`] compares the network
//! with outputs of the official code.

pub mod assignment;
pub mod types;

pub mod memory;
pub mod params;
pub mod ports;
pub mod telemetry;

pub mod transport;
pub mod wire;

pub mod pipeline;

pub mod follow;
pub mod perceive;

pub mod grounder;
pub mod model;

pub mod geometry;

pub mod view;
pub mod web;

pub mod cli;
pub mod eval;
pub mod golden;
pub mod sim;
pub mod train;
