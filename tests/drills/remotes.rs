//! What the remotes do wrong: down, cut off, rubbish, silence, and no name for their address.

use std::fs;

use fulcrum_sandbox::{Fault, Remote, Rule};
use http::Method;
use serde_json::Value;

use crate::machine::may_mount;
use crate::stage::{Outcome, Scale, Setup, Stage};

const BOTH: [Remote; 2] = [Remote::Lever, Remote::Twilio];

async fn while_faulty(faults: Vec<Rule>, scale: Scale) -> anyhow::Result<Outcome> {
    let stage = Stage::set(Setup { faults, ..Setup::default() }, |_| {}).await?;
    stage
        .play(scale, async |_| {
            tokio::time::sleep(scale.fault).await;
            Ok(())
        })
        .await
}

/// Lever takes no connection, and its webhooks do not come either.
pub(crate) async fn lever_down(scale: Scale) -> anyhow::Result<Outcome> {
    let down = Rule::new(Remote::Lever, Fault::CutBefore);
    while_faulty(vec![down, Rule::new(Remote::LeverWebhook, Fault::Delay { ms: 1500 })], scale).await
}

/// The carrier takes no connection, and its webhooks do not come either.
pub(crate) async fn carrier_down(scale: Scale) -> anyhow::Result<Outcome> {
    let down = Rule::new(Remote::Twilio, Fault::CutBefore);
    while_faulty(vec![down, Rule::new(Remote::TwilioWebhook, Fault::Drop)], scale).await
}

/// Both do what is asked and cut the connection before they say so, a third of the time.
pub(crate) async fn cut_after(scale: Scale) -> anyhow::Result<Outcome> {
    let cut = |remote| Rule::new(remote, Fault::CutAfter).probability(0.33);
    while_faulty(BOTH.map(cut).into(), scale).await
}

/// Both do what is asked and answer with a web page, with bytes, with half an answer.
pub(crate) async fn rubbish(scale: Scale) -> anyhow::Result<Outcome> {
    let faults = BOTH.into_iter().flat_map(|remote| {
        [Fault::Html, Fault::Rubbish, Fault::HalfBody].map(|fault| Rule::new(remote, fault).probability(0.15))
    });
    while_faulty(faults.collect(), scale).await
}

/// Both never answer a part of what is asked.
pub(crate) async fn silence(scale: Scale) -> anyhow::Result<Outcome> {
    let faults = BOTH.into_iter().flat_map(|remote| {
        let hang = Rule::new(remote, Fault::Hang);
        [hang.clone().method(&Method::GET).probability(0.1), hang.method(&Method::POST).probability(0.15)]
    });
    while_faulty(faults.collect(), scale).await
}

/// The names of both are not known any more. The daemon has `/etc/hosts` for itself, and the name in it is
/// taken away.
pub(crate) async fn names_unknown(scale: Scale) -> anyhow::Result<Outcome> {
    // Below `localhost` no TLS is asked for.
    const NAME: &str = "remotes.localhost";
    may_mount()?;
    let folder = tempfile::tempdir()?;
    let hosts = folder.path().join("hosts");
    let (known, unknown) = (format!("127.0.0.1 localhost {NAME}\n"), "127.0.0.1 localhost\n");
    fs::write(&hosts, &known)?;
    let script = format!("mount --bind {} /etc/hosts && exec \"$@\"", hosts.display());
    let under = ["unshare", "--mount", "sh", "-c", &script, "sh"].map(str::to_owned).into();
    let stage = Stage::set(Setup { under, ..Setup::default() }, |settings| {
        let named =
            |url: &mut Value| *url = url.as_str().unwrap_or_default().replace("127.0.0.1", NAME).into();
        named(&mut settings["lever"]["base_url"]);
        named(&mut settings["carrier"]["twilio"]["base_url"]);
    })
    .await?;
    stage
        .play(scale, async |stage| {
            // In place, since what is mounted is this very file.
            fs::write(&hosts, unknown)?;
            // Connections that are open live on; those that are made now need the name.
            for remote in BOTH {
                stage.sandbox.faults().add(Rule::new(remote, Fault::CutBefore).times(20));
            }
            tokio::time::sleep(scale.fault).await;
            fs::write(&hosts, &known)?;
            Ok(())
        })
        .await
}
