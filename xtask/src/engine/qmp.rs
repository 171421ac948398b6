//! A client for QMP, QEMU's JSON protocol on a Unix socket.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// How long an answer may take. A `screendump` of a busy emulated guest takes
/// the longest, under a second.
const ANSWER: Duration = Duration::from_secs(20);

/// Longest message we accept, in bytes.
const MAX_MESSAGE: usize = 8 << 20;

/// Why a QMP exchange failed.
#[derive(Debug)]
pub enum QmpError {
    /// QEMU closed the socket: it ended.
    Closed,
    /// No answer in time.
    Silent(String),
    /// QEMU refused a command, in its words.
    Refused(String, String),
    /// Reading or writing failed, or what came was no QMP.
    Io(io::Error),
}

impl fmt::Display for QmpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("QEMU closed its control socket"),
            Self::Silent(command) => write!(f, "QEMU did not answer `{command}` within {ANSWER:?}"),
            Self::Refused(command, why) => write!(f, "QEMU refused `{command}`: {why}"),
            Self::Io(source) => write!(f, "QEMU's control socket failed: {source}"),
        }
    }
}

impl std::error::Error for QmpError {}

impl From<io::Error> for QmpError {
    fn from(source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => Self::Closed,
            _ => Self::Io(source),
        }
    }
}

/// Something QEMU reported by itself.
#[derive(Clone, Debug, PartialEq)]
pub struct QmpEvent {
    /// Such as `SHUTDOWN`.
    pub name: String,
    /// Its data.
    pub data: Value,
}

/// A connection past the greeting.
#[derive(Debug)]
pub struct Qmp {
    stream: UnixStream,
    pending: Vec<u8>,
    events: VecDeque<QmpEvent>,
    version: (u64, u64),
}

