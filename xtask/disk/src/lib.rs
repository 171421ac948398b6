//! Reads disks and file systems without mounting, writes MAAS artifacts.
