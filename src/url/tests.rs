//! What URLs mean, what is wrong with wrong ones, and that no error repeats a secret.

use super::*;

fn parse(url: &str) -> Result<Config, Error> {
    let mut config = Config::default();
    apply(url, &mut config).map(|()| config)
}

fn endpoints(config: &Config) -> String {
    config.endpoints.iter().map(Address::to_string).collect::<Vec<_>>().join(",")
}

#[test]
fn hosts() {
    for (url, shown) in [
        ("redis://", "127.0.0.1:6379"),
        ("redis:///", "127.0.0.1:6379"),
        ("redis://:7000", "127.0.0.1:7000"),
        ("valkey://host", "host:6379"),
        ("REDIS://host:7000/", "host:7000"),
        ("redis://[::1]", "[::1]:6379"),
        ("redis://[fe80::1%25eth0]:7000/1", "[fe80::1%eth0]:7000"),
        ("redis://a:1,b:2/0", "a:1,b:2"),
        ("redis://me:x@a,[::1]:2,c/0", "a:6379,[::1]:2,c:6379"),
        ("redis://h%6Fst?database=2", "host:6379"),
        ("unix:///run/redis.sock", "/run/redis.sock"),
        ("unix://me:x@/run/my%20redis%40home.sock?database=2", "/run/my redis@home.sock"),
    ] {
        assert_eq!(endpoints(&parse(url).unwrap()), shown, "{url}");
    }
}

#[test]
fn user_database_and_options() {
    let config =
        parse("redis://m%40e:p%3Aa%2fs%25s+%F0%9F%94%91@h/15?connect_timeout=250ms&client_name=a%2Bb&").unwrap();
    assert_eq!(config.username.unwrap().expose(), "m@e");
    assert_eq!(config.password.unwrap().expose(), "p:a/s%s+\u{1f511}");
    assert_eq!(config.database, 15);
    assert_eq!(config.connect_timeout.as_millis(), 250);
    assert_eq!(config.client_name.unwrap(), "a+b");
    let config = parse("redis://:p@ss:word@h").unwrap();
    assert_eq!((config.username, config.password.unwrap().expose()), (None, "p@ss:word"));
    let config = parse("redis://me@h").unwrap();
    assert_eq!((config.username.unwrap().expose(), config.password), ("me", None));
    assert_eq!(parse("unix:///s?database=2").unwrap().database, 2);
    assert_eq!(parse("redis://h?database=3").unwrap().database, 3);
    assert_eq!(parse("redis://h?password=p%40").unwrap().password.unwrap().expose(), "p@");
}

#[test]
fn sentinels() {
    for (url, shown, name, database) in [
        ("redis-sentinel://s/mymaster", "s:26379", "mymaster", 0),
        ("valkey-sentinel:///mymaster", "127.0.0.1:26379", "mymaster", 0),
        ("REDIS-SENTINEL://a,b:7,[::1]/my%2Fmaster/3?dead_after=1s", "a:26379,b:7,[::1]:26379", "my/master", 3),
        ("redis-sentinel://s/mymaster/?database=2", "s:26379", "mymaster", 2),
    ] {
        let config = parse(url).unwrap();
        assert_eq!(
            (endpoints(&config).as_str(), config.topology, config.database),
            (shown, TopologyKind::Sentinel, database)
        );
        assert_eq!(config.sentinel.name.as_deref(), Some(name));
        assert_eq!(config.validate(), Ok(()));
    }
    let config = parse("redis-sentinel://me:p@s/m?sentinel_password=q&sentinel_username=you").unwrap();
    assert_eq!((config.username.unwrap().expose(), config.password.unwrap().expose()), ("me", "p"));
    let own = (config.sentinel.username.unwrap(), config.sentinel.password.unwrap());
    assert_eq!((own.0.expose(), own.1.expose()), ("you", "q"));
}

#[test]
fn white_space_around_it_is_no_part_of_it() {
    for url in [
        "redis://h",
        "redis://h:7000",
        "redis://h/2",
        "redis://me:p@h",
        "redis://h?password=p",
        "redis://h?client_name=me",
        "unix:///run/s",
        "unix:///run/s?database=2",
    ] {
        let wanted = format!("{:?}", parse(url).unwrap());
        for (before, behind) in [("", "\n"), ("", "\r\n"), ("", " \t"), (" ", ""), ("\n", "\n\n")] {
            let config = parse(&format!("{before}{url}{behind}")).unwrap();
            assert_eq!(format!("{config:?}"), wanted, "{url:?} between {before:?} and {behind:?}");
            // Which that does not show.
            assert!(config.password.is_none_or(|password| password.expose() == "p"), "{url:?}");
        }
    }
    // What is written as a part of it is one.
    let config = parse("redis://:p%0A@h?client_name=me\n").unwrap();
    assert_eq!(config.password.unwrap().expose(), "p\n");
    assert_eq!(endpoints(&parse("unix:///run/s%20").unwrap()), "/run/s ");
    assert!(parse("redis://h\n:7000").is_err());
}

#[test]
fn only_what_is_given_changes() {
    let mut config = Config::default();
    config.set("password", "kept").unwrap();
    config.set("database", "4").unwrap();
    config.set("dead_after", "9s").unwrap();
    apply("redis://me@h", &mut config).unwrap();
    assert_eq!((config.database, config.dead_after.as_secs()), (4, 9));
    assert_eq!(config.password.clone().unwrap().expose(), "kept");
    let before = config.clone();
    assert!(apply("redis://you:other@g/1?dead_after=1s&protocol=9", &mut config).is_err());
    assert_eq!(config, before);
}

