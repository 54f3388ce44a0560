//! What a container may take, under each layout of control groups: set, changed, in force, and told.
#![allow(clippy::unwrap_used, reason = "a test that cannot observe fails where it stands")]

#[path = "resources/devices.rs"]
mod devices;
#[path = "resources/events.rs"]
mod events;
mod ground;
#[path = "resources/group.rs"]
mod group;
#[path = "resources/limits.rs"]
mod limits;
#[path = "resources/many.rs"]
mod many;
#[path = "resources/ordinary.rs"]
mod ordinary;
#[path = "resources/view.rs"]
mod view;
