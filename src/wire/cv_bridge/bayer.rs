//! Colour out of a Bayer pattern: the mean of the nearest samples of each colour (bilinear), borders mirrored.

/// `height * width` samples -> `height * width * 3` bytes RGB. `red`: row and column of red in each 2x2.
pub(super) fn rgb(plane: &[u8], width: u32, height: u32, red: (usize, usize)) -> Vec<u8> {
    let (width, height) = (width as usize, height as usize);
    let padded = mirrored(plane, width, height);
    let stride = width + 2;
    let mut rgb = vec![0; 3 * width * height];
    for (y, line) in rgb.chunks_exact_mut(3 * width).enumerate() {
        let rows = [0, 1, 2].map(|dy| &padded[(y + dy) * stride..(y + dy + 1) * stride]);
        let on_red_row = y & 1 == red.0;
        for (x, pixel) in line.as_chunks_mut::<3>().0.iter_mut().enumerate() {
            *pixel = at(rows, x, on_red_row, x & 1 == red.1);
        }
    }
    rgb
}

/// Colour of the pixel in the middle of the 3x3 that begins at column `x`.
#[inline]
fn at([above, row, below]: [&[u8]; 3], x: usize, red_row: bool, red_column: bool) -> [u8; 3] {
    let two = |a: u8, b: u8| ((u16::from(a) + u16::from(b) + 1) >> 1) as u8;
    let four =
        |a: u8, b: u8, c: u8, d: u8| ((u16::from(a) + u16::from(b) + u16::from(c) + u16::from(d) + 2) >> 2) as u8;
    let here = row[x + 1];
    let beside = || two(row[x], row[x + 2]);
    let over = || two(above[x + 1], below[x + 1]);
    let cross = || four(row[x], row[x + 2], above[x + 1], below[x + 1]);
    let corners = || four(above[x], above[x + 2], below[x], below[x + 2]);
    match (red_row, red_column) {
        (true, true) => [here, cross(), corners()],
        (true, false) => [beside(), here, over()],
        (false, true) => [over(), here, beside()],
        (false, false) => [corners(), cross(), here],
    }
}

/// The plane with one more sample on each side, mirrored about the outermost one so that the pattern goes on.
fn mirrored(plane: &[u8], width: usize, height: usize) -> Vec<u8> {
    let mut padded = Vec::with_capacity((width + 2) * (height + 2));
    for y in std::iter::once(1).chain(0..height).chain([height - 2]) {
        let row = &plane[y * width..(y + 1) * width];
        padded.push(row[1]);
        padded.extend_from_slice(row);
        padded.push(row[width - 2]);
    }
    padded
}
