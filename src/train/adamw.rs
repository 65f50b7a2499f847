//! AdamW (Loshchilov and Hutter 2019) whose state can be written to a file: libtorch's own, as `tch` gives it, cannot,
//! and a run must go on after an interruption as if there had been none. Matrices may learn by Muon instead.

use std::collections::BTreeMap;
use std::path::Path;

use tch::Kind;
use tch::Tensor;

use crate::train::muon;
use crate::train::recipe::Matrices;

/// A parameter and how fast it learns.
#[derive(Debug)]
pub struct Parameter {
    /// Unique name.
    pub name: String,
    /// The values, changed in place.
    pub value: Tensor,
    /// Factor on the learning rate.
    pub rate: f64,
    /// How it learns.
    pub by: Matrices,
}

/// The optimizer.
#[derive(Debug)]
pub struct AdamW {
    parameters: Vec<Parameter>,
    moments: BTreeMap<String, [Tensor; 2]>,
    steps: i64,
    weight_decay: f64,
}

const BETAS: [f64; 2] = [0.9, 0.999];
const EPS: f64 = 1e-8;
const STEPS: &str = "steps";

impl AdamW {
    /// Starts with empty moments. Vectors (norms, biases) are not decayed.
    pub fn new(parameters: Vec<Parameter>, weight_decay: f64) -> Self {
        let zeros = |p: &Parameter| {
            let mean = p.value.detach().zeros_like();
            let square = if p.by == Matrices::Muon {
                mean.new_empty([0], (mean.kind(), mean.device()))
            } else {
                mean.zeros_like()
            };
            (p.name.clone(), [mean, square])
        };
        Self { moments: parameters.iter().map(zeros).collect(), parameters, steps: 0, weight_decay }
    }

    /// One step along `gradients` (undefined: none), their common norm cut to `max_norm`. Returns the norm before; where
    /// it is not finite nothing is changed.
    pub fn step(&mut self, gradients: &[Tensor], rate: f64, max_norm: f64) -> f64 {
        let _no_grad = tch::no_grad_guard();
        let squares: Vec<Tensor> =
            gradients.iter().filter(|g| g.defined()).map(|g| g.square().sum(Kind::Float)).collect();
        if squares.is_empty() {
            return 0.0;
        }
        let norm = Tensor::stack(&squares, 0).sum(Kind::Double).sqrt().double_value(&[]);
        if !norm.is_finite() {
            return norm;
        }
        self.steps += 1;
        let scale = (max_norm / (norm + 1e-6)).min(1.0);
        for (parameter, gradient) in self.parameters.iter_mut().zip(gradients).filter(|(_, g)| g.defined()) {
            let Some(moments) = self.moments.get_mut(&parameter.name) else { continue };
            let decay = if parameter.value.dim() > 1 { self.weight_decay } else { 0.0 };
            update(parameter, &(gradient * scale), moments, rate * parameter.rate, decay, self.steps);
        }
        norm
    }

    /// Steps so far.
    pub fn steps(&self) -> i64 {
        self.steps
    }

    /// Writes the moments as safetensors.
    pub fn save(&self, path: &Path) -> Result<(), tch::TchError> {
        let mut named: Vec<(String, Tensor)> = vec![(STEPS.into(), Tensor::from_slice(&[self.steps]))];
        for (name, [mean, square]) in &self.moments {
            named.push((format!("mean.{name}"), mean.shallow_clone()));
            named.push((format!("square.{name}"), square.shallow_clone()));
        }
        Tensor::write_safetensors(&named, path)
    }

    /// Takes up the moments of [`AdamW::save`]; a parameter that the file does not know starts anew.
    pub fn restore(&mut self, path: &Path) -> Result<(), tch::TchError> {
        let mut saved: BTreeMap<String, Tensor> = Tensor::read_safetensors(path)?.into_iter().collect();
        self.steps = saved.get(STEPS).map_or(0, |steps| steps.int64_value(&[0]));
        for (name, moments) in &mut self.moments {
            for (kind, moment) in ["mean", "square"].iter().zip(moments) {
                if let Some(value) = saved.remove(&format!("{kind}.{name}")).filter(|v| v.size() == moment.size()) {
                    moment.f_copy_(&value)?;
                }
            }
        }
        Ok(())
    }
}

