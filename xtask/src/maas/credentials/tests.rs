use std::fs;

use super::*;

const DATABASE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/maas/maascli.db");
const KEY: &str = "envck:envtk:hunter2";

fn home(databases: &[&str]) -> (tempfile::TempDir, Surroundings) {
    let dir = tempfile::tempdir().unwrap();
    for database in databases {
        let path = dir.path().join(database);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::copy(DATABASE, path).unwrap();
    }
    let around = Surroundings { home: Some(dir.path().into()), ..Surroundings::default() };
    (dir, around)
}

fn flags(profile: &str) -> ServerFlags {
    ServerFlags { profile: Some(profile.into()), ..ServerFlags::default() }
}

#[test]
fn profiles_of_deb_and_snap() {
    for database in DATABASES {
        let (_dir, around) = home(&[database]);
        let server = find(&flags("admin"), &around).unwrap();
        assert_eq!(server.base.to_string(), "http://maas0:5240/MAAS");
        assert_eq!(server.key, ApiKey::new("ck0x", "tk0x", "ts0x").unwrap());
        assert_eq!(server.ca, None);
    }
}

#[test]
fn a_profile_that_cannot_serve_is_explained() {
    let (_dir, around) = home(&DATABASES);
    for (name, expected) in [
        (Some("nobody"), "no profile `nobody`; known: admin, profile1"),
        (Some("profile2"), "no API key"),
        (None, "which MAAS? --profile takes one of: admin"),
    ] {
        let flags = ServerFlags { profile: name.map(Into::into), ..ServerFlags::default() };
        let error = find(&flags, &around).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert!(!error.contains("ts0x"), "{error}");
    }
    let nothing = find(&ServerFlags::default(), &Surroundings::default()).unwrap_err();
    assert!(nothing.to_string().contains("no MAAS is set up"));
}

#[test]
fn a_database_in_use_or_damaged_is_no_source() {
    let (dir, around) = home(&[".maascli.db"]);
    fs::write(dir.path().join(".maascli.db-journal"), "x").unwrap();
    assert!(find(&flags("admin"), &around).unwrap_err().to_string().contains("maas list"));
    fs::remove_file(dir.path().join(".maascli.db-journal")).unwrap();
    fs::write(dir.path().join(".maascli.db"), "no database").unwrap();
    assert!(find(&flags("admin"), &around).unwrap_err().to_string().contains("SQLite"));
}

#[test]
fn the_environment_comes_before_profiles_but_not_before_flags() {
    let (_dir, mut around) = home(&[".maascli.db"]);
    around.key = Some(KEY.into());
    let missing = find(&ServerFlags::default(), &around).unwrap_err().to_string();
    assert!(missing.contains("set MAAS_URL") && !missing.contains("hunter2"), "{missing}");
    around.url = Some("http://env:5240/MAAS".into());
    let server = find(&ServerFlags::default(), &around).unwrap();
    assert_eq!(server.base.to_string(), "http://env:5240/MAAS");
    assert_eq!(find(&flags("admin"), &around).unwrap().base.to_string(), "http://maas0:5240/MAAS");
}

#[test]
fn a_file_must_be_private_and_never_shows() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("maas.toml");
    let flags = ServerFlags { credentials: Some(path.clone()), ..ServerFlags::default() };
    let write = |text: &str, mode: u32| {
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        find(&flags, &Surroundings::default())
    };
    let good = format!("url = \"http://f:5240\"\nkey = \"{KEY}\"\n");
    assert_eq!(write(&good, 0o600).unwrap().base.to_string(), "http://f:5240/MAAS");
    for (text, mode, expected) in [
        (good.as_str(), 0o640, "chmod 600"),
        (good.as_str(), 0o604, "chmod 600"),
        ("url = \"http://f\"\nkey = hunter2\n", 0o600, "(line 2)"),
        ("url = \"http://f\"\nkey = \"hunter2\"\n", 0o600, "3 parts"),
        ("key = \"a:b:hunter2\"\nhunter2 = 1\n", 0o600, "not as expected"),
    ] {
        let error = format!("{:?}", write(text, mode).unwrap_err());
        assert!(error.contains(expected) && !error.contains("hunter2"), "{error}");
    }
}

#[test]
fn authorities_are_checked_early() {
    let (dir, mut around) = home(&[]);
    around.key = Some(KEY.into());
    around.url = Some("https://env:5443/MAAS".into());
    let pem = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/maas/ca.pem");
    around.ca = Some(pem.into());
    assert!(find(&ServerFlags::default(), &around).unwrap().ca.is_some());
    let empty = dir.path().join("empty.pem");
    fs::write(&empty, "").unwrap();
    around.ca = Some(empty.display().to_string());
    let error = find(&ServerFlags::default(), &around).unwrap_err().to_string();
    assert!(error.contains("holds no certificate"), "{error}");
}
