//! `--rival`: llama.cpp's Vulkan shaders through the same compilers, compiled from a source package as its own build
//! does, with the constants that it chooses for GPUs of phones.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

use super::{
    counts::{Count, Dispatch},
    gpus::{Family, Gpu},
    mesa::{self, Compilers, Job},
    spirv::Interface,
    table::Row,
    walk::Start,
};
use crate::shell::{self, Missing};

const SHADERS: &str = "ggml/src/ggml-vulkan/vulkan-shaders";
/// Rows and columns of the matrix that is counted: a weight matrix of Llama 3.2 1B's width.
pub const SIZE: u32 = 2048;
/// Tokens of a prefill.
const TOKENS: u32 = 128;

/// A shader of llama.cpp's.
struct Shader {
    /// Its name there.
    name: &'static str,
    source: &'static str,
    defines: &'static [(&'static str, &'static str)],
    /// Rows of a workgroup in decode; nothing for prefill.
    rows: Option<u32>,
}

const DECODE: [(&str, &str); 7] = [
    ("FLOAT_TYPE", "float"),
    ("FLOAT_TYPEV2", "vec2"),
    ("B_TYPE", "float"),
    ("B_TYPEV2", "vec2"),
    ("B_TYPEV4", "vec4"),
    ("D_TYPE", "float"),
    ("USE_SUBGROUP_ADD_NO_SHMEM", "1"),
];
const PREFILL: [(&str, &str); 11] = [
    ("ACC_TYPE", "float"),
    ("ACC_TYPEV2", "vec2"),
    ("ACC_TYPE_VEC4", "vec4"),
    ("FLOAT_TYPE", "float"),
    ("FLOAT_TYPEV2", "vec2"),
    ("FLOAT_TYPEV4", "vec4"),
    ("FLOAT_TYPEV8", "mat2x4"),
    ("MULMAT_QUANT", "1"),
    ("B_TYPE", "vec4"),
    ("B_TYPE_SCALAR", "float"),
    ("B_TYPEV4", "vec4"),
];

/// `ggml_type` of Q4_0, which the shader of prefill takes as a constant.
const GGML_TYPE_Q4_0: u32 = 2;

const ALL: [Shader; 3] = [
    Shader {
        name: "mul_mat_vec_q4_0_f32_f32_subgroup_no_shmem",
        source: "mul_mat_vec.comp",
        defines: &[("DATA_A_Q4_0", "1")],
        rows: Some(2),
    },
    Shader {
        name: "mul_mat_vec_q6_k_f32_f32_subgroup_no_shmem",
        source: "mul_mat_vec_q6_k.comp",
        defines: &[("DATA_A_Q6_K", "1")],
        rows: Some(2),
    },
    Shader {
        name: "matmul_quant_f32_fp32, Q4_0, tile of 64 x 64",
        source: "mul_mm.comp",
        defines: &[("LOAD_VEC_B", "4"), ("D_TYPE", "float")],
        rows: None,
    },
];

/// Invocations of a wave, as llama.cpp is told by the driver.
const fn subgroup(family: Family) -> u32 {
    match family {
        Family::Adreno => 64,
        Family::Apple | Family::PowerVr => 32,
        Family::Mali => 16,
    }
}

impl Shader {
    /// The constants that llama.cpp specialises it with on a GPU, by their ids.
    fn constants(&self, wave: u32) -> Vec<(u32, u32)> {
        let values = match self.rows {
            // Invocations of a workgroup, rows, columns.
            Some(rows) => vec![wave, rows, 1],
            // `m_warptile_mmq`: invocations, tile, steps of k, tile of a wave, its turns, tile of an invocation; then
            // whether rows are aligned, and the type.
            None => vec![128, 64, 64, 32, wave, 32, 2, 4, 2, 1, wave, 1, GGML_TYPE_Q4_0],
        };
        (0..).zip(values).collect()
    }

    fn dispatch(&self, gpu: &Gpu, wave: u32) -> Dispatch {
        let (push, grid, macs, invocations) = match self.rows {
            Some(rows) => {
                let push = vec![SIZE, SIZE, SIZE, SIZE, SIZE * SIZE, SIZE, SIZE, 0, 0, 1, 1, 1, 1];
                (push, [SIZE / rows, 1], f64::from(rows * SIZE) / f64::from(wave), wave)
            }
            None => {
                let push = vec![
                    SIZE,
                    TOKENS,
                    SIZE,
                    SIZE,
                    SIZE,
                    SIZE,
                    SIZE * SIZE,
                    SIZE * TOKENS,
                    SIZE * TOKENS,
                    0,
                    1,
                    SIZE,
                    1,
                    1,
                    1,
                    1,
                ];
                (push, [SIZE / 64, TOKENS / 64], f64::from(64 * 64 * SIZE) / 128.0, 128)
            }
        };
        let start = Start { uniforms: Default::default(), push, grid };
        // Weights are the first binding.
        Dispatch { invocations, macs, streamed: if gpu.family == Family::Adreno { vec![0] } else { vec![] }, start }
    }
}

