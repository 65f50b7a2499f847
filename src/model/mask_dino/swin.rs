//! Swin transformer (Liu et al. 2021): windows of attention, shifted in every second block. First stop of a head's image.

use tch::Tensor;
use tch::nn::Path;

use crate::model::config::SwinConfig;
use crate::model::layers::Constants;
use crate::model::layers::Conv;
use crate::model::layers::ConvShape;
use crate::model::layers::LayerNorm;
use crate::model::layers::Linear;
use crate::model::layers::attend;
use crate::model::layers::merge_heads;
use crate::model::layers::param;
use crate::model::layers::size3;
use crate::model::layers::size4;

/// Score added between tokens that a shift brought together.
const APART: f64 = -100.0;

impl SwinConfig {
    /// Channels of each stage.
    pub fn channels(&self) -> Vec<i64> {
        (0..self.depths.len()).map(|stage| self.embed_dim << stage).collect()
    }
}

/// The backbone.
#[derive(Debug)]
pub struct Swin {
    proj: Conv,
    norm: LayerNorm,
    absolute_pos_embed: Option<Tensor>, // [1, C, h, w]
    stages: Vec<Stage>,
    patch: i64,
}

impl Swin {
    /// `p` is the path of `backbone`.
    pub fn new(p: &Path, cfg: &SwinConfig) -> Self {
        let patch =
            ConvShape { inputs: 3, outputs: cfg.embed_dim, kernel: cfg.patch_size, stride: cfg.patch_size, padding: 0 };
        let embed = p / "patch_embed";
        Self {
            proj: Conv::new(&(&embed / "proj"), patch),
            norm: LayerNorm::new(&embed / "norm", cfg.embed_dim),
            absolute_pos_embed: cfg
                .ape_side
                .map(|side| param(p, "absolute_pos_embed", &[1, cfg.embed_dim, side, side])),
            stages: (0..cfg.depths.len()).map(|stage| Stage::new(p, cfg, stage)).collect(),
            patch: cfg.patch_size,
        }
    }

    /// `[B, 3, S, S]` -> one map a stage, finest first: `[B, C 2^i, S / (patch 2^i), ..]`, contiguous.
    pub fn forward(&self, pixels: &Tensor) -> Vec<Tensor> {
        let (_, _, rows, columns) = size4(pixels);
        let pixels = pad_to(pixels, rows, columns, self.patch);
        let x = self.proj.forward(&pixels);
        let (_, _, mut height, mut width) = size4(&x);
        let mut x = self.norm.forward(&x.flatten(2, 3).transpose(1, 2));
        if let Some(places) = &self.absolute_pos_embed {
            x += resized(places, height, width).flatten(2, 3).transpose(1, 2);
        }
        let mut maps = Vec::new();
        for stage in &self.stages {
            x = stage.blocks(x, height, width);
            maps.push(stage.map(&x, height, width));
            if let Some(merging) = &stage.downsample {
                x = merging.forward(&x, height, width);
                (height, width) = ((height + 1) / 2, (width + 1) / 2);
            }
        }
        maps
    }
}

/// A table of positions `[1, C, h, w]` -> `[1, C, H, W]`.
fn resized(places: &Tensor, height: i64, width: i64) -> Tensor {
    let (_, _, rows, columns) = size4(places);
    match (rows, columns) == (height, width) {
        true => places.shallow_clone(), // what the kernel gives, too, but not for nothing
        false => places.upsample_bicubic2d([height, width], false, None, None),
    }
}

/// Zeros on the right and below of `[.., H, W]` up to a multiple of `step`.
fn pad_to(x: &Tensor, height: i64, width: i64, step: i64) -> Tensor {
    let (below, right) = ((step - height % step) % step, (step - width % step) % step);
    if below + right == 0 { x.shallow_clone() } else { x.constant_pad_nd([0, right, 0, below]) }
}

/// So many rows and columns of zeros below and on the right of `[B, H, W, C]`. None: not even a copy.
fn padded(map: &Tensor, below: i64, right: i64) -> Tensor {
    if below + right == 0 { map.shallow_clone() } else { map.constant_pad_nd([0, 0, 0, right, 0, below]) }
}

#[derive(Debug)]
struct Stage {
    blocks: Vec<Block>,
    norm: LayerNorm,
    downsample: Option<PatchMerging>,
    window: i64,
    apart: Constants<(i64, i64), 1>,
}

