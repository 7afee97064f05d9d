//! `fulcrum sandbox` and `fulcrum run` as two processes, with nothing else.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::json;

use crate::processes::{World, told, wait_for};

/// A tenant that is synced in a moment.
const SMALL: [&str; 6] = ["--opportunities", "300", "--rate", "1000", "--burst", "1000"];

#[test]
fn a_text_goes_out_and_its_transcript_is_filed_over_a_crash() {
    let world = World::new(&SMALL);
    let mut daemon = world.daemon();
    let status = world.synced();
    assert!(
        status["backfill"]["phases"].as_array().unwrap().iter().all(|phase| phase["state"] == "complete")
    );

    let somebody = world.sandbox("opportunity?phone=true");
    let opportunity = somebody["opportunity"].as_str().unwrap();
    let sent = world
        .command(&["send", "--opportunity", opportunity])
        .write_stdin("See you at 10?\n")
        .assert()
        .code(0);
    assert!(String::from_utf8_lossy(&sent.get_output().stdout).starts_with("queued: "));
    let list = world.json(&["conversations"]);
    assert_eq!(list["data"][0]["opportunity"], opportunity);
    let conversation = list["data"][0]["id"].as_str().unwrap();
    let delivered = wait_for("the delivery", || {
        let messages = world.json(&["messages", conversation]);
        Some(messages["data"][0].clone()).filter(|message| message["status"] == "delivered")
    });
    assert!(delivered["body"].as_str().unwrap().contains("See you at 10?"));

    daemon.signal("KILL");
    daemon.wait();
    // A daemon that does not start again must not keep anybody from looking, or from making a backup.
    let left_open = world.command(&["messages", conversation]).assert().code(0);
    assert!(told(&left_open).contains("the daemon is not running"));
    assert!(String::from_utf8_lossy(&left_open.get_output().stdout).contains("See you at 10?"));
    let mut daemon = world.daemon();
    world.command(&["file", conversation]).assert().code(0);
    wait_for("the note", || (world.ledger("note_created") == 1).then_some(()));
    assert_eq!(world.ledger("message_created"), 1);
    let unknown = world.command(&["file", "ZZZZZZ"]).assert().code(1);
    assert!(told(&unknown).contains("no conversation has this id"), "{}", told(&unknown));

    daemon.signal("TERM");
    assert_eq!(daemon.wait().code(), Some(0));
    let offline = world.command(&["messages", conversation]).assert().code(0);
    assert!(told(&offline).contains("the daemon is not running"));
    assert!(String::from_utf8_lossy(&offline.get_output().stdout).contains("See you at 10?"));
    let why = world.json(&["why", delivered["id"].as_str().unwrap()]);
    assert_eq!(why["data"][0]["what"], "a person wrote it");
    assert_eq!(world.json(&["hold"])["data"], json!([]));
    assert_eq!(world.json(&["automations", "list"])["data"][0]["name"], "phone-screen");
    assert!(world.json(&["status"])["lever"]["rate_used"].is_null());
    let nobody = world.command(&["why", "--not", opportunity, "none"]).assert().code(1);
    assert!(told(&nobody).contains("no such automation"), "{}", told(&nobody));
}

