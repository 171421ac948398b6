{
  "Disks": [
    {
      "PartitionTableType": "gpt",
      "TargetDisk": { "Type": "path", "Value": "/dev/vda" },
      "Partitions": [
        { "ID": "esp", "Flags": ["esp", "boot"], "Start": 1, "End": 200, "FsType": "fat32" },
        { "ID": "rootfs", "Start": 200, "End": 0, "FsType": "ext4" }
      ]
    }
  ],
  "SystemConfigs": [
    {
      "Name": "MAAS image of ${length(packages)} packages",
      "IsDefault": true,
      "BootType": "efi",
      "Hostname": "azurelinux",
      "PackageLists": ["packages.json"],
      "KernelOptions": { "default": "kernel" },
      "PartitionSettings": [
        { "ID": "esp", "MountPoint": "/boot/efi", "MountOptions": "umask=0077" },
        { "ID": "rootfs", "MountPoint": "/" }
      ],
      "PostInstallScripts": [{ "Path": "post.sh" }]
    }
  ]
}
