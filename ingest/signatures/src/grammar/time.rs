//! The key `time`: where the signed moment is, and how far it may be from now.

use std::time::Duration;

use super::{Grammar, TimeTable, Whence, contradiction, missing};
use crate::auth::{List, Time, TimeFrom};
use crate::place::Place;
use crate::scheme::SchemeError;
use crate::template::{Source, Template};
use crate::window::Window;

/// The furthest a tolerance may reach, one day: beyond that a timestamp protects nothing.
const MAX_TOLERANCE_S: u32 = 86_400;

impl Grammar {
    pub(super) fn time(&mut self, list: Option<&List>, templates: &[Template]) -> Result<Option<Time>, SchemeError> {
        let uses = templates.iter().all(|template| template.uses(&Source::Timestamp));
        let Some(table) = self.time.take() else {
            let some = templates.iter().any(|template| template.uses(&Source::Timestamp));
            return if some {
                Err(missing("time", "`signed` has {timestamp}, so say where it is and its unit"))
            } else {
                Ok(None)
            };
        };
        let time = into_time(table)?;
        match &time.from {
            TimeFrom::Place(Place::Item(label)) => match list {
                Some(list) if !list.can_hold(label) => {
                    return Err(contradiction("time.from", "an item with this label is never found in the list"));
                }
                Some(list) if list.pair.is_some() && !list.labels.contains(label) => {}
                Some(_) => {
                    return Err(contradiction("time.from", "its label is also a signature's label, use two labels"));
                }
                None => {
                    return Err(contradiction("time.from", "an item needs a `signature.list` that it is an item of"));
                }
            },
            TimeFrom::Position(_) if list.is_none_or(|list| list.pair.is_some()) => {
                return Err(contradiction("time.from", "a position needs a `signature.list` without `pair`"));
            }
            _ => {}
        }
        let covered = || templates.iter().all(Template::covers_body);
        let is_signed = match &time.from {
            _ if uses => true,
            TimeFrom::Place(place) if place.is_in_body() => {
                covered() || templates.iter().all(|template| template.uses(&Source::At(place.clone())))
            }
            TimeFrom::Place(Place::Header(name)) => {
                self.headers_listed.as_ref().is_some_and(|listed| listed.must.contains(name))
            }
            _ => false,
        };
        if !is_signed {
            return Err(contradiction("time", "a timestamp that is not in `signed` protects nothing, take it out"));
        }
        Ok(Some(time))
    }
}

pub(super) fn into_time(table: TimeTable) -> Result<Time, SchemeError> {
    for (key, seconds) in [("time.past_s", table.past_s), ("time.future_s", table.future_s)] {
        if seconds == 0 || seconds > MAX_TOLERANCE_S {
            return Err(contradiction(key, format!("use 1 to {MAX_TOLERANCE_S} seconds")));
        }
    }
    let from = match table.from {
        Whence::Place(place) => TimeFrom::Place(place),
        Whence::Headers(names) => TimeFrom::Headers(names),
        Whence::Position(position) => TimeFrom::Position(position),
        Whence::Body => return Err(contradiction("time.from", "a time is at a place, not the whole body")),
    };
    let window = Window {
        past: Duration::from_secs(u64::from(table.past_s)),
        future: Duration::from_secs(u64::from(table.future_s)),
    };
    Ok(Time { from, unit: table.unit, window })
}
