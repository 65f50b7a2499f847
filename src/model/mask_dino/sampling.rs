//! How deformable attention looks at its maps, on a CPU and without gradients: one pass over the samples. libtorch has no
//! operator for that, and its general ones take every channel of every sample to memory and back several times.

use std::iter;
use std::thread;

use multiversion::multiversion;
use tch::Kind;
use tch::Tensor;

use super::deform_attn::Levels;
use super::deform_attn::Reference;
use crate::model::layers::size3;

/// Where queries look, and how much each of the places counts.
#[derive(Debug)]
pub struct Looks<'a> {
    /// Where they look from.
    pub reference: &'a Reference,
    /// `[B, Q, heads, levels, points, 2]`: x, y from there, in the unit of the reference.
    pub offsets: &'a Tensor,
    /// `[B, Q, heads, levels * points]`.
    pub weights: &'a Tensor,
}

/// `values` on the CPU, each head having its share of their channels -> what the queries see of them, `[B, Q, C]`: bilinear
/// between the centres of cells, 0 outside, as `grid_sample` does it.
pub fn sample(values: &Levels, looks: &Looks) -> Tensor {
    let (b, tokens, width) = size3(&values.tokens);
    let shape = looks.offsets.size();
    let [queries, heads, levels, points] = [shape[1], shape[2], shape[3], shape[4]].map(|n| n as usize);
    let (reference, coordinates) = match looks.reference {
        Reference::Points(points) => (points, 2),
        Reference::Boxes(boxes) => (boxes, 4),
    };
    let maps = Maps { width: width as usize, heads, points, maps: maps(&values.sizes) };
    let samples = heads * levels * points;
    let [all, reference, offsets, weights] = [&values.tokens, reference, looks.offsets, looks.weights].map(numbers);
    let mut seen = vec![0f32; b as usize * queries * maps.width];
    // Queries whose batch item, and whose thread, is the same.
    let share = queries.div_ceil(threads(queries)).max(1);
    let parts = seen
        .chunks_exact_mut((queries * maps.width).max(1))
        .zip(all.chunks_exact(tokens as usize * maps.width))
        .zip(reference.chunks_exact(queries * coordinates))
        .zip(offsets.chunks_exact(queries * samples * 2).zip(weights.chunks_exact(queries * samples)))
        .flat_map(|(((seen, values), reference), (offsets, weights))| {
            let looks = reference.chunks(share * coordinates).zip(offsets.chunks(share * samples * 2));
            let looks = looks.zip(weights.chunks(share * samples));
            let part =
                move |(seen, ((reference, offsets), weights))| Part { values, reference, offsets, weights, seen };
            seen.chunks_mut(share * maps.width).zip(looks).map(part)
        });
    thread::scope(|scope| {
        let mut parts = parts;
        let own = parts.next();
        for part in parts {
            scope.spawn(|| look(&maps, part));
        }
        own.into_iter().for_each(|part| look(&maps, part));
    });
    Tensor::from_slice(&seen).view([b, queries as i64, width])
}

/// As many as libtorch has, where there is work for them.
fn threads(queries: usize) -> usize {
    let most = usize::try_from(tch::get_num_threads()).unwrap_or(1);
    (queries / LEAST).clamp(1, most.max(1))
}

/// Queries for which a thread is worth its start.
const LEAST: usize = 4096;

fn numbers(x: &Tensor) -> Vec<f32> {
    let flat = x.to_kind(Kind::Float).contiguous().view([-1]);
    Vec::try_from(flat).expect("a flat float tensor on the CPU")
}

/// What all queries share.
struct Maps {
    /// Channels of all heads.
    width: usize,
    heads: usize,
    /// Samples of a head on each map.
    points: usize,
    maps: Vec<Map>,
}

