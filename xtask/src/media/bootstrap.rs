//! Base disks made from a package mirror.
