//! Whether the guest asked for its answer file, where the server is Packer's and
//! says nothing: QEMU's `filter-dump` copies the beginning of each packet into a
//! file until a request for that server was seen.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::engine::qmp::Qmp;

/// Our object in QEMU.
const ID: &str = "xtask-fetch";

/// Bytes kept of a packet: Ethernet, IP, TCP and the first line of a request.
const KEPT: u64 = 256;

/// Header of a pcap file, and of a packet in it (pcap-savefile(5)).
const FILE_HEADER: usize = 24;
const PACKET_HEADER: usize = 16;

/// The host, as QEMU's user networking shows it to the guest.
const HOST: [u8; 4] = [10, 0, 2, 2];

/// Follows the dump.
#[derive(Debug)]
pub struct Fetch {
    file: PathBuf,
    pending: Vec<u8>,
    offset: u64,
    /// The file's header was read.
    begun: bool,
}

impl Fetch {
    /// Lets QEMU write the packets of its user network to `file`. `None` if it
    /// cannot: then nothing is known.
    pub fn start(qmp: &mut Qmp, file: &Path) -> Option<Self> {
        let command = json!({ "command-line": "info network" });
        let table = qmp.execute("human-monitor-command", command).ok()?;
        let netdev = user_network(table.as_str()?)?;
        let object = json!({
            "qom-type": "filter-dump", "id": ID, "netdev": netdev,
            "file": file.to_string_lossy(), "maxlen": KEPT,
        });
        qmp.execute("object-add", object).ok()?;
        Some(Self { file: file.to_owned(), pending: vec![], offset: 0, begun: false })
    }

    /// The path of a request to the server on `port`, if there was one since.
    pub fn look(&mut self, port: u16) -> Option<String> {
        // What cannot be read now is read next time.
        let mut file = File::open(&self.file).ok()?;
        file.seek(SeekFrom::Start(self.offset)).ok()?;
        let read = file.take(4 << 20).read_to_end(&mut self.pending).ok()?;
        self.offset = self.offset.saturating_add(u64::try_from(read).ok()?);
        if !self.begun && self.pending.len() >= FILE_HEADER {
            self.pending.drain(..FILE_HEADER);
            self.begun = true;
        }
        let (requests, used) = requests(&self.pending, port);
        self.pending.drain(..used.min(self.pending.len()));
        requests.into_iter().next()
    }

    /// Ends the dump; an installer may fetch gigabytes.
    pub fn stop(self, qmp: &mut Qmp) {
        // QEMU may be gone, and the file goes with the work directory.
        let _gone = qmp.execute("object-del", json!({ "id": ID }));
        drop(std::fs::remove_file(&self.file));
    }
}

/// Lines such as ` \ user.0: index=0,type=user,net=10.0.2.0,restrict=off`.
fn user_network(table: &str) -> Option<&str> {
    let named = table.lines().filter_map(|line| line.split_once(": "));
    let mut users = named.filter(|(_, facts)| facts.split(',').any(|fact| fact == "type=user"));
    users.next().map(|(name, _)| name.trim_start_matches([' ', '\\']))
}

/// Paths of requests to `port` in whole packets, and how many bytes those are.
fn requests(bytes: &[u8], port: u16) -> (Vec<String>, usize) {
    let (mut found, mut at) = (vec![], 0_usize);
    while let Some(header) = bytes.get(at..at.saturating_add(PACKET_HEADER)) {
        let kept = header.get(8..12).and_then(|part| part.try_into().ok()).map(u32::from_ne_bytes);
        let start = at.saturating_add(PACKET_HEADER);
        let end = start.saturating_add(usize::try_from(kept.unwrap_or(0)).unwrap_or(usize::MAX));
        let Some(packet) = bytes.get(start..end) else { break };
        found.extend(request(packet, port));
        at = end;
    }
    (found, at)
}

/// The path of a request in an Ethernet frame with IPv4 and TCP.
fn request(frame: &[u8], port: u16) -> Option<String> {
    let ip = frame.get(12..)?.strip_prefix(&[8, 0])?;
    let words = |byte: &u8| usize::from(byte & 15).saturating_mul(4);
    let is_tcp_to_host = ip.get(9) == Some(&6) && ip.get(16..20) == Some(&HOST[..]);
    let tcp = ip.get(words(ip.first()?)..).filter(|_| is_tcp_to_host)?;
    let to = u16::from_be_bytes(tcp.get(2..4)?.try_into().ok()?);
    let data = tcp.get(words(&(tcp.get(12)? >> 4))..).filter(|_| to == port)?;
    let path = data.strip_prefix(b"GET ").or_else(|| data.strip_prefix(b"HEAD "))?;
    let path = path.split(|byte| byte.is_ascii_whitespace()).next()?;
    Some(String::from_utf8_lossy(path).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Synthetic: an Ethernet frame as RFC 894, 791 and 9293 lay it out.
    fn frame(to: [u8; 4], port: u16, data: &[u8]) -> Vec<u8> {
        let ethernet = [&[2; 12][..], &[8, 0]].concat();
        let ip = [&[0x45, 0, 0, 0, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 2, 15][..], &to].concat();
        let tcp = [&[0x90, 1][..], &port.to_be_bytes(), &[0; 8], &[0x60], &[0; 11]].concat();
        [&ethernet[..], &ip, &tcp, data].concat()
    }

    fn packet(frame: &[u8]) -> Vec<u8> {
        let length = u32::try_from(frame.len()).unwrap().to_ne_bytes();
        [&[0; 8][..], &length, &length, frame].concat()
    }

    #[test]
    fn only_requests_to_the_server_count_and_half_packets_wait() {
        let get = frame(HOST, 8123, b"GET /ks.cfg HTTP/1.1\r\nHost: x\r\n");
        let others = [
            frame(HOST, 3142, b"GET http://deb.debian.org/x HTTP/1.1\r\n"),
            frame([10, 0, 2, 3], 8123, b"GET /ks.cfg HTTP/1.1\r\n"),
            frame(HOST, 8123, b""),
            frame(HOST, 8123, b"\x16\x03\x01"),
            vec![2; 20],
            vec![],
        ];
        let before: Vec<u8> = others.iter().flat_map(|frame| packet(frame)).collect();
        assert_eq!(requests(&before, 8123), (vec![], before.len()));
        let all = [&before[..], &packet(&get)].concat();
        assert_eq!(requests(&all, 8123), (vec!["/ks.cfg".into()], all.len()));
        let cut = all.len() - 1;
        assert_eq!(requests(&all[..cut], 8123), (vec![], before.len()));
        for end in 0..get.len() {
            request(&get[..end], 8123);
        }
    }

    /// The table is of QEMU 7.2.22, `info network` of `-netdev user,id=user.0
    /// -device virtio-net,netdev=user.0`.
    #[test]
    fn the_user_network_is_found_in_qemus_table() {
        let table = "virtio-net-pci.0: index=0,type=nic,model=virtio-net-pci,macaddr=52:54:00:12:34:56\r\n \\ user.0: index=0,type=user,net=10.0.2.0,restrict=off\r\n";
        assert_eq!(user_network(table), Some("user.0"));
        assert_eq!(user_network("a: index=0,type=tap,ifname=tap0\r\n"), None);
    }
}
