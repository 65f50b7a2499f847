//! Everything that a frame's depth shows as points, each with its colour and the object that it belongs to.

use std::borrow::Cow;

use nalgebra::Isometry3;
use nalgebra::Point3;

use super::label_mask::label_mask;
use crate::types::Answer;
use crate::types::RgbImage;
use crate::types::Sight;
use crate::wire::msgs::Header;
use crate::wire::msgs::PointCloud2;
use crate::wire::msgs::PointField;

/// Bytes of a point: x y z, colour, label.
const STEP: usize = 20;

/// x y z (m) in the frame of the answer's header, rgb as PCL packs it, label: index of the object + 1, 0 for none of them.
/// None where the answer has no poses: without depth, lens or transform there are no points.
pub fn cloud(answer: &Answer, image: &RgbImage, sight: &Sight) -> Option<PointCloud2<'static>> {
    let (depth, lens) = (&sight.depth.as_ref()?.value, sight.lens.as_ref()?);
    let to_frame = sight.target_from_camera.unwrap_or_else(Isometry3::identity);
    let labels = label_mask(image.width, image.height, &answer.objects);
    let mut data = Vec::with_capacity(labels.len() * STEP);
    for (at, (label, pixel)) in labels.iter().zip(image.data.chunks_exact(3)).enumerate() {
        let (x, y) = (at as u32 % image.width, at as u32 / image.width);
        let measured = depth.at(x, y).map(f64::from).zip(lens.ray(f64::from(x), f64::from(y)));
        let Some((z, [rx, ry])) = measured else { continue };
        let point = to_frame * Point3::new(rx * z, ry * z, z);
        [point.x, point.y, point.z].iter().for_each(|v| data.extend((*v as f32).to_le_bytes()));
        data.extend([pixel[2], pixel[1], pixel[0], 0]);
        data.extend(u32::from(*label).to_le_bytes());
    }
    let field =
        |(name, offset, datatype): (&str, u32, u8)| PointField { name: name.into(), offset, datatype, count: 1 };
    let (float, whole) = (PointField::FLOAT32, PointField::UINT32);
    let fields = [("x", 0, float), ("y", 4, float), ("z", 8, float), ("rgb", 12, float), ("label", 16, whole)];
    Some(PointCloud2 {
        header: Header { stamp: answer.image_header.stamp.into(), frame_id: answer.frame_id.clone() },
        height: 1,
        width: (data.len() / STEP) as u32,
        fields: fields.into_iter().map(field).collect(),
        is_bigendian: false,
        point_step: STEP as u32,
        row_step: data.len() as u32,
        data: Cow::Owned(data),
        is_dense: true,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::types::Command;
    use crate::types::DepthImage;
    use crate::types::Header as Stamped;
    use crate::types::Lens;
    use crate::types::Measured;
    use crate::types::Status;

    #[test]
    fn measured_pixels_become_points_in_the_answers_frame() {
        let image = RgbImage { width: 2, height: 1, data: vec![1, 2, 3, 4, 5, 6] };
        let depth = Arc::new(DepthImage { width: 2, height: 1, metres: vec![0.0, 2.0] });
        let mut sight = Sight {
            depth: Some(Measured { camera: "c".into(), header: Stamped::default(), value: depth }),
            target_from_camera: Some(Isometry3::translation(0.0, 0.0, 10.0)),
            ..Sight::default()
        };
        let mut answer = Answer::new(&Command::default(), None, Status::Final, String::new());
        answer.frame_id = "base".into();
        assert_eq!(cloud(&answer, &image, &sight), None, "no lens");
        sight.lens = Some(Lens::pinhole(1.0, 1.0, 0.0, 0.0));
        let cloud = cloud(&answer, &image, &sight).unwrap();
        assert_eq!((cloud.width, cloud.header.frame_id.as_str()), (1, "base"));
        let number = |at: usize| f32::from_le_bytes(cloud.data[at..at + 4].try_into().unwrap());
        assert_eq!([number(0), number(4), number(8)], [2.0, 0.0, 12.0]);
        assert_eq!((&cloud.data[12..16], &cloud.data[16..]), (&[6, 5, 4, 0][..], &[0, 0, 0, 0][..]));
    }
}
