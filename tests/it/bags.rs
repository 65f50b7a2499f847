//! Bags of every kind: read, cut off, damaged, written, and read by somebody else.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use llava_grounding::transport::bag::Bag;
use llava_grounding::transport::bag::BagError;
use llava_grounding::transport::bag::Record;
use llava_grounding::transport::bag::Recorder;
use llava_grounding::wire::cdr;
use llava_grounding::wire::msgs;
use llava_grounding::wire::msgs::Message;

const START: i64 = 1_700_000_000_000_000_000;
const STEP: i64 = 100_000_000;
const IMAGES: &str = "/camera/image_raw";
const WORDS: &str = "/grounding/command";

/// Folders that tests/data/bags/make.py wrote.
const KINDS: [&str; 7] =
    ["sqlite3_plain", "sqlite3_file", "sqlite3_message", "mcap_plain", "mcap_file", "mcap_message", "mcap_storage"];

fn folder(kind: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/bags").join(kind)
}

/// The one bag file of a folder.
fn file(kind: &str) -> PathBuf {
    let files = std::fs::read_dir(folder(kind)).unwrap().map(|entry| entry.unwrap().path());
    files.into_iter().find(|path| path.extension().is_some_and(|e| e != "yaml")).unwrap()
}

/// What make.py put into every one of them.
fn expected() -> Vec<Record> {
    let message = |i: i64| {
        let log_time = START + i * STEP;
        let stamp = msgs::Time { sec: (log_time / 1_000_000_000) as i32, nanosec: (log_time % 1_000_000_000) as u32 };
        let header = msgs::Header { stamp, frame_id: "camera_optical".into() };
        let (topic, type_name, bytes) = match i % 4 {
            3 => (WORDS, msgs::StringMsg::TYPE, cdr::encode(&msgs::StringMsg { data: format!("the red mug {i}") })),
            _ => {
                let data = Cow::Owned(vec![10 * i as u8; 8 * 6 * 3]);
                let (width, height, step, encoding) = (8, 6, 24, "rgb8".into());
                let image = msgs::Image { header, height, width, encoding, is_bigendian: 0, step, data };
                (IMAGES, msgs::Image::TYPE, cdr::encode(&image))
            }
        };
        Record { topic: topic.into(), type_name: type_name.into(), log_time, bytes }
    };
    (0..12).map(message).collect()
}

/// An error and what caused it, as the program prints it.
fn whole(error: impl std::error::Error + Send + Sync + 'static) -> String {
    format!("{:#}", anyhow::Error::from(error))
}

fn all(path: &Path) -> Vec<Record> {
    let records = Bag::open(path).unwrap().records(None);
    records.collect::<Result<_, _>>().unwrap_or_else(|e| panic!("{e}"))
}

/// Messages before the error, and the error; every bag that is not whole must end with one.
fn until_error(path: &Path) -> (Vec<Record>, BagError) {
    let mut records = match Bag::open(path) {
        Ok(bag) => bag.records(None),
        Err(e) => return (Vec::new(), e),
    };
    let mut read = Vec::new();
    let error = loop {
        match records.next().unwrap_or_else(|| panic!("{} ends without an error", path.display())) {
            Ok(record) => read.push(record),
            Err(e) => break e,
        }
    };
    assert!(records.next().is_none(), "an error of the only file is the last item");
    (read, error)
}

#[test]
fn every_kind_of_bag_gives_the_same_messages() {
    for kind in KINDS {
        assert_eq!(all(&folder(kind)), expected(), "folder {kind}");
        assert_eq!(all(&file(kind)), expected(), "file {kind}");
        assert_eq!(all(&folder(kind).join("metadata.yaml")), expected(), "metadata {kind}");
    }
}

#[test]
fn a_summary_tells_topics_counts_and_times_with_and_without_metadata() {
    for path in KINDS.iter().flat_map(|kind| [folder(kind), file(kind)]) {
        let summary = Bag::open(&path).unwrap().summary().unwrap();
        let topics: Vec<_> = summary.topics.iter().map(|t| (t.name.as_str(), t.type_name.as_str(), t.count)).collect();
        assert_eq!(topics, [(IMAGES, msgs::Image::TYPE, 9), (WORDS, msgs::StringMsg::TYPE, 3)], "{}", path.display());
        assert_eq!(summary.span, Some((START, START + 11 * STEP)), "{}", path.display());
        assert!(summary.complete);
    }
}

