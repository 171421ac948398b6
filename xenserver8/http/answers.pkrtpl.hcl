<?xml version="1.0" encoding="utf-8"?>
<!-- The one disk of the build VM is sda. -->
<installation mode="fresh" sr-type="${sr_type}">
  <primary-disk guest-storage="true" preserve-first-partition="false">sda</primary-disk>
  <bootloader location="mbr" write-boot-entry="false">grub2</bootloader>
  <network-backend>${network_backend}</network-backend>
  <source type="local"/>
  <keymap>${keymap}</keymap>
  <timezone>${timezone}</timezone>
  <root-password type="${password_hash ? "hash" : "plaintext"}">${password}</root-password>
  <hostname>localhost.localdomain</hostname>
  <admin-interface name="eth0" proto="dhcp"/>
  <script stage="filesystem-populated" type="url">@BASE@/filesystem-populated</script>
  <script stage="installation-complete" type="url">@BASE@/installation-complete</script>
</installation>
