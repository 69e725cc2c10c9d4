//! Text that is shared: many channels come from few places, and a name is that of its channel in
//! every snapshot.

use core::borrow::Borrow;
use core::fmt;
use core::ops::Deref;
use core::panic::Location;
use std::collections::HashMap;

use crate::sync::plain::Arc;
use crate::telemetry::name;
use crate::telemetry::task::TaskRef;

/// A text that never changes. A clone shares it.
///
/// It reads, prints and compares as a `&str`.
///
/// # Examples
/// ```
/// use parshall::Text;
///
/// let name = Text::from("wal");
/// assert_eq!(name, "wal");
/// assert_eq!(name.len(), 3);
/// assert_eq!(name.clone().as_str().as_ptr(), name.as_str().as_ptr());
/// assert_eq!(format!("{name} {name:?}"), r#"wal "wal""#);
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(Arc<str>);

impl Text {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        self
    }
}

/// It is equal, ordered and hashed as the `str`.
impl Borrow<str> for Text {
    fn borrow(&self) -> &str {
        self
    }
}

impl Default for Text {
    fn default() -> Self {
        Self::from("")
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<Arc<str>> for Text {
    fn from(text: Arc<str>) -> Self {
        Self(text)
    }
}

impl From<Text> for String {
    fn from(text: Text) -> Self {
        text.as_str().into()
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        **self == *other
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        **self == **other
    }
}

impl PartialEq<String> for Text {
    fn eq(&self, other: &String) -> bool {
        **self == **other
    }
}

impl PartialEq<Text> for str {
    fn eq(&self, other: &Text) -> bool {
        *self == **other
    }
}

impl PartialEq<Text> for &str {
    fn eq(&self, other: &Text) -> bool {
        **self == **other
    }
}

impl PartialEq<Text> for String {
    fn eq(&self, other: &Text) -> bool {
        **self == **other
    }
}

/// Texts that one look needs again and again, each made once.
#[derive(Default)]
pub(crate) struct Texts {
    /// Of channels, by the place of creation and the name of the type.
    creations: HashMap<(*const Location<'static>, *const str), Creation>,
    locations: HashMap<*const Location<'static>, Text>,
    ids: HashMap<TaskRef, Text>,
}

/// What is told of a place of creation and the type of the messages.
pub(crate) struct Creation {
    /// `file:line`.
    pub(crate) file_line: Text,
    /// The place, and the type without paths.
    pub(crate) label: Text,
    /// `file:line:column`.
    pub(crate) location: Text,
}

impl Texts {
    pub(crate) fn creation(
        &mut self,
        location: &'static Location<'static>,
        payload: &'static str,
    ) -> &Creation {
        self.creations.entry((location, payload)).or_insert_with(|| {
            let text = name::file_line(location);
            Creation {
                label: format!("{text} ({})", name::short_type(payload)).into(),
                location: format!("{text}:{}", location.column()).into(),
                file_line: text.into(),
            }
        })
    }

    /// `file:line:column`.
    pub(crate) fn location(&mut self, location: &'static Location<'static>) -> Text {
        let make = || format!("{}:{}", name::file_line(location), location.column()).into();
        self.locations.entry(location).or_insert_with(make).clone()
    }

    /// The id of the task's node.
    pub(crate) fn node_id(&mut self, task: TaskRef) -> Text {
        self.ids.entry(task).or_insert_with(|| task.node_id().into()).clone()
    }
}
