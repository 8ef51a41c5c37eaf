"""Makes the certificates of this folder: an authority, and a server `localhost` that it vouches for.

    python3 -m pip install cryptography
    python3 make.py

Valid for a hundred years; of no use to anybody but the tests.
"""

import datetime
import ipaddress
import pathlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HERE = pathlib.Path(__file__).parent
BEGIN = datetime.datetime(2026, 1, 1)
END = BEGIN + datetime.timedelta(days=36500)


def name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def certificate(subject, issuer, key, signer, is_authority, names):
    builder = x509.CertificateBuilder().subject_name(name(subject)).issuer_name(name(issuer))
    builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(BEGIN).not_valid_after(END)
    builder = builder.add_extension(x509.BasicConstraints(is_authority, None), critical=True)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


authority = ec.generate_private_key(ec.SECP256R1())
server = ec.generate_private_key(ec.SECP256R1())
names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
(HERE / "authority.pem").write_bytes(certificate("tests", "tests", authority, authority, True, []))
(HERE / "server.pem").write_bytes(certificate("localhost", "tests", server, authority, False, names))
form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
(HERE / "server.key").write_bytes(server.private_bytes(*form))
