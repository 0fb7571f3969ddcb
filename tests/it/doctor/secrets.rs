//! The key file, the first token, and the folder they lie in.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use relaywatch::cli::demo::world::sparkpost::{Batch, Mail, Report};

use super::{Diagnosis, HOOKS, installed};
use crate::daemon::{Daemon, Home};

fn chmod(home: &Home, file: &str, mode: u32) {
    fs::set_permissions(home.folder().join(file), fs::Permissions::from_mode(mode)).unwrap();
}

/// A daemon that has run once, taken one bounce of a relay address, and stopped.
async fn begun() -> Daemon {
    let home = Home::new();
    let toml = installed(&home, HOOKS);
    let mut daemon = Daemon::start(home, &toml).await;
    let mut batch = Batch::default();
    let mail = Mail {
        event_id: 1,
        message_id: 1,
        recipient: "q7w2k9xz4m@privaterelay.appleid.com",
        friendly_from: "news@shop.example",
        msg_from: "b-1@bounce.shop.example",
        at: crate::feeds::now().secs(),
    };
    batch.push(&mail, Report::Bounce { class: 10, code: 550, reason: "550 5.1.1 user not found" });
    daemon.hook("/hooks/sparkpost/main").bearer("hush-1").body(batch.finish()).expect(200).await;
    daemon.terminate();
    daemon
}

#[tokio::test]
async fn modes_of_secrets() {
    let daemon = begun().await;
    let home = daemon.home();
    let toml = installed(home, HOOKS);
    let diagnosis = Diagnosis::of(home, &toml);
    diagnosis.says("keys", "ok", "data/keys.toml is good and for its owner only");
    diagnosis.says("token", "info", "data/admin.token still lies there");
    assert_eq!(diagnosis.code, 0);
    for (mode, state, part) in [
        (0o644, "fail", "is open to everybody on this machine (mode 0644)"),
        (0o602, "fail", "is open to everybody on this machine (mode 0602)"),
        (0o640, "warn", "is open to its group (mode 0640)"),
    ] {
        chmod(home, "data/keys.toml", mode);
        chmod(home, "data/admin.token", mode);
        let diagnosis = Diagnosis::of(home, &toml);
        assert_eq!(diagnosis.lines("keys").len(), 1);
        diagnosis.says("keys", state, part);
        diagnosis.says("token", state, part);
    }
    fs::remove_file(home.folder().join("data/admin.token")).unwrap();
    assert!(Diagnosis::of(home, &toml).lines("token").is_empty());
}

#[tokio::test]
async fn a_key_file_that_is_lost_broken_or_another_ones() {
    let daemon = begun().await;
    let home = daemon.home();
    let (toml, keys) = (installed(home, HOOKS), home.folder().join("data/keys.toml"));
    let own = fs::read_to_string(&keys).unwrap();
    let write = |text: &str| {
        fs::write(&keys, text).unwrap();
        chmod(home, "data/keys.toml", 0o600);
        Diagnosis::of(home, &toml)
    };
    write("nothing = 1").says("keys", "fail", "keys.file data/keys.toml: ");
    write("[[keys]]\nid = 1\nsecret = \"short\"").says("keys", "fail", "keys.0.secret is not 32 bytes");
    let other = write("[[keys]]\nid = 1\nsecret = \"MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=\"\n");
    assert_eq!(other.failing(), ["keys"]);
    other.says("keys", "fail", "the key file does not open what this store holds");
    write("[[keys]]\nid = 9\nsecret = \"MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=\"\n").says(
        "keys",
        "fail",
        "sealed under key 1, which is not configured",
    );
    assert_eq!(write(&own).failing(), [""; 0]);
    fs::remove_file(&keys).unwrap();
    let lost = Diagnosis::of(home, &toml);
    assert_eq!(lost.lines("keys"), [("fail", "data/keys.toml is missing")]);
    assert!(!keys.exists(), "the doctor makes none");
}

#[test]
fn a_data_folder_without_room_or_that_is_none() {
    let home = Home::new();
    let within = |folder: &str| {
        let url = home.sqlite_url();
        Diagnosis::of(&home, &format!("{}data_dir = \"{folder}\"\n[keys]\nfile = \"keys.toml\"\n", home.toml(&url)))
    };
    // A file system that never has room.
    let full = within("/proc/sys");
    assert_eq!(full.failing(), ["data_dir"], "{:?}", full.lines("data_dir"));
    fs::write(home.folder().join("occupied"), "x").unwrap();
    within("occupied").says("data_dir", "fail", "occupied is not a folder");
    within("occupied/deep").says("data_dir", "fail", "occupied is not a folder");
    within("new/deep").says("data_dir", "ok", "the first start makes it");
}
