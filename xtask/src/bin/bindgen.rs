//! `bindgen IN.wasm OUT_DIR`: JavaScript bindings for one WebAssembly module, as `wasm-bindgen --target web` makes
//! them.

use std::{env, path::PathBuf};

use anyhow::{Context, Result, bail};
use wasm_bindgen_cli_support::Bindgen;

fn main() -> Result<()> {
    let args: Vec<PathBuf> = env::args_os().skip(1).map(PathBuf::from).collect();
    let [input, out] = &args[..] else { bail!("usage: bindgen IN.wasm OUT_DIR") };
    Bindgen::new()
        .input_path(input)
        .web(true)?
        .omit_default_module_path(false)
        .typescript(true)
        .generate(out)
        .with_context(|| format!("bindings for {}", input.display()))
}
