//! Puts the compiled encyclopedia into the library, so that a shell has nothing to unpack.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    #[cfg(feature = "embedded")]
    embed()?;
    Ok(())
}

#[cfg(feature = "embedded")]
fn embed() -> Result<(), Box<dyn Error>> {
    use std::path::{Path, PathBuf};
    let content = Path::new(&std::env::var("CARGO_MANIFEST_DIR")?).join("../../core/knowledge/content");
    println!("cargo:rerun-if-changed={}", content.display());
    let read = barefoot_knowledge::Content::read(&content)?;
    barefoot_knowledge::compile(&read, &PathBuf::from(std::env::var("OUT_DIR")?).join("encyclopedia.sqlite"))?;
    Ok(())
}
