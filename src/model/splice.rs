//! Splice: puts image features and the features of visual prompts between the embeddings of words (model.md 4).

use tch::Tensor;

use super::config::ObjectSlots;
use super::layers::size3;

/// Features of visual prompts and the places that they take.
#[derive(Debug)]
pub struct Objects<'a> {
    /// `[P, D]`, one row a prompt.
    pub features: &'a Tensor,
    /// Positions in the ids after the image that are slots.
    pub slots: &'a [i64],
}

/// Where `id` stands in `ids`: the official rule for slots, which takes every such piece after the image (Q8).
pub fn positions(ids: &[i64], id: i64) -> Vec<i64> {
    (0..).zip(ids).filter(|(_, found)| **found == id).map(|(at, _)| at).collect()
}

/// `before` `[1, T0, D]`, `image` `[1, N, D]`, `after` `[1, T1, D]` -> `[1, T0 + N + T1, D]`, slots of `after` filled.
pub fn splice(before: &Tensor, image: &Tensor, after: &Tensor, objects: Option<&Objects>, rule: ObjectSlots) -> Tensor {
    Tensor::cat(&[before, image, &filled(after, objects, rule)], 1)
}

/// `after` `[1, T1, D]` with its slots filled.
pub fn filled(after: &Tensor, objects: Option<&Objects>, rule: ObjectSlots) -> Tensor {
    match objects {
        Some(objects) if !objects.slots.is_empty() => fill_slots(after, objects, rule),
        _ => after.shallow_clone(),
    }
}

fn fill_slots(after: &Tensor, objects: &Objects, rule: ObjectSlots) -> Tensor {
    let (prompts, slots) = (objects.features.size()[0], objects.slots.len() as i64);
    let (_, _, width) = size3(after);
    let features = objects.features.to_kind(after.kind());
    let filling = match rule {
        ObjectSlots::InOrder if prompts == slots => features,
        _ => features.narrow(0, 0, 1).expand([slots, width], false),
    };
    let at = Tensor::from_slice(objects.slots).to_device(after.device());
    after.index_copy(1, &at, &filling.unsqueeze(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Kind;

    fn rows(values: &[f32]) -> Tensor {
        Tensor::from_slice(values).view([1, -1, 1])
    }

    fn spliced(prompts: &[f32], rule: ObjectSlots) -> Vec<f32> {
        let features = Tensor::from_slice(prompts).view([-1, 1]);
        let objects = Objects { features: &features, slots: &[0, 2] };
        let all = splice(&rows(&[1.0]), &rows(&[2.0, 3.0]), &rows(&[4.0, 5.0, 6.0]), Some(&objects), rule);
        Vec::try_from(all.flatten(0, -1).to_kind(Kind::Float)).unwrap()
    }

    #[test]
    fn the_first_prompt_fills_all_slots_as_in_the_official_code() {
        assert_eq!(spliced(&[7.0, 8.0], ObjectSlots::First), [1.0, 2.0, 3.0, 7.0, 5.0, 7.0]);
    }

    #[test]
    fn as_many_prompts_as_slots_pair_in_order() {
        assert_eq!(spliced(&[7.0, 8.0], ObjectSlots::InOrder), [1.0, 2.0, 3.0, 7.0, 5.0, 8.0]);
        assert_eq!(spliced(&[7.0], ObjectSlots::InOrder), [1.0, 2.0, 3.0, 7.0, 5.0, 7.0]);
    }

    #[test]
    fn slots_are_found_by_id() {
        assert_eq!(positions(&[3, 9, 3], 3), [0, 2]);
    }
}