#[test]
fn only_wanted_topics_are_read() {
    for kind in KINDS {
        let bag = Bag::open(&folder(kind)).unwrap();
        let words: Vec<Record> = bag.records(Some(&[WORDS.to_string()])).map(Result::unwrap).collect();
        assert_eq!(words, expected().into_iter().filter(|r| &*r.topic == WORDS).collect::<Vec<_>>(), "{kind}");
        assert_eq!(bag.records(Some(&["/nobody".to_string()])).count(), 0, "{kind}");
    }
}

#[test]
fn a_bag_cut_anywhere_is_read_as_far_as_it_goes_and_says_so() {
    let temp = tempfile::tempdir().unwrap();
    for kind in KINDS {
        let whole = std::fs::read(file(kind)).unwrap();
        let path = temp.path().join(file(kind).file_name().unwrap());
        let step = (whole.len() / 150).max(1);
        let mut most = 0;
        for end in (0..whole.len()).step_by(step).chain([whole.len() - 1]) {
            std::fs::write(&path, &whole[..end]).unwrap();
            let (read, error) = until_error(&path);
            let BagError::Cut { read: said, .. } = error else { panic!("{kind} cut at {end}: {error}") };
            assert_eq!(said, read.len() as u64, "{kind} cut at {end}");
            assert_eq!(read, expected()[..read.len()], "{kind} cut at {end}");
            most = most.max(read.len());
        }
        // A small file compressed as a whole is one block of zstd: all or nothing.
        let least = if kind.ends_with("_file") { 0 } else { 8 };
        assert!(most >= least, "{kind}: at most {most} of 12 messages were read from a cut file");
    }
}

#[test]
fn a_large_compressed_file_that_was_cut_is_read_up_to_there() {
    let temp = tempfile::tempdir().unwrap();
    let (plain, packed) = (temp.path().join("noise.mcap"), temp.path().join("noise.mcap.zstd"));
    let mut recorder = Recorder::create(&plain).unwrap();
    let mut state = 1u32;
    for time in 0..100 {
        let noise = (0..30_000).map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        });
        let image = msgs::Image { data: noise.collect(), ..Default::default() };
        recorder.write(IMAGES, time, &image).unwrap();
    }
    recorder.finish().unwrap();
    let whole = zstd::encode_all(File::open(&plain).unwrap(), 0).unwrap();
    std::fs::write(&packed, &whole[..whole.len() / 2]).unwrap();
    let (read, error) = until_error(&packed);
    assert!((30..=50).contains(&read.len()), "{} of 100 messages", read.len());
    assert_eq!(read, all(&plain)[..read.len()]);
    assert!(error.to_string().contains("zstd"), "{error}");
}

#[test]
fn a_damaged_bag_never_panics() {
    let temp = tempfile::tempdir().unwrap();
    for kind in KINDS {
        let whole = std::fs::read(file(kind)).unwrap();
        let path = temp.path().join(file(kind).file_name().unwrap());
        for at in (0..whole.len()).step_by((whole.len() / 200).max(1)) {
            let mut damaged = whole.clone();
            damaged[at] ^= 0xff;
            std::fs::write(&path, &damaged).unwrap();
            if let Ok(bag) = Bag::open(&path) {
                assert!(bag.records(None).count() < 100, "{kind} damaged at {at}");
                let _ = bag.summary();
            }
        }
    }
}

#[test]
fn what_is_no_bag_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    let message = |path: &Path| whole(Bag::open(path).unwrap_err());
    assert!(message(&temp.path().join("none.mcap")).contains("No such file"));
    assert!(message(temp.path()).contains("without metadata.yaml"));
    let text = temp.path().join("notes.txt");
    std::fs::write(&text, "hello").unwrap();
    assert!(message(&text).contains(".mcap or .db3"));
    std::fs::write(temp.path().join("metadata.yaml"), "rosbag2_bagfile_information: [").unwrap();
    assert!(message(temp.path()).contains("metadata.yaml"));
    std::fs::write(
        temp.path().join("metadata.yaml"),
        "rosbag2_bagfile_information: {relative_file_paths: [gone.mcap]}",
    )
    .unwrap();
    let (read, error) = until_error(temp.path());
    assert!(read.is_empty() && error.to_string().contains("gone.mcap"), "{error}");
}

/// Words at the given times [ns].
fn record_words(path: &Path, times: &[i64]) {
    let mut recorder = Recorder::create(path).unwrap();
    for time in times {
        recorder.write(WORDS, *time, &msgs::StringMsg { data: time.to_string() }).unwrap();
    }
    recorder.finish().unwrap();
}

