//! Stands in for the NDK's libunwind: the stack has no frames. So a panic prints its message, and std, which finds nobody to
//! catch it, aborts; a backtrace is empty. The other functions are called only while a stack is unwound.
#![no_std]

/// `_URC_END_OF_STACK`.
const END_OF_STACK: i32 = 5;

#[unsafe(no_mangle)]
extern "C" fn _Unwind_RaiseException(_exception: *mut u8) -> i32 {
    END_OF_STACK
}

#[unsafe(no_mangle)]
extern "C" fn _Unwind_Backtrace(_each: *const u8, _context: *mut u8) -> i32 {
    END_OF_STACK
}

macro_rules! never_called {
    ($($name:literal)*) => {
        core::arch::global_asm!($(concat!(".globl ", $name, "; .type ", $name, ", %function; ", $name, ": brk #1"),)*);
    };
}

never_called! {
    "_Unwind_DeleteException"
    "_Unwind_FindEnclosingFunction"
    "_Unwind_GetCFA"
    "_Unwind_GetDataRelBase"
    "_Unwind_GetIP"
    "_Unwind_GetIPInfo"
    "_Unwind_GetLanguageSpecificData"
    "_Unwind_GetRegionStart"
    "_Unwind_GetTextRelBase"
    "_Unwind_Resume"
    "_Unwind_SetGR"
    "_Unwind_SetIP"
}
