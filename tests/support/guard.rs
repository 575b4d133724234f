//! Servers must not outlive the tests, however these end. A guard is a tiny shell in a process group of its own that
//! reads from a pipe held by the test process: when the pipe closes without a word, it kills the server and removes
//! its files. (The kernel's parent-death signal would not do: it fires when the starting *thread* ends.)

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

const SCRIPT: &str = r#"read -r word || { kill -KILL "$1"; rm -rf -- "$2"; } 2>/dev/null"#;

/// Watches one process for as long as it lives.
pub struct Guard {
    shell: Child,
}

impl Guard {
    /// If this process dies before [`Guard::dismiss`], process `id` is killed and `directory` removed.
    pub fn watch(id: u32, directory: &Path) -> Guard {
        let shell = Command::new("sh")
            .args(["-c", SCRIPT, "guard", &id.to_string()])
            .arg(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("sh starts");
        Guard { shell }
    }

    /// The watched process has ended and was waited for: its number may belong to another one now.
    pub fn dismiss(mut self) {
        if let Some(mut pipe) = self.shell.stdin.take() {
            let _ = pipe.write_all(b"done\n");
        }
        let _ = self.shell.wait();
    }
}
