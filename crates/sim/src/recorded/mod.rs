//! Recorded flow: recordings held in memory as they go over the wire, and the player that
//! sends them.

mod depth;
mod describe;
mod dialect;
mod label;
mod load;
mod player;
mod recording;
mod reference;
mod rest;
mod roster;
mod snapshots;

pub(crate) use load::load;
pub(crate) use player::Player;
