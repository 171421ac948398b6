//! `cargo xtask bench model`: a MAAS to try `upload` and `remote` on.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::Result;

use crate::exit::{Coded, Exit};
use crate::given;
use crate::maas::model::dialect::{self, Dialect};
use crate::maas::model::fault::{Calm, Happened, Plan, Random};
use crate::maas::model::front::Server;
use crate::maas::model::machines::Machine;
use crate::signal::CancelToken;
use crate::verbs::print;

/// How often Ctrl-C is looked for.
const POLL: Duration = Duration::from_millis(100);

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Release to behave as: 3.4, 3.5, 3.6, 3.7 or 3.8
    #[arg(long, default_value = "3.7", value_name = "RELEASE")]
    maas: String,
    /// Port on 127.0.0.1 [default: a free one]
    #[arg(long, default_value_t = 0, hide_default_value = true, value_parser = given::number::<u16>)]
    port: u16,
    /// So many of a thousand requests go wrong
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=900))]
    faults: u64,
}

/// Serves until Ctrl-C.
///
/// # Errors
/// No such release, or the port is taken.
pub fn run(args: &Args) -> Result<Exit> {
    let dialect = release(&args.maas)?;
    let plan: Box<dyn Plan> = match args.faults {
        0 => Box::new(Calm),
        share => Box::new(Random::new(1, share, Happened::default())),
    };
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, args.port));
    let server = Server::start_at(address, dialect, plan).map_err(|error| {
        let hint = "--port 0 takes one that is free";
        Coded::host(format!("cannot listen on {address}: {error}\n  hint: {hint}"))
    })?;
    server.app().machines = vec![Machine::ready("abc123", "imagetest")];
    // A model's key opens nothing: it is in the source.
    print(&format!(
        "MAAS {}, a model; it keeps no image and forgets everything at the end (Ctrl-C)\n\
         export MAAS_URL={} MAAS_API_KEY={}\n",
        dialect.version,
        server.url,
        Server::key()
    ))?;
    while !CancelToken::global().is_set() {
        std::thread::sleep(POLL);
    }
    let (app, pieces) = (server.app(), server.piece_bytes());
    print(&format!(
        "{} requests over {} connections, {pieces} bytes of pieces\n",
        app.log.len(),
        server.connections()
    ))?;
    Ok(Exit::Ok)
}

fn release(text: &str) -> Result<&'static Dialect> {
    let fits = |d: &&&Dialect| d.version.strip_prefix(text).is_some_and(|r| r.starts_with('.'));
    dialect::ALL.iter().find(fits).copied().ok_or_else(|| {
        Coded::usage(format!(
            "--maas {text}: there is no model of that release\n  hint: 3.4, 3.5, 3.6, 3.7 or 3.8"
        ))
    })
}
