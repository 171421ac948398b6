//! What people read goes to standard error, and a reader that leaves (`2>&1 |
//! head`), a full disk under a log or a closed terminal must not end a build.
//!
//! Not in unit tests, which collect what the standard macros print.

/// As the standard macro of this name, except that what cannot be written is
/// dropped: that one panics.
#[cfg(not(test))]
#[macro_export]
macro_rules! eprintln {
    ($($arg:tt)*) => {{
        use std::io::Write as _;
        std::io::stderr().lock().write_fmt(format_args!("{}\n", format_args!($($arg)*))).ok();
    }};
}

/// Likewise without the end of the line.
#[cfg(not(test))]
#[macro_export]
macro_rules! eprint {
    ($($arg:tt)*) => {{
        use std::io::Write as _;
        std::io::stderr().lock().write_fmt(format_args!($($arg)*)).ok();
    }};
}
