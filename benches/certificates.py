"""An authority and a certificate of a server for 127.0.0.1, by the program openssl: ECDSA P-256, good for two days."""

import subprocess

AUTHORITY = "authority.crt"
NEW_KEY = ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2")
SIGNED = ("-CA", AUTHORITY, "-CAkey", "authority.key", "-addext", "basicConstraints=critical,CA:FALSE")


def make(folder):
    """Writes them into `folder`; gives the options with which a server takes them."""
    issue(folder, "authority", "/CN=authority")
    issue(folder, "server", "/CN=server", *SIGNED, "-addext", "subjectAltName=IP:127.0.0.1")
    files = ["--tls-cert-file", f"{folder}/server.crt", "--tls-key-file", f"{folder}/server.key"]
    return [*files, "--tls-auth-clients", "no"]


def issue(folder, name, subject, *options):
    command = [*NEW_KEY, "-keyout", f"{name}.key", "-out", f"{name}.crt", "-subj", subject, *options]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