impl Stage {
    fn new(p: &Path, cfg: &SwinConfig, stage: usize) -> Self {
        let (own, width) = (p / "layers" / stage, cfg.embed_dim << stage);
        let block = |i| Block::new(&(&own / "blocks" / i), cfg, width, cfg.num_heads[stage], i % 2 == 1);
        let merging = || PatchMerging::new(&(&own / "downsample"), width);
        Self {
            blocks: (0..cfg.depths[stage]).map(block).collect(),
            norm: LayerNorm::new(p / format!("norm{stage}"), width),
            downsample: (stage + 1 < cfg.depths.len()).then(merging),
            window: cfg.window_size,
            apart: Constants::default(),
        }
    }

    fn blocks(&self, x: Tensor, height: i64, width: i64) -> Tensor {
        let shifted = self.blocks.iter().any(|block| block.shift > 0);
        let mask = || [shift_mask(height, width, self.window, &x)];
        let apart = shifted.then(|| self.apart.of(&(height, width), mask));
        let apart = apart.as_ref().map(|[apart]| apart);
        self.blocks.iter().fold(x.shallow_clone(), |x, block| block.forward(&x, height, width, apart))
    }

    /// Without `contiguous`, what follows would take libtorch's channels-last kernels, which round otherwise (model.md 5).
    fn map(&self, x: &Tensor, height: i64, width: i64) -> Tensor {
        let (b, _, channels) = size3(x);
        self.norm.forward(x).transpose(1, 2).contiguous().view([b, channels, height, width])
    }
}

/// `[windows, window^2, window^2]`: [`APART`] between tokens of a shifted window that are no neighbours in the image.
fn shift_mask(height: i64, width: i64, window: i64, like: &Tensor) -> Tensor {
    let region = |size: i64| {
        let padded = (size + window - 1) / window * window;
        let of = |i| i64::from(i >= padded - window) + i64::from(i >= padded - window / 2);
        (0..padded).map(of).collect::<Vec<_>>()
    };
    let (rows, columns) = (region(height), region(width));
    let ids: Vec<i64> = rows.iter().flat_map(|row| columns.iter().map(move |column| 3 * row + column)).collect();
    let ids = Tensor::from_slice(&ids).to_device(like.device());
    let ids = windows(&ids.view([1, rows.len() as i64, columns.len() as i64, 1]), window).squeeze_dim(-1);
    let differ = ids.unsqueeze(1).not_equal_tensor(&ids.unsqueeze(2));
    differ.to_kind(like.kind()) * APART
}

/// `[B, H, W, C]` -> `[B * windows, window^2, C]`, windows and tokens row by row.
fn windows(x: &Tensor, window: i64) -> Tensor {
    let (b, h, w, c) = size4(x);
    let split = x.view([b, h / window, window, w / window, window, c]);
    split.permute([0, 1, 3, 2, 4, 5]).reshape([-1, window * window, c])
}

/// The reverse of [`windows`] for a padded map of `h` by `w`.
fn unwindows(x: &Tensor, window: i64, b: i64, h: i64, w: i64) -> Tensor {
    let c = x.size()[2];
    let split = x.view([b, h / window, w / window, window, window, c]);
    split.permute([0, 1, 3, 2, 4, 5]).reshape([b, h, w, c])
}

#[derive(Debug)]
struct Block {
    norm1: LayerNorm,
    attn: WindowAttention,
    norm2: LayerNorm,
    fc1: Linear,
    fc2: Linear,
    shift: i64,
}

impl Block {
    fn new(p: &Path, cfg: &SwinConfig, width: i64, heads: i64, shifted: bool) -> Self {
        let inner = (width as f64 * cfg.mlp_ratio) as i64;
        Self {
            norm1: LayerNorm::new(p / "norm1", width),
            attn: WindowAttention::new(&(p / "attn"), width, heads, cfg.window_size),
            norm2: LayerNorm::new(p / "norm2", width),
            fc1: Linear::new(p / "mlp" / "fc1", width, inner),
            fc2: Linear::new(p / "mlp" / "fc2", inner, width),
            shift: if shifted { cfg.window_size / 2 } else { 0 },
        }
    }

