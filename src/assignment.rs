//! Who belongs to whom: one-to-one pairs of largest sum (Hungarian algorithm).

use pathfinding::prelude::Matrix;
use pathfinding::prelude::kuhn_munkres;

/// The algorithm wants an exact order: worths are taken in steps of one over this.
const STEPS: f64 = (1u64 << 30) as f64;

/// Pairs (row, column) with the largest sum of `worth(row, column)`, rows ascending. Two that are worth nothing to each
/// other (0 or less) are no pair, so some of both may stay alone.
pub fn pairs(rows: usize, columns: usize, worth: impl Fn(usize, usize) -> f64) -> Vec<(usize, usize)> {
    if rows == 0 || columns == 0 {
        return Vec::new();
    }
    // The algorithm wants a column for every row; the columns beyond are worth nothing.
    let fixed = |(row, column)| if column < columns { (worth(row, column).max(0.0) * STEPS) as i64 } else { 0 };
    let worths = Matrix::from_fn(rows, columns.max(rows), fixed);
    let (_, chosen) = kuhn_munkres(&worths);
    chosen.into_iter().enumerate().filter(|pair| worths[*pair] > 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(table: &[&[f64]]) -> Vec<(usize, usize)> {
        pairs(table.len(), table.first().map_or(0, |row| row.len()), |row, column| table[row][column])
    }

    #[test]
    fn the_largest_sum_wins_over_the_best_single_pair() {
        assert_eq!(of(&[&[10.0, 9.0], &[9.0, 1.0]]), [(0, 1), (1, 0)]);
    }

    #[test]
    fn more_on_one_side_leaves_some_alone() {
        assert_eq!(of(&[&[1.0], &[3.0], &[2.0]]), [(1, 0)]);
        assert_eq!(of(&[&[1.0, 3.0, 2.0]]), [(0, 1)]);
        assert_eq!(of(&[]), []);
        assert_eq!(of(&[&[], &[]]), []);
    }

    #[test]
    fn what_is_worth_nothing_is_no_pair() {
        assert_eq!(of(&[&[0.0, 1.0], &[-1.0, f64::NAN]]), [(0, 1)]);
    }
}
