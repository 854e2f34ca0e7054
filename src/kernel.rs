//! A kernel is one declaration, from which layouts, checks, tests and the CPU path are derived.

pub mod uniforms;

use std::borrow::Cow;
use std::cell::{Ref, RefCell, RefMut};
use std::fmt;

use crate::kernel::uniforms::RunUniforms;

/// Element type of a storage binding, as WGSL writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Element {
    /// `f32`
    F32,
    /// `vec2<f32>`
    Vec2F32,
    /// `vec4<f32>`
    Vec4F32,
    /// `u32`
    U32,
    /// `vec2<u32>`
    Vec2U32,
    /// `vec4<u32>`
    Vec4U32,
    /// `vec4<f16>`: only in the f16 tier.
    Vec4F16,
    /// A read-only texture of words, four to a texel, instead of an array.
    Texture(TextureKind),
}

/// How a kernel reads a texture of words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TextureKind {
    /// `texture_2d<u32>`
    Sampled,
    /// `texture_storage_2d<rgba32uint, read>`
    Storage,
}

impl Element {
    const fn content(self) -> Content {
        match self {
            Self::F32 | Self::Vec2F32 | Self::Vec4F32 => Content::F32,
            Self::Vec4F16 => Content::F16,
            Self::U32 | Self::Vec2U32 | Self::Vec4U32 | Self::Texture(_) => Content::Exact,
        }
    }

    /// 32-bit words per element.
    pub const fn words(self) -> usize {
        match self {
            Self::F32 | Self::U32 => 1,
            Self::Vec2F32 | Self::Vec2U32 | Self::Vec4F16 => 2,
            Self::Vec4F32 | Self::Vec4U32 | Self::Texture(_) => 4,
        }
    }
}

/// Words of a texel, and of a `vec4<u32>`.
pub const TEXEL_WORDS: usize = 4;
/// Texels of a row of a texture of words.
pub const TEXELS_PER_ROW: usize = 1024;
/// Words of a row of a texture.
pub const TEXTURE_ROW_WORDS: usize = TEXELS_PER_ROW * TEXEL_WORDS;
/// Most bytes of a texture of words: every device has 8192 rows (WebGPU's default `maxTextureDimension2D`).
pub const MAX_TEXTURE_BYTES: u64 = (8192 * TEXTURE_ROW_WORDS * 4) as u64;

/// How a kernel uses a binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// Read only.
    Read,
    /// Written, and perhaps read.
    ReadWrite,
}

/// The numbers that the words of a written buffer are, for the check of a kernel.
#[derive(Clone, Copy, Debug)]
pub enum Content {
    /// f32, within the kernel's tolerance.
    F32,
    /// Pairs of f16.
    F16,
    /// Whole numbers, which must be the same.
    Exact,
    /// Blocks of whole numbers with a scale; behind them so many words of f32.
    Blocks(&'static Blocks, usize),
}

/// Blocks of whole numbers with a scale.
#[derive(Debug)]
pub struct Blocks {
    /// Words of a block.
    pub words: usize,
    /// Which of them is the scale, as f32.
    pub scale_word: usize,
    /// The numbers of a block, scaled, and sums that are stored beside them.
    pub numbers: fn(&[u32]) -> Vec<f64>,
}

/// One row of a kernel's binding table.
#[derive(Clone, Copy, Debug)]
pub struct Arg {
    /// The variable's name in WGSL.
    pub name: &'static str,
    /// Binding number in group 0; 0 and 1 are the params and the run uniforms.
    pub binding: u32,
    /// Element type, as WGSL declares it.
    pub element: Element,
    /// Whether the kernel writes it.
    pub access: Access,
    /// 32-bit words that the dispatch may touch.
    pub words: usize,
    /// The numbers that they are.
    pub content: Content,
}

impl Arg {
    /// A read-only binding of `words` 32-bit words.
    pub const fn read(name: &'static str, binding: u32, element: Element, words: usize) -> Self {
        Self { name, binding, element, access: Access::Read, words, content: element.content() }
    }

    /// A written binding of `words` 32-bit words.
    pub const fn write(name: &'static str, binding: u32, element: Element, words: usize) -> Self {
        Self { name, binding, element, access: Access::ReadWrite, words, content: element.content() }
    }

