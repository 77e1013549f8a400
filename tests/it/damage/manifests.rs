//! Manifests: they say which files a collection is made of, and nothing of theirs has a
//! checksum but their seals.

use std::path::Path;

use super::given::{empty, given, objects, overwrite, remove};

fn flip_a_bit(object: &Path, at: impl Fn(usize) -> usize) {
    let mut bytes = std::fs::read(object).unwrap();
    let at = at(bytes.len());
    bytes[at] ^= 0x08;
    std::fs::write(object, bytes).unwrap();
}

#[apply(on_each_storage!)]
async fn a_bit_of_the_newest_is_flipped() {
    let mut given = given().await;
    let places: [fn(usize) -> usize; 3] = [|_| 0, |length| length / 2, |length| length - 100];
    for at in places {
        let newest = given.newest("manifest");
        given = given.assert_noticed(&newest, |manifest| flip_a_bit(manifest, at)).await;
    }
}

#[apply(on_each_storage!)]
async fn the_newest_is_emptied_or_removed() {
    for damage in [empty as fn(&Path), remove] {
        let given = given().await;
        let newest = given.newest("manifest");
        given.assert_noticed(&newest, damage).await;
    }
}

#[apply(on_each_storage!)]
async fn the_newest_is_another_collections() {
    let given = given().await;
    let theirs = objects(&given.films.join("manifest")).pop().unwrap();
    let ours = given.newest("manifest");
    given.assert_noticed(&ours, |manifest| overwrite(manifest, &theirs)).await;
}

#[apply(on_each_storage!)]
async fn the_newest_is_an_older_one() {
    let given = given().await;
    let mut manifests = given.objects("manifest");
    let newest = manifests.pop().unwrap();
    let older = manifests.pop().unwrap();
    given.assert_noticed(&newest, |manifest| overwrite(manifest, &older)).await;
}
