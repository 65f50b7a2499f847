//! LoRA (Hu et al. 2022): matrices change by a product of two thin ones. The network keeps its plain matrices: the
//! gradients of the thin ones follow from theirs by the chain rule, so nothing in [`crate::model`] knows about it.

use std::collections::BTreeMap;
use std::path::Path;

use rand_chacha::ChaCha8Rng;
use tch::TchError;
use tch::Tensor;

use crate::train::adamw::Parameter;
use crate::train::head::uniform;
use crate::train::recipe::Matrices;

/// Rank of the change.
const RANK: i64 = 8;
/// Its weight is this over the rank.
const ALPHA: f64 = 16.0;

/// Thin matrices beside those of the model.
pub struct Lora(Vec<Pair>);

struct Pair {
    name: String,
    weight: Tensor, // [out, in], the model's own
    base: Tensor,   // as it was
    down: Tensor,   // [rank, in]
    up: Tensor,     // [out, rank], zero at first
}

impl Lora {
    /// Nothing is changed yet.
    pub fn new(weights: &[Parameter], random: &mut ChaCha8Rng) -> Self {
        let _no_grad = tch::no_grad_guard();
        let pair = |p: &Parameter| {
            let (outputs, inputs) = p.value.size2().expect("LoRA is for matrices");
            let spread = (3.0 / inputs as f64).sqrt();
            let down = (uniform(&[RANK, inputs], random) * 2.0 - 1.0) * spread;
            let on = (p.value.kind(), p.value.device());
            Pair {
                name: p.name.clone(),
                weight: p.value.shallow_clone(),
                base: p.value.copy().detach(),
                down: down.to_kind(on.0).to_device(on.1),
                up: Tensor::zeros([outputs, RANK], on),
            }
        };
        Self(weights.iter().map(pair).collect())
    }

    /// What is trained: of every pair the way down and the way up.
    pub fn parameters(&self) -> Vec<Parameter> {
        let both = |p: &Pair| {
            [("down", &p.down), ("up", &p.up)].map(|(which, value)| Parameter {
                name: format!("{}.{which}", p.name),
                value: value.shallow_clone(),
                rate: 1.0,
                by: Matrices::Adamw,
            })
        };
        self.0.iter().flat_map(both).collect()
    }

    /// Gradients of the matrices -> those of [`Self::parameters`].
    pub fn gradients(&self, of_weights: &[Tensor]) -> Vec<Tensor> {
        let both = |(p, g): (&Pair, &Tensor)| match g.defined() {
            true => [p.up.tr().matmul(g) * scale(), g.matmul(&p.down.tr()) * scale()],
            false => [Tensor::new(), Tensor::new()],
        };
        self.0.iter().zip(of_weights).flat_map(both).collect()
    }

    /// Writes the thin matrices.
    pub fn save(&self, path: &Path) -> Result<(), TchError> {
        let named: Vec<(String, Tensor)> = self.parameters().into_iter().map(|p| (p.name, p.value)).collect();
        Tensor::write_safetensors(&named, path)
    }

    /// Takes up thin matrices of [`Self::save`]; the model has their change in it already.
    pub fn restore(&mut self, path: &Path) -> Result<(), TchError> {
        let _no_grad = tch::no_grad_guard();
        let saved: BTreeMap<String, Tensor> = Tensor::read_safetensors(path)?.into_iter().collect();
        for mut parameter in self.parameters() {
            if let Some(value) = saved.get(&parameter.name) {
                parameter.value.f_copy_(value)?;
            }
        }
        for pair in &mut self.0 {
            pair.base = &pair.weight - pair.up.matmul(&pair.down) * scale();
        }
        Ok(())
    }

    /// Writes base plus change into the model.
    pub fn apply(&self) {
        let _no_grad = tch::no_grad_guard();
        for pair in &self.0 {
            pair.weight.shallow_clone().copy_(&(&pair.base + pair.up.matmul(&pair.down) * scale()));
        }
    }
}

fn scale() -> f64 {
    ALPHA / RANK as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use tch::Kind;

    #[test]
    fn gradients_are_those_of_autograd() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let weight = uniform(&[5, 7], &mut random).set_requires_grad(true);
        let x = uniform(&[3, 7], &mut random);
        let parameter = Parameter { name: "w".into(), value: weight.shallow_clone(), rate: 1.0, by: Matrices::Adamw };
        let lora = Lora::new(&[parameter], &mut random);
        {
            let _no_grad = tch::no_grad_guard();
            lora.0[0].up.shallow_clone().copy_(&uniform(&[5, RANK], &mut random));
        }
        lora.apply();
        x.matmul(&weight.tr()).square().sum(Kind::Float).backward();
        let ours = lora.gradients(&[weight.grad()]);
        let (down, up) = (lora.0[0].down.copy().set_requires_grad(true), lora.0[0].up.copy().set_requires_grad(true));
        let whole = &lora.0[0].base + up.matmul(&down) * scale();
        x.matmul(&whole.tr()).square().sum(Kind::Float).backward();
        assert!(ours[0].allclose(&down.grad(), 1e-4, 1e-5, false), "{} {}", ours[0], down.grad());
        assert!(ours[1].allclose(&up.grad(), 1e-4, 1e-5, false));
    }
}
