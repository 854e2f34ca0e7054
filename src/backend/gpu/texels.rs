//! Words in textures, which drivers that run on the CPU gather faster than words of buffers.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Counters, Gpu};
use crate::kernel::{TEXEL_WORDS, TEXELS_PER_ROW, TEXTURE_ROW_WORDS, round_up};

/// Bytes of a texture for so many words: whole rows.
pub fn texels_bytes(words: usize) -> u64 {
    (round_up(words.max(1), TEXTURE_ROW_WORDS) * 4) as u64
}

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
    pub(super) fn allocate_texels(&self, label: &str, words: usize) -> WordTexture {
        let bytes = texels_bytes(words);
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
