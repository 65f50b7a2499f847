//! Colours of phrases: told apart by the colour-blind too (after Okabe and Ito 2008, lightened to stand on black).

/// R G B.
pub type Rgb = [u8; 3];

/// One colour a phrase, in the order in which the answer names them; then again from the front.
const PHRASES: [Rgb; 7] = [
    [240, 160, 20],  // orange
    [86, 180, 233],  // sky blue
    [44, 190, 140],  // bluish green
    [232, 140, 196], // reddish purple
    [240, 228, 66],  // yellow
    [240, 104, 56],  // vermilion
    [150, 150, 255], // blue
];

/// Behind the answer.
pub const PAPER: Rgb = [22, 24, 29];
/// Words of the answer.
pub const INK: Rgb = [236, 238, 241];
/// Words of the command.
pub const PALE: Rgb = [150, 156, 166];
/// What went wrong.
pub const WARNING: Rgb = [255, 196, 84];

/// The colour of phrase number `index`.
pub fn phrase(index: usize) -> Rgb {
    PHRASES[index % PHRASES.len()]
}

/// Black or white, whichever stands out on `ground`.
pub fn contrast(ground: Rgb) -> Rgb {
    let [r, g, b] = ground.map(f32::from);
    if 0.299 * r + 0.587 * g + 0.114 * b > 140.0 { [12, 14, 18] } else { [255, 255, 255] }
}
