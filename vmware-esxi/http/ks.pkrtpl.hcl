# VMware ESXi ${version}: kickstart, rendered by templatefile.
vmaccepteula
rootpw%{ if password_hash } --iscrypted%{ endif } ${password}
%{ if license_key != "" ~}
serialnum --esx=${license_key}
%{ endif ~}
install --firstdisk --overwritevmfs --ignoreprereqwarnings --ignoreprereqerrors${unsupported ? " --forceunsupportedinstall" : ""}
network --bootproto=dhcp --device=vmnic0

%post --interpreter=busybox
# The machine's first start must be the installed system's first start, so there
# is no reboot here.
for port in /dev/tty2 /dev/char/serial/uart0; do
    if [ -e "$port" ]; then
        echo "${marker}" >"$port"
    fi
done
sync
halt

%firstboot --interpreter=busybox
# Runs on the deployed machine only. The deploy hook put the helpers there.
export IMAGE_SSH=${ssh ? "yes" : "no"}
export IMAGE_SHELL=${esxi_shell ? "yes" : "no"}
log=/var/log/maas.log
for python in /bin/python3 /bin/python; do
    if [ -x "$python" ]; then
        break
    fi
done
if [ -d /altbootbank/maas ]; then
    "$python" /altbootbank/maas/firstboot.py >>"$log" 2>&1
else
    echo "there is no /altbootbank/maas: this machine was not deployed by MAAS" >>"$log"
fi
