//! Textures of words: weights, and buffers of a session that kernels read as textures.
//!
//! A session's buffers are written as buffers. Before a step that reads one as a texture, it is copied there, unless
//! the texture still holds it. Only plans of drivers that run on the CPU have such steps.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Allocation, Counters, Gpu};
use crate::error::{Error, Result};
use crate::kernel::{Arg, TEXEL_WORDS, TEXELS_PER_ROW, TEXTURE_ROW_WORDS};
use crate::plan::bytes::texture_bytes;
use crate::plan::{Buffer, BufferId, BufferOwner, Plan, Texture, session_textures};

/// Words in a texture that counts itself, and gives its memory back as a buffer does.
#[derive(Debug)]
pub(super) struct WordTexture {
    texture: wgpu::Texture,
    pub(super) view: wgpu::TextureView,
    pub(super) bytes: u64,
    counters: Arc<Counters>,
}

impl Drop for WordTexture {
    fn drop(&mut self) {
        self.texture.destroy();
        self.counters.allocated.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Gpu {
    /// A texture for that many words, and a view of it.
    pub(super) fn allocate_texture(&self, label: &str, words: usize) -> WordTexture {
        let bytes = texture_bytes(words);
        let rows = bytes / (TEXTURE_ROW_WORDS * 4) as u64;
        let texture = self.inner.device.create_texture(&wgpu::TextureDescriptor {
            label: Some(label),
            size: wgpu::Extent3d { width: TEXELS_PER_ROW as u32, height: rows as u32, depth_or_array_layers: 1 },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: wgpu::TextureFormat::Rgba32Uint,
            usage: wgpu::TextureUsages::TEXTURE_BINDING
                | wgpu::TextureUsages::STORAGE_BINDING
                | wgpu::TextureUsages::COPY_DST,
            view_formats: &[],
        });
        let view = texture.create_view(&wgpu::TextureViewDescriptor::default());
        WordTexture { texture, view, bytes, counters: self.count(bytes) }
    }
}

impl WordTexture {
    /// Records a copy of words of a buffer, from the beginning of a row on: whole rows, and what is left over.
    pub(super) fn copy_from(&self, encoder: &mut wgpu::CommandEncoder, buffer: &wgpu::Buffer, words: Range<usize>) {
        let row_bytes = TEXTURE_ROW_WORDS * 4;
        let begin = words.start * 4 / row_bytes;
        let (rows, rest) = (words.len() * 4 / row_bytes, words.len() * 4 % row_bytes);
        for (first, width, height) in [(begin, row_bytes, rows), (begin + rows, rest, 1)] {
            if width == 0 || height == 0 {
                continue;
            }
            let layout = wgpu::TexelCopyBufferLayout {
                offset: (first * row_bytes) as u64,
                bytes_per_row: (height > 1).then_some(row_bytes as u32),
                rows_per_image: None,
            };
            let origin = wgpu::Origin3d { x: 0, y: first as u32, z: 0 };
            encoder.copy_buffer_to_texture(
                wgpu::TexelCopyBufferInfo { buffer, layout },
                wgpu::TexelCopyTextureInfo { origin, ..self.texture.as_image_copy() },
                wgpu::Extent3d {
                    width: (width / (TEXEL_WORDS * 4)) as u32,
                    height: height as u32,
                    depth_or_array_layers: 1,
                },
            );
        }
    }

    /// Writes words from word `first` on: what is left of a row, whole rows, and what is left over.
    pub(super) fn write(&self, gpu: &Gpu, first: usize, words: &[u32]) {
        let row_words = TEXTURE_ROW_WORDS;
        assert!(
            first.is_multiple_of(TEXEL_WORDS) && words.len().is_multiple_of(TEXEL_WORDS),
            "texels are written whole"
        );
        let (mut at, mut rest) = (first, words);
        while !rest.is_empty() {
            let in_row = at % row_words;
            let count = match in_row {
                0 if rest.len() >= row_words => rest.len() / row_words * row_words,
                _ => rest.len().min(row_words - in_row),
            };
            let (now, later) = rest.split_at(count);
            let width = count.min(row_words) / TEXEL_WORDS;
            let origin = wgpu::Origin3d { x: (in_row / TEXEL_WORDS) as u32, y: (at / row_words) as u32, z: 0 };
            gpu.inner.queue.write_texture(
                wgpu::TexelCopyTextureInfo { origin, ..self.texture.as_image_copy() },
                bytemuck::cast_slice(now),
                wgpu::TexelCopyBufferLayout {
                    offset: 0,
                    bytes_per_row: Some((width * TEXEL_WORDS * 4) as u32),
                    rows_per_image: None,
                },
                wgpu::Extent3d {
                    width: width as u32,
                    height: (count / TEXEL_WORDS / width) as u32,
                    depth_or_array_layers: 1,
                },
            );
            (at, rest) = (at + count, later);
        }
    }

    /// Gives the memory back at once, although it may still be bound.
    pub(super) fn destroy(&self) {
        self.texture.destroy();
    }
}

/// A buffer that a step reads as a texture: its place in the plan, and the texture's among the session's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TextureRead {
    pub(super) buffer: BufferId,
    texture: usize,
}

/// The textures that a session's buffers are copied to, with their names.
#[derive(Debug, Default)]
pub(super) struct SessionTextures(Vec<(String, WordTexture)>);

impl SessionTextures {
    /// Gives up those that these plans do not need; the answer is the bytes of those that are missing.
    pub(super) fn begin_fit<'p>(&mut self, plans: impl IntoIterator<Item = &'p Plan> + Clone) -> u64 {
        let needed = session_textures(plans.clone());
        self.0.retain(|own| needed.iter().any(|texture| is(own, texture)));
        self.missing(plans).iter().map(|texture| texture_bytes(texture.words)).sum()
    }