#[test]
fn files_of_a_folder_are_merged_by_time() {
    let temp = tempfile::tempdir().unwrap();
    let times = |path: &Path| all(path).iter().map(|r| r.log_time).collect::<Vec<_>>();
    record_words(&temp.path().join("bag_9.mcap"), &[1, 3, 20]);
    record_words(&temp.path().join("bag_10.mcap"), &[2, 3, 4]);
    assert_eq!(times(temp.path()), [1, 2, 3, 3, 4, 20]);

    // Begins are written down: the second file is opened when its time has come.
    let entry = |path: &str, start: i64| {
        format!(
            "{{path: {path}, starting_time: {{nanoseconds_since_epoch: {start}}}, duration: {{nanoseconds: 9}}, message_count: 3}}"
        )
    };
    let yaml = format!(
        "rosbag2_bagfile_information:\n  relative_file_paths: [bag_9.mcap, folder/bag_10.mcap]\n  files: [{}, {}]\n",
        entry("bag_9.mcap", 1),
        entry("folder/bag_10.mcap", 2)
    );
    std::fs::write(temp.path().join("metadata.yaml"), yaml).unwrap();
    assert_eq!(times(temp.path()), [1, 2, 3, 3, 4, 20]);

    // One broken file does not hide the others.
    std::fs::write(temp.path().join("bag_9.mcap"), b"\x89MCAP0\r\n").unwrap();
    let items: Vec<_> = Bag::open(temp.path()).unwrap().records(None).collect();
    assert_eq!(items.iter().filter(|item| item.is_ok()).count(), 3);
    assert!(items.last().unwrap().is_err());
}

#[test]
fn mcap_files_of_other_writers_are_read() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("other.mcap");
    let options = [
        mcap::WriteOptions::new().compression(Some(mcap::Compression::Lz4)),
        mcap::WriteOptions::new().compression(None).chunk_size(Some(64)),
        mcap::WriteOptions::new().use_chunks(false),
        mcap::WriteOptions::new().emit_summary_records(false).emit_summary_offsets(false),
    ];
    for options in options {
        let mut writer = options.create(BufWriter::new(File::create(&path).unwrap())).unwrap();
        let schema = writer.add_schema(msgs::StringMsg::TYPE, "ros2msg", b"string data").unwrap();
        let words = writer.add_channel(schema, WORDS, "cdr", &BTreeMap::new()).unwrap();
        let json = writer.add_channel(0, "/json", "json", &BTreeMap::new()).unwrap();
        for time in 0..20 {
            for channel_id in [words, json] {
                let header = mcap::records::MessageHeader { channel_id, sequence: 0, log_time: time, publish_time: 0 };
                writer.write_to_known_channel(&header, &cdr::encode(&msgs::StringMsg::default())).unwrap();
            }
        }
        writer.finish().unwrap();
        drop(writer);
        let records = all(&path);
        assert_eq!(records.iter().map(|r| r.log_time).collect::<Vec<_>>(), (0..20).collect::<Vec<_>>());
        assert!(records.iter().all(|r| &*r.topic == WORDS && &*r.type_name == msgs::StringMsg::TYPE));
        assert_eq!(Bag::open(&path).unwrap().summary().unwrap().topic(WORDS).unwrap().count, 20);
    }
}

/// Several topics and types, so that an order by hash would show.
fn record_scene(path: &Path) {
    let mut recorder = Recorder::create(path).unwrap();
    for i in 0..10 {
        let time = START + i * STEP;
        for camera in ["front", "wrist", "left", "right"] {
            let data = Cow::Owned(vec![i as u8; 30_000]);
            let image =
                msgs::Image { height: 100, width: 100, encoding: "rgb8".into(), step: 300, data, ..Default::default() };
            recorder.write(&format!("/{camera}/image"), time, &image).unwrap();
            recorder.write(&format!("/{camera}/info"), time, &msgs::CameraInfo::default()).unwrap();
        }
        recorder.write(WORDS, time, &msgs::StringMsg { data: "the mug".into() }).unwrap();
        let answer = msgs::GroundingAnswer {
            text: "the mug".into(),
            objects: vec![msgs::GroundedObject { phrase: "the mug".into(), ..Default::default() }],
            ..Default::default()
        };
        recorder.write("/grounding/answer", time, &answer).unwrap();
    }
    recorder.finish().unwrap();
}

