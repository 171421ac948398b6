#!/usr/bin/env python3
"""Plays a machine for tests: QMP, a serial console, requests to the host.

What it does is in the file `play.json` beside the artifact's work: for each
start (deploy, boot) a list of [verb, argument].
"""

import json
import os
import socket
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import urllib.request

ARGS = sys.argv[1:]


def option(name, prefix, part=""):
    """Value of the option that begins with the prefix and has the part."""
    return next((v[len(prefix):].split(",")[0] for k, v in zip(ARGS, ARGS[1:])
                 if k == name and v.startswith(prefix) and part in v), "")


def serve_qmp(path):
    """Greets, and answers everything with nothing."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen()
    while True:
        client, _ = server.accept()
        client.sendall(b'{"QMP": {"version": {"qemu": {"major": 7, "minor": 2}}, "capabilities": []}}\n')
        for line in client.makefile():
            command = json.loads(line)["execute"]
            answer = "TCP[HOST_FORWARD] 8 127.0.0.1 1 10.0.2.15 22 0 0\n" if command.startswith("human") else {}
            client.sendall(json.dumps({"return": answer}).encode() + b"\n")


def fetch(url, data=None, header=None):
    """One request to the host, which the guest knows as 10.0.2.2."""
    request = urllib.request.Request(url.replace("10.0.2.2", "127.0.0.1"), data, header or {})
    return urllib.request.urlopen(request, timeout=20).read().decode()


def plan():
    """The plan as the ephemeral system gets it."""
    with tarfile.open(option("-drive", "file=", "installer.tar")) as archive:
        name = next(name for name in archive.getnames() if name.endswith("/plan.json"))
        return archive.extractfile(name).read().decode()


def report(plan, result):
    """What cloud-init posts at its end."""
    content = plan["config"]["cloudconfig"]["maas-reporting"]["content"]
    hook = json.loads(content.split("reporting: ", 1)[1])["maas"]
    header = (f'OAuth oauth_timestamp="{int(time.time())}", oauth_signature_method="PLAINTEXT", '
              f'oauth_consumer_key="{hook["consumer_key"]}", oauth_token="{hook["token_key"]}", '
              f'oauth_signature="%26{hook["token_secret"]}"')
    event = {"name": "modules-final", "event_type": "finish", "result": result}
    fetch(hook["endpoint"], json.dumps(event).encode(), {"Authorization": header})


def main():
    """Acts."""
    serial = option("-serial", "file:")
    name = "deploy" if serial.endswith("deploy.log") else "boot"
    with open(os.path.join(os.path.dirname(serial), "play.json"), encoding="utf-8") as stream:
        acts = json.load(stream)[name]
    kept = os.path.join(os.path.dirname(serial), "plan.json")
    if ["die", 1] in acts:
        print("qemu: cannot do that", file=sys.stderr)
        sys.exit(1)
    threading.Thread(target=serve_qmp, args=[option("-qmp", "unix:")], daemon=True).start()
    with open(serial, "w", encoding="utf-8", buffering=1) as console:
        for verb, argument in acts:
            if verb == "say":
                console.write(argument)
                console.flush()
            elif verb == "plan":
                with open(kept, "w", encoding="utf-8") as stream:
                    stream.write(plan())
            elif verb == "look":
                with open(kept, encoding="utf-8") as stream:
                    script = json.load(stream)["look"]
                with tempfile.TemporaryDirectory() as target:
                    done = subprocess.run(["sh", "-s"], input=script, text=True, check=False, stdout=subprocess.PIPE,
                                          env={"TARGET_MOUNT_POINT": target})
                console.writelines(f"DEPLOY-LOOK {line}\n" for line in done.stdout.splitlines())
            elif verb == "report":
                with open(kept, encoding="utf-8") as stream:
                    report(json.load(stream), argument)
            elif verb == "sleep":
                time.sleep(argument)


main()
