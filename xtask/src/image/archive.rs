//! Files -> a tar archive with an OCI image layout (image-spec 1.1: `oci-layout`, `index.json`,
//! `blobs/sha256/`) that carries docker's `manifest.json`, too: containerd, podman and docker take it.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::str::FromStr as _;

use anyhow::{Context as _, Result};
use flate2::{Compression, GzBuilder};
use oci_spec::image::{
    self as oci, ANNOTATION_CREATED, ANNOTATION_DESCRIPTION, ANNOTATION_LICENSES,
    ANNOTATION_REF_NAME, ANNOTATION_REVISION, ANNOTATION_TITLE, ANNOTATION_VERSION, ConfigBuilder,
    Descriptor, HistoryBuilder, ImageConfigurationBuilder, ImageIndexBuilder, ImageManifestBuilder,
    MediaType, OciLayoutBuilder, Os, PlatformBuilder, RootFsBuilder, Sha256Digest,
};
use serde::Serialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::rootfs::Files;
use super::{Arch, Commit, version};

/// containerd's annotation for the whole name; OCI's own is the tag.
const CONTAINERD_NAME: &str = "io.containerd.image.name";

/// An image, ready to be written.
pub(super) struct Image {
    /// The archive's files by name.
    files: BTreeMap<String, Vec<u8>>,
    /// The manifest's digest.
    digest: String,
    seconds: u64,
}

impl Image {
    /// Puts `files` into one layer; the program at the root of the last part of `name` is what it runs.
    pub(super) fn new(name: &str, arch: Arch, files: &Files, commit: &Commit) -> Result<Self> {
        let mut blobs = Blobs::default();
        let tar = tar_of(
            files
                .iter()
                .map(|(path, file)| (path, file.content.as_slice(), file.mode)),
            commit.seconds,
        )?;
        let diff_id = format!("sha256:{}", sha256(&tar));
        let layer = blobs.add(MediaType::ImageLayerGzip, gzip(&tar)?)?;
        let program = name.rsplit('/').next().unwrap_or(name);
        let config = configuration(program, arch, diff_id, commit)?;
        let config = blobs.add(MediaType::ImageConfig, canonical(&config)?)?;
        let (config_path, layer_path) = (path(&config), path(&layer));
        let manifest = ImageManifestBuilder::default()
            .schema_version(2_u32)
            .media_type(MediaType::ImageManifest)
            .config(config)
            .layers(vec![layer])
            .annotations(labels(program, commit))
            .build()?;
        let mut manifest = blobs.add(MediaType::ImageManifest, canonical(&manifest)?)?;
        let digest = manifest.digest().to_string();
        let name = format!("{name}:{}", version());
        manifest.set_platform(Some(
            PlatformBuilder::default()
                .architecture(architecture(arch))
                .os(Os::Linux)
                .build()?,
        ));
        manifest.set_annotations(Some(HashMap::from([
            (ANNOTATION_REF_NAME.to_owned(), version().to_owned()),
            (CONTAINERD_NAME.to_owned(), name.clone()),
        ])));
        let index = ImageIndexBuilder::default()
            .schema_version(2_u32)
            .media_type(MediaType::ImageIndex)
            .manifests(vec![manifest])
            .build()?;
        let layout = OciLayoutBuilder::default()
            .image_layout_version("1.0.0".to_owned())
            .build()?;
        let docker = json!([{"Config": config_path, "RepoTags": [name], "Layers": [layer_path]}]);
        let mut files = blobs.0;
        files.insert("index.json".to_owned(), canonical(&index)?);
        files.insert("oci-layout".to_owned(), canonical(&layout)?);
        files.insert("manifest.json".to_owned(), canonical(&docker)?);
        Ok(Self {
            files,
            digest,
            seconds: commit.seconds,
        })
    }

    /// The manifest's digest: the image's name for a registry.
    pub(super) fn digest(&self) -> &str {
        &self.digest
    }

    /// The archive's octets.
    pub(super) fn octets(&self) -> Result<Vec<u8>> {
        let files = self.files.iter();
        tar_of(
            files.map(|(path, content)| (path, content.as_slice(), 0o644)),
            self.seconds,
        )
    }

