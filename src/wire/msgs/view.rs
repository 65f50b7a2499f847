//! visualization_msgs, and clouds of points: what RViz shows.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{CompressedImage, Duration, Header, Point, Pose, Vector3};

/// A colour, 0 to 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct ColorRgba {
    /// Red.
    pub r: f32,
    /// Green.
    pub g: f32,
    /// Blue.
    pub b: f32,
    /// 1: opaque.
    pub a: f32,
}

/// A place in a texture.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct UvCoordinate {
    /// Across.
    pub u: f32,
    /// Down.
    pub v: f32,
}

/// A mesh in a message.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct MeshFile<'a> {
    /// Its name.
    pub filename: String,
    /// The file.
    #[serde(borrow, with = "serde_bytes")]
    pub data: Cow<'a, [u8]>,
}

/// A shape in space.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Marker<'a> {
    /// Frame and time.
    pub header: Header,
    /// With `id` the name of the marker.
    pub ns: String,
    /// See `ns`.
    pub id: i32,
    /// [`Marker::CUBE`] and others.
    pub r#type: i32,
    /// [`Marker::ADD`] or [`Marker::DELETE_ALL`].
    pub action: i32,
    /// Where.
    pub pose: Pose,
    /// How large (m).
    pub scale: Vector3,
    /// Of all of it.
    pub color: ColorRgba,
    /// How long it stays; zero: until it is replaced.
    pub lifetime: Duration,
    /// Whether it moves with its frame.
    pub frame_locked: bool,
    /// Corners, for types that have them.
    pub points: Vec<Point>,
    /// A colour per corner.
    pub colors: Vec<ColorRgba>,
    /// Name of a texture.
    pub texture_resource: String,
    /// The texture.
    #[serde(borrow)]
    pub texture: CompressedImage<'a>,
    /// A place in the texture per corner.
    pub uv_coordinates: Vec<UvCoordinate>,
    /// Words, for [`Marker::TEXT`].
    pub text: String,
    /// Name of a mesh.
    pub mesh_resource: String,
    /// The mesh.
    pub mesh_file: MeshFile<'a>,
    /// Whether it brings its colours.
    pub mesh_use_embedded_materials: bool,
}

impl Marker<'_> {
    /// A box.
    pub const CUBE: i32 = 1;
    /// Pairs of points.
    pub const LINE_LIST: i32 = 5;
    /// Words that face whoever looks.
    pub const TEXT: i32 = 9;
    /// Show it.
    pub const ADD: i32 = 0;
    /// Forget all that were shown.
    pub const DELETE_ALL: i32 = 3;
}

/// Several shapes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct MarkerArray<'a> {
    /// The shapes.
    #[serde(borrow)]
    pub markers: Vec<Marker<'a>>,
}

/// One number of every point of a cloud.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PointField {
    /// Its name.
    pub name: String,
    /// Where it begins in the point (bytes).
    pub offset: u32,
    /// [`PointField::FLOAT32`] or [`PointField::UINT32`].
    pub datatype: u8,
    /// How many.
    pub count: u32,
}

impl PointField {
    /// Whole numbers of 32 bits.
    pub const UINT32: u8 = 6;
    /// Single precision.
    pub const FLOAT32: u8 = 7;
}

/// Many points.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PointCloud2<'a> {
    /// Frame and time.
    pub header: Header,
    /// 1: the points have no order.
    pub height: u32,
    /// Points in a row.
    pub width: u32,
    /// What a point consists of.
    pub fields: Vec<PointField>,
    /// Byte order.
    pub is_bigendian: bool,
    /// Bytes a point.
    pub point_step: u32,
    /// Bytes a row.
    pub row_step: u32,
    /// The points.
    #[serde(borrow, with = "serde_bytes")]
    pub data: Cow<'a, [u8]>,
    /// No point is missing.
    pub is_dense: bool,
}
