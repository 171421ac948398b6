{
  "product": ${jsonencode(merge(
    { id = "SLES" },
    registration_code == "" ? {} : { registrationCode = registration_code },
    registration_url == "" ? {} : { registrationUrl = registration_url },
  ))},
  "localization": {
    "language": ${jsonencode("${language}.UTF-8")},
    "keyboard": "us",
    "timezone": ${jsonencode(timezone)}
  },
  "root": {
    "password": "!",
    "hashedPassword": true
  },
  "software": {
    "patterns": ["base"],
    "packages": ${jsonencode(concat(packages, cloud_init_packages))},
    "extraRepositories": ${jsonencode([for name, url in repositories : { alias = name, url = url }])},
    "onlyRequired": true
  },
  "storage": {
    "boot": { "configure": true },
    "drives": [
      {
        "search": "/dev/vda",
        "ptableType": "gpt",
        "partitions": [
          { "search": "*", "delete": true },
          { "filesystem": { "path": "/", "type": "ext4" }, "size": { "min": "6 GiB" } }
        ]
      }
    ]
  },
  "bootloader": { "timeout": 1 },
  "scripts": {
    "pre": [
      {
        "name": "read.sh",
        "content": ${jsonencode(join("\n", concat(
          ["#!/bin/bash", "echo 'image-build: the answer file was read' >/dev/${console}"],
          refusal == "" ? [] : [
            "echo 'image-build: FAILED: ${refusal}' >/dev/${console}",
            "sleep 5",
            "echo o >/proc/sysrq-trigger",
          ],
          [""],
        )))}
      }
    ],
    "post": [
      {
        "name": "image-build.sh",
        "chroot": true,
        "content": ${jsonencode(script)}
      }
    ]
  }
}
