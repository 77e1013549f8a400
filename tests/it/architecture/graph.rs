//! Who depends on whom, among modules that share a parent.

use std::collections::{BTreeMap, BTreeSet};

use super::modules::{Modules, Place};

/// The children of a module, and what leads from one to another.
#[derive(Default)]
pub struct Room {
    place: Place,
    /// By name, with an example for each.
    arrows: BTreeMap<String, BTreeMap<String, String>>,
}

/// All modules with children.
pub fn rooms(modules: &Modules) -> Vec<Room> {
    let mut rooms: BTreeMap<Place, Room> = BTreeMap::new();
    for (from, module) in modules.iter() {
        for path in &module.named {
            let Some(to) = modules.owner(from, path) else { continue };
            let shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
            // Between a module and its own children whatever they like.
            let (Some(one), Some(other)) = (from.get(shared), to.get(shared)) else { continue };
            let place = from[..shared].to_vec();
            let room = rooms.entry(place.clone()).or_insert_with(|| Room { place, ..Room::default() });
            let example = format!("{} takes {}", from.join("::"), path.join("::"));
            room.arrows.entry(one.clone()).or_default().entry(other.clone()).or_insert(example);
        }
    }
    rooms.into_values().collect()
}

/// The ways back to where they began, each told once.
pub fn circles(room: &Room) -> Vec<String> {
    let mut told = BTreeSet::new();
    let mut found = Vec::new();
    for start in room.arrows.keys() {
        let Some(way) = way_back(room, start) else { continue };
        if way.iter().any(|module| told.contains(module)) {
            continue;
        }
        let steps = way.iter().zip(way.iter().cycle().skip(1)).map(|(from, to)| room.arrows[from][to].clone());
        let within = if room.place.is_empty() { "the crate".to_owned() } else { room.place.join("::") };
        found.push(format!("in {within}: {}", steps.collect::<Vec<_>>().join("; ")));
        told.extend(way);
    }
    found
}

/// The shortest way from a module back to itself.
fn way_back(room: &Room, start: &str) -> Option<Vec<String>> {
    let mut before: BTreeMap<&str, &str> = BTreeMap::new();
    let mut next = vec![start];
    while !next.is_empty() {
        let mut behind = Vec::new();
        for from in next {
            for to in room.arrows.get(from).into_iter().flat_map(BTreeMap::keys) {
                if to == start {
                    let mut way = vec![from.to_owned()];
                    let mut at = from;
                    while at != start {
                        at = before[at];
                        way.push(at.to_owned());
                    }
                    way.reverse();
                    return Some(way);
                }
                if !before.contains_key(to.as_str()) {
                    before.insert(to, from);
                    behind.push(to.as_str());
                }
            }
        }
        next = behind;
    }
    None
}
