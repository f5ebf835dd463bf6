//! What the network of a pack is shown: reads names of picture files from stdin, one a line, and writes `[height][width][rgb]` bytes at
//! the network's size to stdout, one picture after the other. `models/training/run fold` compares PyTorch with the program on these.

use barefoot_vision::{ImageModel, Picture};
use std::error::Error;
use std::io::{self, BufRead, Write};
use std::path::PathBuf;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let pack = PathBuf::from(env::args().nth(1).ok_or("usage: pixels PACK_DIR < names > bytes")?);
    let text = |name| fs::read_to_string(pack.join(name));
    let weights = fs::read(pack.join("weights.safetensors"))?;
    let model = ImageModel::from_pack(&text("manifest.json")?, &text("network.json")?, &weights)?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    for file in io::stdin().lock().lines() {
        out.write_all(model.fitted(&Picture::decode(&fs::read(file?)?)?).as_raw())?;
    }
    Ok(out.flush()?)
}