#[test]
fn a_stop_ends_it_in_time_with_0() {
    // At one request a second the sync is far from its end.
    let world = World::new(&["--opportunities", "5000", "--rate", "1", "--burst", "4"]);
    let mut daemon = world.daemon();
    assert_eq!(world.json(&["status"])["backfill"]["state"], "running");
    let begun = Instant::now();
    daemon.signal("TERM");
    assert_eq!(daemon.wait().code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert_eq!(world.health("live"), None);
}

#[test]
fn a_reload_takes_up_what_it_can_and_refuses_a_bad_config() {
    let world = World::new(&SMALL);
    let mut daemon = world.daemon();
    let good = fs::read_to_string(&world.config).unwrap();
    let log = |daemon: &crate::processes::Process, part: &str| {
        wait_for(part, || daemon.told().contains(part).then_some(()));
    };

    fs::write(&world.config, "[organisation]\nname = ''\n").unwrap();
    daemon.signal("HUP");
    log(&daemon, "the new config is not used, the old one stays");
    assert!(daemon.told().contains("organisation.timezone"));
    fs::write(&world.config, &good).unwrap();
    assert_eq!(world.health("ready"), Some(200));
    let told = world.component("config");
    assert_eq!(told["status"], "degraded");
    let detail = told["detail"].as_str().unwrap();
    assert!(detail.contains("mistakes") && detail.contains("`fulcrum check`"), "{detail}");

    let changed = good
        .replace("[transcript]", "[transcript]\nmax_wait = \"12h\"")
        .replace("burst = 1000", "burst = 900");
    fs::write(&world.config, changed).unwrap();
    daemon.signal("HUP");
    log(&daemon, "the new value holds");
    log(&daemon, "waits for a restart");
    assert!(daemon.told().contains("transcript.max_wait") && daemon.told().contains("lever.burst"));
    assert_eq!(world.component("config")["status"], "ok");

    daemon.signal("INT");
    assert_eq!(daemon.wait().code(), Some(0));
}

#[test]
fn systemd_is_told_that_it_is_ready_how_it_goes_and_that_there_is_progress() {
    let world = World::new(&SMALL);
    let socket = world.config.with_file_name("notify");
    let heard = UnixDatagram::bind(&socket).unwrap();
    heard.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let env = [("NOTIFY_SOCKET", socket.to_str().unwrap()), ("WATCHDOG_USEC", "1500000")];
    let mut daemon = world.daemon_with(&env);
    let next = || {
        let mut buffer = [0; 1024];
        let length = heard.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    assert!(next().contains("READY=1"));
    // Fed again and again, three times in the time that it is given.
    let fed: Vec<_> = std::iter::repeat_with(next).take(4).collect();
    assert!(fed.iter().all(|told| told.contains("WATCHDOG=1") && told.contains("STATUS=")), "{fed:?}");
    daemon.signal("TERM");
    assert!(std::iter::repeat_with(next).take(20).any(|told| told.contains("STOPPING=1")));
    assert_eq!(daemon.wait().code(), Some(0));
}

#[test]
fn at_the_lowest_level_the_log_has_no_secret_and_nobodys_words_or_number() {
    let world = World::new(&SMALL);
    let config = fs::read_to_string(&world.config).unwrap();
    fs::write(&world.config, config + "[log]\nfilter = 'trace'\n").unwrap();
    let mut daemon = world.daemon();
    world.synced();
    let somebody = world.sandbox("opportunity?phone=true");
    let (opportunity, number) =
        (somebody["opportunity"].as_str().unwrap(), somebody["number"].as_str().unwrap());
    world.command(&["send", "--opportunity", opportunity]).write_stdin("Outward-words?").assert().code(0);
    wait_for("the text", || (world.ledger("message_created") == 1).then_some(()));
    world.tell_the_sandbox("inbound", &json!({ "from": number, "body": "Inward-words!" }));
    world.tell_the_sandbox("events", &json!({ "event": "stage", "opportunity": opportunity }));
    let conversation = world.json(&["conversations"])["data"][0]["id"].as_str().unwrap().to_owned();
    wait_for("the answer", || {
        let messages = world.json(&["messages", &conversation]);
        (messages["data"].as_array().unwrap().len() == 2).then_some(())
    });
    world.command(&["file", &conversation]).assert().code(0);
    wait_for("the note", || (world.ledger("note_created") == 1).then_some(()));
    daemon.signal("TERM");
    assert_eq!(daemon.wait().code(), Some(0));

    let log = daemon.told();
    // Libraries are heard up to info alone, whatever the filter says, so TRACE itself never shows.
    assert!(log.contains("fulcrum runs") && !log.contains("TRACE"), "{log}");
    let announced = |name: &str| world.announced[name].as_str().unwrap().to_owned();
    let tokens = world.announced["webhook_tokens"].as_object().unwrap().values();
    let mut secrets: Vec<_> = tokens.map(|token| token.as_str().unwrap().to_owned()).collect();
    secrets.extend([announced("api_key"), announced("auth_token"), announced("api_token")]);
    let basic = |user: &str, password: &str| BASE64.encode(format!("{user}:{password}"));
    secrets.push(basic(&announced("api_key"), ""));
    secrets.push(basic(&announced("account_sid"), &announced("auth_token")));
    secrets.extend(["Outward-words".to_owned(), "Inward-words".to_owned()]);
    secrets
        .extend([number.trim_start_matches('+').to_owned(), somebody["name"].as_str().unwrap().to_owned()]);
    for secret in secrets {
        let line = log.lines().find(|line| line.contains(&secret));
        assert_eq!(line, None, "{secret}");
    }
}

#[test]
fn opt_outs_by_other_ways_are_recorded_one_by_one_and_from_a_file() {
    let world = World::new(&SMALL);
    let _daemon = world.daemon();
    let refused = |number: &str| {
        let refused = world.command(&["send", "--to", number]).write_stdin("Hello").assert().code(1);
        assert!(told(&refused).contains("opted out"), "{}", told(&refused));
    };
    world
        .command(&["opt-out", "+12025550161", "--reason", "called us", "--on", "2025-03-04"])
        .assert()
        .code(0);
    refused("+12025550161");

    let file = world.config.with_file_name("list.csv");
    fs::write(&file, "number,date\n+12025550162,2025-03-04\nnone,\n+12025550163,\n+12025550164,soon\n")
        .unwrap();
    let path = file.to_str().unwrap();
    let import = ["opt-outs", "import", path, "--reason", "the old system"];
    let dry = world.command(&import).assert().code(1);
    assert!(told(&dry).contains("line 3: ") && told(&dry).contains("line 5: "), "{}", told(&dry));
    world.command(&["send", "--to", "+12025550163"]).write_stdin("Hello").assert().code(0);
    world.command(&[&import[..], &["--yes"]].concat()).assert().code(1);
    refused("+12025550162");
    refused("+12025550163");
    let told = world.command(&[&import[..], &["--json"]].concat()).assert().code(1);
    let told: serde_json::Value = serde_json::from_slice(&told.get_output().stdout).unwrap();
    assert_eq!(
        (&told["good"], &told["recorded"], &told["bad"][0]["line"]),
        (&json!(2), &json!(0), &json!(3))
    );
    let told = world.json(&["opt-out", "+12025550163", "--reason", "called"]);
    assert_eq!(told, json!({"opted_out": true}));
}

#[test]
fn a_second_daemon_is_told_who_is_first() {
    let world = World::new(&SMALL);
    let _daemon = world.daemon();
    let second = world.command(&["run"]).assert().code(1);
    assert!(told(&second).contains("already open"), "{}", told(&second));
}

/// With a mistake in the config on disk no command worked, although the daemon ran on; and none for whoever may
/// use the socket and cannot read the secrets.
#[test]
fn commands_reach_the_daemon_whatever_is_in_the_config_by_now() {
    let world = World::new(&SMALL);
    let _daemon = world.daemon();
    let good = fs::read_to_string(&world.config).unwrap();
    let secret = world.config.with_file_name("lever-api-key");
    fs::remove_file(&secret).unwrap();
    let fine = world.command(&["status"]).assert().code(0);
    assert!(!told(&fine).contains("mistakes"), "{}", told(&fine));
    fs::write(&world.config, format!("{good}\n[reminderz]\n")).unwrap();
    for command in [&["status"][..], &["conversations"], &["automations", "list"]] {
        let warned = world.command(command).assert().code(0);
        assert!(told(&warned).contains("the config on disk has mistakes"), "{}", told(&warned));
        assert!(told(&warned).contains("reminderz"), "{}", told(&warned));
    }
    let taken = world.command(&["opt-out", "+12025550188", "--reason", "called", "--json"]).assert().code(0);
    assert_eq!(taken.get_output().stdout, b"{\"opted_out\":true}\n");
}

/// The key "worked", all that it may do was "doubtful", health was ok, and the sync never began.
#[test]
fn an_address_that_is_not_levers_is_told() {
    let world = World::new(&SMALL);
    let good = fs::read_to_string(&world.config).unwrap();
    let wrong = good.replace("/v1\"", "/\"");
    assert_ne!(good, wrong);
    fs::write(&world.config, wrong).unwrap();
    let assert = world.command(&["doctor"]).assert().code(1);
    let shown = String::from_utf8_lossy(&assert.get_output().stdout).into_owned();
    let key = shown.lines().find(|line| line.starts_with("lever key")).unwrap();
    assert!(key.contains("broken") && key.contains("lever.base_url"), "{shown}");
    assert!(!shown.contains("permissions"), "{shown}");

    let _daemon = world.daemon();
    let lever = wait_for("health's word on Lever", || {
        let lever = world.json(&["status"])["health"]["components"]["lever"].clone();
        (lever["status"] == "failing").then_some(lever)
    });
    assert!(lever["detail"].as_str().unwrap().contains("lever.base_url"), "{lever}");
}

#[test]
fn doctor_finds_what_is_missing_beside_a_running_daemon() {
    let world = World::new(
        &[&SMALL[..], &["--permissions", "default,-create_an_opportunity_note,create_an_opportunity_panel"]]
            .concat(),
    );
    // Alone, it has all of Lever's rate.
    let shown = world.command(&["doctor"]).assert().code(1);
    let shown = String::from_utf8_lossy(&shown.get_output().stdout).into_owned();
    let row = |what: &str| shown.lines().find(|line| line.starts_with(what)).unwrap().to_owned();
    assert!(row("lever: Find all opportunity notes").contains("optional"), "{shown}");
    assert!(row("lever: 18 permissions").contains("works"), "{shown}");
    let _daemon = world.daemon();
    world.synced();
    let assert = world.command(&["doctor", "--json"]).assert().code(1);
    let told: serde_json::Value = serde_json::from_slice(&assert.get_output().stdout).unwrap();
    let state = |what: &str| {
        let findings = told["findings"].as_array().unwrap();
        findings.iter().find(|finding| finding["what"] == what).unwrap()["state"].as_str().unwrap().to_owned()
    };
    assert_eq!(told["ok"], false);
    assert_eq!(state("lever: Create an opportunity note"), "broken");
    assert_eq!(state("lever: Find all opportunity notes"), "missing");
    for works in
        ["config", "daemon", "store", "lever key", "clock", "carrier account", "port of server.listen"]
    {
        assert_eq!(state(works), "works", "{works}");
    }
    // Beside the doctor's two looks the daemon had one as well: interviews that waited for that permission go on.
    let asked = &world.sandbox("stats")["lever"]["by_route"]["POST /v1/opportunities/{o}/panels"];
    assert_eq!(asked, 3);
}

#[test]
fn a_backup_beside_the_daemon_is_restored_muted_and_a_person_is_erased_by_command() {
    let world = World::new(&SMALL);
    let mut daemon = world.daemon();
    world.synced();
    let somebody = world.sandbox("opportunity?phone=true");
    let opportunity = somebody["opportunity"].as_str().unwrap();
    let send = |text: &str| {
        world.command(&["send", "--opportunity", opportunity]).write_stdin(text).assert().code(0);
    };
    send("See you at 10?");
    wait_for("the text", || (world.ledger("message_created") == 1).then_some(()));
    let backup = world.config.with_file_name("today.backup");
    let backup = backup.to_str().unwrap();
    assert!(world.json(&["backup", backup])["rows"].as_u64().unwrap() > 300);
    let again = world.command(&["backup", backup]).assert().code(1);
    assert!(told(&again).contains("a file of this name is there already"), "{}", told(&again));
    let running = world.command(&["restore", "--replace", backup]).assert().code(1);
    assert!(told(&running).contains("the daemon runs"), "{}", told(&running));
    let nothing = world.command(&["unmute"]).assert().code(1);
    assert!(told(&nothing).contains("nothing is muted"), "{}", told(&nothing));

    daemon.signal("TERM");
    daemon.wait();
    let whole = fs::read(backup).unwrap();
    let cut = world.config.with_file_name("cut.backup");
    fs::write(&cut, &whole[..whole.len() - 7]).unwrap();
    let refused = world.command(&["restore", "--replace", cut.to_str().unwrap()]).assert().code(1);
    assert!(told(&refused).contains("damaged or was cut off"), "{}", told(&refused));
    let there = world.command(&["restore", backup]).assert().code(1);
    assert!(told(&there).contains("--replace"), "{}", told(&there));
    assert_eq!(world.json(&["restore", "--check", backup])["store"], serde_json::Value::Null);
    let beside = world.config.with_file_name("beside.backup");
    assert!(world.json(&["backup", beside.to_str().unwrap()])["rows"].is_u64(), "without a daemon, too");
    let restored = world.json(&["restore", "--replace", backup]);
    assert!(restored["kept"].is_string());
    assert_eq!(restored["taken_over"], json!({"erasures": 0, "nameless": 0, "held": 0, "opt_outs": 0}));

    let _daemon = world.daemon();
    assert!(world.json(&["status"])["muted_since"].is_string());
    send("From the copy");
    assert_eq!(world.json(&["unmute"])["texts"], 1);
    assert_eq!(world.ledger("message_created"), 1);
    assert_eq!(world.json(&["unmute", "--yes"])["texts"], 1);
    wait_for("the text", || (world.ledger("message_created") == 2).then_some(()));

    let csv = world.config.with_file_name("past.csv");
    let rows = "number,direction,at,body,author\n\
        +13125550199,out,2024-03-01T10:00:00Z,\"Hello, from before\",Ana\n\
        +13125550199,in,2024-03-01T10:05:00Z,STOP,\n";
    fs::write(&csv, format!("{rows}+1,out,2024-03-01T10:00:00Z,x,\n")).unwrap();
    let wrong = world.command(&["import", csv.to_str().unwrap()]).assert().code(1);
    assert!(told(&wrong).contains("line 4: number"), "{}", told(&wrong));
    fs::write(&csv, rows).unwrap();
    assert_eq!(world.json(&["import", "--check", csv.to_str().unwrap()]), json!({"rows": 2, "bad": []}));
    let taken = world.json(&["import", csv.to_str().unwrap()]);
    assert_eq!(taken, json!({"texts": 2, "known": 0, "opt_outs": 1, "possible_opt_outs": 0}));
    let taken = world.json(&["import", csv.to_str().unwrap()]);
    assert_eq!(taken, json!({"texts": 0, "known": 2, "opt_outs": 0, "possible_opt_outs": 0}));
    let past = world.command(&["send", "--to", "+13125550199"]).write_stdin("Again?").assert().code(1);
    assert!(told(&past).contains("opted out"), "{}", told(&past));

    let link = world.json(&["book", opportunity, "phone"])["url"].clone();
    assert!(link.as_str().unwrap().contains("/b/"), "{link}");
    let nothing = world.command(&["book", opportunity, "lunch"]).assert().code(1);
    assert!(told(&nothing).contains("no such event type"), "{}", told(&nothing));

    let everything = world.config.with_file_name("all.jsonl");
    let written = world.json(&["export", everything.to_str().unwrap()])["lines"].clone();
    let lines = fs::read_to_string(&everything).unwrap();
    let lines: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(written, lines.len());
    let count = |kind: &str| lines.iter().filter(|line| line["type"] == kind).count();
    let known = world.json(&["status"])["opportunities"].as_u64().unwrap();
    assert_eq!((count("export"), count("opportunity") as u64, count("message")), (1, known, 4));
    assert_eq!((count("booking"), count("opt_out")), (1, 1));
    let (beside, folder) =
        (world.config.with_file_name("beside.jsonl"), world.config.with_file_name("pictures"));
    let with_files = ["export", beside.to_str().unwrap(), "--files", folder.to_str().unwrap()];
    assert!(world.json(&with_files)["lines"].is_u64());
    assert!(folder.is_dir());
    fs::remove_file(&beside).unwrap();
    let there = world.command(&with_files).assert().code(1);
    assert!(told(&there).contains("pictures") && !beside.exists() && folder.is_dir(), "{}", told(&there));
    let person = world.config.with_file_name("person.zip");
    let person = person.to_str().unwrap();
    world.command(&["export", "--opportunity", opportunity, person]).assert().code(0);
    let mut person = zip::ZipArchive::new(fs::File::open(person).unwrap()).unwrap();
    let talk = std::io::read_to_string(person.by_name("conversations.txt").unwrap()).unwrap();
    assert!(talk.contains("See you at 10?") && talk.contains("From the copy"));
    let data = std::io::read_to_string(person.by_name("data.jsonl").unwrap()).unwrap();
    assert_eq!(data.lines().filter(|line| line.contains("\"type\":\"booking\"")).count(), 1);
    let of_others =
        data.lines().filter(|line| line.contains("\"opportunity\"") && !line.contains(opportunity));
    assert_eq!(of_others.count(), 0);

    let last = world.config.with_file_name("last.backup");
    assert!(world.json(&["backup", last.to_str().unwrap()])["rows"].is_u64());
    let told_of = world.json(&["erase", "--opportunity", opportunity]);
    assert_eq!((&told_of["id"], &told_of["erased"]["messages"]), (&json!(null), &json!(2)));
    let erased = world.json(&["erase", "--opportunity", opportunity, "--yes"]);
    assert_eq!(erased["erased"], told_of["erased"]);
    wait_for("a whole certificate", || {
        let id = erased["id"].to_string();
        world.json(&["erase", "--certificate", &id])["complete"].as_bool().filter(|complete| *complete)
    });
    assert_eq!(world.ledger("message_deleted"), 2);
    let log = world.config.with_file_name("audit.jsonl");
    let log = log.to_str().unwrap();
    let written = world.json(&["audit", "export", log])["entries"].clone();
    let entries = fs::read_to_string(log).unwrap();
    assert_eq!(written, entries.lines().count());
    assert!(entries.contains("restored from a backup") && entries.contains("erased by command"));
    for copy in ["a backup was made by command: ", "everything was exported: ", "of a person was exported"] {
        assert!(entries.contains(copy), "{copy}");
    }
    assert_eq!(world.json(&["audit", "verify", log, "--continues"]), world.json(&["audit", "verify"]));
    fs::write(log, entries.replace("operator", "somebody")).unwrap();
    let broken = world.command(&["audit", "verify", log]).assert().code(1);
    assert!(told(&broken).contains("is not what was written"), "{}", told(&broken));

    let nobody = world.command(&["erase", "--opportunity", opportunity]).assert().code(1);
    assert!(told(&nobody).contains("nothing is known"), "{}", told(&nobody));
}