    /// The same binding with another number format.
    pub const fn holding(self, content: Content) -> Self {
        Self { content, ..self }
    }
}

/// Scalar type of a uniform field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scalar {
    /// `u32`
    U32,
    /// `f32`
    F32,
}

/// A plain struct of 32-bit scalars that goes into a uniform buffer.
pub trait Uniform: bytemuck::Pod {
    /// Field names and types in order; each takes four bytes.
    const FIELDS: &'static [(&'static str, Scalar)];

    /// The struct that these words are.
    fn from_words(words: &[u32]) -> Self {
        *bytemuck::from_bytes(bytemuck::cast_slice(words))
    }

    /// The struct as words.
    fn to_words(&self) -> Vec<u32> {
        bytemuck::cast_slice(bytemuck::bytes_of(self)).to_vec()
    }
}

/// Declares a uniform struct once: the Rust struct, and the field table that the contract test compares with WGSL.
macro_rules! uniform {
    ($(#[$meta:meta])* $vis:vis struct $name:ident { $($(#[$fmeta:meta])* $field:ident : $ty:tt),* $(,)? }) => {
        $(#[$meta])*
        #[repr(C)]
        #[derive(Clone, Copy, Debug, Default, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
        $vis struct $name { $($(#[$fmeta])* pub $field: $ty),* }

        impl $crate::kernel::Uniform for $name {
            const FIELDS: &'static [(&'static str, $crate::kernel::Scalar)] =
                &[$((stringify!($field), $crate::kernel::uniform!(@scalar $ty))),*];
        }
    };
    (@scalar u32) => { $crate::kernel::Scalar::U32 };
    (@scalar f32) => { $crate::kernel::Scalar::F32 };
}
pub(crate) use uniform;

/// The value of a `const` that the composer emits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Const {
    /// `const NAME: u32 = …;`
    U32(u32),
    /// `const NAME: bool = …;`
    Bool(bool),
}

/// The WGSL of a kernel, before it is put together.
#[derive(Clone, Debug)]
pub struct ShaderSource {
    /// `enable` lines, without the semicolon.
    pub enables: Vec<&'static str>,
    /// Typed constants.
    pub consts: Vec<(&'static str, Const)>,
    /// Whole files, in order.
    pub files: Vec<Cow<'static, str>>,
}

impl ShaderSource {
    /// A kernel file alone.
    pub fn new(main: &'static str) -> Self {
        Self { enables: Vec::new(), consts: Vec::new(), files: vec![Cow::Borrowed(main)] }
    }

    /// Adds a `u32` constant.
    pub fn size(mut self, name: &'static str, value: usize) -> Self {
        self.consts.push((name, Const::U32(u32::try_from(value).expect("sizes in shaders fit 32 bits"))));
        self
    }

    /// Adds a `bool` constant.
    pub fn flag(mut self, name: &'static str, value: bool) -> Self {
        self.consts.push((name, Const::Bool(value)));
        self
    }

    /// Adds a library file.
    pub fn with(mut self, file: &'static str) -> Self {
        self.files.push(Cow::Borrowed(file));
        self
    }

    /// Adds weights under a role: where they lie, and the reader of their type. The word `ROLE` in the names of both
    /// files becomes `role`, and `BINDING` the binding.
    pub fn weights(self, store: &'static str, reader: &'static str, role: &str, binding: u32) -> Self {
        self.role(store, role, binding).role(reader, role, binding)
    }

    /// Adds a library file under a role.
    pub fn role(mut self, file: &'static str, role: &str, binding: u32) -> Self {
        self.files.push(Cow::Owned(file.replace("ROLE", role).replace("BINDING", &binding.to_string())));
        self
    }

    /// Adds an `enable` line.
    pub fn enable(mut self, extension: &'static str) -> Self {
        self.enables.push(extension);
        self
    }

    /// The complete WGSL text.
    pub fn compose(&self) -> String {
        let mut text = String::new();
        for extension in &self.enables {
            text += &format!("enable {extension};\n");
        }
        for (name, value) in &self.consts {
            text += &match value {
                Const::U32(v) => format!("const {name}: u32 = {v}u;\n"),
                Const::Bool(v) => format!("const {name}: bool = {v};\n"),
            };
        }
        for file in &self.files {
            text.push('\n');
            text += file;
        }
        text
    }
}

/// Host memory that oracles run on: 32-bit words.
pub type Words = RefCell<Vec<u32>>;

/// The arguments of an oracle: the same params, run uniforms and buffers as those of a dispatch.
pub struct Call<'a> {
    /// The params struct, as words.
    pub params: &'a [u32],
    /// The per-token values.
    pub uniforms: &'a RunUniforms,
    /// Buffers in the order of [`Kernel::args`].
    pub buffers: Vec<&'a Words>,
    /// Workgroups in x and y.
    pub grid: [u32; 2],
}

impl<'a> Call<'a> {
    /// The params as their struct.
    pub fn params<P: Uniform>(&self) -> P {
        P::from_words(self.params)
    }

    /// Buffer `index` as words.
    pub fn words(&self, index: usize) -> Ref<'a, [u32]> {
        Ref::map(self.buffers[index].borrow(), |w| w.as_slice())
    }

    /// Buffer `index` as numbers.
    pub fn floats(&self, index: usize) -> Ref<'a, [f32]> {
        Ref::map(self.buffers[index].borrow(), |w| bytemuck::cast_slice(w.as_slice()))
    }

    /// Buffer `index` as words, to write.
    pub fn words_mut(&self, index: usize) -> RefMut<'a, [u32]> {
        RefMut::map(self.buffers[index].borrow_mut(), |w| w.as_mut_slice())
    }

    /// Buffer `index` as numbers, to write.
    pub fn floats_mut(&self, index: usize) -> RefMut<'a, [f32]> {
        RefMut::map(self.buffers[index].borrow_mut(), |w| bytemuck::cast_slice_mut(w.as_mut_slice()))
    }
}

