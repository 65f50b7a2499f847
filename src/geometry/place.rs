//! Step 12 of the walk: every object of an answer gets its place, or the first reason why it has none (interfaces 1.7).

use nalgebra::Isometry3;
use nalgebra::Point3;

use super::grasp;
use super::grasp::Gripper;
use super::locate::locate;
use super::points;
use super::points::Range;
use crate::types::Answer;
use crate::types::DepthImage;
use crate::types::Lens;
use crate::types::Mask;
use crate::types::Place;
use crate::types::Sight;

/// What is wanted.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Frame of all poses, z up; none: the camera's.
    pub target_frame: Option<String>,
    /// The picture is undistorted: the projection matrix holds.
    pub rectified: bool,
    /// Depths that are believed.
    pub range: Range,
    /// Fewer measured pixels under a mask give no pose.
    pub min_pixels: usize,
    /// Who will take the objects.
    pub gripper: Gripper,
}

/// Neighbours are looked for so far around an object (m): a gripper's fingers and some room.
const AROUND: f64 = 0.12;
/// Points of the neighbourhood, about: enough to find what is in the way of a finger.
const NEIGHBOURS: usize = 6000;

/// Places the objects of `answer` by what was measured around its picture. Says in which frame, and by which lens, which
/// `sight` gets too when everything was there.
pub fn place(answer: &mut Answer, sight: &mut Sight, rules: &Rules) {
    answer.camera_info.clone_from(&sight.camera_info);
    if let Some(target) = &rules.target_frame {
        answer.frame_id.clone_from(target);
        answer.camera_transform = sight.target_from_camera;
    }
    let lens = match view(answer, sight, rules) {
        Ok(view) => {
            answer.objects.iter_mut().for_each(|object| object.place = view.place(&object.mask, rules));
            Some(view.lens)
        }
        Err(none) => {
            answer.objects.iter_mut().for_each(|object| object.place = none.clone());
            None
        }
    };
    sight.lens = lens;
}

/// Everything that the objects of a picture share.
struct View<'a> {
    depth: &'a DepthImage,
    lens: Lens,
    target_from_camera: Option<&'a Isometry3<f64>>,
}

fn view<'a>(answer: &Answer, sight: &'a Sight, rules: &Rules) -> Result<View<'a>, Place> {
    let (width, height) = answer.image_size;
    let frame = &answer.image_header.frame_id;
    let info = sight.camera_info.as_ref().ok_or(Place::NoCameraInfo)?;
    let lens = Lens::new(&info.value, width, height, rules.rectified).ok().filter(|_| info.header.frame_id == *frame);
    let lens = lens.ok_or(Place::BadCameraInfo)?;
    let depth = sight.depth.as_ref().ok_or(Place::NoDepth)?;
    if (depth.value.width, depth.value.height) != (width, height) || depth.header.frame_id != *frame {
        return Err(Place::DepthMismatch);
    }
    let target_from_camera = sight.target_from_camera.as_ref();
    if rules.target_frame.is_some() && target_from_camera.is_none() {
        return Err(Place::NoTransform);
    }
    Ok(View { depth: &depth.value, lens, target_from_camera })
}

impl View<'_> {
    fn place(&self, mask: &Mask, rules: &Rules) -> Place {
        let points = points::under(mask, self.depth, &self.lens, rules.range);
        if 2 * points.out_of_range > points.measured {
            return Place::OutOfRange;
        }
        let located = (points.kept.len() >= rules.min_pixels)
            .then(|| locate(&points, self.lens.focal(), self.target_from_camera))
            .flatten();
        let Some(located) = located else { return Place::SparseDepth };
        let grasps = self.target_from_camera.map_or_else(Vec::new, |to_target| {
            grasp::pinches(&points, &self.neighbours(mask, &points.kept, to_target), to_target, &rules.gripper)
        });
        Place::Known { located: Box::new(located), grasps }
    }

    /// Points around an object that are not its own, the ground among them, in the target frame.
    fn neighbours(&self, mask: &Mask, own: &[Point3<f64>], to_target: &Isometry3<f64>) -> Vec<Point3<f64>> {
        let near = own.iter().map(|p| p.z).fold(f64::INFINITY, f64::min);
        let reach = (AROUND / near.max(1e-3) * self.lens.focal()) as u32;
        let roi = mask.roi;
        let (x0, y0) = (roi.x0.saturating_sub(reach), roi.y0.saturating_sub(reach));
        let (x1, y1) = ((roi.x1 + reach).min(self.depth.width), (roi.y1 + reach).min(self.depth.height));
        let count = (x1.saturating_sub(x0) as usize) * (y1.saturating_sub(y0) as usize);
        let step = ((count as f64 / NEIGHBOURS as f64).sqrt() as usize).max(1);
        let mut found = Vec::with_capacity(count / (step * step) + 1);
        for y in (y0..y1).step_by(step) {
            for x in (x0..x1).step_by(step).filter(|x| !mask.contains(*x, y)) {
                let ray = self.lens.ray(f64::from(x), f64::from(y));
                if let Some((z, [rx, ry])) = self.depth.at(x, y).map(f64::from).zip(ray) {
                    found.push(to_target * Point3::new(rx * z, ry * z, z));
                }
            }
        }
        found
    }
}
