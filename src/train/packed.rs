//! Many questions about one image in one row: the image is read once, every question sees it and itself only. The same as
//! each question alone with the image, for a fraction of the work.

use tch::Device;
use tch::Kind;
use tch::Tensor;

use crate::model::LlavaGrounding;
use crate::train::samples::Sample;

/// Questions of a batch, behind their images.
#[derive(Debug)]
pub struct Packed {
    /// `[B, P + R, D]`: words before the image, the image, the questions.
    pub embeds: Tensor,
    /// `[B, P + R]`: positions as if every question stood alone behind the image.
    pub at: Tensor,
    /// `[B, P + R, P + R]`: where a position may look.
    pub mask: Tensor,
    /// Positions before the questions, `P`.
    pub prefix: i64,
    /// Where the image begins.
    pub image: i64,
    /// Where each sample of each row begins, from `P`.
    pub offsets: Vec<Vec<usize>>,
}

/// A position behind the images: row and place from `P`.
pub type Spot = (usize, usize);

/// Packs `rows` of samples behind `images` `[B, N, D]`; `before` are the ids before the image. The features `[M, D]` of
/// `filled` take the places of the slots named with them.
pub fn pack(
    model: &LlavaGrounding,
    images: &Tensor,
    before: &[i64],
    rows: &[Vec<Sample>],
    filled: Option<(&[Spot], &Tensor)>,
) -> Packed {
    let (batch, device) = (rows.len() as i64, images.device());
    let image = before.len() as i64;
    let prefix = image + images.size()[1];
    let longest = rows.iter().map(|row| row.iter().map(|s| s.ids.len()).sum::<usize>()).max().unwrap_or(0);
    let (mut ids, mut at, mut owner) = (vec![], vec![], vec![]);
    let mut offsets = vec![];
    for row in rows {
        let mut begins = vec![];
        let start = ids.len();
        for (index, sample) in row.iter().enumerate() {
            let begin = ids.len();
            begins.push(begin - start);
            ids.extend(&sample.ids);
            sample.misread.iter().for_each(|(at, id)| ids[begin + at] = *id);
            at.extend((0..sample.ids.len() as i64).map(|i| prefix + i));
            owner.extend(std::iter::repeat_n(index as i64, sample.ids.len()));
        }
        let end = start + longest;
        ids.resize(end, model.config.pad_token_id);
        at.resize(end, prefix);
        owner.resize(end, -1);
        offsets.push(begins);
    }
    let table = |flat: &[i64]| Tensor::from_slice(flat).view([batch, longest as i64]).to_device(device);
    let mut words = model.llama.embed(&table(&ids));
    if let Some((spots, features)) = filled {
        let [row, place] = indices(spots, device);
        words = words.index_put(&[Some(row), Some(place)], features, false);
    }
    let before = model.embed_ids(before).expand([batch, -1, -1], false);
    let embeds = Tensor::cat(&[&before, images, &words], 1);
    let lead = Tensor::arange(prefix, (Kind::Int64, device)).expand([batch, prefix], false);
    let at = Tensor::cat(&[&lead, &table(&at)], 1);
    let owner = Tensor::cat(&[&lead.full_like(-2), &table(&owner)], 1);
    let own = owner.unsqueeze(1).eq_tensor(&owner.unsqueeze(2));
    let mask = own.logical_or(&owner.unsqueeze(1).eq(-2)).tril(0);
    Packed { embeds, at, mask, prefix, image, offsets }
}

/// Rows and places of spots, for `index`.
pub fn indices(spots: &[Spot], device: Device) -> [Tensor; 2] {
    let column = |of: fn(&Spot) -> usize| {
        Tensor::from_slice(&spots.iter().map(|spot| of(spot) as i64).collect::<Vec<_>>()).to_device(device)
    };
    [column(|spot| spot.0), column(|spot| spot.1)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Config;

    #[test]
    fn a_packed_question_is_heard_as_if_it_were_alone() {
        let config =
            Config::parse(include_str!("../../config/models/tiny/config.json")).expect("the embedded configuration");
        let width = config.llm.hidden_size;
        let model = LlavaGrounding::random(config, 3, Device::Cpu, Kind::Float);
        let images = Tensor::randn([2, 5, width], (Kind::Float, Device::Cpu));
        let sample = |ids: &[i64]| Sample { ids: ids.to_vec(), answer: 2, ..Sample::default() };
        let rows = [vec![sample(&[40, 41, 42, 43]), sample(&[50, 51, 52])], vec![sample(&[60, 61, 62])]];
        let before = [1, 30, 31];
        let slot = Tensor::ones([1, width], (Kind::Float, Device::Cpu));
        let packed = pack(&model, &images, &before, &rows, Some((&[(0, 5)], &slot)));
        let all = model.llama.forward_packed(&packed.embeds, &packed.at, &packed.mask, |_, _| {});
        for (b, (row, offsets)) in rows.iter().zip(&packed.offsets).enumerate() {
            for (index, (sample, offset)) in row.iter().zip(offsets).enumerate() {
                let words = model.embed_ids(&sample.ids);
                if (b, index) == (0, 1) {
                    words.select(1, 1).copy_(&slot); // the slot is the second id of this question
                }
                let image = images.narrow(0, b as i64, 1);
                let alone = Tensor::cat(&[&model.embed_ids(&before), &image, &words], 1);
                let alone = model.llama.forward(&alone, None).narrow(1, packed.prefix, sample.ids.len() as i64);
                let begin = packed.prefix + *offset as i64;
                let packed = all.narrow(0, b as i64, 1).narrow(1, begin, sample.ids.len() as i64);
                assert!(packed.allclose(&alone, 1e-4, 1e-4, false), "row {b}, question {index}");
            }
        }
    }
}
