//! Where labels go: near their object, inside the picture, never over each other.

use super::canvas::Rect;

/// A label to be placed.
#[derive(Debug, Clone, Copy)]
pub struct Wish {
    /// Box of the object (px).
    pub target: Rect,
    /// Width and height of the label (px).
    pub size: (i32, i32),
}

/// A place for each wish, first come first served; none when no room is left.
pub fn place(wishes: &[Wish], picture: Rect, gap: i32) -> Vec<Option<Rect>> {
    let mut taken: Vec<Rect> = Vec::new();
    let mut places = Vec::with_capacity(wishes.len());
    for wish in wishes {
        let free = |rect: &Rect| picture.holds(rect) && !taken.iter().any(|t| t.meets(&rect.grown(gap)));
        let place = beside(wish, picture, gap).into_iter().find(free).or_else(|| anywhere(wish, picture, free));
        taken.extend(place);
        places.push(place);
    }
    places
}

/// The places that a person would choose, best first, pushed into the picture.
fn beside(wish: &Wish, picture: Rect, gap: i32) -> Vec<Rect> {
    let (w, h) = wish.size;
    let Rect { x0, y0, x1, y1 } = wish.target;
    let (right, middle) = (x1 - w, (y0 + y1 - h) / 2);
    let places = [
        (x0, y0 - h - gap),
        (x0, y0 + gap),
        (x0, y1 + gap),
        (right, y0 - h - gap),
        (right, y0 + gap),
        (right, y1 + gap),
        (x0, y1 - h - gap),
        (right, y1 - h - gap),
        (x1 + gap, middle),
        (x0 - w - gap, middle),
    ];
    places
        .into_iter()
        .map(|(x, y)| {
            let x = x.min(picture.x1 - w).max(picture.x0);
            let y = y.min(picture.y1 - h).max(picture.y0);
            Rect::sized(x, y, w, h)
        })
        .collect()
}

/// The free place nearest to the object, on a grid of half a label's height.
fn anywhere(wish: &Wish, picture: Rect, free: impl Fn(&Rect) -> bool) -> Option<Rect> {
    let (w, h) = wish.size;
    let step = (h / 2).max(1) as usize;
    let target = wish.target;
    let rows = (picture.y0..=picture.y1 - h).step_by(step);
    let places = rows.flat_map(|y| (picture.x0..=picture.x1 - w).step_by(step).map(move |x| Rect::sized(x, y, w, h)));
    places.filter(free).min_by_key(|rect| {
        let dx = (target.x0 - rect.x1).max(rect.x0 - target.x1).max(0);
        let dy = (target.y0 - rect.y1).max(rect.y0 - target.y1).max(0);
        i64::from(dx) * i64::from(dx) + i64::from(dy) * i64::from(dy)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_lonely_label_stands_on_its_box() {
        let wish = Wish { target: Rect { x0: 20, y0: 40, x1: 80, y1: 90 }, size: (30, 10) };
        let places = place(&[wish], Rect { x0: 0, y0: 0, x1: 200, y1: 100 }, 2);
        assert_eq!(places, [Some(Rect::sized(20, 28, 30, 10))]);
    }

    proptest! {
        #[test]
        fn labels_stay_inside_and_apart(
            boxes in proptest::collection::vec((0i32..300, 0i32..200, 1i32..200, 1i32..200, 10i32..120, 8i32..30), 0..40),
        ) {
            let picture = Rect { x0: 0, y0: 0, x1: 320, y1: 240 };
            let wishes: Vec<Wish> = boxes
                .iter()
                .map(|&(x, y, w, h, lw, lh)| Wish { target: Rect::sized(x, y, w, h), size: (lw, lh) })
                .collect();
            let places: Vec<Rect> = place(&wishes, picture, 2).into_iter().flatten().collect();
            prop_assert!(wishes.is_empty() || !places.is_empty());
            for (i, a) in places.iter().enumerate() {
                prop_assert!(picture.holds(a));
                prop_assert!(places[..i].iter().all(|b| !a.meets(b)));
            }
        }
    }
}
