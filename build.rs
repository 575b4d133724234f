//! Writes the C header with cbindgen (to OUT_DIR, and to include/ where the tree can be written) and names the shared
//! library.

use std::path::{Path, PathBuf};
use std::{env, fs};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    for input in ["src/ffi", "src/protocol/block/node.rs", "cbindgen.toml", "include/justredis.h"] {
        println!("cargo::rerun-if-changed={input}");
    }
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let generated = PathBuf::from(env::var("OUT_DIR")?).join("justredis.h");
    write_header(&root, &generated)?;
    refresh(&root.join("include/justredis.h"), &generated);

    if env::var("CARGO_CFG_TARGET_OS")? == "linux" {
        let major = env::var("CARGO_PKG_VERSION_MAJOR")?;
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libjustredis.so.{major}");
        // Its threads and its fork handler outlive a dlclose.
        println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
    Ok(())
}

fn write_header(root: &Path, generated: &Path) -> Result<(), Failure> {
    let mut config = cbindgen::Config::from_file(root.join("cbindgen.toml"))?;
    let number = |part: &str| env::var(format!("CARGO_PKG_VERSION_{part}"));
    let versions = ["MAJOR", "MINOR", "PATCH"].map(|part| Ok(format!("#define JR_VERSION_{part} {}", number(part)?)));
    config.after_includes = Some(versions.into_iter().collect::<Result<Vec<_>, Failure>>()?.join("\n"));
    let mut header = cbindgen::Builder::new().with_config(config);
    let mut files: Vec<PathBuf> =
        fs::read_dir(root.join("src/ffi"))?.map(|entry| Ok(entry?.path())).collect::<Result<_, Failure>>()?;
    // The modules are given one by one; their parent would bring each a second time.
    files.retain(|file| !file.ends_with("mod.rs"));
    files.sort();
    files.push(root.join("src/protocol/block/node.rs"));
    for file in files.iter().filter(|file| file.extension().is_some_and(|ending| ending == "rs")) {
        header = header.with_src(file);
    }
    let mut text = Vec::new();
    header.generate()?.write(&mut text);
    fs::write(generated, text)?;
    Ok(())
}

/// Brings include/ up to date. A tree that cannot be written (a package in a registry) has the right one already.
fn refresh(checked_in: &Path, generated: &Path) {
    let (Ok(new), old) = (fs::read(generated), fs::read(checked_in)) else { return };
    if old.map_or(true, |old| old != new) {
        let _ = fs::write(checked_in, new);
    }
}