    /// Allocates those that are missing.
    pub(super) fn end_fit<'p>(&mut self, gpu: &Gpu, plans: impl IntoIterator<Item = &'p Plan>) {
        let allocate = |t: &Texture| (t.name.clone(), gpu.allocate_texture(&t.name, t.words));
        let missing = self.missing(plans);
        self.0.extend(missing.iter().map(allocate));
    }

    fn missing<'p>(&self, plans: impl IntoIterator<Item = &'p Plan>) -> Vec<Texture> {
        let mut textures = session_textures(plans);
        textures.retain(|texture| !self.0.iter().any(|own| is(own, texture)));
        textures
    }

    /// Gives them all up.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// The texture by which a kernel reads a buffer of the session.
    pub(super) fn read(&self, buffer: &Buffer, id: BufferId, arg: &Arg) -> Result<(TextureRead, &wgpu::TextureView)> {
        let name = Texture::name(buffer, arg);
        let texture = self.0.iter().position(|(own, _)| own == name);
        let texture = texture.ok_or_else(|| Error::Internal(format!("no texture of {name} on the device")))?;
        Ok((TextureRead { buffer: id, texture }, &self.0[texture].1.view))
    }

    /// Records the copy before a read; of a KV cache it copies what the run attends to, `attended` of `capacity`
    /// positions.
    pub(super) fn copy(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        read: TextureRead,
        (source, buffer): (&Allocation, &Buffer),
        [attended, capacity]: [usize; 2],
    ) {
        let Buffer { owner, words, slabs, .. } = buffer;
        let texture = &self.0[read.texture].1;
        let slab = words / slabs;
        if *owner == BufferOwner::State && slab.is_multiple_of(TEXTURE_ROW_WORDS) {
            let used = slab / capacity * attended;
            (0..*slabs).for_each(|i| texture.copy_from(encoder, source, i * slab..i * slab + used));
        } else {
            texture.copy_from(encoder, source, 0..*words);
        }
    }
}

/// Whether it is that texture, at that size.
fn is((name, own): &(String, WordTexture), texture: &Texture) -> bool {
    *name == texture.name && own.bytes == texture_bytes(texture.words)
}

/// The buffers that the textures hold at a point of a run.
#[derive(Default)]
pub(super) struct Held(Vec<TextureRead>);

impl Held {
    /// The reads of a step that need a copy; afterwards the step writes `writes`.
    pub(super) fn step(&mut self, reads: &[TextureRead], writes: &[BufferId]) -> Vec<TextureRead> {
        let copies: Vec<_> = reads.iter().filter(|read| !self.0.contains(read)).copied().collect();
        self.0.retain(|one| copies.iter().all(|copy| copy.texture != one.texture));
        self.0.extend(&copies);
        self.0.retain(|one| !writes.contains(&one.buffer));
        copies
    }
}
