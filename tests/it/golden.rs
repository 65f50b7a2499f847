//! Every reference output of the official code in `tests/data/golden` against ours.

use std::path::Path;

use llava_grounding::golden;
use tch::Device;

/// Stages that cases of each kind must show: a line that is missing is as bad as one that failed.
const TEXT: &[&str] = &[
    "preprocess",
    "clip_features",
    "mm_projector_out",
    "inputs_embeds",
    "prompt_hidden_layer1",
    "prompt_hidden_last",
    "prompt_logits",
    "gen.output_ids",
    "gen.logits",
];
const REGIONS: &[&str] = &[
    "seg_tokens",
    "openseed.res",
    "openseed.multi_scale",
    "openseed.mask_features",
    "openseed.enc_scores_max",
    "openseed.topk_idx",
    "openseed.queries",
    "openseed.dec_hs",
    "openseed.dec_ref",
    "openseed.interm",
    "openseed.aux",
    "openseed.pred_logits",
    "openseed.pred_boxes",
    "openseed.pred_masks",
    "openseed.softmax_over_queries",
    "final.counts",
    "final.boxes_norm",
    "final.boxes_px",
    "final.masks_quarter",
    "final.masks_full",
    "final.regions",
];
const PROMPTS: &[&str] = &[
    "semsam.res",
    "semsam.multi_scale",
    "semsam.mask_features",
    "semsam.queries",
    "semsam.dec_hs",
    "semsam.dec_ref",
    "semsam.obj_features",
    "semsam.obj_embedding",
    "semsam.pred_boxes",
    "semsam.pred_ious",
    "semsam.pred_masks",
    "semsam.final_mask_logits",
    "semsam.final_mask",
];

#[test]
fn all_reference_outputs_are_reproduced() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/golden");
    let report = golden::run(&folder, Device::Cpu).unwrap();
    assert_eq!(report.failed(), 0, "{report}");
    for (case, kinds) in [
        ("landscape", &[TEXT, REGIONS][..]),
        ("tiny17x9", &[TEXT, REGIONS]),
        ("highthr", &[TEXT, REGIONS]),
        ("click", &[TEXT, PROMPTS, REGIONS]),
        ("box", &[TEXT, PROMPTS, REGIONS]),
        ("noseg", &[TEXT, &["no <seg>"]]),
    ] {
        for stage in kinds.iter().copied().flatten() {
            assert!(report.has(case, stage), "{case} has no line for {stage}");
        }
    }
}
