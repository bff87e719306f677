"""Timestamp authorities: OpenSSL's, with keys of their own, behind a real HTTP server."""

import subprocess
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

CONFIG = """\
[req]
distinguished_name = name
x509_extensions = ext
prompt = no
[name]
CN = {name}
[ext]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = {usage}
[tsa]
default_tsa = tsa_config
[tsa_config]
serial = {folder}/serial
crypto_device = builtin
signer_digest = {digest}
default_policy = 1.2.3.4
digests = sha256, sha384, sha512
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""


class Authority:
    """A timestamp authority in a folder."""

    def __init__(self, folder, *, key="rsa:2048", digest="sha256", usage="critical, timeStamping"):
        folder.mkdir()
        self.folder = folder
        self.config = folder / "tsa.conf"
        self.config.write_text(
            CONFIG.format(name=folder.name, folder=folder, digest=digest, usage=usage)
        )
        (folder / "serial").write_text("01\n")
        kind = ["-newkey", key]
        if key == "ec":
            kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        self.openssl(
            "req", "-x509", *kind, "-nodes", "-days", "30", "-config", self.config,
            "-keyout", folder / "tsa.key", "-out", folder / "tsa.pem",
        )  # fmt: skip
        self.certificate = (folder / "tsa.pem").read_text()

    def openssl(self, *arguments):
        subprocess.run(
            ["openssl", *map(str, arguments)], check=True, capture_output=True, cwd=self.folder
        )

    def answer(self, query):
        (self.folder / "q.tsq").write_bytes(query)
        self.openssl(
            "ts", "-reply", "-queryfile", "q.tsq", "-config", self.config, "-section",
            "tsa_config", "-signer", "tsa.pem", "-inkey", "tsa.key", "-out", "a.tsr",
        )  # fmt: skip
        return (self.folder / "a.tsr").read_bytes()


@contextmanager
def serving(answer):
    """Serve an authority for a while; gives its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            said = answer(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_):
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