impl Maps {
    /// For each sample of a head a number of its map.
    fn of_samples<T: Copy>(&self, number: impl Fn(&Map) -> T) -> Vec<T> {
        self.maps.iter().flat_map(|map| iter::repeat_n(number(map), self.points)).collect()
    }
}

/// A level.
struct Map {
    /// Its first token.
    start: usize,
    rows: i32,
    columns: i32,
}

fn maps(sizes: &[(i64, i64)]) -> Vec<Map> {
    let mut start = 0;
    let map = |&(rows, columns): &(i64, i64)| {
        let map = Map { start, rows: rows as i32, columns: columns as i32 };
        start += (rows * columns) as usize;
        map
    };
    sizes.iter().map(map).collect()
}

/// Some of the queries, row after row.
struct Part<'a> {
    /// Of the whole batch item.
    values: &'a [f32],
    reference: &'a [f32],
    offsets: &'a [f32],
    weights: &'a [f32],
    seen: &'a mut [f32],
}

#[multiversion(targets("x86_64+avx2", "x86_64+sse4.1"))]
fn look(maps: &Maps, part: Part) {
    let queries = part.seen.len() / maps.width;
    let (per_head, coordinates) = (maps.width / maps.heads, part.reference.len() / queries);
    let samples = maps.maps.len() * maps.points;
    let mut axes = [Axis::new(maps, |map| map.columns), Axis::new(maps, |map| map.rows)];
    let mut corners = Corners::new(maps);
    let mut looks = part.offsets.chunks_exact(2 * samples).zip(part.weights.chunks_exact(samples));
    for (seen, place) in part.seen.chunks_exact_mut(maps.width).zip(part.reference.chunks_exact(coordinates)) {
        for (i, axis) in axes.iter_mut().enumerate() {
            axis.stand(place[i], place.get(2 + i), maps.points);
        }
        for ((head, seen), (offsets, weights)) in seen.chunks_exact_mut(per_head).enumerate().zip(looks.by_ref()) {
            corners.find(&axes, offsets, weights, maps.width as u32);
            corners.gather(&part.values[head * per_head..], seen);
        }
    }
}

/// Where the samples of a head can fall along one axis of their maps. Here and in [`Corners`] each number of the samples
/// has its own row, and what is computed of them has no branch, so that one register takes several samples.
struct Axis {
    /// Cells of the map.
    size: Vec<f32>,
    /// Where an offset of 0 is (cells).
    from: Vec<f32>,
    /// What an offset of 1 is (cells).
    step: Vec<f32>,
}

impl Axis {
    fn new(maps: &Maps, size: impl Fn(&Map) -> i32) -> Self {
        let size = maps.of_samples(|map| size(map) as f32);
        Self { from: size.clone(), step: size.clone(), size }
    }

    /// At a query's centre, and side of its box if it has one, in `[0, 1]`. Offsets are in cells of the map, or in half
    /// sides of the box over the points.
    #[inline(always)]
    fn stand(&mut self, centre: f32, side: Option<&f32>, points: usize) {
        for ((from, step), size) in self.from.iter_mut().zip(&mut self.step).zip(&self.size) {
            *from = centre * size - 0.5;
            *step = side.map_or(1.0, |side| side * 0.5 / points as f32 * size);
        }
    }

    #[inline(always)]
    fn rows(&self, samples: usize) -> [&[f32]; 3] {
        [&self.size[..samples], &self.from[..samples], &self.step[..samples]]
    }
}

/// The two cells around a place on an axis, and the part that each has in it: 0 beyond the border.
#[inline(always)]
fn around(offset: f32, size: f32, from: f32, step: f32) -> [f32; 4] {
    // Beyond the border by more than a cell nothing is seen, however far it is.
    let at = (from + offset * step).max(-2.0).min(size + 1.0);
    let first = at.floor();
    let (second, part) = (first + 1.0, at - first);
    let inside = |cell: f32, part: f32| if cell >= 0.0 && cell < size { part } else { 0.0 };
    let nearest = |cell: f32| cell.max(0.0).min(size - 1.0);
    [nearest(first), nearest(second), inside(first, 1.0 - part), inside(second, part)]
}

