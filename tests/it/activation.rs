//! A socket that systemd keeps: whoever connects while the daemon is not there waits, and is answered.

#![allow(clippy::disallowed_methods, reason = "a client of a test, outside of the daemon")]

use std::net::TcpListener;

use fulcrum_sandbox::Sandbox;
use serde_json::json;

use crate::daemon::Daemon;
use crate::world::small;

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_refused_during_a_restart() {
    let sandbox = Sandbox::start(small()).await.unwrap();
    let public = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/api/v1/openapi.json", public.local_addr().unwrap());
    // The port that the config names is another one: what is handed over counts.
    let mut daemon = Daemon::new(&sandbox, |settings| settings["server"]["listen"] = json!("127.0.0.1:0"));
    let http = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().unwrap();
    let ask = || {
        let request = http.get(&url).timeout(std::time::Duration::from_secs(60));
        async { request.send().await.unwrap().status().as_u16() }
    };
    for _ in 0..2 {
        let (answered, ()) = tokio::join!(ask(), async {
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            daemon.start_on(&public);
        });
        assert_eq!(answered, 200);
        daemon.terminate().await;
    }
}
