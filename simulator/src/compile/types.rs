//! The scalars of a type, and where they stand.

use naga::{ArraySize, Handle, Module, Scalar, ScalarKind, Type, TypeInner, VectorSize};

/// A distance, counted in scalars and in bytes of a buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Distance {
    pub(super) scalars: u32,
    pub(super) bytes: u32,
}

impl std::ops::Add for Distance {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { scalars: self.scalars + other.scalars, bytes: self.bytes + other.bytes }
    }
}

impl std::ops::Mul<u32> for Distance {
    type Output = Self;

    fn mul(self, by: u32) -> Self {
        Self { scalars: self.scalars * by, bytes: self.bytes * by }
    }
}

/// A part of a composite type: its type, and how far apart parts of this kind are.
pub(super) struct Part {
    pub(super) inner: TypeInner,
    pub(super) stride: Distance,
    /// `None` for a runtime array.
    pub(super) count: Option<u32>,
}

/// A scalar of a type: where it is, and whether it is an f16.
pub(super) type ScalarAt = (Distance, bool);

/// A type that the simulator does not know, in words.
pub(super) type Unknown = String;

/// The scalars that registers can hold; true for f16.
pub(super) fn is_half(scalar: Scalar) -> Result<bool, Unknown> {
    match (scalar.kind, scalar.width) {
        (ScalarKind::Float | ScalarKind::Uint | ScalarKind::Sint, 4) | (ScalarKind::Bool, _) => Ok(false),
        (ScalarKind::Float, 2) => Ok(true),
        (kind, width) => Err(format!("a scalar of {} bits, {kind:?}", 8 * u32::from(width))),
    }
}

/// The scalar that a type is made of, where it is one kind.
pub(super) fn scalar_of(inner: &TypeInner) -> Option<Scalar> {
    match inner {
        TypeInner::Scalar(scalar)
        | TypeInner::Vector { scalar, .. }
        | TypeInner::Matrix { scalar, .. }
        | TypeInner::Atomic(scalar) => Some(*scalar),
        _ => None,
    }
}

fn column_bytes(rows: VectorSize, scalar: Scalar) -> u32 {
    let rows = if rows == VectorSize::Tri { 4 } else { rows as u32 };
    rows * u32::from(scalar.width)
}

/// The parts of a vector, matrix or array.
pub(super) fn part(module: &Module, inner: &TypeInner) -> Option<Part> {
    match *inner {
        TypeInner::Vector { size, scalar } => Some(Part {
            inner: TypeInner::Scalar(scalar),
            stride: Distance { scalars: 1, bytes: u32::from(scalar.width) },
            count: Some(size as u32),
        }),
        TypeInner::Matrix { columns, rows, scalar } => Some(Part {
            inner: TypeInner::Vector { size: rows, scalar },
            stride: Distance { scalars: rows as u32, bytes: column_bytes(rows, scalar) },
            count: Some(columns as u32),
        }),
        TypeInner::Array { base, size, stride } => {
            let inner = module.types[base].inner.clone();
            let scalars = scalars(module, &inner).ok()?.len() as u32;
            let count = match size {
                ArraySize::Constant(count) => Some(count.get()),
                _ => None,
            };
            Some(Part { inner, stride: Distance { scalars, bytes: stride }, count })
        }
        _ => None,
    }
}

/// Member `index` of a struct, or that part of a vector, matrix or array: its type and where it is.
pub(super) fn member(module: &Module, inner: &TypeInner, index: u32) -> Result<(TypeInner, Distance), Unknown> {
    if let TypeInner::Struct { members, .. } = inner {
        let mut before = 0;
        for other in &members[..index as usize] {
            before += scalars(module, &module.types[other.ty].inner)?.len() as u32;
        }
        let member = &members[index as usize];
        let at = Distance { scalars: before, bytes: member.offset };
        return Ok((module.types[member.ty].inner.clone(), at));
    }
    let part = part(module, inner).ok_or_else(|| format!("a part of {}", name(module, inner)))?;
    Ok((part.inner, part.stride * index))
}

/// Every scalar of a type of fixed size, in order.
pub(super) fn scalars(module: &Module, inner: &TypeInner) -> Result<Vec<ScalarAt>, Unknown> {
    let mut found = Vec::new();
    add_scalars(module, inner, Distance::default(), &mut found)?;
    Ok(found)
}

fn add_scalars(module: &Module, inner: &TypeInner, at: Distance, found: &mut Vec<ScalarAt>) -> Result<(), Unknown> {
    match inner {
        TypeInner::Scalar(scalar) | TypeInner::Atomic(scalar) => found.push((at, is_half(*scalar)?)),
        TypeInner::Struct { members, .. } => {
            for index in 0..members.len() as u32 {
                let (inner, from) = member(module, inner, index)?;
                add_scalars(module, &inner, at + from, found)?;
            }
        }
        TypeInner::Vector { .. } | TypeInner::Matrix { .. } | TypeInner::Array { .. } => {
            let part = part(module, inner).ok_or_else(|| name(module, inner))?;
            let count = part.count.ok_or("a runtime array as a value")?;
            for index in 0..count {
                add_scalars(module, &part.inner, at + part.stride * index, found)?;
            }
        }
        _ => return Err(name(module, inner)),
    }
    Ok(())
}

/// Bytes of a buffer of this type without the elements of a runtime array.
pub(super) fn least_bytes(module: &Module, inner: &TypeInner) -> u32 {
    match inner {
        TypeInner::Array { size: ArraySize::Dynamic, .. } => 0,
        TypeInner::Struct { members, .. } if inner.is_dynamically_sized(&module.types) => {
            members.last().map_or(0, |member| member.offset)
        }
        _ => inner.size(module.to_ctx()),
    }
}

/// Whether there are f16 anywhere in a type.
pub(super) fn has_half(module: &Module, inner: &TypeInner) -> bool {
    let of = |ty: Handle<Type>| has_half(module, &module.types[ty].inner);
    match inner {
        TypeInner::Array { base, .. } => of(*base),
        TypeInner::Struct { members, .. } => members.iter().any(|member| of(member.ty)),
        _ => scalar_of(inner).is_some_and(|scalar| is_half(scalar) == Ok(true)),
    }
}

/// A type as messages call it.
pub(super) fn name(module: &Module, inner: &TypeInner) -> String {
    let own = module.types.iter().find(|(_, ty)| ty.inner == *inner).and_then(|(_, ty)| ty.name.clone());
    own.unwrap_or_else(|| {
        let text = format!("{inner:?}");
        text.split([' ', '(']).next().unwrap_or_default().to_lowercase()
    })
}
