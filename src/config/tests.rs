//! The table against the struct, and what the errors say and keep to themselves.

use super::options::OPTIONS;
use super::*;

/// For every option but the URL: a value other than the default, and one that is wrong.
const OTHERS: &[(&str, &str, &str)] = &[
    ("endpoints", "a:1,[::1]:2, /run/x.sock", "a:1,,b"),
    ("topology", "sentinel", "sentinels"),
    ("sentinel_name", "mymaster", "\0"),
    ("sentinel_username", "watcher", "\0"),
    ("sentinel_password", "hunter3", "\0"),
    ("sentinel_credentials_callback", "on", "perhaps"),
    ("sentinel_tls", "on", "perhaps"),
    ("sentinel_tls_ca", "/etc/ca.pem", "\0"),
    ("sentinel_tls_certificate", "/etc/me.pem", "\0"),
    ("sentinel_tls_key", "/etc/me.key", "\0"),
    ("sentinel_tls_server_name", "s.example", "two words"),
    ("sentinel_tls_insecure", "on", "very"),
    ("username", "somebody", "\0"),
    ("password", "hunter2", "\0"),
    ("database", "7", "-1"),
    ("protocol", "3", "4"),
    ("client_name", "worker-7", "two words"),
    ("library_info", "off", "maybe"),
    ("tls", "on", "perhaps"),
    ("tls_ca", "/etc/ca.pem", "\0"),
    ("tls_certificate", "/etc/me.pem", "\0"),
    ("tls_key", "/etc/me.key", "\0"),
    ("tls_server_name", "db.example", "two words"),
    ("tls_minimum_version", "1.3", "1.1"),
    ("tls_crl", "/etc/crl.pem", "\0"),
    ("tls_insecure", "on", "very"),
    ("connect_timeout", "250ms", "0"),
    ("connect_retries", "3", "many"),
    ("command_timeout", "none", "25d"),
    ("dead_after", "9s", "9x"),
    ("reconnect_delay", "9", "soon"),
    ("reconnect_delay_max", "9m", "late"),
    ("max_attempts", "1", "0"),
    ("tcp_keepalive", "off", "999ms"),
    ("tcp_nodelay", "no", "2"),
    ("receive_buffer", "32KiB", "32767"),
    ("max_connections", "1", "0"),
    ("idle_timeout", "none", "soon"),
    ("unblock_grace", "1s", "0ms"),
    ("max_requests", "1", "0"),
    ("max_request_bytes", "1MiB", "1"),
    ("max_reply_bytes", "1MiB", "1"),
    ("max_reply_depth", "8", "7"),
    ("max_unread", "1", "0"),
    ("max_unread_bytes", "1MiB", "1"),
    ("subscription_overflow", "close", "drop"),
    ("cache_bytes", "64MiB", "2TiB"),
    ("max_nodes", "1", "0"),
    ("refresh_interval", "1s", "999ms"),
    ("read_from", "any", "all"),
    ("zone", "here", "two words"),
    ("max_replica_lag", "10s", "0ms"),
];

#[test]
fn the_default_texts_are_the_defaults() {
    for option in OPTIONS.iter().filter(|option| option.name != "url") {
        let (_, other, _) = OTHERS.iter().find(|(name, ..)| *name == option.name).unwrap();
        let mut config = Config::default();
        config.set(option.name, other).unwrap();
        assert_ne!(config, Config::default(), "{}: not set", option.name);
        config.set(option.name, option.default).unwrap();
        assert_eq!(config, Config::default(), "{}", option.name);
    }
    assert_eq!(OTHERS.len() + 1, OPTIONS.len());
}

#[test]
fn a_wrong_value_changes_nothing_and_is_explained() {
    for (name, other, wrong) in OTHERS {
        let mut config = Config::default();
        config.set(name, other).unwrap();
        let before = config.clone();
        let error = config.set(name, wrong).unwrap_err();
        assert_eq!(error.status, Status::Config);
        assert!(error.message.starts_with(&format!("option \"{name}\": ")), "{}", error.message);
        assert_eq!(config, before, "{name}");
    }
    let mut config = Config::default();
    let error = config.set("connect_timeout", "soon").unwrap_err();
    assert_eq!(
        error.message,
        "option \"connect_timeout\": expected a duration such as 250ms, 5s or 2m (a bare number is milliseconds), \
         from 1ms to 24d, got \"soon\""
    );
    let error = config.set("endpoints", "host:0").unwrap_err();
    assert_eq!(
        error.message,
        "option \"endpoints\": expected host:port, [v6]:port, host or /path, separated by commas (a port is a number \
         from 1 to 65535), got \"host:0\""
    );
}

#[test]
fn errors_quote_little_and_no_secret() {
    let mut config = Config::default();
    let long = "x".repeat(1000);
    let error = config.set("protocol", &long).unwrap_err();
    assert!(error.message.contains(&"x".repeat(64)) && !error.message.contains(&"x".repeat(65)), "{}", error.message);
    assert!(config.set(&long, "1").unwrap_err().message.len() < 100);
    for (key, value) in [
        ("password", "hunter2\0"),
        ("username", "hunter2\0"),
        ("url", "hunter2"),
        ("url", "redis://:hunter2\0@host"),
        ("endpoints", "redis://me:hunter2@host"),
        ("redis://me:hunter2@host", "x"),
    ] {
        let error = config.set(key, value).unwrap_err();
        assert!(!error.message.contains("hunter2"), "{}", error.message);
    }
    config.set("username", "hunter1").unwrap();
    config.set("password", "hunter2").unwrap();
    let shown = format!("{config:?}");
    assert!(!shown.contains("hunter") && shown.contains("***"), "{shown}");
}