/// The four cells around every sample of a head.
struct Corners {
    /// First token of the sample's map.
    map: Vec<u32>,
    /// Where the cell's values begin.
    starts: [Vec<u32>; 4],
    /// How much they count.
    shares: [Vec<f32>; 4],
}

impl Corners {
    fn new(maps: &Maps) -> Self {
        let map = maps.of_samples(|map| map.start as u32);
        Self { starts: [0; 4].map(|_| vec![0; map.len()]), shares: [0; 4].map(|_| vec![0.0; map.len()]), map }
    }

    #[inline(always)]
    fn find(&mut self, [x, y]: &[Axis; 2], offsets: &[f32], weights: &[f32], width: u32) {
        let samples = weights.len();
        let [[columns, from_x, step_x], [rows, from_y, step_y]] = [x.rows(samples), y.rows(samples)];
        let (map, offsets) = (&self.map[..samples], &offsets[..2 * samples]);
        let [start0, start1, start2, start3] = self.starts.each_mut().map(|row| &mut row[..samples]);
        let [share0, share1, share2, share3] = self.shares.each_mut().map(|row| &mut row[..samples]);
        for i in 0..samples {
            let [left, right, part_left, part_right] = around(offsets[2 * i], columns[i], from_x[i], step_x[i]);
            let [top, bottom, part_top, part_bottom] = around(offsets[2 * i + 1], rows[i], from_y[i], step_y[i]);
            let (top, bottom) = (top * columns[i], bottom * columns[i]);
            let (part_top, part_bottom) = (part_top * weights[i], part_bottom * weights[i]);
            let start = |row: f32, column: f32| (map[i] + whole(row + column)) * width;
            (start0[i], share0[i]) = (start(top, left), part_top * part_left);
            (start1[i], share1[i]) = (start(top, right), part_top * part_right);
            (start2[i], share2[i]) = (start(bottom, left), part_bottom * part_left);
            (start3[i], share3[i]) = (start(bottom, right), part_bottom * part_right);
        }
    }

    /// The sum over all corners of their values, which are those of one head from the first token on.
    #[inline(always)]
    fn gather(&self, values: &[f32], seen: &mut [f32]) {
        if seen.len() == 12 {
            self.in_steps::<12>(values, seen); // the model that ships: one step
            return;
        }
        let done = seen.len() / 8 * 8;
        let rest = self.in_steps::<8>(values, seen);
        self.in_steps::<1>(&values[done..], rest);
    }

    /// `N` channels at a time; returns those that are left.
    #[inline(always)]
    fn in_steps<'s, const N: usize>(&self, values: &[f32], seen: &'s mut [f32]) -> &'s mut [f32] {
        let (steps, rest) = seen.as_chunks_mut::<N>();
        steps.iter_mut().enumerate().for_each(|(i, seen)| self.sum(&values[N * i..], seen));
        rest
    }

    #[inline(always)]
    fn sum<const N: usize>(&self, values: &[f32], seen: &mut [f32; N]) {
        let mut sums = [[0f32; N]; 4]; // one a corner: additions that do not wait for each other
        for i in 0..self.map.len() {
            for ((sum, starts), shares) in sums.iter_mut().zip(&self.starts).zip(&self.shares) {
                let values = &values[starts[i] as usize..][..N];
                sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += shares[i] * value);
            }
        }
        let [a, b, c, d] = sums;
        *seen = std::array::from_fn(|i| (a[i] + b[i]) + (c[i] + d[i]));
    }
}

/// A whole number in `[0, 2^23)`, out of the bits of the float. `as` saturates, which takes the samples one by one.
#[inline(always)]
fn whole(number: f32) -> u32 {
    (number + 8_388_608.0).to_bits() & 0x7f_ffff
}
