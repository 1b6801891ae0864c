//! The container image, as an archive in the OCI layout: one image for each architecture,
//! and an index.

use super::Release;
use super::arch::Arch;
use super::checksums::sha256;
use super::item::{Item, gzip};
use super::sbom::timestamp;
use super::tarball::archive;
use anyhow::Result;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// Writes an image with one layer for each architecture.
pub(super) fn write(release: &Release, images: &[(Arch, Vec<Item>)], folder: &Path) -> Result<()> {
    let mut layout = Layout { blobs: Vec::new() };
    let mut manifests = Vec::new();
    for (arch, items) in images {
        let mut manifest = layout.image(*arch, items, release)?;
        manifest["platform"] = json!({"architecture": arch.debian(), "os": "linux"});
        manifests.push(manifest);
    }
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests});
    let mut top = layout.add(INDEX, serde_json::to_vec(&index)?);
    top["annotations"] = json!({"org.opencontainers.image.ref.name": release.version});
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [top]});
    let mut items = layout.blobs;
    items.push(Item::file("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#));
    items.push(Item::file("index.json", serde_json::to_vec(&index)?));
    let name = format!("flb-audit-{}.oci.tar", release.version);
    Ok(fs::write(folder.join(name), archive(&items, release.epoch)?)?)
}

/// The blobs of a layout.
struct Layout {
    blobs: Vec<Item>,
}

impl Layout {
    /// Adds an image's blobs. Returns the description of its manifest.
    fn image(&mut self, arch: Arch, items: &[Item], release: &Release) -> Result<Value> {
        let tar = archive(items, release.epoch)?;
        let diff = format!("sha256:{}", sha256(&tar));
        let layer = self.add(LAYER, gzip(&tar)?);
        let created = timestamp(release.epoch);
        let labels = json!({
            "org.opencontainers.image.title": "flb-audit",
            "org.opencontainers.image.version": release.version,
            "org.opencontainers.image.licenses": "Apache-2.0",
        });
        let config = json!({
            "created": created,
            "architecture": arch.debian(),
            "os": "linux",
            "config": {"Entrypoint": ["/flb-audit"], "WorkingDir": "/", "Labels": labels},
            "rootfs": {"type": "layers", "diff_ids": [diff]},
            "history": [{"created": created, "created_by": "cargo xtask package"}],
        });
        let config = self.add(CONFIG, serde_json::to_vec(&config)?);
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config,
            "layers": [layer],
            "annotations": labels,
        });
        Ok(self.add(MANIFEST, serde_json::to_vec(&manifest)?))
    }

    /// Adds a blob. Returns its description.
    fn add(&mut self, media_type: &str, bytes: Vec<u8>) -> Value {
        let (digest, size) = (sha256(&bytes), bytes.len());
        self.blobs.push(Item::file(format!("blobs/sha256/{digest}"), bytes));
        json!({"mediaType": media_type, "digest": format!("sha256:{digest}"), "size": size})
    }
}
