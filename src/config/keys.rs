//! `[keys]`: the root secrets behind keyed hashes and sealed values.

use std::path::PathBuf;

use serde::Deserialize;

use super::findings::{Findings, Section};

/// Where the root secrets are.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Keys {
    /// The key file. Default: `keys.toml` in `store.data_dir`, made on first start with embedded SQLite. With PostgreSQL it must be
    /// there already, the same for every replica: without it no address can be found or read again.
    pub file: Option<PathBuf>,
}

impl Section for Keys {
    fn check(&self, findings: &mut Findings) {
        let empty = self.file.as_ref().is_some_and(|f| f.as_os_str().is_empty());
        findings.expect(!empty, "file", "is empty");
    }
}
