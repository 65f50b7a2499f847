//! Layers that two files or more of the network use. Nothing is initialised here: values come from [`super::weights`] or [`super::init`].

use std::cell::RefCell;

use tch::Kind;
use tch::Tensor;
use tch::nn::Path;

/// A trainable parameter without values yet. Memory that nobody has written costs nothing, so a 7B is built at once.
pub fn param(p: &Path, name: &str, shape: &[i64]) -> Tensor {
    p.add(name, Tensor::empty(shape, (p.kind(), p.device())), true)
}

/// `y = x W^T + b`.
#[derive(Debug)]
pub struct Linear {
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Linear {
    /// With a bias.
    pub fn new(p: Path, inputs: i64, outputs: i64) -> Self {
        Self { weight: param(&p, "weight", &[outputs, inputs]), bias: Some(param(&p, "bias", &[outputs])) }
    }

    /// Without one.
    pub fn no_bias(p: Path, inputs: i64, outputs: i64) -> Self {
        Self { weight: param(&p, "weight", &[outputs, inputs]), bias: None }
    }

    /// True if what it computes now has gradients: it is to learn, and nobody has turned them off.
    pub fn learns(&self) -> bool {
        (self.weight.flatten(0, -1).narrow(0, 0, 1) * 1.0).requires_grad()
    }

    /// `[.., inputs]` -> `[.., outputs]`, computed in the kind of `x`: training may be in bf16 while the weights are f32.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let kind = x.kind();
        x.linear(&self.weight.to_kind(kind), self.bias.as_ref().map(|bias| bias.to_kind(kind)))
    }

    /// `[B, T, inputs]` -> `[B, outputs, T]`: what [`Self::forward`] gives, transposed, without a copy.
    pub fn forward_columns(&self, x: &Tensor) -> Tensor {
        let kind = x.kind();
        let y = self.weight.to_kind(kind).matmul(&x.transpose(1, 2));
        match &self.bias {
            Some(bias) => y + bias.to_kind(kind).unsqueeze(-1),
            None => y,
        }
    }
}

/// Convolution on `[B, C, H, W]`.
#[derive(Debug)]
pub struct Conv {
    weight: Tensor,
    bias: Option<Tensor>,
    stride: i64,
    padding: i64,
}

/// What a [`Conv`] is made of.
#[derive(Debug, Clone, Copy)]
pub struct ConvShape {
    /// Channels in.
    pub inputs: i64,
    /// Channels out.
    pub outputs: i64,
    /// Side of the kernel.
    pub kernel: i64,
    /// Step.
    pub stride: i64,
    /// Zeros around the input.
    pub padding: i64,
}

impl ConvShape {
    /// A 1x1 convolution.
    pub fn pointwise(inputs: i64, outputs: i64) -> Self {
        Self { inputs, outputs, kernel: 1, stride: 1, padding: 0 }
    }
}

impl Conv {
    /// With a bias.
    pub fn new(p: &Path, shape: ConvShape) -> Self {
        let bias = Some(param(p, "bias", &[shape.outputs]));
        Self { bias, ..Self::no_bias(p, shape) }
    }

    /// Without one.
    pub fn no_bias(p: &Path, s: ConvShape) -> Self {
        let weight = param(p, "weight", &[s.outputs, s.inputs, s.kernel, s.kernel]);
        Self { weight, bias: None, stride: s.stride, padding: s.padding }
    }

    /// `[B, inputs, H, W]` -> `[B, outputs, H', W']`.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let (stride, padding) = ([self.stride; 2], [self.padding; 2]);
        x.conv2d(&self.weight, self.bias.as_ref(), stride, padding, [1, 1], 1)
    }
}

/// Normalises the last axis.
#[derive(Debug)]
pub struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
    eps: f64,
}

/// Epsilon of every layer norm and group norm of the heads.
pub const NORM_EPS: f64 = 1e-5;

impl LayerNorm {
    /// With the heads' epsilon.
    pub fn new(p: Path, width: i64) -> Self {
        Self::with_eps(p, width, NORM_EPS)
    }

    /// With another one.
    pub fn with_eps(p: Path, width: i64, eps: f64) -> Self {
        Self { weight: param(&p, "weight", &[width]), bias: param(&p, "bias", &[width]), eps }
    }

    /// `[.., width]` -> the same.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        x.layer_norm(self.weight.size(), Some(&self.weight), Some(&self.bias), self.eps, false)
    }
}

/// Normalises groups of channels.
#[derive(Debug)]
pub struct GroupNorm {
    weight: Tensor,
    bias: Tensor,
    groups: i64,
}

