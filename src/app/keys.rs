//! The key file: the root secrets, made on first start, readable by their owner only.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::domain::keyring::{Keyring, ROOT_LEN, Root};

const HEAD: &str = "\
# The root secrets of relaywatch. Back this file up apart from the database: without it no address in it can be found or
# read again. To rotate, put a new key in front: it seals from then on. Keep the old ones: the last one names addresses,
# and what the others sealed stays theirs.

";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    keys: Vec<WrittenKey>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenKey {
    id: u32,
    secret: String,
}

/// Reads the key file; makes one with a fresh secret when there is none and `may_create`.
///
/// # Errors
/// When the file is missing and may not be made, or is not what this module writes.
pub fn load(path: &Path, may_create: bool, random: fn(&mut [u8])) -> anyhow::Result<Keyring> {
    match std::fs::read_to_string(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound && may_create => parse(path, &create(path, random)?),
        text => parse(path, &text.map_err(|e| unreadable(path, &e))?),
    }
}

/// Reads the key file as it is.
///
/// # Errors
/// When it is missing, or is not what this module writes.
pub fn read(path: &Path) -> anyhow::Result<Keyring> {
    parse(path, &std::fs::read_to_string(path).map_err(|e| unreadable(path, &e))?)
}

fn unreadable(path: &Path, error: &std::io::Error) -> anyhow::Error {
    anyhow::anyhow!("keys.file: cannot read {}: {}", path.display(), error.kind())
}

fn parse(path: &Path, text: &str) -> anyhow::Result<Keyring> {
    let file: KeyFile =
        toml::from_str(text).map_err(|e| anyhow::anyhow!("keys.file {}: {}", path.display(), e.message()))?;
    let mut roots = Vec::new();
    for (i, key) in file.keys.iter().enumerate() {
        let secret = STANDARD.decode(&key.secret).ok().and_then(|bytes| <[u8; ROOT_LEN]>::try_from(bytes).ok());
        let secret = secret.with_context(|| format!("keys.file: keys.{i}.secret is not 32 bytes in base64"))?;
        roots.push(Root { id: key.id, secret });
    }
    Keyring::new(&roots).context("keys.file: needs at least one key, each with an id of its own")
}

fn create(path: &Path, random: fn(&mut [u8])) -> anyhow::Result<String> {
    let mut secret = [0; ROOT_LEN];
    random(&mut secret);
    let file = KeyFile { keys: vec![WrittenKey { id: 1, secret: STANDARD.encode(secret) }] };
    let text = format!("{HEAD}{}", toml::to_string(&file)?);
    write_private(path, text.as_bytes())?;
    tracing::info!(file = %path.display(), "made a key file: back it up");
    Ok(text)
}

/// Writes a new file that only its owner can read.
///
/// # Errors
/// When it exists already or cannot be written.
pub fn write_private(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make folder {}", folder.display()))?;
    }
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot make {}", path.display()))?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(())
}
