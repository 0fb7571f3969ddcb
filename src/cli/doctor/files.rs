//! The key file, the first token, and the folder that holds everything.

use std::fs::Metadata;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::fs::{Access, access, statvfs};

use super::finding::Finding;
use crate::app::{key_file, read_keys};
use crate::config::Config;
use crate::config::size::Size;
use crate::config::store::Backend;
use crate::domain::keyring::Keyring;

/// Below this nothing more may be taken in within minutes.
const TOO_LITTLE: Size = Size::mib(256);

/// Below this there is time to act.
const LITTLE: Size = Size::mib(2048);

/// Looks at the key file. `in_use` says whether there is a store already, whose addresses it must open.
pub fn keys(config: &Config, in_use: bool) -> (Vec<Finding>, Option<Keyring>) {
    let path = key_file(config);
    let place = path.display();
    let embedded = config.store.url.backend() == Backend::Sqlite;
    let metadata = match std::fs::metadata(&path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound && embedded && !in_use => {
            let finding = format!("{place} is not there yet; the first start makes it");
            return (vec![Finding::info("keys", finding)], None);
        }
        Err(error) => {
            let finding = match error.kind() {
                ErrorKind::NotFound => format!("{place} is missing"),
                other => format!("{place}: {other}"),
            };
            let remedy = if embedded {
                "restore it from its backup: without it no stored address can be found or read again"
            } else {
                "restore it; for a new database take the one that a first start with SQLite makes, the same for every replica"
            };
            return (vec![Finding::fail("keys", finding, remedy)], None);
        }
    };
    let mut found: Vec<_> = readable_by_others("keys", &path, &metadata).into_iter().collect();
    let keyring = match read_keys(&path) {
        Ok(keyring) => {
            if found.is_empty() {
                found.push(Finding::ok(
                    "keys",
                    format!("{place} is good and for its owner only; keep a backup of it apart"),
                ));
            }
            Some(keyring)
        }
        Err(error) => {
            found.push(Finding::fail("keys", format!("{error:#}"), "restore it from its backup"));
            None
        }
    };
    (found, keyring)
}

/// A secret that more than its owner can read: everybody, or a group.
fn readable_by_others(check: &'static str, path: &Path, metadata: &Metadata) -> Option<Finding> {
    let mode = metadata.permissions().mode() & 0o777;
    let remedy = format!("chmod 600 {}", path.display());
    let who = match mode {
        _ if mode & 0o007 != 0 => "everybody on this machine",
        _ if mode & 0o070 != 0 => return Some(Finding::warn(check, open(path, mode, "its group"), remedy)),
        _ => return None,
    };
    Some(Finding::fail(check, open(path, mode, who), remedy))
}

fn open(path: &Path, mode: u32, who: &str) -> String {
    format!("{} is open to {who} (mode {mode:04o})", path.display())
}

/// The token of the first start, if it still lies there.
pub fn first_token(config: &Config) -> Option<Finding> {
    let path = config.store.data_dir.join("admin.token");
    let metadata = std::fs::metadata(&path).ok()?;
    let left = || {
        let finding = format!("{} still lies there, and may do everything", path.display());
        Finding::info("token", finding)
    };
    Some(readable_by_others("token", &path, &metadata).unwrap_or_else(left))
}

/// The data folder: there, writable, and with room.
pub fn data_dir(config: &Config) -> Vec<Finding> {
    let folder = &config.store.data_dir;
    let place = folder.display();
    // Of a folder that is not made yet, the nearest one above it tells.
    let there = folder.ancestors().map(|p| if p.as_os_str().is_empty() { Path::new(".") } else { p });
    let Some(nearest) = there.into_iter().find(|path| path.exists()) else {
        return vec![Finding::fail("data_dir", format!("{place} cannot be looked at"), "set store.data_dir")];
    };
    if !nearest.is_dir() {
        let finding = format!("{} is not a folder", nearest.display());
        return vec![Finding::fail("data_dir", finding, "set store.data_dir to a folder")];
    }
    if access(nearest, Access::WRITE_OK).is_err() {
        let finding = format!("{} cannot be written by this user", nearest.display());
        return vec![Finding::fail("data_dir", finding, format!("run as the daemon's user, or give it {place}"))];
    }
    match statvfs(nearest) {
        Ok(stat) => vec![room(&place.to_string(), stat.f_bavail.saturating_mul(stat.f_frsize), nearest == folder)],
        Err(error) => {
            vec![Finding::warn("data_dir", format!("{place}: no word of its free space: {error}"), "look at `df`")]
        }
    }
}

fn room(place: &str, free: u64, exists: bool) -> Finding {
    let bytes = |size: Size| u64::try_from(size.get()).unwrap_or(u64::MAX);
    let mib = free >> 20;
    let left = if mib < 10_240 { format!("{mib} MiB free") } else { format!("{} GiB free", mib >> 10) };
    if free < bytes(TOO_LITTLE) {
        let remedy = "make room: a full disk answers every hook with 503";
        return Finding::fail("data_dir", format!("{place}: {left}"), remedy);
    }
    if free < bytes(LITTLE) {
        return Finding::warn("data_dir", format!("{place}: {left}"), "make room before it is full");
    }
    let made = if exists { "" } else { "; the first start makes it" };
    Finding::ok("data_dir", format!("{place}: {left}{made}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_judged_by_what_is_left() {
        for (mib, want) in [(0, "Fail"), (255, "Fail"), (256, "Warn"), (2_047, "Warn"), (2_048, "Ok"), (1 << 20, "Ok")]
        {
            let found = format!("{:?}", room("./data", mib << 20, true));
            assert!(found.contains(&format!("state: {want}")), "{mib}: {found}");
        }
        assert!(format!("{:?}", room("./data", 5 << 40, false)).contains("5120 GiB free; the first start makes it"));
    }
}