impl GroupNorm {
    /// `channels` in `groups` groups.
    pub fn new(p: Path, groups: i64, channels: i64) -> Self {
        Self { weight: param(&p, "weight", &[channels]), bias: param(&p, "bias", &[channels]), groups }
    }

    /// `[B, channels, H, W]` -> the same.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        x.group_norm(self.groups, Some(&self.weight), Some(&self.bias), NORM_EPS, false)
    }
}

/// Linear layers with ReLU between them: `layers.0`, `layers.1`, ...
#[derive(Debug)]
pub struct Mlp(Vec<Linear>);

impl Mlp {
    /// `widths` from the input to the output.
    pub fn new(p: Path, widths: &[i64]) -> Self {
        let layer = |(i, w): (usize, &[i64])| Linear::new(&p / "layers" / i, w[0], w[1]);
        Self(widths.windows(2).enumerate().map(layer).collect())
    }

    /// `[.., first width]` -> `[.., last width]`.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let mut x = x.shallow_clone();
        for (i, layer) in self.0.iter().enumerate() {
            x = layer.forward(&x);
            if i + 1 < self.0.len() {
                x = x.relu();
            }
        }
        x
    }
}

/// Tensors that follow from sizes alone: made for the first image, kept until one of other sizes comes.
#[derive(Debug)]
pub struct Constants<K, const N: usize>(RefCell<Option<(K, [Tensor; N])>>);

impl<K, const N: usize> Default for Constants<K, N> {
    fn default() -> Self {
        Self(RefCell::new(None))
    }
}

impl<K: PartialEq + Clone, const N: usize> Constants<K, N> {
    /// Those of `sizes`. `make` uses no parameter: nothing is made anew when parameters change.
    pub fn of(&self, sizes: &K, make: impl FnOnce() -> [Tensor; N]) -> [Tensor; N] {
        let mut kept = self.0.borrow_mut();
        if kept.as_ref().is_none_or(|(of, _)| of != sizes) {
            *kept = Some((sizes.clone(), make()));
        }
        let (_, tensors) = kept.as_ref().expect("made above");
        tensors.each_ref().map(Tensor::shallow_clone)
    }
}

/// Splits the last axis into heads: `[B, T, heads * h]` -> `[B, heads, T, h]`.
pub fn split_heads(x: &Tensor, heads: i64) -> Tensor {
    let (b, t, width) = size3(x);
    x.view([b, t, heads, width / heads]).transpose(1, 2)
}

/// The reverse of [`split_heads`].
pub fn merge_heads(x: &Tensor) -> Tensor {
    let (b, heads, t, width) = size4(x);
    x.transpose(1, 2).reshape([b, t, heads * width])
}

/// Softmax attention on `[B, heads, T, h]`; `mask` is true where a query may look, or is added to the scores.
pub fn attend(q: &Tensor, k: &Tensor, v: &Tensor, mask: Option<&Tensor>) -> Tensor {
    Tensor::scaled_dot_product_attention(q, k, v, mask, 0.0, false, None, false)
}

/// Sizes of a 3-d tensor.
pub fn size3(x: &Tensor) -> (i64, i64, i64) {
    x.size3().expect("three axes")
}

/// Sizes of a 4-d tensor.
pub fn size4(x: &Tensor) -> (i64, i64, i64, i64) {
    x.size4().expect("four axes")
}

/// Boxes in `[0, 1]` to the space in which the decoder refines them (model.md 7.3).
pub fn inverse_sigmoid(x: &Tensor) -> Tensor {
    let x = x.clamp(0.0, 1.0);
    let odds = x.clamp_min(1e-5) / (x.neg() + 1.0).clamp_min(1e-5);
    odds.log()
}

/// Wavelengths of a sine embedding: `temperature ^ (2 * floor(i / 2) / width)` for `i < width`.
pub fn wavelengths(like: &Tensor, width: i64) -> Tensor {
    let i = Tensor::arange(width, (Kind::Float, like.device()));
    let exponent = i.divide_scalar_mode(2.0, "floor") * 2.0 / width as f64;
    Tensor::pow_scalar(10000.0, &exponent)
}

/// Sine at even places, cosine at odd ones: `[.., width]` of angles -> the same shape.
pub fn interleave_sin_cos(angles: &Tensor) -> Tensor {
    let mut shape = angles.size();
    let width = shape.pop().expect("at least one axis");
    shape.extend([width / 2, 2]);
    let pairs = angles.view(shape.as_slice());
    let stacked = Tensor::stack(&[pairs.select(-1, 0).sin(), pairs.select(-1, 1).cos()], -1);
    stacked.flatten(-2, -1)
}
