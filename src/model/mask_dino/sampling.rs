//! How deformable attention looks at its maps, on a CPU and without gradients: one pass over the samples. libtorch has no
//! operator for that, and its general ones take every channel of every sample to memory and back several times.

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
const LEAST: usize = 256;

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
    let mut looks = part.offsets.as_chunks::<2>().0.iter().zip(part.weights);
    let places = part.reference.chunks_exact(coordinates);
    for (seen, place) in part.seen.chunks_exact_mut(maps.width).zip(places) {
        for (head, seen) in seen.chunks_exact_mut(per_head).enumerate() {
            for map in &maps.maps {
                let size = [map.columns as f32, map.rows as f32];
                for ([x, y], weight) in looks.by_ref().take(maps.points) {
                    // Offsets are in cells of the map, or in half widths and heights of the box over the points.
                    let cells = |axis: usize, offset: f32| match place.get(2 + axis) {
                        None => place[axis] * size[axis] + offset - 0.5,
                        Some(side) => (place[axis] + offset * side * 0.5 / maps.points as f32) * size[axis] - 0.5,
                    };
                    // Beyond the border by more than a cell nothing is seen, however far it is.
                    let [x, y] = [cells(0, *x).clamp(-2.0, size[0] + 1.0), cells(1, *y).clamp(-2.0, size[1] + 1.0)];
                    let (left, top) = (x.floor(), y.floor());
                    for (row, part_y) in [(top, 1.0 - (y - top)), (top + 1.0, y - top)] {
                        for (column, part_x) in [(left, 1.0 - (x - left)), (left + 1.0, x - left)] {
                            let (row, column) = (row as i32, column as i32);
                            if !(0..map.rows).contains(&row) || !(0..map.columns).contains(&column) {
                                continue;
                            }
                            let token = map.start + (row * map.columns + column) as usize;
                            let values = &part.values[token * maps.width + head * per_head..][..per_head];
                            let share = weight * part_x * part_y;
                            seen.iter_mut().zip(values).for_each(|(sum, value)| *sum += share * value);
                        }
                    }
                }
            }
        }
    }
}
