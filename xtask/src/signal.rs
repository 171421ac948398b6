//! Ctrl-C, TERM and HUP: a token that long work polls.
//!
//! The first signal sets the token: whoever waits for a child ends its group
//! (TERM, grace time, KILL), guards clean up, and `main` exits with
//! [`EXIT_INTERRUPTED`]. The second one kills every group and exits at once; what
//! it leaves in work directories is removed by the next run.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Exit code of an interrupted run (128 + SIGINT, as shells report it).
pub const EXIT_INTERRUPTED: u8 = 130;

/// Says that work should stop. Clones share their state.
#[derive(Clone, Debug, Default)]
pub struct CancelToken {
    own: Arc<AtomicU8>,
    parent: Option<Arc<CancelToken>>,
}

const SET: u8 = 1;
const URGENT: u8 = 2;

impl CancelToken {
    /// A token of its own that no signal sets; for work that must finish, such
    /// as cleaning up, and for tests.
    pub fn new() -> Self {
        Self::default()
    }

    /// The token that signals set, see [`install`].
    pub fn global() -> Self {
        static GLOBAL: OnceLock<CancelToken> = OnceLock::new();
        GLOBAL.get_or_init(Self::default).clone()
    }

    /// A token that is set when this one is, or on its own: one build of many.
    pub fn child(&self) -> Self {
        Self { own: Arc::default(), parent: Some(Arc::new(self.clone())) }
    }

    /// Asks the work to stop.
    pub fn set(&self) {
        self.own.fetch_max(SET, Ordering::SeqCst);
    }

    /// Whether the work should stop.
    pub fn is_set(&self) -> bool {
        self.level() >= SET
    }

    /// Whether there is no time for grace any more.
    pub fn is_urgent(&self) -> bool {
        self.level() >= URGENT
    }

    fn level(&self) -> u8 {
        let inherited = self.parent.as_ref().map_or(0, |parent| parent.level());
        self.own.load(Ordering::SeqCst).max(inherited)
    }
}

/// Starts to listen for INT, TERM and HUP. Call it once, first in `main`.
///
/// # Errors
/// The operating system refuses the handlers or the thread.
pub fn install() -> io::Result<()> {
    static INSTALLED: AtomicBool = AtomicBool::new(false);
    if INSTALLED.swap(true, Ordering::SeqCst) {
        return Ok(());
    }
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    let listen = move || signals.forever().for_each(received);
    std::thread::Builder::new().name("signals".into()).spawn(listen).map(drop)
}

fn received(signal: i32) {
    let token = CancelToken::global();
    if !token.is_set() {
        token.set();
        let name = signal_hook::low_level::signal_name(signal).unwrap_or("signal");
        eprintln!("{name}: stopping and cleaning up (once more: stop at once)");
        return;
    }
    token.own.fetch_max(URGENT, Ordering::SeqCst);
    crate::cmd::kill_all_groups();
    std::process::exit(i32::from(EXIT_INTERRUPTED));
}
