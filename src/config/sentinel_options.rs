//! The options of sentinels.

use super::option::{Opt, option};
use super::tls_options::server_name;
use super::value;

pub(super) static SENTINEL: &[Opt] = &[
    option(
        "sentinel_name",
        "text",
        "",
        "The name by which sentinels know the server; in a `redis-sentinel://` URL it stands in the path.",
        |config, text| {
            config.sentinel.name = value::given(text);
            Ok(())
        },
    ),
    Opt {
        secret: true,
        ..option(
            "sentinel_username",
            "text",
            "",
            "The user to authenticate as with sentinels, which know nothing of `username`.",
            |config, text| {
                config.sentinel.username = value::secret(text);
                Ok(())
            },
        )
    },
    Opt {
        secret: true,
        ..option("sentinel_password", "text", "", "The password for sentinels.", |config, text| {
            config.sentinel.password = value::secret(text);
            Ok(())
        })
    },
    option(
        "sentinel_credentials_callback",
        "switch",
        "off",
        "The credentials callback is asked for sentinels, too, with JR_CREDENTIALS_SENTINEL as its purpose.",
        |config, text| {
            config.sentinel.credentials_callback = value::switch(text)?;
            Ok(())
        },
    ),
    option(
        "sentinel_tls",
        "switch",
        "off",
        "Encrypts the connections to sentinels; `tls` is about those to the servers that hold the data.",
        |config, text| {
            config.sentinel.tls = value::switch(text)?;
            Ok(())
        },
    ),
    option("sentinel_tls_ca", "path or PEM", "", "As `tls_ca`, for sentinels.", |config, text| {
        config.sentinel.tls_ca = value::given(text);
        Ok(())
    }),
    option("sentinel_tls_certificate", "path or PEM", "", "As `tls_certificate`, for sentinels.", |config, text| {
        config.sentinel.tls_certificate = value::given(text);
        Ok(())
    }),
    Opt {
        secret: true,
        ..option("sentinel_tls_key", "path or PEM", "", "As `tls_key`, for sentinels.", |config, text| {
            config.sentinel.tls_key = value::secret(text);
            Ok(())
        })
    },
    option("sentinel_tls_server_name", "name", "", "As `tls_server_name`, for sentinels.", |config, text| {
        config.sentinel.tls_server_name = server_name(text)?;
        Ok(())
    }),
    option("sentinel_tls_insecure", "switch", "off", "As `tls_insecure`, for sentinels.", |config, text| {
        config.sentinel.tls_insecure = value::switch(text)?;
        Ok(())
    }),
];
