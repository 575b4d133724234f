//! The options of reads: which servers may answer them.

use super::ReadFrom;
use super::option::{Opt, option};
use super::value::{self, LONGEST, Range};

pub(super) static READS: &[Opt] = &[
    option(
        "read_from",
        "`primary`, `prefer_replica`, `replica`, `any`, `nearest_zone`",
        "primary",
        "Who answers commands that read keys: the primary; a replica, or the primary when there is none to be had; a \
            replica only; any of them in turn; or a replica in the `zone`, else the primary if it is there, else \
            another replica. A replica that is not connected, not in step with its primary or loading is passed over.",
        |config, text| {
            config.read_from = match text {
                "primary" => ReadFrom::Primary,
                "prefer_replica" => ReadFrom::PreferReplica,
                "replica" => ReadFrom::Replica,
                "any" => ReadFrom::Any,
                "nearest_zone" => ReadFrom::NearestZone,
                _ => return Err("primary, prefer_replica, replica, any or nearest_zone".to_owned()),
            };
            Ok(())
        },
    ),
    option(
        "zone",
        "text",
        "",
        "Where the program runs, for `read_from=nearest_zone`, as the servers call it (`availability-zone` of Valkey 8 \
            and later, which say it under RESP3).",
        |config, text| {
            if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err("printable ASCII without spaces".to_owned());
            }
            config.zone = value::given(text);
            Ok(())
        },
    ),
    option(
        "max_replica_lag",
        "duration, `none`",
        "none",
        "How old the data of a replica may be that answers reads, measured by what its primary had when; `none` passes \
            over only those that are cut off from it.",
        |config, text| {
            config.max_replica_lag = value::optional_duration(text, Range { least: 1, most: LONGEST })?;
            Ok(())
        },
    ),
];