impl Qmp {
    /// Connects, retrying until `limit` is over or `alive` says that QEMU ended; its
    /// greeting may take as long again.
    ///
    /// # Errors
    /// No socket in time, or no QMP behind it.
    pub fn connect(
        path: &Path,
        limit: Duration,
        alive: impl Fn() -> bool,
    ) -> Result<Self, QmpError> {
        let start = Instant::now();
        let stream = loop {
            match UnixStream::connect(path) {
                Ok(stream) => break stream,
                Err(_) if !alive() => return Err(QmpError::Closed),
                Err(source) if start.elapsed() > limit => return Err(source.into()),
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        };
        stream.set_write_timeout(Some(ANSWER))?;
        let mut qmp =
            Self { stream, pending: Vec::new(), events: VecDeque::new(), version: (0, 0) };
        let greeting = qmp.message("greeting", limit)?;
        let part = |name: &str| greeting["QMP"]["version"]["qemu"][name].as_u64().unwrap_or(0);
        qmp.version = (part("major"), part("minor"));
        qmp.execute("qmp_capabilities", json!({}))?;
        Ok(qmp)
    }

    /// Runs a command and returns what it returns.
    ///
    /// # Errors
    /// As [`QmpError`] says.
    pub fn execute(&mut self, command: &str, arguments: Value) -> Result<Value, QmpError> {
        let mut request = json!({ "execute": command, "arguments": arguments }).to_string();
        request.push('\n');
        self.stream.write_all(request.as_bytes())?;
        loop {
            let mut message = self.message(command, ANSWER)?;
            if let Some(error) = message.get("error") {
                let why = error["desc"].as_str().unwrap_or("no reason given").to_owned();
                return Err(QmpError::Refused(command.to_owned(), why));
            }
            if let Some(answer) = message.get_mut("return") {
                return Ok(answer.take());
            }
            self.keep_event(&message);
        }
    }

    /// Takes the events that came until now, without waiting.
    ///
    /// # Errors
    /// QEMU ended (then nothing more comes), or the socket failed.
    pub fn take_events(&mut self) -> Result<Vec<QmpEvent>, QmpError> {
        loop {
            match self.message("events", Duration::from_millis(1)) {
                Ok(message) => self.keep_event(&message),
                Err(QmpError::Silent(_)) => break,
                Err(QmpError::Closed) if !self.events.is_empty() => break,
                Err(error) => return Err(error),
            }
        }
        Ok(self.events.drain(..).collect())
    }

    fn keep_event(&mut self, message: &Value) {
        if let Some(name) = message["event"].as_str() {
            let event = QmpEvent { name: name.to_owned(), data: message["data"].clone() };
            self.events.push_back(event);
        }
    }

    /// Reads one line of JSON. A line that is cut off by the time limit is
    /// completed by the next call.
    fn message(&mut self, awaited: &str, limit: Duration) -> Result<Value, QmpError> {
        let start = Instant::now();
        loop {
            if let Some(end) = self.pending.iter().position(|byte| *byte == b'\n') {
                let rest = self.pending.split_off(end.saturating_add(1));
                let line = std::mem::replace(&mut self.pending, rest);
                return serde_json::from_slice(&line).map_err(|e| QmpError::Io(e.into()));
            }
            let left = limit.checked_sub(start.elapsed()).filter(|left| !left.is_zero());
            let Some(left) = left else { return Err(QmpError::Silent(awaited.to_owned())) };
            self.stream.set_read_timeout(Some(left))?;
            let mut buffer = [0; 4096];
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(QmpError::Closed),
                Ok(n) => self.pending.extend_from_slice(buffer.get(..n).unwrap_or_default()),
                Err(e)
                    if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e.into()),
            }
            if self.pending.len() > MAX_MESSAGE {
                return Err(QmpError::Io(io::Error::other("a message is too long")));
            }
        }
    }

    /// The port on 127.0.0.1 that QEMU chose for a forward to `guest_port`.
    ///
    /// # Errors
    /// The command fails. `Ok(None)`: there is no such forward.
    pub fn forwarded_port(&mut self, guest_port: u16) -> Result<Option<u16>, QmpError> {
        Ok(parse_usernet(&self.usernet()?, guest_port))
    }

    /// QEMU's table of connections through user networking, as text.
    ///
    /// # Errors
    /// The command fails.
    pub fn usernet(&mut self) -> Result<String, QmpError> {
        let command = json!({ "command-line": "info usernet" });
        let answer = self.execute("human-monitor-command", command)?;
        Ok(answer.as_str().unwrap_or_default().to_owned())
    }

    /// Writes the screen of the guest to `stem.png`, or `stem.ppm` before QEMU
    /// 7.1, and returns the file.
    ///
    /// # Errors
    /// The machine has no screen, or QEMU cannot write there.
    pub fn screendump(&mut self, stem: &Path) -> Result<std::path::PathBuf, QmpError> {
        let png = self.version >= (7, 1);
        let file = stem.with_extension(if png { "png" } else { "ppm" });
        let mut arguments = json!({ "filename": file.to_string_lossy() });
        if png {
            arguments["format"] = json!("png");
        }
        self.execute("screendump", arguments)?;
        Ok(file)
    }

    /// Presses or releases one key.
    ///
    /// # Errors
    /// The machine has no keyboard.
    pub fn key(&mut self, qcode: &str, down: bool) -> Result<(), QmpError> {
        let key = json!({ "type": "qcode", "data": qcode });
        let event = json!({ "type": "key", "data": { "down": down, "key": key } });
        self.execute("input-send-event", json!({ "events": [event] })).map(drop)
    }

    /// Bytes and flushes of all drives since the start: a number that grows
    /// while the guest uses its disks.
    ///
    /// # Errors
    /// The command fails.
    pub fn disk_activity(&mut self) -> Result<u64, QmpError> {
        let answer = self.execute("query-blockstats", json!({}))?;
        let count = |drive: &Value, name: &str| drive["stats"][name].as_u64().unwrap_or(0);
        let drives = answer.as_array().map(Vec::as_slice).unwrap_or_default();
        let sum = |drive| {
            ["rd_bytes", "wr_bytes", "flush_operations"]
                .iter()
                .fold(0_u64, |sum, name| sum.wrapping_add(count(drive, name)))
        };
        Ok(drives.iter().map(sum).fold(0, u64::wrapping_add))
    }

    /// Address of QEMU's VNC server, such as `127.0.0.1:5901`, if it has one.
    ///
    /// # Errors
    /// The command fails.
    pub fn vnc_address(&mut self) -> Result<Option<String>, QmpError> {
        let answer = self.execute("query-vnc", json!({}))?;
        let (host, port) = (answer["host"].as_str(), answer["service"].as_str());
        Ok(host.zip(port).map(|(host, port)| format!("{host}:{port}")))
    }

    /// Ends QEMU at once; disk caches of QEMU itself are written.
    ///
    /// # Errors
    /// The command fails; that QEMU is gone already is success.
    pub fn quit(&mut self) -> Result<(), QmpError> {
        match self.execute("quit", json!({})) {
            Ok(_) | Err(QmpError::Closed) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Lines such as `TCP[HOST_FORWARD]  8  127.0.0.1 40825  10.0.2.15 22  0 0`.
fn parse_usernet(table: &str, guest_port: u16) -> Option<u16> {
    let port = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [kind, _, host, port, _, guest, ..] = fields.as_slice() else { return None };
        let ours = *kind == "TCP[HOST_FORWARD]" && *host == "127.0.0.1";
        let wanted = ours && guest.parse() == Ok(guest_port);
        wanted.then(|| port.parse().ok())?
    };
    table.lines().find_map(port)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    /// Answers like QEMU 7.2.22 did to the same commands (greeting and table
    /// recorded from `qemu-system-x86_64 -netdev user,id=user.0,hostfwd=tcp:127.0.0.1:0-:22`).
    const GREETING: &str = r#"{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": "Debian 1:7.2+dfsg-7+deb12u18+b3"}, "capabilities": ["oob"]}}"#;
    const TABLE: &str = "Hub -1 (user.0):\r\n  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ\r\n  TCP[HOST_FORWARD]   8       127.0.0.1 40825       10.0.2.15    22     0     0\r\n";

    fn server(answers: &'static [&'static str]) -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("qmp");
        let listener = UnixListener::bind(&path).unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            writeln!(stream, "{GREETING}").unwrap();
            for answer in answers {
                let mut request = [0; 4096];
                if stream.read(&mut request).unwrap() == 0 {
                    return;
                }
                // In two pieces, as a socket may deliver it.
                let (head, tail) = answer.split_at(answer.len() / 2);
                stream.write_all(head.as_bytes()).unwrap();
                std::thread::sleep(Duration::from_millis(20));
                writeln!(stream, "{tail}").unwrap();
            }
        });
        (dir, path)
    }

    #[test]
    fn answers_refusals_and_events_are_told_apart() {
        let (_dir, path) = server(&[
            r#"{"return": {}}"#,
            "{\"event\": \"RESET\", \"data\": {\"guest\": true}}\n{\"return\": {\"status\": \"running\"}}",
            r#"{"error": {"class": "GenericError", "desc": "no console"}}"#,
        ]);
        let mut qmp = Qmp::connect(&path, Duration::from_secs(5), || true).unwrap();
        let status = qmp.execute("query-status", json!({})).unwrap();
        assert_eq!(status["status"], "running");
        let error = qmp.execute("screendump", json!({})).unwrap_err();
        assert_eq!(error.to_string(), "QEMU refused `screendump`: no console");
        let events = qmp.take_events().unwrap();
        assert_eq!(events, [QmpEvent { name: "RESET".into(), data: json!({ "guest": true }) }]);
        assert!(matches!(qmp.take_events(), Err(QmpError::Closed)));
    }

    #[test]
    fn a_dead_qemu_is_noticed_while_connecting() {
        let start = Instant::now();
        let error = Qmp::connect(Path::new("/nonexistent"), Duration::from_secs(60), || false);
        assert!(matches!(error, Err(QmpError::Closed)));
        assert!(start.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn the_chosen_port_is_read_from_the_table() {
        assert_eq!(parse_usernet(TABLE, 22), Some(40825));
        assert_eq!(parse_usernet(TABLE, 23), None);
        assert_eq!(parse_usernet("", 22), None);
    }
}