    /// Writes the archive, whole or not at all, and says how many octets it has.
    pub(super) fn write(&self, path: &Path) -> Result<u64> {
        let octets = self.octets()?;
        let unfinished = path.with_extension("tar.part");
        fs::write(&unfinished, &octets)
            .with_context(|| format!("cannot write {}", unfinished.display()))?;
        fs::rename(&unfinished, path)
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(octets.len() as u64)
    }
}

/// Contents by their path in the layout.
#[derive(Default)]
struct Blobs(BTreeMap<String, Vec<u8>>);

impl Blobs {
    fn add(&mut self, media_type: MediaType, content: Vec<u8>) -> Result<Descriptor> {
        let digest = Sha256Digest::from_str(&sha256(&content))?;
        let descriptor = Descriptor::new(media_type, content.len() as u64, digest);
        self.0.insert(path(&descriptor), content);
        Ok(descriptor)
    }
}

fn path(blob: &Descriptor) -> String {
    format!("blobs/sha256/{}", blob.digest().digest())
}

fn configuration(
    program: &str,
    arch: Arch,
    diff_id: String,
    commit: &Commit,
) -> Result<oci::ImageConfiguration> {
    let config = ConfigBuilder::default()
        .entrypoint(vec![format!("/{program}")])
        .cmd(vec!["--help".to_owned()])
        .working_dir("/")
        .labels(labels(program, commit))
        .build()?;
    let mut history = HistoryBuilder::default().created_by("cargo xtask image");
    let mut builder = ImageConfigurationBuilder::default()
        .architecture(architecture(arch))
        .os(Os::Linux)
        .config(config)
        .rootfs(
            RootFsBuilder::default()
                .typ("layers")
                .diff_ids(vec![diff_id])
                .build()?,
        );
    if let Some(time) = &commit.time {
        builder = builder.created(time);
        history = history.created(time);
    }
    Ok(builder.history(vec![history.build()?]).build()?)
}

fn architecture(arch: Arch) -> oci::Arch {
    match arch {
        Arch::Amd64 => oci::Arch::Amd64,
        Arch::Arm64 => oci::Arch::ARM64,
    }
}

/// The labels of the image-spec's annotations.
fn labels(program: &str, commit: &Commit) -> HashMap<String, String> {
    let mut labels = HashMap::from([
        (ANNOTATION_TITLE, program.to_owned()),
        (
            ANNOTATION_DESCRIPTION,
            "Cluster DNS for Kubernetes, answered inside the Linux kernel".to_owned(),
        ),
        (ANNOTATION_LICENSES, "Apache-2.0 OR MIT".to_owned()),
        (ANNOTATION_VERSION, version().to_owned()),
    ]);
    labels.extend(
        commit
            .revision
            .clone()
            .map(|revision| (ANNOTATION_REVISION, revision)),
    );
    labels.extend(commit.time.clone().map(|time| (ANNOTATION_CREATED, time)));
    labels
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// JSON with its keys sorted: the maps of `oci_spec` have an order of their own in each run.
fn canonical(value: &impl Serialize) -> Result<Vec<u8>> {
    Ok(serde_json::to_vec(&serde_json::to_value(value)?)?)
}

fn sha256(octets: &[u8]) -> String {
    Sha256::digest(octets)
        .iter()
        .map(|octet| format!("{octet:02x}"))
        .collect()
}

/// A tar archive of regular files and the directories above them, all root's and of one time.
fn tar_of<'a>(
    files: impl Iterator<Item = (&'a String, &'a [u8], u32)>,
    seconds: u64,
) -> Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut directories = std::collections::BTreeSet::new();
    let header = |kind, mode, size: usize| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_mtime(seconds);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(size as u64);
        header
    };
    for (path, content, mode) in files {
        for (at, _) in path.match_indices('/') {
            let directory = &path[..=at];
            if directories.insert(directory) {
                let mut header = header(tar::EntryType::Directory, 0o755, 0);
                archive.append_data(&mut header, directory, [].as_slice())?;
            }
        }
        let mut header = header(tar::EntryType::Regular, mode, content.len());
        archive.append_data(&mut header, path, content)?;
    }
    Ok(archive.into_inner()?)
}

fn gzip(octets: &[u8]) -> Result<Vec<u8>> {
    // No name, and 0 for the time.
    let mut encoder = GzBuilder::new().write(Vec::new(), Compression::best());
    encoder.write_all(octets)?;
    Ok(encoder.finish()?)
}