/// The rival's shaders, compiled to SPIR-V.
pub struct Rival {
    /// Files in the order of the shaders.
    files: Vec<PathBuf>,
}

impl Rival {
    /// Compiles them from a source package llama_cpp_python-….tar.gz, the folder that it was unpacked to, or llama.cpp's
    /// own.
    pub fn get(given: &Path) -> Result<Self> {
        ensure!(
            shell::which("glslc").is_some(),
            Missing("--rival needs glslc to compile llama.cpp's shaders: install it (Debian: glslc)".into())
        );
        let folder = shaders(given)?;
        let home = shell::target_dir().join("shaders/rival");
        shell::fresh_dir(&home)?;
        let mut files = Vec::new();
        for (i, shader) in ALL.iter().enumerate() {
            let file = home.join(format!("{i}.spv"));
            let mut glslc = shell::program("glslc", &folder);
            glslc.args(["-fshader-stage=compute", "--target-env=vulkan1.2", "-O", shader.source, "-o"]).arg(&file);
            let common: &[_] = if shader.rows.is_some() { &DECODE } else { &PREFILL };
            for (name, value) in common.iter().chain(shader.defines) {
                glslc.arg(format!("-D{name}={value}"));
            }
            shell::output(&mut glslc).with_context(|| format!("llama.cpp's {}", shader.name))?;
            files.push(file);
        }
        Ok(Self { files })
    }

    /// Its figures on a GPU.
    pub fn count(&self, gpu: &Gpu, compilers: &Compilers) -> Result<Vec<Count>> {
        if gpu.family == Family::PowerVr {
            // Mesa's compiler for it knows no numbers of 8 bits, and does not end.
            return Ok(vec![]);
        }
        let wave = subgroup(gpu.family);
        let job = |(shader, file): (&Shader, &PathBuf)| -> Result<Job> {
            let Interface { entry, bindings, push_bytes } = Interface::read(&fs::read(file)?)?;
            let constants = shader.constants(wave);
            Ok(Job { file: file.clone(), entry, bindings, push_bytes, subgroup: wave as i32, constants })
        };
        let jobs = ALL.iter().zip(&self.files).map(job).collect::<Result<Vec<_>>>()?;
        let answers = compilers.ask(gpu, &jobs, &mesa::kept())?;
        Ok(ALL
            .iter()
            .zip(&answers)
            .map(|(shader, answer)| Count::new(gpu, answer, &shader.dispatch(gpu, wave)))
            .collect())
    }
}

/// The rows of its table.
pub fn rows(counts: &[Count]) -> Vec<Row<'_>> {
    let row = |(shader, count): (&Shader, _)| {
        let what = if shader.rows.is_some() { "decode".into() } else { format!("prefill {TOKENS}") };
        Row {
            label: format!("llama.cpp {}", shader.name),
            tier: "sub".into(),
            place: format!("{SIZE} x {SIZE} {what}"),
            count,
        }
    };
    ALL.iter().zip(counts).map(row).collect()
}

/// The folder of llama.cpp's Vulkan shaders.
fn shaders(given: &Path) -> Result<PathBuf> {
    let mut root = given.to_owned();
    if given.is_file() {
        root = shell::target_dir().join("shaders/rival-source");
        shell::fresh_dir(&root)?;
        let mut tar = Command::new("tar");
        tar.arg("-xzf").arg(given).arg("-C").arg(&root).args(["--strip-components=1", "--wildcards"]);
        shell::output(tar.arg(format!("*/{SHADERS}")))?;
    }
    let places = [root.join(SHADERS), root.join("vendor/llama.cpp").join(SHADERS)];
    let found = places.into_iter().find(|place| place.join("mul_mat_vec.comp").is_file());
    found.with_context(|| {
        Missing(format!(
            "--rival {}: no {SHADERS} in it. It is the source package that `python3 -m pip download --no-deps --no-binary \
             llama-cpp-python llama-cpp-python` fetches, or llama.cpp's own folder",
            given.display()
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_shaders_is_named() {
        let error = shaders(Path::new("/no/such/folder")).expect_err("nothing is there").to_string();
        assert!(error.contains("/no/such/folder") && error.contains("pip download"), "{error}");
    }

    #[test]
    fn constants_are_by_id() {
        assert_eq!(ALL[0].constants(64), [(0, 64), (1, 2), (2, 1)]);
        assert_eq!(ALL[2].constants(16)[10..], [(10, 16), (11, 1), (12, GGML_TYPE_Q4_0)]);
    }
}