    /// `[B, height * width, C]` -> the same; `apart` is the mask of shifted windows.
    fn forward(&self, x: &Tensor, height: i64, width: i64, apart: Option<&Tensor>) -> Tensor {
        let (b, tokens, c) = size3(x);
        let map = self.norm1.forward(x).view([b, height, width, c]);
        let window = self.attn.window;
        let (below, right) = ((window - height % window) % window, (window - width % window) % window);
        let mut map = padded(&map, below, right);
        if self.shift > 0 {
            map = map.roll([-self.shift, -self.shift], [1, 2]);
        }
        let seen = self.attn.forward(&windows(&map, window), apart.filter(|_| self.shift > 0));
        let mut map = unwindows(&seen, window, b, height + below, width + right);
        if self.shift > 0 {
            map = map.roll([self.shift, self.shift], [1, 2]);
        }
        let seen = map.narrow(1, 0, height).narrow(2, 0, width).reshape([b, tokens, c]);
        let x = x + seen;
        let h = self.fc1.forward(&self.norm2.forward(&x)).gelu("none");
        &x + self.fc2.forward(&h)
    }
}

#[derive(Debug)]
struct WindowAttention {
    qkv: Linear,
    proj: Linear,
    relative_position_bias_table: Tensor, // [(2 window - 1)^2, heads]
    offsets: Tensor,                      // window^4 rows of the table: one for each pair of tokens
    heads: i64,
    window: i64,
}

impl WindowAttention {
    fn new(p: &Path, width: i64, heads: i64, window: i64) -> Self {
        let offsets = (2 * window - 1) * (2 * window - 1);
        Self {
            qkv: Linear::new(p / "qkv", width, 3 * width),
            proj: Linear::new(p / "proj", width, width),
            relative_position_bias_table: param(p, "relative_position_bias_table", &[offsets, heads]),
            offsets: Self::offsets(window).to_device(p.device()),
            heads,
            window,
        }
    }

    /// `[B * windows, window^2, C]` -> the same.
    fn forward(&self, x: &Tensor, apart: Option<&Tensor>) -> Tensor {
        let (count, tokens, c) = size3(x);
        let head = c / self.heads;
        let qkv = self.qkv.forward(x).view([count, tokens, 3, self.heads, head]).permute([2, 0, 3, 1, 4]);
        let [q, k, v] = [0, 1, 2].map(|i| qkv.select(0, i)); // [B * windows, heads, window^2, head]
        let bias = match apart {
            None => self.bias().unsqueeze(0),
            Some(apart) => (self.bias() + apart.unsqueeze(1)).repeat([count / apart.size()[0], 1, 1, 1]),
        };
        let bias = bias.expand([count, self.heads, tokens, tokens], false).to_kind(x.kind());
        self.proj.forward(&merge_heads(&attend(&q, &k, &v, Some(&bias))))
    }

    /// `[heads, window^2, window^2]`: the table's row for the offset between two tokens.
    fn bias(&self) -> Tensor {
        let (table, tokens) = (&self.relative_position_bias_table, self.window * self.window);
        table.index_select(0, &self.offsets).view([tokens, tokens, self.heads]).permute([2, 0, 1])
    }

    fn offsets(side: i64) -> Tensor {
        let tokens = side * side;
        let offset = |i: i64, j: i64| {
            let (rows, columns) = (i / side - j / side + side - 1, i % side - j % side + side - 1);
            rows * (2 * side - 1) + columns
        };
        let rows: Vec<i64> = (0..tokens).flat_map(|i| (0..tokens).map(move |j| offset(i, j))).collect();
        Tensor::from_slice(&rows)
    }
}

#[derive(Debug)]
struct PatchMerging {
    norm: LayerNorm,
    reduction: Linear,
}

impl PatchMerging {
    fn new(p: &Path, width: i64) -> Self {
        Self {
            norm: LayerNorm::new(p / "norm", 4 * width),
            reduction: Linear::no_bias(p / "reduction", 4 * width, 2 * width),
        }
    }

    /// `[B, height * width, C]` -> `[B, height/2 * width/2, 2C]`, halves rounded up.
    fn forward(&self, x: &Tensor, height: i64, width: i64) -> Tensor {
        let (b, _, c) = size3(x);
        let map = padded(&x.view([b, height, width, c]), height % 2, width % 2);
        let corner = |row: i64, column: i64| map.slice(1, row, None, 2).slice(2, column, None, 2);
        let merged = Tensor::cat(&[corner(0, 0), corner(1, 0), corner(0, 1), corner(1, 1)], -1);
        self.reduction.forward(&self.norm.forward(&merged.flatten(1, 2)))
    }
}
