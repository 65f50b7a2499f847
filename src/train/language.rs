//! Teacher forcing of the language model: whole conversations with the image in place, and the loss of the answers.

use tch::{Kind, Tensor};

use crate::model::LlavaGrounding;

/// Label of a position that no loss looks at.
pub const IGNORE: i64 = -100;

/// Conversations as the language model reads them.
#[derive(Debug)]
pub struct Sequences {
    /// `[B, T, D]`, shorter ones padded with zeros on the right.
    pub embeds: Tensor,
    /// `[B, T]`: the id that stands at a position, or [`IGNORE`].
    pub labels: Tensor,
    /// `[B, T]`: false where it is padding.
    pub valid: Tensor,
}

/// Puts the image features `[B, N, D]` where the image placeholder stands in `ids` and stretches `labels` alike
/// (upstream `prepare_inputs_labels_for_multimodal`). `ids` and `labels` of one conversation have the same length.
pub fn sequences(model: &LlavaGrounding, images: &Tensor, ids: &[Vec<i64>], labels: &[Vec<i64>]) -> Sequences {
    let (features, marker) = (images.size()[1], model.config.image_token_index);
    let rows: Vec<(Tensor, Vec<i64>)> = (0..)
        .zip(ids.iter().zip(labels))
        .map(|(b, (ids, labels))| {
            let at = ids.iter().position(|&id| id == marker).unwrap_or(ids.len());
            let after = (at + 1).min(ids.len());
            let parts = [model.embed_ids(&ids[..at]), images.narrow(0, b, 1), model.embed_ids(&ids[after..])];
            let ignored = vec![IGNORE; features as usize];
            (Tensor::cat(&parts, 1).squeeze_dim(0), [&labels[..at], &ignored, &labels[after..]].concat())
        })
        .collect();
    let longest = rows.iter().map(|(_, labels)| labels.len()).max().unwrap_or(0);
    let padded = |(embeds, labels): &(Tensor, Vec<i64>)| {
        let missing = (longest - labels.len()) as i64;
        let mut labels = labels.clone();
        let valid =
            Tensor::cat(&[Tensor::ones([labels.len() as i64], KIND_BOOL), Tensor::zeros([missing], KIND_BOOL)], 0);
        labels.resize(longest, IGNORE);
        (embeds.constant_pad_nd([0, 0, 0, missing]), Tensor::from_slice(&labels), valid)
    };
    let mut stacked: [Vec<Tensor>; 3] = Default::default();
    for row in &rows {
        let (embeds, labels, valid) = padded(row);
        stacked[0].push(embeds);
        stacked[1].push(labels);
        stacked[2].push(valid);
    }
    let [embeds, labels, valid] = stacked.map(|rows| Tensor::stack(&rows, 0));
    let device = embeds.device();
    Sequences { embeds, labels: labels.to_device(device), valid: valid.to_device(device) }
}

const KIND_BOOL: (Kind, tch::Device) = (Kind::Bool, tch::Device::Cpu);

/// Mean cross entropy of the labelled positions; position `t` of `logits` `[B, T, V]` says what stands at `t + 1`.
pub fn cross_entropy(logits: &Tensor, labels: &Tensor) -> Tensor {
    let (tokens, words) = (labels.size()[1], logits.size()[2]);
    let said = logits.narrow(1, 0, tokens - 1).reshape([-1, words]).to_kind(Kind::Float);
    let stands = labels.narrow(1, 1, tokens - 1).reshape([-1]);
    said.cross_entropy_loss::<Tensor>(&stands, None, tch::Reduction::Mean, IGNORE, 0.0)
}

/// Where `id` is supervised, one list a conversation: with the id of `<seg>`, the positions whose features the official
/// training takes (model.md Q1).
pub fn positions(labels: &Tensor, id: i64) -> Vec<Vec<i64>> {
    let rows = labels.size()[0];
    (0..rows)
        .map(|b| {
            let at = labels.get(b).eq(id).nonzero().flatten(0, -1);
            Vec::try_from(at).expect("a list of positions")
        })
        .collect()
}
