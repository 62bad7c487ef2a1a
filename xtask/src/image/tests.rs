//! The archive read back as containerd and docker read it.

use std::collections::BTreeMap;
use std::io::Read as _;

use flate2::read::GzDecoder;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::archive::Image;
use super::rootfs::{File, Files};
use super::{Arch, Commit};

fn image(arch: Arch) -> Image {
    let file = |content: &str, mode| File {
        content: content.into(),
        mode,
    };
    let files = Files::from([
        ("kerndns".to_owned(), file("the agent", 0o755)),
        (
            "etc/ssl/certs/ca-certificates.crt".to_owned(),
            file("roots", 0o644),
        ),
    ]);
    let commit = Commit {
        revision: Some("abc".to_owned()),
        seconds: 1_700_000_000,
        time: Some("2023-11-14T22:13:20Z".to_owned()),
    };
    Image::new(super::NAME, arch, &files, &commit).unwrap()
}

/// The regular files of an archive: mode, time and content by path.
fn entries(octets: &[u8]) -> BTreeMap<String, (u32, u64, Vec<u8>)> {
    let mut archive = tar::Archive::new(octets);
    let mut files = BTreeMap::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let header = entry.header();
        assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (0, 0));
        let (mode, time) = (header.mode().unwrap(), header.mtime().unwrap());
        if header.entry_type().is_file() {
            let path = entry.path().unwrap().to_str().unwrap().to_owned();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            files.insert(path, (mode, time, content));
        }
    }
    files
}

fn json(files: &BTreeMap<String, (u32, u64, Vec<u8>)>, path: &str) -> Value {
    serde_json::from_slice(&files[path].2).unwrap()
}

/// The blob that a descriptor names, its size and digest checked.
fn blob(files: &BTreeMap<String, (u32, u64, Vec<u8>)>, descriptor: &Value) -> Vec<u8> {
    let digest = descriptor["digest"]
        .as_str()
        .unwrap()
        .strip_prefix("sha256:")
        .unwrap();
    let content = &files[&format!("blobs/sha256/{digest}")].2;
    assert_eq!(descriptor["size"], content.len());
    let hash: String = Sha256::digest(content)
        .iter()
        .map(|octet| format!("{octet:02x}"))
        .collect();
    assert_eq!(hash, digest);
    content.clone()
}

#[test]
fn the_archive_is_an_oci_layout_in_which_every_descriptor_finds_its_blob() {
    for arch in [Arch::Amd64, Arch::Arm64] {
        let files = entries(&image(arch).octets().unwrap());
        assert_eq!(json(&files, "oci-layout")["imageLayoutVersion"], "1.0.0");
        let index = json(&files, "index.json");
        let descriptor = &index["manifests"][0];
        assert_eq!(descriptor["platform"]["architecture"], arch.name());
        assert_eq!(
            descriptor["annotations"]["io.containerd.image.name"],
            format!("localhost/kerndns:{}", env!("CARGO_PKG_VERSION"))
        );
        let manifest: Value = serde_json::from_slice(&blob(&files, descriptor)).unwrap();
        let config: Value = serde_json::from_slice(&blob(&files, &manifest["config"])).unwrap();
        assert_eq!(
            (&config["architecture"], &config["os"]),
            (&arch.name().into(), &"linux".into())
        );
        assert_eq!(config["config"]["Entrypoint"][0], "/kerndns");
        let labels = &config["config"]["Labels"];
        for label in [
            "title",
            "description",
            "licenses",
            "version",
            "revision",
            "created",
        ] {
            assert!(
                labels[format!("org.opencontainers.image.{label}")].is_string(),
                "{label}"
            );
        }
        let mut layer = Vec::new();
        let zipped = blob(&files, &manifest["layers"][0]);
        GzDecoder::new(zipped.as_slice())
            .read_to_end(&mut layer)
            .unwrap();
        let hash: String = Sha256::digest(&layer)
            .iter()
            .map(|octet| format!("{octet:02x}"))
            .collect();
        assert_eq!(config["rootfs"]["diff_ids"][0], format!("sha256:{hash}"));
        let layer = entries(&layer);
        assert_eq!(
            layer["kerndns"],
            (0o755, 1_700_000_000, b"the agent".to_vec())
        );
        assert_eq!(layer["etc/ssl/certs/ca-certificates.crt"].2, b"roots");
    }
}

#[test]
fn dockers_manifest_names_the_same_blobs() {
    let files = entries(&image(Arch::Amd64).octets().unwrap());
    let docker = json(&files, "manifest.json");
    let index = json(&files, "index.json");
    let manifest: Value = serde_json::from_slice(&blob(&files, &index["manifests"][0])).unwrap();
    let path = |descriptor: &Value| {
        let digest = descriptor["digest"].as_str().unwrap();
        format!("blobs/{}", digest.replace(':', "/"))
    };
    assert_eq!(docker[0]["Config"], path(&manifest["config"]));
    assert_eq!(docker[0]["Layers"][0], path(&manifest["layers"][0]));
    let name = format!("localhost/kerndns:{}", env!("CARGO_PKG_VERSION"));
    assert_eq!(docker[0]["RepoTags"][0], name);
}

#[test]
fn the_same_files_are_the_same_octets() {
    let octets = image(Arch::Amd64).octets().unwrap();
    assert!((0..8).all(|_| image(Arch::Amd64).octets().unwrap() == octets));
}
