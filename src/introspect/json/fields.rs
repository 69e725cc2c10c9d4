//! What has the same name in JSON as in the struct.

use std::fmt;

use serde::de::{DeserializeOwned, Error as _};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::introspect::Side;
use crate::task::TaskState;
use crate::telemetry::waits::LONG;
use crate::{Call, ChannelStats, CloseCause, Retired, Text, WaitHistogram};

/// A struct all fields of which are attributes.
pub(super) trait Fields: Sized {
    /// Their names, which the schema is held to.
    #[cfg(test)]
    const NAMES: &'static [&'static str];

    fn write<O: SerializeMap>(&self, object: &mut O) -> Result<(), O::Error>;

    fn read(object: &mut Object) -> Result<Self, Wrong>;
}

/// The one list of a struct's attributes. One that lacks here does not compile. Those behind
/// `since` are not in what the first versions of the schema wrote: there they are none.
macro_rules! fields {
    ($Struct:ident { $($field:ident),* $(,)? } since { $($new:ident),* $(,)? }) => {
        impl Fields for $Struct {
            #[cfg(test)]
            const NAMES: &'static [&'static str] = &[$(stringify!($field),)* $(stringify!($new)),*];

            fn write<O: SerializeMap>(&self, object: &mut O) -> Result<(), O::Error> {
                $(object.serialize_entry(stringify!($field), &self.$field)?;)*
                $(object.serialize_entry(stringify!($new), &self.$new)?;)*
                Ok(())
            }

            fn read(object: &mut Object) -> Result<Self, Wrong> {
                Ok(Self {
                    $($field: object.take(stringify!($field))?,)*
                    $($new: object.take_if_there(stringify!($new))?,)*
                })
            }
        }
    };
}

fields!(ChannelStats {
    name,
    label,
    bounded,
    capacity,
    queue_len,
    high_watermark,
    utilization,
    sender_count,
    weak_sender_count,
    send_waiters,
    granted_waiters,
    recv_waiters,
    reserved,
    sender_closed,
    receiver_closed,
    close_cause,
    sent_total,
    recv_total,
    discarded,
    full_total,
    closed_total,
    send_waits_total,
    send_wait_total_ns,
    send_given_up_total,
    recv_waits_total,
    recv_wait_total_ns,
    recv_given_up_total,
    oldest_send_wait_ns,
    oldest_recv_wait_ns,
    created_at_ns,
    creator_task_id,
    channel_id,
    location,
    payload,
} since {
    send_wait_histogram,
    recv_wait_histogram,
});

fields!(Retired {
    channels,
    sent_total,
    recv_total,
    discarded,
    full_total,
    closed_total,
    send_waits_total,
    send_wait_total_ns,
    send_given_up_total,
    recv_waits_total,
    recv_wait_total_ns,
    recv_given_up_total,
} since {
    send_wait_histogram,
    recv_wait_histogram,
});

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

/// The waits of each bucket alone, without those at the end that have none.
impl Serialize for WaitHistogram {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let counts = self.counts();
        let used = counts.iter().rposition(|&n| n > 0).map_or(0, |last| last + 1);
        let mut object = serializer.serialize_map(None)?;
        object.serialize_entry("counts", &counts[..used])?;
        object.serialize_entry("total_ns", &self.total_ns())?;
        object.end()
    }
}

impl<'de> Deserialize<'de> for WaitHistogram {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut object = Object(Map::deserialize(deserializer)?);
        let told: Vec<u64> = object.take("counts").map_err(D::Error::custom)?;
        let mut counts = [0; LONG + 1];
        let Some(places) = counts.get_mut(..told.len()) else {
            let most = counts.len();
            return Err(D::Error::custom(format_args!("counts: are more than {most}")));
        };
        places.copy_from_slice(&told);
        Ok(Self::from_counts(counts, object.take("total_ns").map_err(D::Error::custom)?))
    }
}

/// An enum that goes by its name.
macro_rules! by_name {
    ($Enum:ident { $($Variant:ident),* $(,)? }) => {
        impl Serialize for $Enum {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $Enum {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                // One that lacks here does not compile.
                let known = |this| match this { $(Self::$Variant => this),* };
                let name = String::deserialize(deserializer)?;
                let all = [$(known(Self::$Variant)),*];
                all.into_iter().find(|this| this.as_str() == name).ok_or_else(|| {
                    let all = all.map(Self::as_str).join(", ");
                    D::Error::custom(format_args!("{name:?} is none of {all}"))
                })
            }
        }
    };
}

by_name!(Call {
    Send,
    SendMany,
    Reserve,
    ReserveMany,
    Closed,
    Recv,
    RecvMany,
    PollRecv,
    PollReserve
});
by_name!(CloseCause { SendersDropped, ReceiverClosed, ReceiverDropped });
by_name!(Side { Send, Receive, Close });
by_name!(TaskState { Scheduled, Running, Idle });

/// What is wrong in a JSON text, and where.
#[derive(Debug)]
pub(super) struct Wrong {
    /// From the inside to the outside.
    path: String,
    what: String,
}

impl Wrong {
    pub(super) fn new(what: impl fmt::Display) -> Self {
        Self { path: String::new(), what: what.to_string() }
    }

    /// It is in the member of this name.
    pub(super) fn within(mut self, name: impl fmt::Display) -> Self {
        let dot = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("{name}{dot}{}", self.path);
        self
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.what)
    }
}

/// An object that is being read.
pub(super) struct Object(pub(super) Map<String, Value>);

impl Object {
    /// The member of this name.
    pub(super) fn take<T: DeserializeOwned>(&mut self, name: &str) -> Result<T, Wrong> {
        let value = self.0.remove(name).ok_or_else(|| Wrong::new("is missing").within(name))?;
        T::deserialize(value).map_err(|error| Wrong::new(error).within(name))
    }

    /// The member of this name, if it is there.
    fn take_if_there<T: DeserializeOwned>(&mut self, name: &str) -> Result<Option<T>, Wrong> {
        if self.0.contains_key(name) { self.take(name) } else { Ok(None) }
    }

    /// Makes the member none if it is a word that `T` does not have: one of a later version.
    pub(super) fn forget_unknown<T: DeserializeOwned>(&mut self, name: &str) {
        if let Some(value @ Value::String(_)) = self.0.get_mut(name)
            && T::deserialize(&*value).is_err()
        {
            *value = Value::Null;
        }
    }
}
