//! The options of TLS with the servers that hold the data.

use rustls::pki_types::ServerName;

use super::TlsVersion;
use super::option::{Opt, option};
use super::value;

pub(super) static TLS: &[Opt] = &[
    option(
        "tls",
        "switch",
        "off",
        "Encrypts every connection; a `rediss://` URL sets it. Who issued the certificate of the server is checked, \
            and for which name.",
        |config, text| {
            config.tls = value::switch(text)?;
            Ok(())
        },
    ),
    option(
        "tls_ca",
        "path or PEM",
        "",
        "The certificates of the authorities that are trusted, instead of those of the system.",
        |config, text| {
            config.tls_ca = value::given(text);
            Ok(())
        },
    ),
    option(
        "tls_certificate",
        "path or PEM",
        "",
        "The certificate that the client shows, with those that issued it behind; needs `tls_key`.",
        |config, text| {
            config.tls_certificate = value::given(text);
            Ok(())
        },
    ),
    Opt {
        secret: true,
        ..option("tls_key", "path or PEM", "", "The private key of that certificate, not encrypted.", |config, text| {
            config.tls_key = value::secret(text);
            Ok(())
        })
    },
    option(
        "tls_server_name",
        "name",
        "",
        "The name that the certificates of all servers must be for, instead of the host of each endpoint.",
        |config, text| {
            config.tls_server_name = server_name(text)?;
            Ok(())
        },
    ),
    option(
        "tls_minimum_version",
        "`1.2`, `1.3`",
        "1.2",
        "The oldest version of TLS that is spoken.",
        |config, text| {
            config.tls_minimum_version = match text {
                "1.2" => TlsVersion::Tls12,
                "1.3" => TlsVersion::Tls13,
                _ => return Err("1.2 or 1.3".to_owned()),
            };
            Ok(())
        },
    ),
    option(
        "tls_crl",
        "path or PEM",
        "",
        "Lists of certificates that were revoked; each list must be by the authority that issued the certificate.",
        |config, text| {
            config.tls_crl = value::given(text);
            Ok(())
        },
    ),
    option(
        "tls_insecure",
        "switch",
        "off",
        "Takes any certificate of any server, so that whoever is in between can read and change everything. For tests.",
        |config, text| {
            config.tls_insecure = value::switch(text)?;
            Ok(())
        },
    ),
];

/// The name that a certificate must be for.
pub(super) fn server_name(text: &str) -> Result<Option<String>, String> {
    if !text.is_empty() && ServerName::try_from(text).is_err() {
        return Err("the name of a host, or an IP address".to_owned());
    }
    Ok(value::given(text))
}
