//! Scenes as files: colour and depth as PNG, truth as JSON and as a picture.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::path::PathBuf;

use anyhow::Context;
use image::ImageBuffer;
use image::Luma;
use serde::Serialize;

use super::script::Script;
use super::script::TOPICS;
use super::sheet::Sheet;
use super::truth_picture;
use crate::sim::asked::Asked;
use crate::sim::asked::StampText;
use crate::sim::truth::FrameTruth;
use crate::sim::truth::Shot;
use crate::types::RgbImage;

/// Writes scenes into a folder.
pub struct Pictures {
    folder: PathBuf,
}

/// A frame of a scene's JSON; files beside it.
#[derive(Debug, Serialize)]
struct FrameFile<'a> {
    stamp: StampText,
    /// 8-bit RGB.
    color: String,
    /// 16-bit millimetres as the sensor says, 0: not measured.
    depth: String,
    /// 16-bit millimetres without noise and holes.
    depth_exact: String,
    #[serde(flatten)]
    truth: &'a FrameTruth,
    asked: &'a [Asked],
}

impl Pictures {
    /// Pictures in `folder`, which is there.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_path_buf() }
    }

    /// Writes all frames of a scene, each with its own JSON; gives what is asked about them.
    pub fn write(&self, script: &Script, sheet: &mut Sheet) -> anyhow::Result<Vec<Asked>> {
        let mut all = Vec::new();
        for k in 0..script.frames() {
            let (scene, _, shot) = script.shoot(k);
            let name = if script.frames() == 1 {
                format!("{:06}", script.index)
            } else {
                format!("{:06}_{k:03}", script.index)
            };
            let mut asked = script.ask(k, &scene, &shot, &TOPICS);
            asked.iter_mut().for_each(|asked| asked.image = Some(format!("{name}.png")));
            self.write_frame(&name, script, k, &shot, &asked)?;
            sheet.add(k, shot.image);
            all.append(&mut asked);
        }
        Ok(all)
    }

    fn write_frame(&self, name: &str, script: &Script, k: u32, shot: &Shot, asked: &[Asked]) -> anyhow::Result<()> {
        let stamp = script.stamp(k);
        let frame = FrameFile {
            stamp: StampText { sec: stamp.sec, nanosec: stamp.nanosec },
            color: format!("{name}.png"),
            depth: format!("{name}_depth.png"),
            depth_exact: format!("{name}_depth_exact.png"),
            truth: &shot.truth,
            asked,
        };
        let (w, h) = (shot.image.width, shot.image.height);
        save_rgb(&self.folder.join(&frame.color), &shot.image)?;
        if let Some(picture) = truth_picture::draw(shot, asked) {
            save_rgb(&self.folder.join(format!("{name}_truth.png")), &picture)?;
        }
        save_depth(&self.folder.join(&frame.depth), w, h, shot.depth_mm.clone())?;
        let exact = shot.layers.depth.iter().map(|z| (z * 1000.0).round().clamp(0.0, 65535.0) as u16).collect();
        save_depth(&self.folder.join(&frame.depth_exact), w, h, exact)?;
        let path = self.folder.join(format!("{name}.json"));
        let file = File::create(&path).with_context(|| format!("writing {}", path.display()))?;
        serde_json::to_writer_pretty(BufWriter::new(file), &frame)
            .with_context(|| format!("writing {}", path.display()))
    }
}

fn save_rgb(path: &Path, picture: &RgbImage) -> anyhow::Result<()> {
    image::save_buffer(path, &picture.data, picture.width, picture.height, image::ExtendedColorType::Rgb8)
        .with_context(|| format!("writing {}", path.display()))
}

fn save_depth(path: &Path, width: u32, height: u32, millimetres: Vec<u16>) -> anyhow::Result<()> {
    let buffer: ImageBuffer<Luma<u16>, _> =
        ImageBuffer::from_raw(width, height, millimetres).context("a depth image has one value a pixel")?;
    buffer.save(path).with_context(|| format!("writing {}", path.display()))
}
