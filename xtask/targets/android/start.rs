//! Where a program for Android begins: it hands the C library its stack and its `main`. The NDK's crtbegin_dynamic.o does
//! the same. Of constructors there is no list, since Android's linker runs them.
#![no_std]

core::arch::global_asm!(
    ".globl _start",
    ".type _start, %function",
    "_start:",
    "mov x0, sp",
    "mov x1, #0",
    "adrp x2, :got:main",
    "ldr x2, [x2, :got_lo12:main]",
    "adrp x3, {none}",
    "add x3, x3, :lo12:{none}",
    "b __libc_init",
    none = sym CONSTRUCTORS,
);

/// Lists before, at and after the program, and of thread-local ones.
static CONSTRUCTORS: [usize; 4] = [0; 4];

/// By this note Android's linker knows its own programs.
#[used]
#[unsafe(link_section = ".note.android.ident")]
static NOTE: Note = Note { name_len: 8, data_len: 4, kind: 1, name: *b"Android\0", level: 26 };

#[repr(C)]
struct Note {
    name_len: u32,
    data_len: u32,
    kind: u32,
    name: [u8; 8],
    level: u32,
}
