#!/usr/bin/env python3
"""A door on a bench: Debian's nginx in front and as egress, the ask door's process between them, the
scripted model server behind. Each part can be killed and started again by name.

    rig.py DOOR_ALONE SOURCE_ROOT -- COMMAND...    runs COMMAND with SDK_URL and SDK_KEY set
"""
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

from ports import free_port

KEY = "slg_test"
PARTS = ("upstream", "egress", "door", "front")


class Rig:
    def __init__(self, door, root, delay_ms=0):
        self.dir = tempfile.mkdtemp(prefix="stoplog-rig-")
        os.chmod(self.dir, 0o755)
        os.makedirs(self.path("run/no-files"))
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.children = {}
        for name, arguments in (
                ("front", [self.path("run"), f"127.0.0.1:{self.port}", self.path("door.sock"),
                           str(1 << 20)]),
                ("egress", [self.path("run"), self.path("egress.sock"), self.path("count.sock"),
                            self.path("up.sock")])):
            with open(self.path(name + ".conf"), "wb") as out:
                subprocess.run([door, name] + arguments, check=True, stdout=out)
        nginx = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
        self.commands = {
            "upstream": [sys.executable, root + "/tools/scripted-upstream/scripted-upstream",
                         "--listen", "unix:" + self.path("up.sock"), "--log", self.path("up.log"),
                         "--delay-ms", str(delay_ms)],
            "egress": [nginx, "-p", self.dir, "-c", self.path("egress.conf")],
            "door": [door, "serve", self.path("door.sock"), self.path("egress.sock"),
                     self.path("ledger")],
            "front": [nginx, "-p", self.dir, "-c", self.path("front.conf")],
        }
        self.sockets = {"upstream": "up.sock", "egress": "egress.sock", "door": "door.sock"}

    def path(self, name):
        return os.path.join(self.dir, name)

    def start(self, name):
        if name in self.sockets and os.path.exists(self.path(self.sockets[name])):
            os.unlink(self.path(self.sockets[name]))
        with open(self.path("stderr"), "ab") as log:
            self.children[name] = subprocess.Popen(
                self.commands[name], stdout=subprocess.DEVNULL, stderr=log,
                start_new_session=True)
        end = time.time() + 10
        while time.time() < end:
            if self.answers(name):
                return
            time.sleep(0.01)
        with open(self.path("stderr"), encoding="utf-8") as log:
            raise RuntimeError(f"{name} did not come up: " + log.read()[-2000:])

    def answers(self, name):
        try:
            if name == "front":
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            else:
                with socket.socket(socket.AF_UNIX) as s:
                    s.connect(self.path(self.sockets[name]))
            return True
        except OSError:
            return False

    def kill(self, name):
        """Ends the part and its workers at once; they are a session of their own."""
        os.killpg(self.children[name].pid, signal.SIGKILL)
        self.children[name].wait()

    def up(self):
        for name in PARTS:
            self.start(name)
        return self

    def down(self, keep=False):
        for name in reversed(PARTS):
            if name in self.children and self.children[name].poll() is None:
                self.kill(name)
        if not keep:
            shutil.rmtree(self.dir)

    def leaves(self):
        with open(self.path("ledger"), encoding="utf-8") as file:
            lines = [json.loads(line) for line in file]
        return [dict(line, **line["fields"]) for line in lines if "knock" not in line]

    def upstream_log(self):
        with open(self.path("up.log"), encoding="utf-8") as file:
            return [json.loads(line) for line in file]


def main():
    at = sys.argv.index("--")
    rig = Rig(sys.argv[1], sys.argv[2]).up()
    try:
        return subprocess.run(sys.argv[at + 1:], check=False,
                              env=dict(os.environ, SDK_URL=rig.url, SDK_KEY=KEY)).returncode
    finally:
        rig.down()


if __name__ == "__main__":
    sys.exit(main())