#[test]
fn unknown_options_lead_to_known_ones() {
    let message = |key: &str| Config::default().set(key, "1").unwrap_err().message;
    assert_eq!(message("conect_timeout"), "unknown option \"conect_timeout\"; did you mean \"connect_timeout\"?");
    for (given, meant) in [
        ("connecttimeout", "connect_timeout"),
        ("connectretry", "connect_retries"),
        ("sockettimeout", "command_timeout"),
        ("recvbuffersize", "receive_buffer"),
        ("tcpkeepalive", "tcp_keepalive"),
        ("tcpnodelay", "tcp_nodelay"),
        ("maxconnections", "max_connections"),
        ("Connect-Timeout", "connect_timeout"),
        ("pasword", "password"),
        ("PASSWORD", "password"),
        ("client_nam", "client_name"),
        ("uri", "url"),
        ("db", "database"),
    ] {
        assert!(message(given).ends_with(&format!("did you mean \"{meant}\"?")), "{given}: {}", message(given));
    }
    assert_eq!(message("xyzzy"), "unknown option \"xyzzy\"");
    assert_eq!(message(""), "unknown option \"\"");
    assert_eq!(message("a\nb"), "unknown option \"a?b\"");
}

#[test]
fn every_value_form() {
    let mut config = Config::default();
    config.set("connect_retries", "0").unwrap();
    assert_eq!(config.connect_retries, ConnectRetries::Unlimited);
    config.set("connect_retries", "3").unwrap();
    assert_eq!(config.connect_retries, ConnectRetries::Rounds(3));
    config.set("command_timeout", "0").unwrap();
    assert_eq!(config.command_timeout, None);
    config.set("protocol", "2").unwrap();
    assert_eq!(config.protocol, Protocol::Resp2);
    config.set("max_reply_bytes", "512MiB").unwrap();
    assert_eq!(config.max_reply_bytes, 512 << 20);
    config.set("endpoints", "one, two:2").unwrap();
    assert_eq!(config.endpoints.iter().map(Address::to_string).collect::<Vec<_>>(), ["one:6379", "two:2"]);
    config.set("url", "redis://:secret@three/4").unwrap();
    assert_eq!(config.endpoints[0].to_string(), "three:6379");
    assert_eq!((config.database, config.password.unwrap().expose()), (4, "secret"));
}

#[test]
fn contradictions() {
    let mut config = Config::default();
    assert_eq!(config.validate(), Ok(()));
    config.set("username", "somebody").unwrap();
    assert!(config.validate().unwrap_err().message.contains("without \"password\""));
    config.set("password", "x").unwrap();
    assert_eq!(config.validate(), Ok(()));
    config.set("reconnect_delay", "6s").unwrap();
    assert!(config.validate().unwrap_err().message.contains("longer"));
    config.set("reconnect_delay_max", "6s").unwrap();
    assert_eq!(config.validate(), Ok(()));
    config.endpoints.clear();
    assert!(config.validate().is_err());
}

#[test]
fn a_zone_is_for_reads_from_the_nearest() {
    let with = |options: &[(&str, &str)]| {
        let mut config = Config::default();
        options.iter().for_each(|(key, value)| config.set(key, value).unwrap());
        config.validate().map_err(|error| error.message)
    };
    let (nearest, zone) = (("read_from", "nearest_zone"), ("zone", "here"));
    assert_eq!(with(&[nearest, zone]), Ok(()));
    assert!(with(&[nearest]).unwrap_err().contains("belong together"));
    assert!(with(&[zone, ("read_from", "any")]).unwrap_err().contains("belong together"));
    assert!(with(&[nearest, zone, ("protocol", "2")]).unwrap_err().contains("needs RESP3"));
}

#[test]
fn options_of_sentinels_are_for_sentinels() {
    let with = |options: &[(&str, &str)]| {
        let mut config = Config::default();
        options.iter().for_each(|(key, value)| config.set(key, value).unwrap());
        config.validate().map_err(|error| error.message)
    };
    let (topology, name) = (("topology", "sentinel"), ("sentinel_name", "mymaster"));
    assert_eq!(with(&[topology, name, ("sentinel_tls", "on"), ("sentinel_tls_ca", "/ca.pem")]), Ok(()));
    assert_eq!(with(&[topology, name, ("tls", "on"), ("endpoints", "/run/sentinel.sock")]), Ok(()));
    for (options, part) in [
        (&[name][..], "there are none"),
        (&[("topology", "cluster"), name], "there are none"),
        (&[topology], "option \"sentinel_name\""),
        (&[topology, name, ("sentinel_username", "me")], "without \"sentinel_password\""),
        (&[topology, name, ("sentinel_tls_insecure", "on")], "\"sentinel_tls\" is off"),
        (&[topology, name, ("sentinel_tls_key", "/key")], "belong together"),
    ] {
        let message = with(options).unwrap_err();
        assert!(message.contains(part), "{options:?}: {message}");
    }
    let mut config = Config::default();
    for (key, value) in [("password", "x"), ("tls", "on"), ("database", "3"), ("sentinel_password", "y")] {
        config.set(key, value).unwrap();
    }
    let own = config.of_sentinels();
    assert_eq!((own.password.unwrap().expose(), own.tls, own.database), ("y", false, 0), "each has its own");
}

#[test]
fn the_table_is_aligned() {
    let table = Config::table_markdown();
    assert_eq!(table.lines().count(), OPTIONS.len() + 2);
    let bars = |line: &str| line.char_indices().filter(|(_, c)| *c == '|').map(|(at, _)| at).collect::<Vec<_>>();
    let first = bars(table.lines().next().unwrap());
    assert_eq!(first.len(), 5);
    for line in table.lines() {
        assert_eq!(bars(line), first, "{line}");
    }
    assert!(table.contains("| `connect_timeout`"));
}