/// How many rows of a plan a run uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Active {
    /// Rows (tokens).
    pub rows: usize,
    /// Rows whose logits are wanted.
    pub head_rows: usize,
}

impl Active {
    /// The rows of a dispatch: all of them, or those of the head.
    pub fn of(self, at_head: u32) -> usize {
        if at_head == 1 { self.head_rows } else { self.rows }
    }
}

/// What a dispatch takes at least.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Bytes that are read and written, each once.
    pub bytes: u64,
    /// Multiply-accumulates.
    pub work: u64,
}

/// A kernel in one of its variants.
pub trait Kernel: fmt::Debug + Send + Sync {
    /// The stem: `shaders/NAME.wgsl` and `src/kernels/NAME.rs`.
    fn name(&self) -> &'static str;

    /// The name and what tells this variant from others, for labels and reports.
    fn label(&self) -> String;

    /// The WGSL files and constants that the shader is composed of.
    fn source(&self) -> ShaderSource;

    /// The activations that it reads, as `--activations` and reports call them: those that a matvec takes from another
    /// dispatch, and f32 elsewhere.
    fn activations(&self) -> &'static str {
        "f32"
    }

    /// Invocations per workgroup.
    fn invocations(&self) -> u32;

    /// The params struct's fields in order.
    fn fields(&self) -> &'static [(&'static str, Scalar)];

    /// The binding table; lengths follow from the params.
    fn args(&self, params: &[u32]) -> Vec<Arg>;

    /// Workgroups in x and y of a run over `active` rows; a zero means that there is nothing to do.
    fn grid(&self, params: &[u32], active: Active) -> [u32; 2];

    /// Multiply-accumulates of one dispatch over `active` rows, to estimate its time.
    fn work(&self, params: &[u32], active: Active) -> u64;

    /// What one dispatch of a run takes at least: everything that it binds, once, and its work. Kernels that touch a part
    /// of a binding, or whose work depends on what is attended to, say more.
    fn cost(&self, params: &[u32], uniforms: &RunUniforms) -> Cost {
        let words: usize = self.args(params).iter().map(|arg| arg.words).sum();
        Cost { bytes: words as u64 * 4, work: self.work(params, uniforms.active()) }
    }

    /// Normalised mean squared error that the GPU may differ from the oracle by, and why.
    fn tolerance(&self) -> f64;

    /// The same function in f64 with plain loops.
    fn oracle(&self, call: &Call);
}
