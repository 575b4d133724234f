//! Writes what is generated of `src/ffi` with cbindgen (to OUT_DIR, and to include/ where the tree can be written): the
//! C header, its declarations alone for FFIs that parse C, and its constants as JSON. Names the shared library.

use std::path::{Path, PathBuf};
use std::{env, fs};

use cbindgen::{Config, ItemType, Language};

type Failure = Box<dyn std::error::Error>;

/// What is generated, and by what.
type Generate = fn(&Path) -> Result<Vec<u8>, Failure>;
const GENERATED: [(&str, Generate); 3] =
    [("justredis.h", header), ("justredis-ffi.h", declarations), ("justredis-constants.json", constants)];

fn main() -> Result<(), Failure> {
    for input in ["src/ffi", "src/protocol/block/node.rs", "cbindgen.toml"] {
        println!("cargo::rerun-if-changed={input}");
    }
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(env::var("OUT_DIR")?);
    for (name, generate) in GENERATED {
        println!("cargo::rerun-if-changed=include/{name}");
        let text = generate(&root)?;
        fs::write(out.join(name), &text)?;
        refresh(&root.join("include").join(name), &text);
    }

    if env::var("CARGO_CFG_TARGET_OS")? == "linux" {
        let soname = format!("libjustredis.so.{}", env::var("CARGO_PKG_VERSION_MAJOR")?);
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,{soname}");
        // Its threads and its fork handler outlive a dlclose.
        println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
        name_for_programs(&out, &soname);
    }
    Ok(())
}

/// The header.
fn header(root: &Path) -> Result<Vec<u8>, Failure> {
    let mut config = configuration(root)?;
    let versions: Vec<String> =
        versions()?.into_iter().map(|(name, value)| format!("#define {name} {value}")).collect();
    config.after_includes = Some(versions.join("\n"));
    generate(root, config)
}

/// The same declarations without directives, comments and what is no declaration.
fn declarations(root: &Path) -> Result<Vec<u8>, Failure> {
    let mut config = configuration(root)?;
    (config.header, config.trailer, config.autogen_warning) = (None, None, None);
    (config.sys_includes, config.cpp_compat, config.documentation) = (Vec::new(), false, false);
    config.export.item_types.retain(|item| !matches!(item, ItemType::Constants));
    generate(root, config)
}

/// The constants, one in a line: name, type in C, value.
fn constants(root: &Path) -> Result<Vec<u8>, Failure> {
    let mut config = configuration(root)?;
    (config.header, config.trailer, config.autogen_warning) = (None, None, None);
    (config.sys_includes, config.documentation) = (Vec::new(), false);
    config.export.item_types = vec![ItemType::Constants];
    // Of these the language has types.
    (config.language, config.constant.allow_static_const, config.constant.allow_constexpr) =
        (Language::Cxx, true, false);
    let entry = |name: &str, c_type: &str, value: i64| {
        format!("    {{\"name\": \"{name}\", \"type\": \"{c_type}\", \"value\": {value}}}")
    };
    let mut entries = Vec::new();
    for (name, value) in versions()? {
        entries.push(entry(&name, "int", value.parse()?));
    }
    for line in String::from_utf8(generate(root, config)?)?.lines().filter(|line| !line.is_empty()) {
        let parts = || {
            let (declaration, value) = line.strip_prefix("static const ")?.strip_suffix(';')?.split_once(" = ")?;
            let (c_type, name) = declaration.rsplit_once(' ')?;
            let value = if value == "UINT32_MAX" { i64::from(u32::MAX) } else { value.parse().ok()? };
            Some(entry(name, c_type, value))
        };
        entries.push(parts().ok_or_else(|| format!("this is no constant with a number: {line}"))?);
    }
    Ok(format!("{{\n  \"constants\": [\n{}\n  ]\n}}\n", entries.join(",\n")).into_bytes())
}

fn versions() -> Result<Vec<(String, String)>, Failure> {
    let number = |part: &str| Ok((format!("JR_VERSION_{part}"), env::var(format!("CARGO_PKG_VERSION_{part}"))?));
    ["MAJOR", "MINOR", "PATCH"].into_iter().map(number).collect()
}

fn configuration(root: &Path) -> Result<Config, Failure> {
    Ok(Config::from_file(root.join("cbindgen.toml"))?)
}

fn generate(root: &Path, config: Config) -> Result<Vec<u8>, Failure> {
    let mut builder = cbindgen::Builder::new().with_config(config);
    let mut files: Vec<PathBuf> =
        fs::read_dir(root.join("src/ffi"))?.map(|entry| Ok(entry?.path())).collect::<Result<_, Failure>>()?;
    // The modules are given one by one; their parent would bring each a second time.
    files.retain(|file| !file.ends_with("mod.rs"));
    files.sort();
    files.push(root.join("src/protocol/block/node.rs"));
    for file in files.iter().filter(|file| file.extension().is_some_and(|ending| ending == "rs")) {
        builder = builder.with_src(file);
    }
    let mut text = Vec::new();
    builder.generate()?.write(&mut text);
    Ok(text)
}

/// Brings include/ up to date. A tree that cannot be written (a package in a registry) has the right one already.
fn refresh(checked_in: &Path, new: &[u8]) {
    if fs::read(checked_in).map_or(true, |old| old != new) {
        let _ = fs::write(checked_in, new);
    }
}

/// Gives the shared library, beside it, the name by which programs look for it when they start. Where that cannot be
/// done, whoever builds it does so, as without it.
#[cfg(unix)]
fn name_for_programs(out: &Path, soname: &str) {
    // target/PROFILE/build/justredis-HASH/out
    if let Some(profile) = out.ancestors().nth(3) {
        let _ = std::os::unix::fs::symlink("libjustredis.so", profile.join(soname));
    }
}

#[cfg(not(unix))]
fn name_for_programs(_out: &Path, _soname: &str) {}
