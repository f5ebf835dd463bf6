//! Puts the compiled encyclopedia and the model packs into the program, so that `barefoot` is one file that runs anywhere.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../..").canonicalize()?;
    let out = PathBuf::from(env::var("OUT_DIR")?);

    let content = root.join("core/knowledge/content");
    println!("cargo:rerun-if-changed={}", content.display());
    let read = barefoot_knowledge::Content::read(&content)?;
    for complaint in barefoot_knowledge::check(&read) {
        println!("cargo:warning={complaint}");
    }
    barefoot_knowledge::compile(&read, &out.join("encyclopedia.sqlite"))?;

    let packs = root.join("models/packs");
    println!("cargo:rerun-if-changed={}", packs.display());
    fs::write(out.join("packs.rs"), pack_table(&packs)?)?;
    Ok(())
}

/// `(pack, [(file, bytes)])` for every pack of the repository, as Rust source.
fn pack_table(packs: &Path) -> io::Result<String> {
    let mut source = String::from(
        "type Files = &'static [(&'static str, &'static [u8])];\npub(super) static PACKS: &[(&str, Files)] = &[\n",
    );
    let with_nc = env::var_os("CARGO_FEATURE_NC_PACKS").is_some();
    for pack in sorted(packs)?.into_iter().filter(|p| p.is_dir()) {
        let manifest: serde_json::Value = serde_json::from_slice(&fs::read(pack.join("manifest.json"))?)?;
        let non_commercial = manifest["licence"].as_str().is_none_or(|licence| licence.contains("NC"));
        if non_commercial && !with_nc {
            continue;
        }
        // Writing to a String cannot fail.
        let _ = writeln!(source, "    ({:?}, &[", name(&pack));
        for file in sorted(&pack)? {
            let _ = writeln!(source, "        ({:?}, include_bytes!({:?})),", name(&file), file.display().to_string());
        }
        source.push_str("    ]),\n");
    }
    source.push_str("];\n");
    Ok(source)
}

fn sorted(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = fs::read_dir(folder)?.map(|entry| entry.map(|e| e.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
