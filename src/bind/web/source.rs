//! A checkpoint whose bytes the worker reads: a file, a download, a stored model.

use std::borrow::Cow;
use std::cell::RefCell;

use futures::future::LocalBoxFuture;
use js_sys::{Array, Promise, Uint8Array};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

use crate::error::{Error, Result};
use crate::source::{Part, Source, check_range};

#[wasm_bindgen]
extern "C" {
    /// Random access to bytes: `ByteSource` of `web/src/sources/source.ts`.
    #[wasm_bindgen(typescript_type = "{ readonly name: string; readonly size: number; \
                           readonly parts?: readonly { readonly name: string; readonly size: number }[]; \
                           read(offset: number, length: number): Promise<Uint8Array> }")]
    pub type ByteSource;

    #[wasm_bindgen(method, getter)]
    fn name(this: &ByteSource) -> String;

    #[wasm_bindgen(method, getter)]
    fn size(this: &ByteSource) -> f64;

    #[wasm_bindgen(method, getter)]
    fn parts(this: &ByteSource) -> Option<Array>;

    #[wasm_bindgen(method, catch)]
    fn read(this: &ByteSource, offset: f64, length: u32) -> std::result::Result<Promise, JsValue>;
}

/// The library's source over a `ByteSource`.
pub struct JsSource {
    name: String,
    len: u64,
    /// Name and bytes of each file of the checkpoint.
    parts: Vec<(String, u64)>,
    bytes: ByteSource,
    /// The last exception of a read. It says more than the library's error.
    failed: RefCell<Option<JsValue>>,
}

impl JsSource {
    pub fn new(bytes: ByteSource) -> Self {
        let (name, len) = (bytes.name(), bytes.size() as u64);
        let part = |part: JsValue| {
            let part: ByteSource = part.unchecked_into();
            (part.name(), part.size() as u64)
        };
        let parts = match bytes.parts() {
            Some(parts) => parts.iter().map(part).collect(),
            None => vec![(name.clone(), len)],
        };
        Self { name, len, parts, bytes, failed: RefCell::default() }
    }

    /// The JavaScript error of an error: the source's own exception where that is its cause.
    pub fn failure(&self, error: Error) -> JsValue {
        match (self.failed.take(), error) {
            (Some(own), Error::Read { .. }) => own,
            (_, error) => error.into(),
        }
    }

    async fn read(&self, offset: u64, len: usize) -> std::result::Result<Vec<u8>, JsValue> {
        let bytes = JsFuture::from(self.bytes.read(offset as f64, len as u32)?).await?;
        let bytes: Uint8Array = bytes.dyn_into()?;
        Ok(bytes.to_vec())
    }
}

impl Source for JsSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn len(&self) -> u64 {
        self.len
    }

    fn parts(&self) -> Vec<Part<'_>> {
        self.parts.iter().map(|(name, len)| Part { name, len: *len }).collect()
    }

    fn read_at(&self, offset: u64, len: usize) -> LocalBoxFuture<'_, Result<Cow<'_, [u8]>>> {
        Box::pin(async move {
            check_range(&self.name, self.len, offset, len)?;
            let failed = |reason: String| Error::Read { name: self.name.clone(), reason };
            let bytes = self.read(offset, len).await.map_err(|error| {
                let reason = format!("{error:?}");
                self.failed.replace(Some(error));
                failed(reason)
            })?;
            if bytes.len() != len {
                return Err(failed(format!("{len} bytes at offset {offset} were asked for, and {} came", bytes.len())));
            }
            Ok(Cow::Owned(bytes))
        })
    }
}
