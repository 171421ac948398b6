<?xml version="1.0"?>
<!DOCTYPE profile>
<!-- AutoYaST profile, rendered by templatefile. -->
<profile xmlns="http://www.suse.com/1.0/yast2ns" xmlns:config="http://www.suse.com/1.0/configns">
  <general>
    <mode>
      <confirm config:type="boolean">false</confirm>
      <halt config:type="boolean">true</halt>
      <second_stage config:type="boolean">false</second_stage>
    </mode>
    <self_update config:type="boolean">false</self_update>
  </general>
%{ if registered ~}
  <suse_register>
    <do_registration config:type="boolean">true</do_registration>
%{ if registration_code != "" ~}
    <reg_code>${replace(replace(registration_code, "&", "&amp;"), "<", "&lt;")}</reg_code>
%{ endif ~}
%{ if registration_url != "" ~}
    <reg_server>${replace(replace(registration_url, "&", "&amp;"), "<", "&lt;")}</reg_server>
%{ endif ~}
    <install_updates config:type="boolean">true</install_updates>
  </suse_register>
%{ endif ~}
  <add-on>
    <add_on_products config:type="list">
%{ for module in ["Basesystem", "Server-Applications", "Public-Cloud", "Python3"] ~}
      <listentry>
        <media_url>dvd:///?devices=/dev/sr0</media_url>
        <product_dir>/Module-${module}</product_dir>
      </listentry>
%{ endfor ~}
%{ for name, url in repositories ~}
      <listentry>
        <alias>${replace(replace(name, "&", "&amp;"), "<", "&lt;")}</alias>
        <media_url>${replace(replace(url, "&", "&amp;"), "<", "&lt;")}</media_url>
      </listentry>
%{ endfor ~}
    </add_on_products>
  </add-on>
  <language>
    <language>${language}</language>
  </language>
  <keyboard>
    <keymap>english-us</keymap>
  </keyboard>
  <timezone>
    <hwclock>UTC</hwclock>
    <timezone>${timezone}</timezone>
  </timezone>
  <networking>
    <keep_install_network config:type="boolean">true</keep_install_network>
  </networking>
  <firewall>
    <enable_firewall config:type="boolean">false</enable_firewall>
    <start_firewall config:type="boolean">false</start_firewall>
  </firewall>
  <partitioning config:type="list">
    <drive>
      <device>/dev/vda</device>
      <disklabel>gpt</disklabel>
      <enable_snapshots config:type="boolean">false</enable_snapshots>
      <initialize config:type="boolean">true</initialize>
      <use>all</use>
      <partitions config:type="list">
        <partition>
          <create config:type="boolean">true</create>
          <filesystem config:type="symbol">vfat</filesystem>
          <format config:type="boolean">true</format>
          <mount>/boot/efi</mount>
          <partition_id config:type="integer">259</partition_id>
          <partition_nr config:type="integer">1</partition_nr>
          <size>256M</size>
        </partition>
        <partition>
          <create config:type="boolean">true</create>
          <filesystem config:type="symbol">ext4</filesystem>
          <format config:type="boolean">true</format>
          <mount>/</mount>
          <partition_nr config:type="integer">2</partition_nr>
          <size>max</size>
        </partition>
      </partitions>
    </drive>
  </partitioning>
  <bootloader>
    <loader_type>grub2-efi</loader_type>
  </bootloader>
  <services-manager>
    <default_target>multi-user</default_target>
    <services>
      <enable config:type="list">
        <service>sshd</service>
      </enable>
    </services>
  </services-manager>
  <software>
    <install_recommended config:type="boolean">false</install_recommended>
    <products config:type="list">
      <product>SLES</product>
    </products>
    <patterns config:type="list">
      <pattern>base</pattern>
    </patterns>
    <packages config:type="list">
%{ for name in concat(packages, ["cloud-init", "cloud-init-config-suse", "growpart", "python3-oauthlib"]) ~}
      <package>${name}</package>
%{ endfor ~}
    </packages>
  </software>
  <users config:type="list">
    <user>
      <username>root</username>
      <encrypted config:type="boolean">true</encrypted>
      <user_password>!</user_password>
    </user>
  </users>
  <scripts>
    <pre-scripts config:type="list">
      <script>
        <filename>read.sh</filename>
        <interpreter>shell</interpreter>
        <source><![CDATA[echo "image-build: the answer file was read" >/dev/${console}]]></source>
      </script>
    </pre-scripts>
    <chroot-scripts config:type="list">
      <script>
        <chrooted config:type="boolean">true</chrooted>
        <filename>image-build.sh</filename>
        <interpreter>shell</interpreter>
        <source><![CDATA[${script}]]></source>
      </script>
    </chroot-scripts>
  </scripts>
</profile>