#[test]
fn the_same_messages_give_the_same_bytes() {
    let temp = tempfile::tempdir().unwrap();
    let bytes = |name: &str| {
        record_scene(&temp.path().join(name));
        std::fs::read(temp.path().join(name)).unwrap()
    };
    let first = bytes("first.mcap");
    for _ in 0..5 {
        assert!(bytes("again.mcap") == first);
    }
    assert_eq!(all(&temp.path().join("first.mcap")).len(), 100);
    let summary = Bag::open(&temp.path().join("first.mcap")).unwrap().summary().unwrap();
    assert_eq!((summary.count(), summary.topics.len()), (100, 10));
}

#[test]
fn rosbags_reads_what_we_record() {
    let temp = tempfile::tempdir().unwrap();
    record_scene(&temp.path().join("scene"));
    record_scene(&temp.path().join("scene.mcap"));
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let script = root.join("tests/data/bags/read.py");
    for bag in ["scene", "scene.mcap"] {
        let python = root.join(".deps/venv/bin/python");
        let output = Command::new(&python).arg(&script).arg(temp.path().join(bag)).output();
        let output = output.unwrap_or_else(|e| panic!("{}: {e}; `./dev setup` installs it", python.display()));
        let text = String::from_utf8_lossy(&output.stdout);
        let problem = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{bag}: {problem}");
        assert!(text.contains("/grounding/answer llava_grounding/msg/GroundingAnswer 10 the mug"), "{bag}: {text}");
        assert!(text.contains("/wrist/image sensor_msgs/msg/Image 10"), "{bag}: {text}");
    }
}

#[test]
fn a_full_disk_is_an_error_and_leaves_nothing() {
    // /dev/full takes nothing and says that there is no space.
    let mut recorder = Recorder::create(Path::new("/dev/full")).unwrap();
    let image = msgs::Image { data: Cow::Owned(vec![0; 1000]), ..Default::default() };
    let written = (0..10).try_for_each(|time| recorder.write("/image", time, &image));
    let error = whole(written.and_then(|()| recorder.finish()).unwrap_err());
    assert!(error.contains("/dev/full") && error.contains("No space left"), "{error}");
    assert!(Path::new("/dev/full").exists());
}

#[test]
fn a_disk_that_fills_up_leaves_the_earlier_bag_as_it_was() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("bag.mcap");
    record_words(&path, &[1, 2]);
    let before = std::fs::read(&path).unwrap();
    // What is written before the end goes to a disk without space.
    std::os::unix::fs::symlink("/dev/full", temp.path().join("bag.mcap.part")).unwrap();
    let mut recorder = Recorder::create(&path).unwrap();
    let image = msgs::Image { data: Cow::Owned(vec![0; 1000]), ..Default::default() };
    let written = (0..10).try_for_each(|time| recorder.write("/image", time, &image));
    let error = whole(written.and_then(|()| recorder.finish()).unwrap_err());
    assert!(error.contains("bag.mcap") && error.contains("No space left"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
    assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 1, "something was left behind");
}

#[test]
fn an_unfinished_bag_is_not_passed_off_as_whole() {
    let temp = tempfile::tempdir().unwrap();
    for name in ["bag.mcap", "bag"] {
        let path = temp.path().join(name);
        let mut recorder = Recorder::create(&path).unwrap();
        recorder.write(WORDS, 1, &msgs::StringMsg::default()).unwrap();
        assert!(!path.exists(), "{name} has its name before it is whole");
        drop(recorder);
        assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 0, "{name} leaves something behind");
    }
}

#[test]
fn a_bag_that_cannot_be_written_says_why() {
    let temp = tempfile::tempdir().unwrap();
    let error = whole(Recorder::create(&temp.path().join("none/bag.mcap")).unwrap_err());
    assert!(error.contains("none/bag.mcap") && error.contains("No such file"), "{error}");
    record_words(&temp.path().join("bag"), &[1]);
    let error = Recorder::create(&temp.path().join("bag")).unwrap_err().to_string();
    assert!(error.contains("exists"), "{error}");
    let mut recorder = Recorder::create(&temp.path().join("bag.mcap")).unwrap();
    let error = recorder.write_bytes("/x", "nav_msgs/msg/Odometry", 1, &[]).unwrap_err().to_string();
    assert!(error.contains("nav_msgs/msg/Odometry"), "{error}");
    let error = recorder.write(WORDS, -1, &msgs::StringMsg::default()).unwrap_err().to_string();
    assert!(error.contains("-1 ns"), "{error}");
}