fn update(
    parameter: &mut Parameter,
    gradient: &Tensor,
    [mean, square]: &mut [Tensor; 2],
    rate: f64,
    decay: f64,
    step: i64,
) {
    let _ = parameter.value.g_mul_scalar_(1.0 - rate * decay);
    if parameter.by == Matrices::Muon {
        let _ = parameter.value.g_sub_(&(muon::direction(gradient, mean) * rate));
        return;
    }
    let _ = mean.lerp_(gradient, 1.0 - BETAS[0]);
    let _ = square.g_mul_scalar_(BETAS[1]).addcmul_(&(gradient * (1.0 - BETAS[1])), gradient);
    let bias = BETAS.map(|beta| 1.0 - beta.powi(step as i32));
    let width = (&*square / bias[1]).sqrt() + EPS;
    let _ = parameter.value.g_sub_(&((&*mean / width) * (rate / bias[0])));
}

/// Learning rate of step `step` of `total`: a linear start, then half a cosine down to 0.
pub fn cosine(base: f64, warmup: i64, total: i64, step: i64) -> f64 {
    if step < warmup {
        return base * (step + 1) as f64 / warmup as f64;
    }
    let done = (step - warmup) as f64 / (total - warmup).max(1) as f64;
    base * 0.5 * (1.0 + (std::f64::consts::PI * done.min(1.0)).cos())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::nn;
    use tch::nn::OptimizerConfig;

    fn loss(w: &Tensor) -> Tensor {
        (w.square() * Tensor::from_slice(&[1.0f32, 3.0, 0.5, 2.0]).view([2, 2]) + w).sum(Kind::Float)
    }

    fn start() -> Tensor {
        Tensor::from_slice(&[0.5f32, -1.0, 2.0, 0.1]).view([2, 2])
    }

    fn ours(by: Matrices) -> (Tensor, AdamW) {
        let value = start().set_requires_grad(true);
        let parameter = Parameter { name: "w".into(), value: value.shallow_clone(), rate: 1.0, by };
        (value, AdamW::new(vec![parameter], 0.01))
    }

    fn train(w: &Tensor, opt: &mut AdamW, steps: usize) {
        for _ in 0..steps {
            w.shallow_clone().zero_grad();
            loss(w).backward();
            opt.step(&[w.grad()], 0.05, 1e9);
        }
    }

    #[test]
    fn steps_are_those_of_libtorch() {
        let store = nn::VarStore::new(tch::Device::Cpu);
        let theirs = store.root().var_copy("w", &start());
        let mut optimizer = nn::AdamW { wd: 0.01, ..Default::default() }.build(&store, 0.05).expect("a store with one");
        for _ in 0..20 {
            optimizer.backward_step(&loss(&theirs));
        }
        let (w, mut opt) = ours(Matrices::Adamw);
        train(&w, &mut opt, 20);
        assert!(w.allclose(&theirs, 0.0, 1e-6, false), "{w} {theirs}");
    }

    #[test]
    fn a_restored_run_goes_on_as_if_never_interrupted() {
        for by in [Matrices::Adamw, Matrices::Muon] {
            let (whole, mut opt) = ours(by);
            train(&whole, &mut opt, 10);
            let (part, mut opt) = ours(by);
            train(&part, &mut opt, 4);
            let folder = tempfile::tempdir().expect("a folder");
            let file = folder.path().join("optimizer.safetensors");
            opt.save(&file).expect("writable");
            let (_, mut later) = ours(by);
            later.parameters[0].value = part.shallow_clone();
            later.restore(&file).expect("readable");
            train(&part, &mut later, 6);
            assert_eq!(part, whole, "{by:?}");
        }
    }

    #[test]
    fn a_gradient_that_is_not_finite_changes_nothing() {
        let (w, mut opt) = ours(Matrices::Adamw);
        (loss(&w) * f64::NAN).backward();
        assert!(opt.step(&[w.grad()], 0.05, 1.0).is_nan());
        assert_eq!(w, start());
    }

    #[test]
    fn the_rate_rises_then_falls_to_nothing() {
        assert_eq!(cosine(1.0, 10, 110, 4), 0.5);
        assert_eq!(cosine(1.0, 10, 110, 10), 1.0);
        assert!((cosine(1.0, 10, 110, 60) - 0.5).abs() < 1e-9);
        assert!(cosine(1.0, 10, 110, 110) < 1e-9);
    }
}
