//! All that is known about each picture of a training set, side by side.

use std::path::Path;
use std::sync::Arc;

use crate::train::data;
use crate::train::data::ChatRecord;
use crate::train::data::DataError;
use crate::train::data::Example;
use crate::train::data::Picture;
use crate::train::data::Pictures;
use crate::train::data::coco::CocoFile;
use crate::train::data::scenes;

/// A picture and everything said about it.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The picture.
    pub picture: Arc<Picture>,
    /// Expressions, each meaning one object.
    pub references: Vec<Example>,
    /// Descriptions.
    pub captions: Vec<Example>,
    /// Conversations.
    pub chats: Vec<Example>,
    /// Conversations about what is pointed at.
    pub pointings: Vec<Example>,
}

/// Where examples of one kind go.
type Field = fn(&mut Entry) -> &mut Vec<Example>;

/// Reads a folder: `instances.json` with `images/`, and `chat.json`, `pointing.json` where they are. Only pictures with
/// objects are kept.
pub fn open(folder: &Path) -> Result<Vec<Entry>, DataError> {
    let file = folder.join(scenes::INSTANCES);
    let coco: CocoFile = data::read(&file)?;
    let pictures = Pictures::new(&coco, &file, &folder.join(scenes::IMAGES))?;
    let talk = |name: &str| -> Result<Vec<Example>, DataError> {
        let path = folder.join(name);
        if !path.exists() {
            return Ok(vec![]);
        }
        let records: Vec<ChatRecord> = data::read(&path)?;
        data::chat(&records, &path, &pictures)
    };
    let entry = |picture: &Arc<Picture>| Entry {
        picture: picture.clone(),
        references: vec![],
        captions: vec![],
        chats: vec![],
        pointings: vec![],
    };
    let mut entries: Vec<Entry> = pictures.all().map(entry).collect();
    let mut by_picture = std::collections::HashMap::new();
    for (i, entry) in entries.iter().enumerate() {
        by_picture.insert(Arc::as_ptr(&entry.picture), i);
    }
    let kinds: [(Vec<Example>, Field); 4] = [
        (data::references(&coco, &pictures)?, |e| &mut e.references),
        (data::captions(&coco, &pictures)?, |e| &mut e.captions),
        (talk(scenes::CHAT)?, |e| &mut e.chats),
        (talk(scenes::POINTING)?, |e| &mut e.pointings),
    ];
    for (examples, field) in kinds {
        for example in examples {
            if let Some(&i) = by_picture.get(&Arc::as_ptr(&example.scene)) {
                field(&mut entries[i]).push(example);
            }
        }
    }
    entries.retain(|e| !e.picture.objects.is_empty());
    Ok(entries)
}
