//! Moves a child's output: to the log, the callback, the tail for errors.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::Stdio;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use super::child::{self, Child};
use super::display::masked;
use super::{Cmd, CmdError, Failure, Output};

/// Lines of output that an error repeats.
const TAIL_LINES: usize = 20;

/// Longest piece that is passed on as one line; a progress bar without newlines
/// must not fill the memory.
const MAX_LINE: u64 = 64 << 10;

/// How long output may still come after the child itself has ended. Only a
/// descendant that left the group can hold the pipe open that long.
const DRAIN: Duration = Duration::from_secs(2);

/// How often the loop looks at the clock and the cancel token.
const TICK: Duration = Duration::from_millis(20);

/// Which stream a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// One line of output without its newline, secrets masked.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// Where it came from.
    pub source: Source,
    /// The bytes as written; often but not always UTF-8.
    pub bytes: &'a [u8],
}

impl Line<'_> {
    /// The line as text, invalid UTF-8 replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(self.bytes).into_owned()
    }
}

enum Event {
    Data(Source, Vec<u8>),
    End,
}

/// Passes a line on to our stderr; a closed terminal is no error of the child.
pub(super) fn to_stderr(line: &[u8]) {
    let mut stderr = io::stderr().lock();
    drop(stderr.write_all(line).and_then(|()| stderr.write_all(b"\n")));
}

pub(super) fn stream(cmd: &Cmd, mut on_line: impl FnMut(Line<'_>)) -> Result<i32, CmdError> {
    let mut log = cmd.open_log()?;
    let mut tail = VecDeque::new();
    if let Some(log) = &mut log {
        let header = format!("$ {cmd}");
        write_log(cmd, log, &masked(header.as_bytes(), &cmd.secrets))?;
    }
    let mut child = child::start(cmd, Stdio::piped(), Stdio::piped())?;
    let events = readers(cmd, &mut child, read_lines)?;
    let mut each = |source, bytes: &[u8]| {
        let bytes = masked(bytes, &cmd.secrets);
        if let Some(log) = &mut log {
            write_log(cmd, log, &bytes)?;
        }
        remember(&mut tail, &bytes);
        on_line(Line { source, bytes: &bytes });
        Ok(())
    };
    let result = pump(cmd, &mut child, &events, &mut each);
    let tail: Vec<String> = tail.into();
    match result {
        Ok(()) => child.finish(tail),
        Err(error) => Err(error.with_tail(tail)),
    }
}

pub(super) fn capture(cmd: &Cmd) -> Result<Output, CmdError> {
    let mut child = child::start(cmd, Stdio::piped(), Stdio::piped())?;
    let events = readers(cmd, &mut child, read_chunks)?;
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let mut each = |source, bytes: &[u8]| {
        let kept = if source == Source::Stdout { &mut stdout } else { &mut stderr };
        kept.extend_from_slice(bytes);
        if kept.len() > cmd.limit {
            return Err(CmdError::new(cmd, Failure::TooMuchOutput(cmd.limit)));
        }
        Ok(())
    };
    pump(cmd, &mut child, &events, &mut each)?;
    let code = child.finish(tail_of(cmd, &stdout, &stderr))?;
    Ok(Output { code, stdout, stderr })
}

type Consumer<'a> = dyn FnMut(Source, &[u8]) -> Result<(), CmdError> + 'a;

/// Moves events until the child has ended and its pipes are closed.
fn pump(
    cmd: &Cmd,
    child: &mut Child,
    events: &Receiver<Event>,
    each: &mut Consumer<'_>,
) -> Result<(), CmdError> {
    let start = Instant::now();
    let mut open = 2_u8;
    let mut ended_at = None;
    while open > 0 || child.is_running() {
        match events.recv_timeout(TICK) {
            Ok(Event::Data(source, bytes)) => {
                if let Err(error) = each(source, &bytes) {
                    child.end();
                    return Err(error);
                }
            }
            Ok(Event::End) => open = open.saturating_sub(1),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => std::thread::sleep(TICK),
        }
        if let Some(failure) = child.stop_reason(start, cmd.timeout) {
            child.end();
            return Err(CmdError::new(cmd, failure));
        }
        if ended_at.is_none() && !child.is_running() {
            ended_at = Some(Instant::now());
        }
        if ended_at.is_some_and(|at| at.elapsed() > DRAIN) {
            break;
        }
    }
    Ok(())
}

type Pipe = Box<dyn Read + Send>;
type ReadLoop = fn(&mut dyn Read, Source, &SyncSender<Event>) -> io::Result<()>;

fn readers(cmd: &Cmd, child: &mut Child, read: ReadLoop) -> Result<Receiver<Event>, CmdError> {
    // Bounded, so that a slow consumer slows the child and not the memory down.
    let (sender, receiver) = sync_channel(256);
    let stdout = child.take_stdout().map(|pipe| Box::new(pipe) as Pipe);
    let stderr = child.take_stderr().map(|pipe| Box::new(pipe) as Pipe);
    let pipes = [(Source::Stdout, stdout), (Source::Stderr, stderr)];
    for (source, pipe) in pipes {
        let Some(mut pipe) = pipe else { continue };
        let sender = sender.clone();
        let work = move || {
            // A failed read is the end of the stream, a failed send the end of
            // the consumer: both end this thread and nothing else.
            drop(read(&mut *pipe, source, &sender));
            drop(sender.send(Event::End));
        };
        let thread = std::thread::Builder::new().name("output".into()).spawn(work);
        thread.map_err(|error| CmdError::from_spawn(cmd, &error))?;
    }
    Ok(receiver)
}

fn read_lines(pipe: &mut dyn Read, source: Source, to: &SyncSender<Event>) -> io::Result<()> {
    let mut pipe = BufReader::new(pipe);
    loop {
        let mut line = Vec::new();
        if (&mut pipe).take(MAX_LINE).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        while matches!(line.last(), Some(b'\n' | b'\r')) {
            line.pop();
        }
        to.send(Event::Data(source, line)).map_err(io::Error::other)?;
    }
}

fn read_chunks(pipe: &mut dyn Read, source: Source, to: &SyncSender<Event>) -> io::Result<()> {
    let mut buffer = [0; 8192];
    loop {
        let n = match pipe.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let chunk = buffer.get(..n).unwrap_or_default().to_vec();
        to.send(Event::Data(source, chunk)).map_err(io::Error::other)?;
    }
}

fn write_log(cmd: &Cmd, log: &mut File, line: &[u8]) -> Result<(), CmdError> {
    let mut bytes = line.to_vec();
    bytes.push(b'\n');
    log.write_all(&bytes).map_err(|source| {
        CmdError::new(cmd, Failure::CouldNotStart(format!("its log cannot be written: {source}")))
    })
}

fn remember(tail: &mut VecDeque<String>, line: &[u8]) {
    if tail.len() == TAIL_LINES {
        tail.pop_front();
    }
    tail.push_back(String::from_utf8_lossy(line).into_owned());
}

/// The last lines of a captured command: of stderr, or of stdout if that is empty.
fn tail_of(cmd: &Cmd, stdout: &[u8], stderr: &[u8]) -> Vec<String> {
    let bytes = if stderr.trim_ascii().is_empty() { stdout } else { stderr };
    let mut tail = VecDeque::new();
    for line in bytes.trim_ascii_end().split(|byte| *byte == b'\n') {
        remember(&mut tail, &masked(line, &cmd.secrets));
    }
    tail.into()
}
