//! Certificates of servers and clients, good ones and each kind of faulty one. scripts/certificates makes them, once
//! for a target directory, and says what each name means.

use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;

/// The directory with all of them.
fn directory() -> &'static PathBuf {
    static DIRECTORY: LazyLock<PathBuf> = LazyLock::new(|| {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/certificates");
        let output = Command::new(script).output().expect("scripts/certificates runs");
        assert!(output.status.success(), "scripts/certificates: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().into()
    });
    &DIRECTORY
}

/// The path of a file: `ca.pem`, `server.key`, `revoked.crl`.
pub fn path(file: &str) -> String {
    let path = directory().join(file);
    assert!(path.is_file(), "scripts/certificates makes no {file}");
    path.into_os_string().into_string().expect("a path in UTF-8")
}

/// What a file holds, in PEM.
pub fn pem(file: &str) -> String {
    std::fs::read_to_string(path(file)).unwrap()
}
