//! `[server.limits]`.

use fulcrum::config::Limits;

use crate::{MINIMAL, Machine, minimal_and};

#[test]
fn the_limits_are_those_that_the_program_has_without_a_config() {
    assert_eq!(Machine::new(MINIMAL).load().unwrap().server.limits, Limits::default());
}

#[test]
fn a_limit_that_would_keep_everybody_out_or_lose_webhooks_is_refused() {
    let machine = Machine::new(&minimal_and(
        "[server.limits]\nconnections = 100\nconnections_per_address = 200\nhead_time = \"0s\"\n\
         idle_time = \"1s\"\nhooks_per_second = 10\napi_per_second = 0\nbooking_per_second = -1",
    ));
    insta::assert_snapshot!(machine.complaints(), @r#"
    6 problems in the settings
      fulcrum.toml:21: server.limits.connections_per_address: 200, expected a number from 16 to 100
      fulcrum.toml:22: server.limits.head_time: "0s", expected a duration from 1s to 5m, written as "90s", "5m", "1h30m"
      fulcrum.toml:23: server.limits.idle_time: "1s", expected a duration from 5s to 1h, written as "90s", "5m", "1h30m"
      fulcrum.toml:24: server.limits.hooks_per_second: 10, expected a number from 100 to 1000000
      fulcrum.toml:25: server.limits.api_per_second: 0, expected a number from 1 to 1000000
      fulcrum.toml:26: server.limits.booking_per_second: -1, expected a number from 1 to 1000000
    "#);
}

#[test]
fn other_limits_hold_after_a_reload() {
    let machine = Machine::new(MINIMAL);
    let old = machine.load().unwrap();
    let more = "[server.limits]\nconnections = 8000\nhooks_per_second = 5000";
    machine.write("fulcrum.toml", &minimal_and(more), 0o644);
    let new = machine.load().unwrap();
    let changes = old.reloadable_diff(&new);
    assert_eq!(changes.reloadable, ["server.limits.connections", "server.limits.hooks_per_second"]);
    assert!(changes.needing_restart.is_empty());
    assert_eq!((new.server.limits.connections, new.server.limits.rates.hooks.get()), (8000, 5000));
}