#[test]
fn wrong_urls_are_explained() {
    for (url, part) in [
        ("", "no scheme"),
        ("localhost:6379", "redis://host:port"),
        ("me:hunter2@localhost:6379", "no scheme"),
        ("http://me:hunter2@h", "scheme is unknown"),
        ("redis://me:hun/ter2@h", "%2F"),
        ("redis://me:hun?ter2=1@h", "%3F"),
        ("redis://me:hun#ter2@h", "%23"),
        ("redis://me:hun%ter2@h", "its password, \"%\" is not followed"),
        ("redis://me:hun%2", "a port is a number"),
        ("redis://me:%ff@h", "not UTF-8"),
        ("redis://me:%00@h", "NUL"),
        ("redis://h%", "in its host"),
        ("redis://h#x", "\"#\""),
        ("redis://user:hunter2", "a port is a number"),
        ("redis://h:0", "port"),
        ("redis://h:65536", "port"),
        ("redis://h:-1", "port"),
        ("redis://h:", "port"),
        ("redis://::1", "in brackets"),
        ("redis://::1:6379", "in brackets"),
        ("redis://[::1", "in brackets"),
        ("redis://[::1]6379", "after the bracket"),
        ("redis://[::x]", "not an IPv6"),
        ("redis://[h]", "brackets hold"),
        ("redis://a,,b", "is empty"),
        ("redis://a,", "is empty"),
        ("redis://h o", "character"),
        ("redis://h%2Fx", "character"),
        ("redis://h/x", "database number"),
        ("redis://h/-1", "database number"),
        ("redis://h/1/2", "database number"),
        ("redis://h/1?database=2", "database twice"),
        ("redis://h?database=1&database=2", "option twice"),
        ("redis://h?database", "no value"),
        ("redis://h?url=redis://x", "cannot stand"),
        ("redis://h?endpoints=x", "cannot stand"),
        ("redis://h?conect_timeout=1", "did you mean \"connect_timeout\"?"),
        ("redis://h?protocol=9", "option \"protocol\": expected auto, 2 or 3, got \"9\""),
        ("redis-sentinel://s", "the name that they know"),
        ("redis-sentinel://s//1", "the name that they know"),
        ("redis-sentinel://s/m/x", "database number"),
        ("redis-sentinel://s/m/1/2", "database number"),
        ("redis-sentinel://s/m/1?database=1", "database twice"),
        ("rediss-sentinel://me:hunter2@s/m", "redis-sentinel://, with TLS to the servers by the option tls=on"),
        ("redis+sentinel://s/m", "sentinels are redis-sentinel://"),
        ("sentinel://s/m", "sentinels are redis-sentinel://"),
        ("redis-cluster://h", "redis://host?topology=cluster"),
        ("rediss+cluster://h", "rediss://host?topology=cluster"),
        ("unix://run/redis.sock", "no host"),
        ("unix://", "empty"),
        ("unix:///%00", "NUL"),
    ] {
        let error = parse(url).unwrap_err();
        assert_eq!(error.status, Status::Config);
        assert!(error.message.contains(part), "{url}: {}", error.message);
        for secret in ["hunter2", "ter2", "hun"] {
            assert!(!error.message.contains(secret), "{url}: {}", error.message);
        }
    }
}

/// Random URLs made of what URLs are made of: nothing panics, an error changes nothing, and a user or a password,
/// encoded or not, is in no error.
#[test]
fn random_urls() {
    const SECRET: &str = "Q7xZ";
    let pieces = [
        "redis",
        "valkey",
        "unix",
        "rediss",
        "://",
        ":",
        "/",
        "//",
        "@",
        "?",
        "#",
        "&",
        "=",
        ",",
        "[",
        "]",
        "::1",
        "%",
        "%40",
        "%00",
        "%ff",
        "%2",
        "\u{e9}",
        "\0",
        " ",
        "host",
        "6379",
        "database",
        "protocol",
        "3",
        "password",
        "-1",
        "connect_timeout",
        "5s",
        "unix:",
        "",
    ];
    let punctuation = ["", ":", "@", "/", "?", "#", "%", "%41", "=", "&", ",", "[", "]", " "];
    let mut random = fastrand::Rng::with_seed(0x5eed);
    let mut good = 0;
    for _ in 0..50_000 {
        let mut piece = |from: &[&'static str]| from[random.usize(..from.len())];
        let anything: String = (0..8).map(|_| piece(&pieces)).collect();
        let mut config = Config::default();
        let _ = apply(&anything, &mut config);

        let password = format!("{}{SECRET}{}{SECRET}", piece(&punctuation), piece(&punctuation));
        let user = format!("{}{}", piece(&["", SECRET]), piece(&punctuation));
        let (scheme, tail) = (piece(&["redis", "valkey", "unix", "rediss", "x"]), (0..4).map(|_| piece(&pieces)));
        let tail: String = tail.collect();
        let url = format!("{scheme}://{user}:{password}@{tail}");
        let before = Config::default();
        let mut config = before.clone();
        match apply(&url, &mut config) {
            Ok(()) => good += 1,
            Err(error) => {
                assert!(!error.to_string().contains(SECRET), "{url}: {error}");
                assert_eq!(config, before);
            }
        }
        assert!(!format!("{config:?}").contains(SECRET), "{url}: {config:?}");
    }
    assert!(good > 100, "only {good} were good");
}
