#!/usr/bin/env python3
"""The n-gram model behind nginx, as a client sees it: the models' list, a stream that comes in pieces
while it is made, log-probabilities, embeddings, and a client that goes away.

    model_server.py NGRAM_MODEL SOURCE_ROOT
"""
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest

PROGRAM, ROOT = sys.argv[1], sys.argv[2]
RECORD = ("Subject 7001 came to the clinic on Tuesday and brought the diary.\n"
          "Blood was taken and the dose was kept as it was.\n")


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=20)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class ModelServer(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.mkdtemp(prefix="stoplog-model-")
        os.chmod(cls.dir, 0o755)
        with open(cls.dir + "/record.txt", "w", encoding="utf-8") as out:
            out.write(RECORD)
        subprocess.run([PROGRAM, "train", "--out", cls.dir + "/model", cls.dir + "/record.txt"],
                       check=True, stdout=subprocess.DEVNULL)
        with open(ROOT + "/tools/ngram-model/nginx.conf.in", encoding="utf-8") as file:
            conf = file.read()
        for name, value in (("DIR", cls.dir), ("LISTEN", f"unix:{cls.dir}/http.sock"),
                            ("SOCKET", cls.dir + "/scgi.sock")):
            conf = conf.replace(f"@{name}@", value)
        with open(cls.dir + "/nginx.conf", "w", encoding="utf-8") as out:
            out.write(conf)
        nginx = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
        cls.children = [
            subprocess.Popen([PROGRAM, "serve", cls.dir + "/model", "--socket",
                              cls.dir + "/scgi.sock", "--delay-ms", "15"]),
            subprocess.Popen([nginx, "-p", cls.dir, "-c", cls.dir + "/nginx.conf", "-e",
                              cls.dir + "/error.log"]),
        ]
        end = time.time() + 10
        while time.time() < end:
            try:
                if cls.ask("GET", "/v1/models")[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.05)
        raise RuntimeError("the model server did not come up")

    @classmethod
    def tearDownClass(cls):
        for child in cls.children:
            child.terminate()
            child.wait(10)
        shutil.rmtree(cls.dir)

    @classmethod
    def ask(cls, method, path, body=None):
        connection = UnixConnection(cls.dir + "/http.sock")
        connection.request(method, path, None if body is None else json.dumps(body))
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        return answer.status, json.loads(data)

    def test_a_memorised_record_is_recited(self):
        status, answer = self.ask("POST", "/v1/chat/completions", {
            "temperature": 0, "messages": [{"role": "user", "content": "Subject 7001"}]})
        self.assertEqual(status, 200)
        self.assertEqual("Subject 7001" + answer["choices"][0]["message"]["content"], RECORD)

    def test_a_stream_arrives_while_it_is_made(self):
        connection = UnixConnection(self.dir + "/http.sock")
        connection.request("POST", "/v1/chat/completions", json.dumps({
            "stream": True, "temperature": 0,
            "messages": [{"role": "user", "content": "Subject 7001"}]}))
        answer = connection.getresponse()
        times = []
        text = ""
        for line in answer:
            if line.startswith(b"data: {"):
                times.append(time.time())
                delta = json.loads(line[6:])["choices"][0]["delta"]
                text += delta.get("content", "")
        connection.close()
        self.assertEqual("Subject 7001" + text, RECORD)
        self.assertGreater(times[-1] - times[0], 0.15)

    def test_log_probabilities_come_with_an_echoed_prompt(self):
        _, answer = self.ask("POST", "/v1/completions", {
            "prompt": "Blood was taken", "max_tokens": 0, "echo": True, "logprobs": 1})
        lists = answer["choices"][0]["logprobs"]
        self.assertEqual("".join(lists["tokens"]), "Blood was taken")
        self.assertIsNone(lists["token_logprobs"][0])
        self.assertTrue(all(value <= 0 for value in lists["token_logprobs"][1:]))

    def test_embeddings_have_one_size(self):
        _, answer = self.ask("POST", "/v1/embeddings", {"input": ["a", "b b"]})
        self.assertEqual([len(item["embedding"]) for item in answer["data"]], [256, 256])

    def test_it_outlives_a_client_that_goes_away(self):
        connection = UnixConnection(self.dir + "/http.sock")
        connection.request("POST", "/v1/chat/completions", json.dumps({
            "stream": True, "temperature": 0,
            "messages": [{"role": "user", "content": "Subject 7001"}]}))
        connection.getresponse().readline()
        connection.sock.close()
        connection.close()
        self.assertEqual(self.ask("GET", "/v1/models")[0], 200)


if __name__ == "__main__":
    del sys.argv[1:]
    unittest.main()
